/**
 * Environment and file → one frozen {@linkcode Config}, or every fault at once.
 */
import type { z } from "zod";
import { describeReadError } from "./accounts.ts";
import { BLOCKED_HOSTS } from "./builtin.ts";
import type { Config, RedirectMode, Upstream } from "./config.ts";
import { readEnvironment } from "./env.ts";
import { ConfigError, type ConfigFault, showValue } from "./fault.ts";
import { readConfigFile } from "./file.ts";
import { createRawConfig, mergeRawConfigs, type RawConfig, type RawValue } from "./raw.ts";
import {
  SETTINGS,
  type Settings,
  UPSTREAM_FIELDS,
  type UpstreamFields,
  WARM_FIELDS,
  type WarmFields,
} from "./schema.ts";
import { buildUpstreams, labelOf, type Target } from "./upstreams.ts";

export { ConfigError, type ConfigFault } from "./fault.ts";

/** A configuration, and what its operator should know although it works. */
export interface LoadedConfig {
  readonly config: Config;
  readonly warnings: readonly string[];
}

/**
 * Reads the configuration from the environment and from the YAML file that `CONFIG_FILE` names; the
 * environment wins. The result is frozen, except for its URLs, which nobody may change.
 *
 * @throws {ConfigError} with all faults.
 */
export function loadConfig(
  env: Readonly<Record<string, string>>,
  readTextFile: (path: string) => string,
): LoadedConfig {
  const raw = mergeRawConfigs(readFile(env["CONFIG_FILE"], readTextFile), readEnvironment(env));
  const faults = [...raw.faults];
  const warnings: string[] = [];
  const settings = parseValues(SETTINGS, raw.settings, (key) => key, faults);
  const fields = new Map<string, UpstreamFields>();
  for (const [alias, values] of raw.upstreams) {
    const label = (field: string) => labelOf(raw, alias, field);
    fields.set(alias, parseValues(UPSTREAM_FIELDS, values, label, faults));
  }
  const { upstreams, targeted } = buildUpstreams({
    fields,
    raw,
    target: readTarget(raw, settings, faults),
    redirect: defaultRedirect(settings),
    push: settings.PUSH,
    maxConnections: settings.UPSTREAM_MAX_CONNECTIONS,
    readTextFile,
    faults,
    warnings,
  });
  const warm = raw.warm.map((values, i) => readWarmRule(values, `warm[${i}]`, faults));
  if (faults.length > 0) throw new ConfigError(faults);
  if (settings.DNS_SERVERS !== undefined) {
    warnings.push(
      "DNS_SERVERS is ignored: this program resolves names as its system does; " +
        "set the name servers there, for example with `docker run --dns`",
    );
  }
  return { config: deepFreeze(composeConfig(settings, warm, upstreams, targeted)), warnings };
}

function readFile(path: string | undefined, readTextFile: (path: string) => string): RawConfig {
  if (path === undefined || path === "") return createRawConfig();
  try {
    return readConfigFile(path, readTextFile(path));
  } catch (error) {
    const raw = createRawConfig();
    const advice = describeReadError(error);
    raw.faults.push({ key: "CONFIG_FILE", received: JSON.stringify(path), advice });
    return raw;
  }
}

/** Parses texts by a schema. Where a text is wrong, its fault is added and its default stands in. */
function parseValues<T>(
  schema: z.ZodType<T>,
  values: ReadonlyMap<string, RawValue>,
  label: (key: string) => string,
  faults: ConfigFault[],
): T {
  const texts = new Map([...values].map(([key, { text }]) => [key, text]));
  const result = schema.safeParse(Object.fromEntries(texts));
  if (result.success) return result.data;
  for (const { path, message } of result.error.issues) {
    const key = String(path[0]);
    const written = values.get(key);
    const received = written === undefined ? null : showValue(key, written.text);
    faults.push({ key: written?.label ?? label(key), received, advice: message });
    texts.delete(key);
  }
  return schema.parse(Object.fromEntries(texts));
}

function readWarmRule(
  values: ReadonlyMap<string, RawValue>,
  label: string,
  faults: ConfigFault[],
): WarmFields {
  if (!values.has("IMAGES")) {
    const advice = "name what is to be pulled, such as nginx:latest";
    faults.push({ key: `${label}.images`, received: null, advice });
  }
  return parseValues(WARM_FIELDS, values, (field) => `${label}.${field.toLowerCase()}`, faults);
}

