/** Traffic over the last hour, day or week, with the sums that people ask for. */
import type { TrafficLog, TrafficPoint, TrafficSample } from "../../cache/traffic.ts";

/** The stretches that are shown, and how finely, in seconds. */
export const PERIODS = {
  hour: { seconds: 3600, stepSeconds: 60 },
  day: { seconds: 86_400, stepSeconds: 900 },
  week: { seconds: 604_800, stepSeconds: 7200 },
} as const;

/** One of {@linkcode PERIODS}. */
export type Period = keyof typeof PERIODS;

/** A period's traffic. */
export interface TrafficPeriod {
  readonly stepSeconds: number;
  /** One for each step, those without traffic included, the oldest first. */
  readonly points: readonly TrafficPoint[];
  readonly sum: TrafficSample;
}

/** Reads traffic. */
export interface TrafficView {
  read(period: Period): TrafficPeriod;
}

const NOTHING: TrafficSample = {
  requests: 0,
  hits: 0,
  errors: 0,
  servedBytes: 0,
  fetchedBytes: 0,
  durationMs: 0,
};

/** Makes the view. `now` is in milliseconds. */
export function createTrafficView(log: TrafficLog, now: () => number): TrafficView {
  return {
    read(period) {
      const { seconds, stepSeconds } = PERIODS[period];
      const stepMs = stepSeconds * 1000;
      const first = Math.floor((now() - seconds * 1000) / stepMs) + 1;
      const known = new Map(
        log.since(first * stepMs, stepSeconds).map((point) => [point.at, point]),
      );
      const points = Array.from({ length: seconds / stepSeconds }, (_, i): TrafficPoint => {
        const at = (first + i) * stepMs;
        return known.get(at) ?? { at, ...NOTHING, quotaLeft: null };
      });
      return { stepSeconds, points, sum: points.reduce(add, NOTHING) };
    },
  };
}

function add(a: TrafficSample, b: TrafficSample): TrafficSample {
  return {
    requests: a.requests + b.requests,
    hits: a.hits + b.hits,
    errors: a.errors + b.errors,
    servedBytes: a.servedBytes + b.servedBytes,
    fetchedBytes: a.fetchedBytes + b.fetchedBytes,
    durationMs: a.durationMs + b.durationMs,
  };
}
