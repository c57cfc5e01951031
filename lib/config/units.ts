/**
 * Durations and sizes as people write them. A bare number is refused as a duration, because seconds
 * and milliseconds look alike.
 */

const SECONDS: Readonly<Record<string, number>> = {
  y: 365 * 86_400,
  M: 30 * 86_400,
  w: 7 * 86_400,
  d: 86_400,
  h: 3600,
  m: 60,
  s: 1,
};

const NUMBER = "(?:\\d+(?:\\.\\d+)?)";
/** Units from the largest to the smallest, each at most once: `5m5m` is a slip of the pen. */
const DURATION = new RegExp(`^${Object.keys(SECONDS).map((u) => `(?:${NUMBER}${u})?`).join("")}$`);
const DURATION_PART = new RegExp(`(${NUMBER})([yMwdhms])`, "g");

/** Returns seconds for `30s`, `5m`, `1h30m`, `1d`, `1w`, `1M` (30 d), `1y` (365 d) or `0`. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === "0") return 0;
  if (trimmed === "" || !DURATION.test(trimmed)) return undefined;
  let seconds = 0;
  for (const [, count, unit = ""] of trimmed.matchAll(DURATION_PART)) {
    seconds += Number(count) * (SECONDS[unit] ?? 0);
  }
  return seconds;
}

const BYTES: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  pb: 1e15,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  pib: 2 ** 50,
};

/** Returns whole bytes for `10GiB`, `500MB`, `1.5 TB` or `1024`; undefined where it is no size. */
export function parseSize(text: string): number | undefined {
  const [, count, unit = ""] = new RegExp(`^(${NUMBER})\\s*([a-z]*)$`, "i").exec(text.trim()) ?? [];
  const factor = BYTES[unit.toLowerCase()];
  if (count === undefined || factor === undefined) return undefined;
  const bytes = Math.round(Number(count) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Returns seconds as Go prints durations: `0s`, `1m2s`, `26h0m3s`. Fractions are cut off. */
export function formatUptime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h > 0) return `${h}h${m}m${s}s`;
  return m > 0 ? `${m}m${s}s` : `${s}s`;
}

/** Returns seconds in the form that {@linkcode parseDuration} reads: `1d`, `1h30m`, `0`. */
export function formatDuration(seconds: number): string {
  let rest = seconds;
  let text = "";
  for (const [unit, length] of Object.entries(SECONDS)) {
    // Months and years are not told apart from days once they are seconds, unless they come out even.
    if ((unit === "M" || unit === "w") && rest % length !== 0) continue;
    const count = unit === "s" ? rest : Math.floor(rest / length);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * length;
  }
  return text === "" ? "0" : text;
}

/** Returns bytes for a person, in powers of 1024: `0 B`, `1.50 GB`, as go-docker-proxy prints them. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(6, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(2)} ${"KMGTPE"[power - 1] ?? ""}B`;
}

/** Returns bytes in the form that {@linkcode parseSize} reads: `10GiB`, `500MB`, `1025`. */
export function formatSize(bytes: number): string {
  const even = ["PiB", "TiB", "GiB", "MiB", "PB", "TB", "GB", "MB", "KiB", "kB"]
    .find((unit) => bytes > 0 && bytes % (BYTES[unit.toLowerCase()] ?? 1) === 0);
  return even === undefined ? String(bytes) : `${bytes / (BYTES[even.toLowerCase()] ?? 1)}${even}`;
}
