/**
 * Warm-ups of a running proxy: those that its configuration names, each at its time, and those that
 * somebody asks for. One runs at a time, so that pulls keep the upstream's bandwidth.
 */
import { getLogger } from "@logtape/logtape";
import { Cron } from "croner";
import type { WarmRule } from "../config/config.ts";
import { describeCause } from "../cause.ts";
import type { ProxyAccess } from "./source.ts";
import { warmImages, type WarmResult } from "./warm.ts";

const log = getLogger(["entrepot", "warm"]);
const CONCURRENCY = 3;
/** Jobs that have ended and are still told of. */
const MAX_ENDED = 100;

/** What a job is to do. */
export type WarmOrder = Pick<WarmRule, "images" | "platforms">;

/** A job, for API and metrics. */
export interface WarmJob extends WarmOrder {
  readonly id: string;
  /** The rule's time, or null where somebody asked for it. */
  readonly at: string | null;
  readonly state: "waiting" | "running" | "done" | "failed";
  /** Milliseconds since the epoch; null where it has not been. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** So far. */
  readonly receivedBytes: number;
  readonly results: readonly WarmResult[];
}

/** What the rules are waiting for. */
export interface WarmPlan extends WarmRule {
  /** Milliseconds since the epoch, or null where its time never comes again. */
  readonly nextAt: number | null;
}

/** All warm-ups. */
export interface WarmJobs {
  /** Waits for these rules' times from now on, and no longer for those of earlier ones. */
  schedule(rules: readonly WarmRule[]): void;
  /** Queues a job. */
  submit(order: WarmOrder): WarmJob;
  /** The newest first. */
  list(): readonly WarmJob[];
  plan(): readonly WarmPlan[];
}

/** What jobs are made from. */
export interface WarmJobsOptions {
  readonly proxy: ProxyAccess;
  readonly now: () => number;
  /** Ends the waiting and the job under way. */
  readonly lifetime: AbortSignal;
}

/** Makes the jobs. */
export function createWarmJobs(options: WarmJobsOptions): WarmJobs {
  const { lifetime, now } = options;
  let timers: { readonly rule: WarmRule; readonly cron: Cron }[] = [];
  const jobs: MutableJob[] = [];
  let worker = Promise.resolve();

  function enqueue({ images, platforms }: WarmOrder, at: string | null): MutableJob {
    const job: MutableJob = {
      id: crypto.randomUUID(),
      images,
      platforms,
      at,
      state: "waiting",
      startedAt: null,
      endedAt: null,
      receivedBytes: 0,
      results: [],
    };
    jobs.unshift(job);
    worker = worker.then(() => run(job));
    return job;
  }

  /** Never throws: what goes wrong is in the job. */
  async function run(job: MutableJob): Promise<void> {
    if (lifetime.aborted) return;
    job.state = "running";
    job.startedAt = now();
    try {
      job.results = await warmImages(job.images, {
        proxy: options.proxy,
        platforms: job.platforms,
        concurrency: CONCURRENCY,
        onEvent: (event) => {
          if (event.kind === "bytes") job.receivedBytes += event.count;
        },
        signal: lifetime,
      });
      job.state = job.results.every(({ kind }) => kind === "warm") ? "done" : "failed";
    } catch (error) {
      job.state = "failed";
      if (!lifetime.aborted) log.error("a warm-up broke: {cause}", { cause: describeCause(error) });
    }
    job.endedAt = now();
    tell(job);
    forgetOld();
  }

  function forgetOld(): void {
    const ended = jobs.filter(({ endedAt }) => endedAt !== null);
    for (const old of ended.slice(MAX_ENDED)) jobs.splice(jobs.indexOf(old), 1);
  }

  function schedule(rules: readonly WarmRule[]): void {
    stop();
    timers = rules.map((rule) => ({
      rule,
      cron: new Cron(rule.at, { protect: true }, () => {
        enqueue(rule, rule.at);
      }),
    }));
  }

  function stop(): void {
    for (const { cron } of timers) cron.stop();
  }

  lifetime.addEventListener("abort", stop, { once: true });

  return {
    schedule,
    submit: (order) => enqueue(order, null),
    list: () => jobs,
    plan: () =>
      timers.map(({ rule, cron }) => ({ ...rule, nextAt: cron.nextRun()?.getTime() ?? null })),
  };
}

type MutableJob = { -readonly [Key in keyof WarmJob]: WarmJob[Key] };

function tell({ results, startedAt, endedAt }: WarmJob): void {
  for (const result of results) {
    if (result.kind === "failed") {
      log.warn("{image} could not be warmed: {reason}", {
        image: result.name,
        reason: result.message,
      });
    }
  }
  log.info("warmed {count} images, {bytes} bytes were fetched", {
    count: results.filter(({ kind }) => kind === "warm").length,
    bytes: results.reduce((sum, r) => sum + (r.kind === "warm" ? r.fetchedBytes : 0), 0),
    durationMs: (endedAt ?? 0) - (startedAt ?? 0),
  });
}
