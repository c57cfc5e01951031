/**
 * Faults of a configuration: collected one by one, reported all at once, never with a secret.
 */

/** One thing that is wrong. */
export interface ConfigFault {
  /** The key as its author wrote it, such as `CACHE_MAX_SIZE` or `upstreams.ghcr.url`. */
  readonly key: string;
  /** The value that was found, masked where it may hold a secret; null where there is none. */
  readonly received: string | null;
  /** What would be right, as an imperative: `write a size such as 10GiB or 500MB`. */
  readonly advice: string;
}

/** Everything that is wrong with a configuration. Its message is meant for the operator. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    const count = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
    super(`${count} in the configuration:\n${faults.map(formatFault).join("\n")}`);
    this.faults = faults;
  }
}

function formatFault({ key, received, advice }: ConfigFault): string {
  return received === null ? `  ${key}: ${advice}` : `  ${key}: got ${received}; ${advice}`;
}

const MAX_SHOWN_CHARACTERS = 200;

/** The value as a fault may show it: quoted, shortened, without credentials and queries of URLs. */
export function showValue(key: string, value: string): string {
  if (isSecretKey(key)) return "a value that is not shown";
  const masked = value
    .replace(/^(\s*[a-z][a-z0-9+.-]*:\/\/)?.*@/is, (_, scheme = "") => `${scheme}***@`)
    .replace(/\?.*$/s, "?…");
  const shown = masked.length > MAX_SHOWN_CHARACTERS
    ? `${masked.slice(0, MAX_SHOWN_CHARACTERS)}…`
    : masked;
  return JSON.stringify(shown);
}

/** Whether the values of this key are secrets. */
export function isSecretKey(key: string): boolean {
  return /(PASSWORD|TOKEN|SECRET|SECRET_?KEY|ACCOUNTS)$/i.test(key);
}

/** The candidate that the text is most likely meant to be, or undefined where none is near. */
export function suggestName(text: string, candidates: Iterable<string>): string | undefined {
  const limit = text.length <= 5 ? 1 : 2;
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    const distance = editDistance(text, candidate, bestDistance);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's distance with swaps of neighbours as one step; `limit` where it is not below it. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let steps = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) steps = Math.min(steps, (beforeLast[j - 2] ?? 0) + 1);
      row.push(steps);
    }
    [beforeLast, last] = [last, row];
  }
  return Math.min(last[b.length] ?? limit, limit);
}
