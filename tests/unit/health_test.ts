import { type CacheStats, createHealthApp, type HealthOptions } from "../../lib/web/health.ts";
import { assertEquals } from "../support/assert.ts";

const STATS: CacheStats = {
  blob: { count: 3, hits: 3, misses: 1 },
  manifest: { count: 2, hits: 0, misses: 0 },
  totalBytes: 1536,
  lastCleanup: new Date("2026-01-02T03:04:05Z"),
  inflight: { totalRequests: 8, deduplicated: 2, currentActive: 1 },
};

const STATS_JSON = {
  blob: { count: 3, requests: 4, hits: 3, misses: 1, hitRate: "75.00%" },
  manifest: { count: 2, requests: 0, hits: 0, misses: 0, hitRate: "0.00%" },
  totalSize: 1536,
  totalSizeHuman: "1.50 KB",
  deduplication: 2,
  lastCleanup: "2026-01-02T03:04:05.000Z",
  inflight: { totalRequests: 8, deduplicated: 2, savingsRate: "25.00%", currentActive: 1 },
};

function createApp(options: Partial<HealthOptions> = {}): ReturnType<typeof createHealthApp> {
  return createHealthApp({
    version: "1.2.3",
    startedAt: new Date("2026-01-01T00:00:00Z"),
    now: () => new Date("2026-01-01T00:01:02Z"),
    ready: () => ({ ok: true, reasons: [] }),
    stats: () => STATS,
    quota: () => [],
    hosts: () => [],
    connections: () => [],
    cacheConfig: {
      enabled: true,
      dir: "./cache",
      manifestTtlSeconds: 86_400,
      blobTtlSeconds: 31_536_000,
    },
    ...options,
  });
}

async function getJson(path: string, options: Partial<HealthOptions> = {}): Promise<unknown> {
  const response = await createApp(options).request(path);
  return await response.json();
}

Deno.test("/health and /healthz answer in go-docker-proxy's shape", async () => {
  for (const path of ["/health", "/healthz"]) {
    assertEquals(await getJson(path), {
      status: "healthy",
      timestamp: "2026-01-01T00:01:02.000Z",
      uptime: "1m2s",
      version: "1.2.3",
    });
  }
});

Deno.test("health is never cached by anything between", async () => {
  const response = await createApp().request("/healthz");
  assertEquals(response.headers.get("cache-control"), "no-store");
  await response.body?.cancel();
});

Deno.test("/readyz is 200 when ready and 503 with the reasons when not", async () => {
  const ready = await createApp().request("/readyz");
  assertEquals([ready.status, await ready.json()], [200, { status: "ready", reasons: [] }]);
  const reasons = ["the cache folder is not writable"];
  const app = createApp({ ready: () => Promise.resolve({ ok: false, reasons }) });
  const not = await app.request("/readyz");
  assertEquals([not.status, await not.json()], [503, { status: "not ready", reasons }]);
});

Deno.test("/stats answers in go-docker-proxy's shape", async () => {
  assertEquals(await getJson("/stats"), {
    uptime: "1m2s",
    enabled: true,
    cache: STATS_JSON,
    quota: [],
    upstreams: [],
    connections: [],
  });
});

Deno.test("/stats/cache answers in go-docker-proxy's shape", async () => {
  assertEquals(await getJson("/stats/cache"), {
    config: { directory: "./cache", manifestTTL: "24h0m0s", blobTTL: "8760h0m0s", enabled: true },
    stats: STATS_JSON,
  });
});

Deno.test("a cleanup that has not been is Go's zero time", async () => {
  const stats = { ...STATS, lastCleanup: null };
  assertEquals(await getJson("/stats", { stats: () => stats }), {
    uptime: "1m2s",
    enabled: true,
    cache: { ...STATS_JSON, lastCleanup: "0001-01-01T00:00:00Z" },
    quota: [],
    upstreams: [],
    connections: [],
  });
});

Deno.test("HEAD of a health path has the status and no body", async () => {
  const response = await createApp().request("/healthz", { method: "HEAD" });
  assertEquals([response.status, await response.text()], [200, ""]);
});
