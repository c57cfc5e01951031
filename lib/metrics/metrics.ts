/**
 * What operators' monitoring reads, in the text format of Prometheus. Labels are bounded: registries
 * that are configured, kinds of routes, statuses, never a repository's or a client's name.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { CacheIndex, CacheTotals } from "../cache/index.ts";
import { COUNTERS } from "../cache/index.ts";
import type { HostHealth } from "../upstream/health.ts";
import type { Quota } from "../upstream/quota.ts";
import { VERSION } from "../version.ts";
import type { WarmJob } from "../warm/jobs.ts";
import type { UpstreamSample } from "./upstream_requests.ts";

/** A request that has been answered. */
export interface RequestSample {
  readonly route: string;
  /** The upstream's registry name, or empty. */
  readonly upstream: string;
  readonly method: string;
  readonly status: number;
  /** `HIT`, `MISS`, `STALE`, `BYPASS`, or empty. */
  readonly cache: string;
  readonly seconds: number;
  /** Of the body, as far as it was sent. */
  readonly bytes: number;
}

/** What is looked at when somebody asks. */
export interface MetricSources {
  readonly index: Pick<CacheIndex, "totals" | "counters">;
  readonly usedBytes: () => number;
  readonly maxBytes: () => number;
  readonly activeFills: () => number;
  readonly activeTransfers: () => number;
  readonly quota: () => readonly Quota[];
  readonly hosts: () => readonly HostHealth[];
  readonly warmJobs: () => readonly WarmJob[];
  /** Ends what is measured now and then. */
  readonly lifetime: AbortSignal;
}

/** How a right to read was proven, or not. */
export type ProofResult = "known" | "asked" | "stale" | "refused";

/** Counts, and tells. */
export interface Metrics {
  observe(sample: RequestSample): void;
  observeUpstream(sample: UpstreamSample): void;
  /** Bytes that came from a registry or its storage. */
  addFetched(bytes: number): void;
  /** A caller's right to read was known, or how the upstream answered when it was asked. */
  countProof(result: ProofResult): void;
  /** A new configuration was read, and is in use or not. */
  noteReload(result: "applied" | "refused"): void;
  readonly contentType: string;
  /** Everything, as Prometheus reads it. */
  scrape(): Promise<string>;
}

/** A client may send any word for a method. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300];
/** How often the content of the cache is counted: with many thousands it takes milliseconds. */
const TOTALS_MS = 15_000;
const LAG_MS = 1_000;

/** Makes the metrics. */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: "entrepot_requests_total",
    help: "Requests that were answered.",
    labelNames: ["route", "upstream", "method", "status", "cache"],
    registers,
  });
  const duration = new Histogram({
    name: "entrepot_request_duration_seconds",
    help: "From a request to the end of its answer.",
    labelNames: ["route"],
    buckets: SECONDS,
    registers,
  });
  const served = new Counter({
    name: "entrepot_served_bytes_total",
    help: "Bytes of answers' bodies that were sent to clients.",
    labelNames: ["route", "cache"],
    registers,
  });
  const fetched = new Counter({
    name: "entrepot_fetched_bytes_total",
    help: "Bytes of manifests and blobs that came from registries and storage hosts.",
    registers,
  });
  new Gauge({
    name: "entrepot_build_info",
    help: "Always 1; the version is a label.",
    labelNames: ["version", "runtime"],
    registers,
  }).set({ version: VERSION, runtime: `deno ${Deno.version.deno}` }, 1);
  addCache(registers, sources);
  addUpstreams(registers, sources);
  addWarm(registers, sources);
  addProcess(registers, sources.lifetime);
  const noteReload = addReloads(registers);
  const observeUpstream = addUpstreamRequests(registers);
  const countProof = addProofs(registers);

  return {
    observe({ route, upstream, method, status, cache, seconds, bytes }) {
      const known = METHODS.has(method) ? method : "other";
      requests.inc({ route, upstream, method: known, status: String(status), cache });
      duration.observe({ route }, seconds);
      if (bytes > 0) served.inc({ route, cache }, bytes);
    },
    addFetched: (bytes) => fetched.inc(bytes),
    countProof,
    noteReload,
    observeUpstream,
    contentType: registry.contentType,
    scrape: () => registry.metrics(),
  };
}

function addUpstreamRequests(registers: Registry[]): Metrics["observeUpstream"] {
  const requests = new Counter({
    name: "entrepot_upstream_requests_total",
    help: "Requests to registries, their realms and storage hosts, by how they were answered.",
    labelNames: ["upstream", "result"],
    registers,
  });
  const duration = new Histogram({
    name: "entrepot_upstream_request_duration_seconds",
    help: "From such a request to the headers of its answer.",
    labelNames: ["upstream"],
    buckets: SECONDS,
    registers,
  });
  return ({ upstream, result, seconds }) => {
    requests.inc({ upstream, result });
    duration.observe({ upstream }, seconds);
  };
}

function addProofs(registers: Registry[]): Metrics["countProof"] {
  // Counted here, for each hit has one, and read when somebody asks.
  const counts: Record<ProofResult, number> = { known: 0, asked: 0, stale: 0, refused: 0 };
  new Counter({
    name: "entrepot_proofs_total",
    help: "Proofs of the right to read what is cached: known, asked for, taken as stale, refused.",
    labelNames: ["result"],
    registers,
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(counts)) this.inc({ result }, count);
    },
  });
  return (result) => void counts[result]++;
}