function readTarget(raw: RawConfig, settings: Settings, faults: ConfigFault[]): Target | null {
  const [first, second] = (["UPSTREAM_REGISTRY_HOST", "TARGET_UPSTREAM"] as const)
    .flatMap((key): Target[] => {
      const url = settings[key];
      const written = raw.settings.get(key);
      if (url === undefined || written === undefined) return [];
      return [{ url, label: written.label, hasScheme: written.text.includes("://") }];
    });
  if (first !== undefined && second !== undefined && first.url.href !== second.url.href) {
    const advice = `leave out either this or ${first.label}: both name the default upstream`;
    faults.push({ key: second.label, received: null, advice });
  }
  return first ?? null;
}

/** go-docker-proxy followed every redirect when told to, and otherwise judged by the target's host. */
function defaultRedirect(settings: Settings): RedirectMode {
  if (settings.REDIRECT_MODE !== undefined) return settings.REDIRECT_MODE;
  return settings.FOLLOW_ALL_REDIRECTS === false ? "auto" : "stream";
}

function composeConfig(
  settings: Settings,
  warm: readonly WarmFields[],
  upstreams: readonly Upstream[],
  targeted: Upstream | null,
): Config {
  const address = settings.PROXY_LISTEN_ADDR ?? { host: settings.HOST, port: settings.PORT };
  const customDomain = settings.CUSTOM_DOMAIN ?? null;
  const docker = upstreams.find(({ alias }) => alias === "docker") ?? null;
  return {
    listen: { host: address.host ?? "0.0.0.0", port: address.port },
    customDomain,
    publicUrl: settings.PUBLIC_URL ?? null,
    trustedProxies: settings.TRUSTED_PROXIES,
    upstreams,
    defaultUpstream: targeted ?? (customDomain === null ? docker : null),
    redirect: {
      rules: settings.REDIRECT_RULES,
      blockedHosts: [...new Set([...BLOCKED_HOSTS, ...settings.BLOCKED_HOSTS])],
    },
    privateTargets: settings.PRIVATE_TARGETS,
    cache: {
      enabled: settings.CACHE_ENABLED,
      dir: settings.CACHE_DIR,
      maxBytes: settings.CACHE_MAX_SIZE,
      minFreeBytes: settings.CACHE_MIN_FREE,
      manifestTtlSeconds: settings.CACHE_MANIFEST_TTL,
      blobTtlSeconds: settings.CACHE_BLOB_TTL,
      tagTtl: settings.TAG_TTL,
      staleWhileRevalidateSeconds: settings.STALE_WHILE_REVALIDATE,
      staleIfErrorSeconds: settings.STALE_IF_ERROR,
      negativeTtlSeconds: settings.NEGATIVE_TTL,
      offline: settings.OFFLINE,
      prefetchFills: settings.PREFETCH ? settings.PREFETCH_FILLS : 0,
      rangeMiss: settings.RANGE_MISS,
      verifyReads: settings.VERIFY_READS,
      pushes: settings.CACHE_PUSHES,
    },
    warm: warm.map(({ IMAGES: images, PLATFORMS: platforms, AT: at }) => ({
      images,
      platforms: platforms.includes("all") ? "all" : platforms,
      at,
    })),
    push: {
      maxManifestBytes: settings.MAX_MANIFEST_SIZE,
      secretKey: settings.SECRET_KEY ?? null,
    },
    metrics: settings.METRICS,
    admin: { token: settings.ADMIN_TOKEN ?? null, isStatsPublic: settings.STATS_PUBLIC },
    timeouts: {
      upstreamHeadersSeconds: settings.UPSTREAM_HEADERS_TIMEOUT,
      upstreamIdleSeconds: settings.UPSTREAM_IDLE_TIMEOUT,
      fillAbandonSeconds: settings.FILL_ABANDON_AFTER ?? null,
      shutdownGraceSeconds: settings.SHUTDOWN_GRACE,
    },
    log: { debug: settings.DEBUG, format: settings.LOG_FORMAT, level: settings.LOG_LEVEL },
  };
}

function deepFreeze<T>(value: T): T {
  // Freezing a URL would not freeze what its setters change.
  if (typeof value !== "object" || value === null || value instanceof URL) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
