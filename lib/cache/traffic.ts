/** What went through, by the minute, kept for some days and over restarts. */
import type { DatabaseSync } from "node:sqlite";

/** What happened in a stretch of time. */
export interface TrafficSample {
  /** Pulls: reads of manifests and blobs. */
  readonly requests: number;
  readonly hits: number;
  /** Answers with a status of 500 and more. */
  readonly errors: number;
  readonly servedBytes: number;
  readonly fetchedBytes: number;
  /** Of all requests together, in milliseconds. */
  readonly durationMs: number;
}

/** A stretch of time with what happened in it. */
export interface TrafficPoint extends TrafficSample {
  /** Its begin, in milliseconds since the epoch. */
  readonly at: number;
  /** The least that was left of Docker Hub's quota, or null where nobody said. */
  readonly quotaLeft: number | null;
}

/** Keeps traffic. */
export interface TrafficLog {
  /** Adds what happened to the present minute. */
  add(sample: Partial<TrafficSample>): void;
  /** Notes what is left of Docker Hub's quota. */
  noteQuota(left: number): void;
  /**
   * The points since a time, each of so many seconds, the oldest first. Stretches in which nothing
   * happened are left out.
   */
  since(time: number, stepSeconds: number): readonly TrafficPoint[];
  /** Writes what is collected. */
  flush(): void;
}

/** One row a minute. */
export const TRAFFIC_SCHEMA = `
  CREATE TABLE IF NOT EXISTS traffic (
    minute INTEGER PRIMARY KEY, requests INTEGER NOT NULL, hits INTEGER NOT NULL,
    errors INTEGER NOT NULL, served INTEGER NOT NULL, fetched INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL, quota_left INTEGER
  ) STRICT;
`;

const MINUTE_MS = 60_000;
const KEPT_MINUTES = 8 * 24 * 60;
const ADD = `INSERT INTO traffic VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
  requests = requests + excluded.requests, hits = hits + excluded.hits,
  errors = errors + excluded.errors, served = served + excluded.served,
  fetched = fetched + excluded.fetched, duration_ms = duration_ms + excluded.duration_ms,
  quota_left = coalesce(min(quota_left, excluded.quota_left), quota_left, excluded.quota_left)`;
const FORGET = "DELETE FROM traffic WHERE minute < ?";
const SINCE =
  `SELECT minute * 60000 / CAST(?2 AS INTEGER) AS step, sum(requests) AS requests, sum(hits) AS hits,
    sum(errors) AS errors, sum(served) AS served, sum(fetched) AS fetched,
    sum(duration_ms) AS duration_ms, min(quota_left) AS quota_left
  FROM traffic WHERE minute >= ?1 GROUP BY step ORDER BY step`;

const NOTHING: TrafficSample = {
  requests: 0,
  hits: 0,
  errors: 0,
  servedBytes: 0,
  fetchedBytes: 0,
  durationMs: 0,
};

/**
 * Makes the log; the table is there. `attempt` runs what a failing disk may refuse. `now` is in
 * milliseconds.
 */
export function createTrafficLog(
  db: DatabaseSync,
  attempt: (work: () => void) => void,
  now: () => number,
): TrafficLog {
  const sql = { add: db.prepare(ADD), forget: db.prepare(FORGET), since: db.prepare(SINCE) };
  let minute = minuteOf(now());
  let pending = { ...NOTHING };
  let quotaLeft: number | null = null;
  let isPending = false;

  function add(sample: Partial<TrafficSample>): void {
    turn();
    const all = { ...NOTHING, ...sample };
    pending = {
      requests: pending.requests + all.requests,
      hits: pending.hits + all.hits,
      errors: pending.errors + all.errors,
      servedBytes: pending.servedBytes + all.servedBytes,
      fetchedBytes: pending.fetchedBytes + all.fetchedBytes,
      durationMs: pending.durationMs + all.durationMs,
    };
    isPending = true;
  }

  /** What was collected in the minute before is written before another begins. */
  function turn(): void {
    const present = minuteOf(now());
    if (present === minute) return;
    flush();
    minute = present;
    attempt(() => sql.forget.run(present - KEPT_MINUTES));
  }

  function flush(): void {
    if (!isPending) return;
    attempt(() => {
      const { requests, hits, errors, servedBytes, fetchedBytes, durationMs } = pending;
      const values = [requests, hits, errors, servedBytes, fetchedBytes, Math.round(durationMs)];
      sql.add.run(minute, ...values, quotaLeft);
      pending = { ...NOTHING };
      quotaLeft = null;
      isPending = false;
    });
  }

  return {
    add,
    noteQuota(left) {
      turn();
      quotaLeft = quotaLeft === null ? left : Math.min(quotaLeft, left);
      isPending = true;
    },
    since(time, stepSeconds) {
      flush();
      const stepMs = stepSeconds * 1000;
      return sql.since.all(minuteOf(time), stepMs).map((row) => ({
        at: Number(row["step"]) * stepMs,
        requests: Number(row["requests"]),
        hits: Number(row["hits"]),
        errors: Number(row["errors"]),
        servedBytes: Number(row["served"]),
        fetchedBytes: Number(row["fetched"]),
        durationMs: Number(row["duration_ms"]),
        quotaLeft: row["quota_left"] === null ? null : Number(row["quota_left"]),
      }));
    },
    flush,
  };
}

function minuteOf(time: number): number {
  return Math.floor(time / MINUTE_MS);
}
