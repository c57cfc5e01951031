/**
 * Every key: how its text is read, its default, and what a person is told where the text is wrong.
 * Environment and file both arrive here as text, so that a key means the same in both.
 */
import { z } from "zod";
import type { PushRight, RedirectMode } from "./config.ts";
import { parseDuration, parseSize } from "./units.ts";
import {
  faultOfBaseUrl,
  parseBoolean,
  parseCidrText,
  parseCron,
  parseHostName,
  parseHostPattern,
  parseImagePattern,
  parseListenAddress,
  parseListenHost,
  parsePlatform,
  parsePort,
  parseRedirectRule,
  parseRegistryName,
  parseTagTtl,
  parseTarget,
  toBaseUrl,
} from "./value.ts";

/** Registries take manifests of at least as much (distribution-spec "Pushing Manifests"). */
const LEAST_MANIFEST_BYTES = 4 * 2 ** 20;
/** The longest time-out; longer ones would overflow the runtime's timers. */
const MAX_TIMEOUT_SECONDS = 7 * 86_400;

function text<T>(parse: (text: string) => T | undefined, advice: string) {
  return z.string().transform((value, context): T => {
    const parsed = parse(value);
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: "custom", message: advice });
    return z.NEVER;
  });
}

/** A list whose entries are separated by commas or white space; the advice names the bad entry. */
function list<T>(parse: (text: string) => T | undefined, advice: string) {
  return z.string().transform((value, context): readonly T[] => {
    const parsed: T[] = [];
    for (const entry of value.split(/[\s,]+/).filter((part) => part !== "")) {
      const item = parse(entry);
      if (item === undefined) {
        const message = value === entry ? advice : `${JSON.stringify(entry)} is wrong: ${advice}`;
        context.addIssue({ code: "custom", message });
      } else parsed.push(item);
    }
    return parsed;
  });
}

function choice<const T extends string>(...options: T[]) {
  const advice = `write ${options.slice(0, -1).join(", ")} or ${options.at(-1)}`;
  return text((value) => options.find((option) => option === value.toLowerCase()), advice);
}

const boolean = text(parseBoolean, "write true or false");
const duration = text(parseDuration, "write a duration such as 30s, 5m, 1h30m, 1d or 1w");
const timeout = text(
  (value) => {
    const seconds = parseDuration(value);
    return seconds !== undefined && seconds > 0 && seconds <= MAX_TIMEOUT_SECONDS
      ? seconds
      : undefined;
  },
  "write a duration between 1s and 7d such as 30s or 5m",
);
const grace = text(
  (value) => {
    const seconds = parseDuration(value);
    return seconds !== undefined && seconds <= MAX_TIMEOUT_SECONDS ? seconds : undefined;
  },
  "write a duration of at most 7d such as 30s or 5m, or 0",
);
const size = text(parseSize, "write a size such as 10GiB or 500MB");
const positiveSize = text(
  (value) => parseSize(value) || undefined,
  "write a size such as 10GiB or 500MB (to run without a cache, set CACHE_ENABLED=false)",
);

const HOST_ADVICE = "write a host name such as example.com, without scheme, port or path";

const baseUrl = z.string().transform((value, context): URL => {
  const fault = faultOfBaseUrl(value);
  if (fault === undefined) return toBaseUrl(value);
  context.addIssue({ code: "custom", message: fault });
  return z.NEVER;
});

const publicUrl = z.string().transform((value, context): URL => {
  const url = URL.parse(value);
  const isOrigin = url !== null && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`;
  if (isOrigin) return url;
  context.addIssue({
    code: "custom",
    message: "write scheme, host and port as clients see them, such as https://docker.example.com",
  });
  return z.NEVER;
});

/** The default upstream: a registry host, or a base URL. */
const target = z.string().transform((value, context): URL => {
  const isHost = parseRegistryName(value) !== undefined;
  const fault = isHost ? undefined : faultOfBaseUrl(value);
  if (fault === undefined) return toBaseUrl(isHost ? `https://${value}` : value);
  const advice = value.includes("://")
    ? fault
    : "write a registry's host such as ghcr.io, or a URL such as http://registry.lan:5000";
  context.addIssue({ code: "custom", message: advice });
  return z.NEVER;
});

