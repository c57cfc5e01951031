/** Numbers as people read them. */
import type { Say } from "./words.ts";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Bytes in powers of 1024, as the configuration has them, with three digits: `12.3 MiB`. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.5 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** How long ago a time was; both in milliseconds since the epoch. */
export function formatAgo(at: number, now: number, say: Say): string {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 60) return say("secondsAgo", { n: seconds });
  if (seconds < 3600) return say("minutesAgo", { n: Math.round(seconds / 60) });
  if (seconds < 86_400) return say("hoursAgo", { n: Math.round(seconds / 3600) });
  return say("daysAgo", { n: Math.round(seconds / 86_400) });
}

/** A duration in milliseconds: `3 ms`, `1.2 s`. */
export function formatDurationMs(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** A share of a whole: `97.5 %`, or a dash where there is nothing. */
export function formatShare(part: number, whole: number): string {
  return whole === 0 ? "–" : `${((part / whole) * 100).toFixed(1)} %`;
}

/** A count with thin spaces between thousands. */
export function formatCount(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** The first digits of a digest, as people compare them. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha\d+:/, "").slice(0, 12);
}
