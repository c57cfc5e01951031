/** Everything outside `/v2`: the root, health and statistics, and what is for the admin. */
import { Hono } from "hono";
import type { CacheIndex } from "../cache/index.ts";
import type { Inventory } from "../cache/inventory.ts";
import type { ContentStore } from "../cache/store.ts";
import type { TrafficLog } from "../cache/traffic.ts";
import type { Config } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import { describeCause } from "../log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Fills } from "../pull/fills.ts";
import type { Router } from "../routing/router.ts";
import { VERSION } from "../version.ts";
import { type ApiDeps, createApi } from "./admin/api.ts";
import { createCachedImages } from "./admin/cached_images.ts";
import { createGate, type WebEnv } from "./admin/gate.ts";
import { createImports } from "./admin/imports.ts";
import { createOverview, type OverviewDeps } from "./admin/overview.ts";
import { createSessions } from "./admin/session.ts";
import { createTrafficView } from "./admin/traffic_view.ts";
import { createTries } from "./admin/tries.ts";
import { type CacheStats, createHealthApp, type Readiness } from "./health.ts";
import { createAssets } from "./pages/assets.ts";
import { wantsPage } from "./pages/page_response.tsx";
import { createPages, showStart } from "./pages/pages.tsx";
import { secureHeaders } from "./pages/security.ts";
import { rootResponse } from "./root.ts";
import type { Visit } from "./visit.ts";

/** What the pages are made of. */
export interface WebOptions
  extends
    Omit<OverviewDeps, "activeFills">,
    Pick<ApiDeps, "transfers" | "warm" | "explain" | "probe"> {
  readonly config: Config;
  /** The configuration in effect, without secrets. */
  readonly configValues: Readonly<Record<string, unknown>>;
  readonly router: Router;
  readonly index: CacheIndex;
  readonly inventory: Inventory;
  readonly traffic: TrafficLog;
  readonly store: ContentStore;
  readonly fills: Fills;
  readonly lastEvictionAt: () => Date | null;
  readonly metrics: Pick<Metrics, "contentType" | "scrape">;
}

/** A request outside `/v2`. */
export type WebHandler = (visit: Visit) => Response | Promise<Response>;

/** Makes the handler. */
export function createWebApp(options: WebOptions): WebHandler {
  const { config, fills, now } = options;
  const { token, isStatsPublic } = config.admin;
  const gate = createGate({
    sessions: createSessions(token, now),
    tries: createTries(now),
    hasToken: token !== null,
    trustedProxies: config.trustedProxies,
  });
  const overview = createOverview({ ...options, activeFills: () => fills.active });
  const images = createCachedImages({ ...options, ...config });
  const imports = createImports(options);
  const traffic = createTrafficView(options.traffic, now);
  const app = new Hono<WebEnv>();
  app.onError((error, context) => {
    if (error instanceof RegistryError) return error.toResponse(context.req.method);
    throw error;
  });
  app.use(secureHeaders());
  const pages = { ...options, gate, overview, images, traffic };
  app.get("/", (context) => {
    const { request, url, host } = context.env.visit;
    if (wantsPage(request)) return showStart(context, pages);
    return rootResponse(options.router, url, host);
  });
  app.use("/stats/*", async (context, next) => {
    if (!isStatsPublic) gate.admit(context);
    await next();
  });
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
      cacheConfig: config.cache,
    }),
  );
  app.route(
    "/api/v1",
    createApi({
      ...options,
      gate,
      overview,
      images,
      imports,
      traffic,
      config: options.configValues,
    }),
  );
  if (config.metrics) {
    app.get("/metrics", async (context) => {
      const { contentType, scrape } = options.metrics;
      return context.body(await scrape(), 200, { "content-type": contentType });
    });
  }
  app.route("/assets", createAssets());
  app.route("/", createPages(pages));
  app.notFound((context) => context.json({ message: "not found" }, 404));
  return (visit) => app.fetch(visit.request, { visit });
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