function addReloads(registers: Registry[]): Metrics["noteReload"] {
  const reloads = new Counter({
    name: "entrepot_config_reloads_total",
    help: "Configurations that were read again.",
    labelNames: ["result"],
    registers,
  });
  const isRefused = new Gauge({
    name: "entrepot_config_refused",
    help: "Whether the last one had faults, so that an earlier one is in use.",
    registers,
  });
  return (result) => {
    reloads.inc({ result });
    isRefused.set(result === "refused" ? 1 : 0);
  };
}

function addCache(registers: Registry[], sources: MetricSources): void {
  const { index, lifetime } = sources;
  let totals: CacheTotals = { blobs: 0, manifests: 0, bytes: 0 };
  every(TOTALS_MS, lifetime, () => totals = index.totals());
  gauge(registers, "entrepot_cache_blobs", "Blobs in the cache.", () => totals.blobs);
  gauge(registers, "entrepot_cache_manifests", "Manifests in the cache.", () => totals.manifests);
  gauge(
    registers,
    "entrepot_cache_bytes",
    "Bytes of content and of transfers under way in the cache.",
    sources.usedBytes,
  );
  gauge(registers, "entrepot_cache_limit_bytes", "CACHE_MAX_SIZE.", sources.maxBytes);
  gauge(registers, "entrepot_fills_active", "Fills under way.", sources.activeFills);
  gauge(registers, "entrepot_transfers_active", "Transfers under way.", sources.activeTransfers);
  new Counter({
    name: "entrepot_cache_events_total",
    help: "What has happened in the cache since it was made.",
    labelNames: ["event"],
    registers,
    collect() {
      this.reset();
      const counters = index.counters();
      for (const event of COUNTERS) this.inc({ event }, counters.get(event) ?? 0);
    },
  });
}

function addUpstreams(registers: Registry[], { quota, hosts }: MetricSources): void {
  new Gauge({
    name: "entrepot_quota_remaining",
    help: "Pulls that an upstream says are left.",
    labelNames: ["upstream", "holder"],
    registers,
    collect() {
      this.reset();
      for (const { upstream, holder, remaining: left } of quota()) {
        // Callers are as many as they choose to be.
        const isOwn = holder === "anonymous" || holder.startsWith("account:");
        if (left !== null && isOwn) this.set({ upstream, holder }, left);
      }
    },
  });
  new Gauge({
    name: "entrepot_upstream_up",
    help: "Whether all hosts of an upstream that were asked last have answered.",
    labelNames: ["upstream"],
    registers,
    collect() {
      this.reset();
      for (const [upstream, states] of byUpstream(hosts())) {
        this.set({ upstream }, states.every(({ state }) => state === "up") ? 1 : 0);
      }
    },
  });
  new Gauge({
    name: "entrepot_upstream_latency_seconds",
    help: "From a request to the headers of its answer, averaged, of an upstream's slowest host.",
    labelNames: ["upstream"],
    registers,
    collect() {
      this.reset();
      for (const [upstream, states] of byUpstream(hosts())) {
        const slowest = Math.max(...states.map(({ latencyMs }) => latencyMs ?? 0));
        this.set({ upstream }, slowest / 1000);
      }
    },
  });
}

function byUpstream(hosts: readonly HostHealth[]): Map<string, HostHealth[]> {
  return Map.groupBy(hosts, ({ upstream }) => upstream);
}

function addWarm(registers: Registry[], { warmJobs }: MetricSources): void {
  new Gauge({
    name: "entrepot_warm_jobs",
    help: "Warm-ups that are remembered, by state.",
    labelNames: ["state"],
    registers,
    collect() {
      this.reset();
      for (const state of ["waiting", "running", "done", "failed"] as const) {
        this.set({ state }, warmJobs().filter((job) => job.state === state).length);
      }
    },
  });
}

function addProcess(registers: Registry[], lifetime: AbortSignal): void {
  let lagSeconds = 0;
  let expectedAt = performance.now() + LAG_MS;
  every(LAG_MS, lifetime, () => {
    lagSeconds = Math.max(0, performance.now() - expectedAt) / 1000;
    expectedAt = performance.now() + LAG_MS;
  });
  gauge(
    registers,
    "entrepot_event_loop_lag_seconds",
    "How late the last second's timer was.",
    () => lagSeconds,
  );
  gauge(
    registers,
    "process_resident_memory_bytes",
    "Resident memory.",
    () => Deno.memoryUsage().rss,
  );
  gauge(
    registers,
    "entrepot_heap_used_bytes",
    "Memory of the JavaScript heap.",
    () => Deno.memoryUsage().heapUsed,
  );
}

function gauge(registers: Registry[], name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers,
    collect() {
      this.set(read());
    },
  });
}

/** Now, and then again and again; keeps no process alive. */
function every(ms: number, lifetime: AbortSignal, run: () => void): void {
  run();
  const timer = setInterval(run, ms);
  Deno.unrefTimer(timer);
  lifetime.addEventListener("abort", () => clearInterval(timer), { once: true });
}
