/**
 * Whether this process is alive and ready, and what its cache has done, in the shapes of
 * go-docker-proxy, so that the monitors of its users go on working.
 */
import { Hono } from "hono";
import type { Config } from "../config/config.ts";
import type { ConnectionCount } from "../upstream/connections.ts";
import type { HostHealth } from "../upstream/health.ts";
import type { Quota } from "../upstream/quota.ts";
import { formatBytes, formatUptime } from "../config/units.ts";

/** Counts of one kind of content since the start; `count` is what the store holds now. */
export interface ContentStats {
  readonly count: number;
  readonly hits: number;
  readonly misses: number;
}

/** What the cache has done. Rates and readable sizes are derived here. */
export interface CacheStats {
  readonly blob: ContentStats;
  readonly manifest: ContentStats;
  /** All bytes in the store. */
  readonly totalBytes: number;
  /** When eviction last ran, or null. */
  readonly lastCleanup: Date | null;
  readonly inflight: {
    /** Requests that needed a fill, those that joined another's included. */
    readonly totalRequests: number;
    /** Requests that joined another's fill. */
    readonly deduplicated: number;
    /** Fills that are running now. */
    readonly currentActive: number;
  };
}

/** Whether requests can be served. */
export interface Readiness {
  readonly ok: boolean;
  /** What is wrong, for a person. */
  readonly reasons: readonly string[];
}

/** What the answers are made of. */
export interface HealthOptions {
  readonly version: string;
  readonly startedAt: Date;
  ready(): Readiness | Promise<Readiness>;
  stats(): CacheStats | Promise<CacheStats>;
  /** What registries said of their quotas. */
  quota(): readonly Quota[];
  /** How the hosts of upstreams fare. */
  hosts(): readonly HostHealth[];
  /** How many connections upstreams have. */
  connections(): readonly ConnectionCount[];
  readonly cacheConfig: Pick<
    Config["cache"],
    "enabled" | "dir" | "manifestTtlSeconds" | "blobTtlSeconds"
  >;
  /** The clock; the system's unless given. */
  readonly now?: () => Date;
}

/** Makes the app for `/health`, `/healthz`, `/readyz`, `/stats` and `/stats/cache`. */
export function createHealthApp(options: HealthOptions): Hono {
  const { version, startedAt, cacheConfig } = options;
  const now = options.now ?? (() => new Date());
  const uptime = () => formatUptime((now().getTime() - startedAt.getTime()) / 1000);
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    context.header("cache-control", "no-store");
  });

  app.on("GET", ["/health", "/healthz"], (context) =>
    context.json({
      status: "healthy",
      timestamp: now().toISOString(),
      uptime: uptime(),
      version,
    }));

  app.get("/readyz", async (context) => {
    const { ok, reasons } = await options.ready();
    return context.json({ status: ok ? "ready" : "not ready", reasons }, ok ? 200 : 503);
  });

  app.get("/stats", async (context) =>
    context.json({
      uptime: uptime(),
      enabled: cacheConfig.enabled,
      cache: toStatsJson(await options.stats()),
      quota: options.quota().map(toQuotaJson),
      upstreams: options.hosts().map(toHostJson),
      connections: options.connections().filter(({ active, waiting }) => active + waiting > 0),
    }));

  app.get("/stats/cache", async (context) =>
    context.json({
      config: {
        directory: cacheConfig.dir,
        manifestTTL: formatUptime(cacheConfig.manifestTtlSeconds),
        blobTTL: formatUptime(cacheConfig.blobTtlSeconds),
        enabled: cacheConfig.enabled,
      },
      stats: toStatsJson(await options.stats()),
    }));
  return app;
}

/** go-docker-proxy's time of a cleanup that has not been: Go's zero time. */
const NEVER = "0001-01-01T00:00:00Z";

function toStatsJson(stats: CacheStats): Record<string, unknown> {
  const { totalRequests, deduplicated, currentActive } = stats.inflight;
  return {
    blob: toContentJson(stats.blob),
    manifest: toContentJson(stats.manifest),
    totalSize: stats.totalBytes,
    totalSizeHuman: formatBytes(stats.totalBytes),
    deduplication: deduplicated,
    lastCleanup: stats.lastCleanup?.toISOString() ?? NEVER,
    inflight: {
      totalRequests,
      deduplicated,
      savingsRate: formatRate(deduplicated, totalRequests),
      currentActive,
    },
  };
}

function toQuotaJson({ seenAt, blockedUntil, ...quota }: Quota): Record<string, unknown> {
  return { ...quota, seenAt: toTime(seenAt), blockedUntil: toTime(blockedUntil) };
}

function toHostJson(
  { lastSuccessAt, lastFailureAt, ...host }: HostHealth,
): Record<string, unknown> {
  return { ...host, lastSuccessAt: toTime(lastSuccessAt), lastFailureAt: toTime(lastFailureAt) };
}

function toTime(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

function toContentJson({ count, hits, misses }: ContentStats): Record<string, unknown> {
  const requests = hits + misses;
  return { count, requests, hits, misses, hitRate: formatRate(hits, requests) };
}

function formatRate(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : (part / whole) * 100).toFixed(2)}%`;
}
