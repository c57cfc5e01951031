/**
 * The configuration in effect as YAML, in the keys that a configuration file has. It can be used as
 * one, once the passwords are put in.
 */
import { stringify } from "yaml";
import type { Config, Upstream } from "../config/config.ts";
import { formatDuration, formatSize } from "../config/units.ts";

/** Returns YAML with a final line feed. Passwords are masked. */
export function describeConfig(config: Config): string {
  return stringify(configValues(config), { lineWidth: 0 });
}

/** The values by the keys of a configuration file. Passwords are masked. */
export function configValues(config: Config): Record<string, unknown> {
  const { cache, push, timeouts, log, redirect, defaultUpstream } = config;
  return {
    host: config.listen.host,
    port: config.listen.port,
    ...(config.customDomain === null ? {} : { customDomain: config.customDomain }),
    ...(config.publicUrl === null ? {} : { publicUrl: config.publicUrl.origin }),
    trustedProxies: config.trustedProxies,
    ...(defaultUpstream === null ? {} : { targetUpstream: describeUrl(defaultUpstream.url) }),
    redirectRules: redirect.rules.map(({ host, mode }) => `${host}=${mode}`),
    blockedHosts: redirect.blockedHosts,
    privateTargets: config.privateTargets,
    cacheEnabled: cache.enabled,
    cacheDir: cache.dir,
    cacheMaxSize: formatSize(cache.maxBytes),
    cacheMinFree: formatSize(cache.minFreeBytes),
    cacheManifestTtl: formatDuration(cache.manifestTtlSeconds),
    cacheBlobTtl: formatDuration(cache.blobTtlSeconds),
    tagTtl: describeTagTtl(cache.tagTtl),
    staleWhileRevalidate: formatDuration(cache.staleWhileRevalidateSeconds),
    staleIfError: formatDuration(cache.staleIfErrorSeconds),
    negativeTtl: formatDuration(cache.negativeTtlSeconds),
    offline: cache.offline,
    prefetch: cache.prefetchFills > 0,
    ...(cache.prefetchFills > 0 ? { prefetchFills: cache.prefetchFills } : {}),
    rangeMiss: cache.rangeMiss,
    verifyReads: cache.verifyReads,
    metrics: config.metrics,
    cachePushes: cache.pushes,
    maxManifestSize: formatSize(push.maxManifestBytes),
    ...(push.secretKey === null ? {} : { secretKey: "***" }),
    ...(config.admin.token === null ? {} : { adminToken: "***" }),
    statsPublic: config.admin.isStatsPublic,
    upstreamHeadersTimeout: formatDuration(timeouts.upstreamHeadersSeconds),
    upstreamIdleTimeout: formatDuration(timeouts.upstreamIdleSeconds),
    ...(timeouts.fillAbandonSeconds === null
      ? {}
      : { fillAbandonAfter: formatDuration(timeouts.fillAbandonSeconds) }),
    shutdownGrace: formatDuration(timeouts.shutdownGraceSeconds),
    debug: log.debug,
    logFormat: log.format,
    logLevel: log.level,
    ...(config.warm.length === 0 ? {} : { warm: config.warm }),
    upstreams: Object.fromEntries(
      config.upstreams
        // The default upstream that `targetUpstream` makes would otherwise be told twice.
        .filter((upstream) => upstream !== defaultUpstream || upstream.alias !== "default")
        .map((upstream) => [upstream.alias, describeUpstream(upstream)]),
    ),
  };
}

function describeUpstream(upstream: Upstream): Record<string, unknown> {
  const { auth, names, realms } = upstream;
  return {
    url: describeUrl(upstream.url),
    registry: upstream.registry,
    names: names.filter((name) => name !== upstream.registry && name !== upstream.url.host),
    auth: auth.kind,
    ...(auth.kind === "account" ? describeAccounts(auth) : {}),
    realms,
    redirect: upstream.redirect,
    ...(upstream.tagTtl.length === 0 ? {} : { tagTtl: describeTagTtl(upstream.tagTtl) }),
    push: upstream.push,
    library: upstream.hasLibrary,
    maxConnections: upstream.maxConnections,
  };
}

function describeAccounts(
  { username, others }: Upstream["auth"] & { kind: "account" },
): Record<string, unknown> {
  const masked = { username, password: "***" };
  const accounts = others.map((account) => ({ username: account.username, password: "***" }));
  return accounts.length === 0 ? masked : { accounts: [masked, ...accounts] };
}

function describeTagTtl(rules: Upstream["tagTtl"]): string[] {
  return rules.map(({ pattern, seconds }) => `${pattern}=${formatDuration(seconds)}`);
}

function describeUrl(url: URL): string {
  return url.href.replace(/\/$/, "");
}