const tagTtl = list(
  parseTagTtl,
  "write <tag pattern>=<duration>, such as latest=5m,sha-*=30d, separated by commas",
);
const redirectMode = choice<RedirectMode>("stream", "pass", "auto");
const KINDS_OF_TARGET = "write addresses in CIDR form such as 10.0.0.0/8, or hosts such as " +
  "minio.lan or *.storage.lan, separated by commas";

/** One alone could not ask anything while a blob is on its way. */
const connections = text(
  (value) => /^([2-9]|[1-9]\d{1,3})$/.test(value) ? Number(value) : undefined,
  "write a number from 2 to 9999",
);

/** The keys that are the same for every upstream. */
export const SETTINGS = z.object({
  PORT: text(parsePort, "write a port from 1 to 65535").default(8080),
  HOST: text(parseListenHost, "write an IP address or host name, without a port").default(
    "0.0.0.0",
  ),
  PROXY_LISTEN_ADDR: text(parseListenAddress, "write :5002, 127.0.0.1:5002 or [::1]:5002")
    .optional(),
  CUSTOM_DOMAIN: text(parseHostName, HOST_ADVICE).optional(),
  PUBLIC_URL: publicUrl.optional(),
  TRUSTED_PROXIES: list(
    parseCidrText,
    "write IP addresses or ranges such as 10.0.0.0/8, separated by commas",
  ).default([]),
  UPSTREAM_REGISTRY_HOST: target.optional(),
  TARGET_UPSTREAM: target.optional(),
  REDIRECT_MODE: redirectMode.optional(),
  REDIRECT_RULES: list(
    parseRedirectRule,
    "write <host>=stream or <host>=pass, such as *.cloudfront.net=pass, separated by commas",
  ).default([]),
  FOLLOW_ALL_REDIRECTS: boolean.optional(),
  BLOCKED_HOSTS: list(
    parseHostName,
    "write host names such as cdn.example.com, separated by commas",
  )
    .default([]),
  PRIVATE_TARGETS: list(parseTarget, KINDS_OF_TARGET).default([]),
  CACHE_ENABLED: boolean.default(true),
  CACHE_DIR: z.string().default("./cache"),
  CACHE_MAX_SIZE: positiveSize.default(10 * 2 ** 30),
  CACHE_MIN_FREE: size.default(2 ** 30),
  CACHE_MANIFEST_TTL: duration.default(86_400),
  CACHE_BLOB_TTL: duration.default(365 * 86_400),
  TAG_TTL: tagTtl.default([]),
  STALE_WHILE_REVALIDATE: duration.default(0),
  STALE_IF_ERROR: duration.default(7 * 86_400),
  NEGATIVE_TTL: duration.default(5),
  OFFLINE: boolean.default(false),
  PREFETCH: boolean.default(true),
  PREFETCH_FILLS: text(
    (value) => /^[1-9]\d?$/.test(value) ? Number(value) : undefined,
    "write a number from 1 to 99",
  ).default(3),
  RANGE_MISS: choice("pass", "fill").default("fill"),
  VERIFY_READS: text(
    (value) => /^(0(\.\d+)?|1(\.0+)?)$/.test(value) ? Number(value) : undefined,
    "write a share from 0 to 1 such as 0.01",
  ).default(0),
  CACHE_PUSHES: boolean.default(false),
  PUSH: choice("allow", "deny").optional(),
  MAX_MANIFEST_SIZE: text(
    (value) => {
      const bytes = parseSize(value);
      return bytes !== undefined && bytes >= LEAST_MANIFEST_BYTES ? bytes : undefined;
    },
    "write a size of at least 4MiB such as 16MiB",
  ).default(16 * 2 ** 20),
  SECRET_KEY: text(
    (value) => value.length >= 32 ? value : undefined,
    "write at least 32 characters, such as what `openssl rand -base64 32` prints",
  ).optional(),
  METRICS: boolean.default(true),
  ADMIN_TOKEN: text(
    (value) => value.length >= 16 && !/\s/.test(value) ? value : undefined,
    "write at least 16 characters without spaces, such as what `openssl rand -hex 24` prints",
  ).optional(),
  STATS_PUBLIC: boolean.default(false),
  UPSTREAM_HEADERS_TIMEOUT: timeout.default(30),
  UPSTREAM_MAX_CONNECTIONS: connections.default(64),
  UPSTREAM_IDLE_TIMEOUT: timeout.default(60),
  FILL_ABANDON_AFTER: grace.optional(),
  SHUTDOWN_GRACE: grace.default(30),
  DEBUG: boolean.default(false),
  LOG_FORMAT: choice("auto", "json", "text").default("auto"),
  LOG_LEVEL: text(
    (value) => {
      const level = value.toLowerCase() === "warn" ? "warning" : value.toLowerCase();
      return (["debug", "info", "warning", "error"] as const).find((known) => known === level);
    },
    "write debug, info, warning or error",
  ).default("info"),
  DNS_SERVERS: z.string().optional(),
});

