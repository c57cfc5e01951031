/**
 * Chance that can be had again: every chaos test draws from a seed that it prints, and draws the
 * same when `CHAOS_SEED` names that seed. `CHAOS=long` chooses the long form.
 */

/** Whether the long form of the tests was asked for. */
export const isLong = Deno.env.get("CHAOS") === "long";

/** A source of numbers that its seed determines. */
export class Chance {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  /** From 0 to below 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** A whole number, both ends included. */
  whole(low: number, high: number): number {
    return Math.floor(this.between(low, high + 1));
  }

  /** Evenly spread over the orders of magnitude. */
  logarithmic(low: number, high: number): number {
    return Math.exp(this.between(Math.log(low), Math.log(high)));
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.next() * items.length)];
    if (item === undefined) throw new RangeError("there is nothing to pick from");
    return item;
  }
}

/** The chance of one test, whose seed is printed. */
export function chanceFor(test: string): Chance {
  const given = Number(Deno.env.get("CHAOS_SEED"));
  const seed = given > 0 ? given : Math.floor(Math.random() * 2 ** 31) + 1;
  say(`${test}: CHAOS_SEED=${seed}`);
  return new Chance(seed);
}

/** Writes a line of the report. */
export function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** A table with aligned columns. */
export function sayTable(rows: readonly (readonly (string | number)[])[]): void {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, String(cell).length));
  }
  for (const row of rows) {
    const cells = row.map((cell, i) =>
      i === 0 ? String(cell).padEnd(widths[i] ?? 0) : String(cell).padStart(widths[i] ?? 0)
    );
    say(`  ${cells.join("  ")}`);
  }
}
