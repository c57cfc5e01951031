/**
 * The transfers under way, for who looks on. Whoever moves bytes says where they can be counted;
 * nothing here stands in their way.
 */

/** What is told of a transfer when it begins. */
export interface TransferFacts {
  /** `fill`: from an upstream into the cache; `serve`: from here to a client. */
  readonly kind: "fill" | "serve";
  /** The client's address, or null for a fill, which belongs to nobody. */
  readonly client: string | null;
  /** The upstream's registry name. */
  readonly upstream: string;
  readonly repository: string;
  readonly digest: string;
  /** Where a client's bytes come from, such as `HIT`; null for a fill. */
  readonly cache: string | null;
  /** Bytes so far, or null where the runtime moves them by itself and nobody counts. */
  readonly bytes: () => number | null;
  /** Bytes in all, or null while nobody knows. */
  readonly total: () => number | null;
}

/** A transfer as it is now. */
export interface TransferState extends Omit<TransferFacts, "bytes" | "total"> {
  readonly id: string;
  readonly bytes: number | null;
  readonly total: number | null;
  /** Over the last second or two, or null where nobody counts. */
  readonly bytesPerSecond: number | null;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

/** All transfers under way. */
export interface Transfers {
  /** Notes a transfer until the result is disposed. */
  begin(facts: TransferFacts): Disposable;
  /** The one that began last comes last. */
  snapshot(): readonly TransferState[];
}

interface Entry {
  readonly id: string;
  readonly facts: TransferFacts;
  readonly startedAt: number;
  /** The two looks between which the speed is taken. */
  before: Look;
  last: Look;
}

interface Look {
  readonly at: number;
  readonly bytes: number;
}

/** Looks that are closer together say nothing of the speed. */
const LOOK_MS = 800;

/** Makes the list. `now` is in milliseconds. */
export function createTransfers(now: () => number): Transfers {
  const entries = new Set<Entry>();
  let count = 0;

  function begin(facts: TransferFacts): Disposable {
    const start = { at: now(), bytes: facts.bytes() ?? 0 };
    const entry = {
      id: String(++count),
      facts,
      startedAt: start.at,
      before: start,
      last: start,
    };
    entries.add(entry);
    return { [Symbol.dispose]: () => void entries.delete(entry) };
  }

  function look(entry: Entry): TransferState {
    const { bytes, total, ...facts } = entry.facts;
    const counted = bytes();
    return {
      id: entry.id,
      ...facts,
      bytes: counted,
      total: total(),
      bytesPerSecond: counted === null ? null : speedOf(entry, { at: now(), bytes: counted }),
      startedAt: entry.startedAt,
    };
  }

  return { begin, snapshot: () => [...entries].map(look) };
}

function speedOf(entry: Entry, look: Look): number {
  if (look.at - entry.last.at >= LOOK_MS) {
    entry.before = entry.last;
    entry.last = look;
  }
  const seconds = (look.at - entry.before.at) / 1000;
  const bytes = look.bytes - entry.before.bytes;
  return seconds <= 0 ? 0 : Math.max(0, Math.round(bytes / seconds));
}
