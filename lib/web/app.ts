/** Everything outside `/v2`: the root, health and statistics. */
import { Hono } from "hono";
import type { CacheIndex } from "../cache/index.ts";
import type { ContentStore } from "../cache/store.ts";
import type { Config } from "../config/config.ts";
import { describeCause } from "../log.ts";
import type { Fills } from "../pull/fills.ts";
import type { Router } from "../routing/router.ts";
import type { ConnectionCount } from "../upstream/connections.ts";
import type { HostHealth } from "../upstream/health.ts";
import type { Quota } from "../upstream/quota.ts";
import { VERSION } from "../version.ts";
import { type CacheStats, createHealthApp, type Readiness } from "./health.ts";
import { rootResponse } from "./root.ts";

/** What the pages are made of. */
export interface WebOptions {
  readonly cacheConfig: Config["cache"];
  readonly router: Router;
  readonly index: CacheIndex;
  readonly store: ContentStore;
  readonly fills: Fills;
  readonly quota: () => readonly Quota[];
  readonly hosts: () => readonly HostHealth[];
  readonly connections: () => readonly ConnectionCount[];
  readonly lastEvictionAt: () => Date | null;
  /** Whether the process is about to end and should be sent no more requests. */
  readonly isDraining: () => boolean;
  readonly startedAt: Date;
}

/** A request outside `/v2`, with the client's own word for this host. */
export type WebHandler = (request: Request, host: string) => Response | Promise<Response>;

/** Makes the handler. */
export function createWebApp(options: WebOptions): WebHandler {
  const app = new Hono<{ Bindings: { host: string } }>();
  app.get(
    "/",
    (context) => rootResponse(options.router, new URL(context.req.url), context.env.host),
  );
  app.route(
    "/",
    createHealthApp({
      version: VERSION,
      startedAt: options.startedAt,
      ready: () => readiness(options),
      stats: () => cacheStats(options),
      quota: options.quota,
      hosts: options.hosts,
      connections: options.connections,
      cacheConfig: options.cacheConfig,
    }),
  );
  app.notFound((context) => context.json({ message: "not found" }, 404));
  return (request, host) => app.fetch(request, { host });
}

async function readiness(options: WebOptions): Promise<Readiness> {
  const reasons: string[] = [];
  if (options.isDraining()) reasons.push("the process is shutting down");
  try {
    options.index.totals();
  } catch (error) {
    reasons.push(`the cache index cannot be read: ${describeCause(error)}`);
  }
  try {
    await options.store.probe();
  } catch (error) {
    reasons.push(`the cache cannot be written: ${describeCause(error)}`);
  }
  return { ok: reasons.length === 0, reasons };
}

function cacheStats({ index, fills, lastEvictionAt }: WebOptions): CacheStats {
  const counters = index.counters();
  const totals = index.totals();
  const joins = counters.get("joins") ?? 0;
  return {
    blob: {
      count: totals.blobs,
      hits: counters.get("blob_hits") ?? 0,
      misses: counters.get("blob_misses") ?? 0,
    },
    manifest: {
      count: totals.manifests,
      hits: counters.get("manifest_hits") ?? 0,
      misses: counters.get("manifest_misses") ?? 0,
    },
    totalBytes: totals.bytes,
    lastCleanup: lastEvictionAt(),
    inflight: {
      totalRequests: (counters.get("fills") ?? 0) + joins,
      deduplicated: joins,
      currentActive: fills.active,
    },
  };
}
