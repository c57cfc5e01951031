/** What a proxy keeps when its configuration changes: the cache, what is under way, what is counted. */
import type { CacheIndex } from "../cache/index.ts";
import type { Cache } from "../cache/open_cache.ts";
import type { Config } from "../config/config.ts";
import { ownUrl } from "../config/own_url.ts";
import { createMetrics, type Metrics } from "../metrics/metrics.ts";
import type { Fill } from "../pull/fills.ts";
import { type Changes, createChanges } from "../push/changes.ts";
import { createPushKeeper, type PushKeeper } from "../push/keeper.ts";
import { createTransfers, type Transfers } from "../transfers.ts";
import type { HostHealth } from "../upstream/health.ts";
import { createQuotaGovernor, type QuotaGovernor } from "../upstream/quota.ts";
import type { Tracing } from "../tracing.ts";
import { createWarmJobs, type WarmJobs } from "../warm/jobs.ts";
import { sampleHubQuota } from "../web/admin/hub_quota.ts";

/** Whether the process should be sent requests. */
export interface Readiness {
  isDraining: boolean;
}

/** All of it. */
export interface Lasting {
  readonly cache: Cache;
  /** The cache's index, through which pulls note what they learn. */
  readonly index: CacheIndex;
  readonly changes: Changes;
  readonly transfers: Transfers;
  readonly fillsUnderWay: Map<string, Fill>;
  readonly pushKeeper: PushKeeper;
  readonly quota: QuotaGovernor;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly warm: WarmJobs;
  /** Seals the addresses of uploads where the configuration names no key. */
  readonly secretKey: string;
  readonly readiness: Readiness;
  readonly startedAt: Date;
  readonly now: () => number;
}

/** Makes it. `hosts` tells of the upstreams' hosts by the configuration in effect. */
export function createLasting(
  options: {
    readonly listen: Config["listen"];
    readonly cache: Cache;
    readonly hosts: () => readonly HostHealth[];
    readonly tracing: Tracing;
    /** Ends what is done now and then, and warm-ups. */
    readonly lifetime: AbortSignal;
  },
): Lasting {
  const { cache, hosts, lifetime, tracing } = options;
  const { room, store, traffic } = cache;
  const now = Date.now;
  const { changes, index } = createChanges(cache.index, now);
  const transfers = createTransfers(now);
  const fillsUnderWay = new Map<string, Fill>();
  const quota = createQuotaGovernor({ now });
  const warm = createWarmJobs({
    proxy: {
      base: ownUrl(options.listen),
      ask: (url, init) => fetch(url, init),
      authorization: null,
    },
    now,
    lifetime,
  });
  const metrics = createMetrics({
    index,
    usedBytes: () => room?.usedBytes ?? 0,
    maxBytes: () => room?.maxBytes ?? 0,
    activeFills: () => fillsUnderWay.size,
    activeTransfers: () => transfers.snapshot().length,
    quota: quota.snapshot,
    hosts,
    warmJobs: warm.list,
    lifetime,
  });
  sampleHubQuota(quota.snapshot, traffic, lifetime);
  return {
    cache,
    index,
    changes,
    transfers,
    fillsUnderWay,
    pushKeeper: createPushKeeper({ store, index, now }),
    quota,
    metrics,
    tracing,
    warm,
    secretKey: crypto.randomUUID() + crypto.randomUUID(),
    readiness: { isDraining: false },
    startedAt: new Date(),
    now,
  };
}