/** The fields of one upstream, as they stand after `UPSTREAM_<ALIAS>_`. */
export const UPSTREAM_FIELDS = z.object({
  URL: baseUrl.optional(),
  REGISTRY: text(parseRegistryName, "write a registry's name such as ghcr.io or localhost:5000")
    .optional(),
  NAMES: list(parseRegistryName, "write registry names such as ghcr.io, separated by commas")
    .optional(),
  AUTH: choice("relay", "account").optional(),
  USERNAME: z.string().optional(),
  PASSWORD: z.string().optional(),
  PASSWORD_FILE: z.string().optional(),
  ACCOUNTS: z.string().optional(),
  ACCOUNTS_FILE: z.string().optional(),
  DOCKER_CONFIG: z.string().optional(),
  REALMS: list(parseHostPattern, "write hosts such as auth.example.com, separated by commas")
    .optional(),
  REDIRECT: redirectMode.optional(),
  TAG_TTL: tagTtl.optional(),
  PUSH: choice<PushRight>("allow", "deny", "account").optional(),
  LIBRARY: boolean.optional(),
  MAX_CONNECTIONS: connections.optional(),
});

/** The fields of an entry of `warm`. */
export const WARM_FIELDS = z.object({
  IMAGES: list(
    parseImagePattern,
    "write images such as nginx or ghcr.io/org/app:1.*, separated by commas",
  ).default([]),
  PLATFORMS: list(
    parsePlatform,
    "write platforms such as linux/amd64, separated by commas, or all",
  ).default(["linux/amd64"]),
  AT: text(
    parseCron,
    'write a time as cron does, such as "0 3 * * *" for three in the morning, or @daily',
  ).default("@daily"),
});

/** The values of the keys that are the same for every upstream. */
export type Settings = z.infer<typeof SETTINGS>;
/** The values of one upstream's fields. */
export type UpstreamFields = z.infer<typeof UPSTREAM_FIELDS>;

/** The values of an entry of `warm`. */
export type WarmFields = z.infer<typeof WARM_FIELDS>;

/** Names of an entry's fields. */
export const WARM_FIELD_NAMES: readonly string[] = Object.keys(WARM_FIELDS.shape);
/** Names of the keys, for recognition and suggestions. `CONFIG_FILE` is the environment's alone. */
export const SETTING_KEYS: ReadonlySet<string> = new Set(Object.keys(SETTINGS.shape));
/** Names of an upstream's fields; a longer name stands before one that it ends with. */
export const UPSTREAM_FIELD_NAMES: readonly string[] = Object.keys(UPSTREAM_FIELDS.shape)
  .toSorted((a, b) => b.length - a.length);
