/**
 * The bounds of the cache: how many bytes may lie in the folder and how many must stay free on the
 * disk. Room is reserved before bytes are written; what was used longest ago makes it.
 */
import { getLogger } from "@logtape/logtape";
import type { Digest } from "../reference.ts";
import type { CacheIndex } from "./index.ts";

const log = getLogger(["entrepot", "cache"]);
/** Files occupy whole blocks, so that many small ones take more than their bytes. */
const BLOCK_BYTES = 4096;
const BATCH = 64;
/** What the index may grow by until room is reserved again. */
const INDEX_GROWTH_BYTES = 1 << 20;

/** How much there may be. */
export interface Bounds {
  readonly maxBytes: number;
  readonly minFreeBytes: number;
}

/** What the bounds are kept with. */
export interface RoomOptions {
  readonly index: CacheIndex;
  /** Removes content from the disk. */
  readonly remove: (digest: Digest) => void;
  readonly bounds: Bounds;
  /** Free bytes of the file system. */
  readonly freeBytes: () => number;
  /** Bytes of the index's own files. */
  readonly indexBytes: () => number;
}

/** Keeps the bounds. */
export class Room {
  readonly #options: RoomOptions;
  readonly #held = new Map<Digest, number>();
  #bounds: Bounds;
  #usedBytes: number;
  #lastEvictionAt: Date | null = null;

  /** `usedBytes`: what lies in the folder at the start, partial files included. */
  constructor(options: RoomOptions, usedBytes: number) {
    this.#options = options;
    this.#bounds = options.bounds;
    this.#usedBytes = usedBytes;
  }

  /** Bytes of content and partial files, reserved ones included. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** The most that there may be. */
  get maxBytes(): number {
    return this.#bounds.maxBytes;
  }

  /** When content was last evicted. */
  get lastEvictionAt(): Date | null {
    return this.#lastEvictionAt;
  }

  /** Takes room for so many bytes, evicting what is needed; says whether there is any. */
  reserve(bytes: number): boolean {
    const wanted = occupied(bytes);
    if (!this.#couldFit(wanted)) return false;
    if (!this.#fits(wanted) && !this.#evictFor(wanted)) return false;
    this.#usedBytes += wanted;
    return true;
  }

  /** Gives back room for what was not written or was removed; the same bytes as reserved. */
  release(bytes: number): void {
    this.#usedBytes -= occupied(bytes);
  }

  /** Keeps content from being evicted until the result is disposed. */
  hold(digest: Digest): Disposable {
    this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const count = (this.#held.get(digest) ?? 1) - 1;
        if (count === 0) this.#held.delete(digest);
        else this.#held.set(digest, count);
      },
    };
  }

  /** Evicts what was not used since, in milliseconds since the epoch. */
  evictUnusedSince(time: number): void {
    for (const { digest, size } of this.#options.index.unusedSince(time)) {
      if (!this.#held.has(digest)) this.#evict(digest, size);
    }
  }

  /** Sets other bounds, and evicts until they hold. */
  setBounds(bounds: Bounds): void {
    this.#bounds = bounds;
    this.shrink();
  }

  /** Evicts until the bounds hold: after a start with smaller ones. */
  shrink(): void {
    if (!this.#fits(0)) this.#evictFor(0);
  }

  /** Whether it fits into an empty cache: nothing has to go for what would not fit even then. */
  #couldFit(bytes: number): boolean {
    const { freeBytes, indexBytes } = this.#options;
    const { maxBytes, minFreeBytes } = this.#bounds;
    return indexBytes() + INDEX_GROWTH_BYTES + bytes <= maxBytes &&
      freeBytes() + this.#usedBytes - bytes >= minFreeBytes;
  }

  #fits(bytes: number): boolean {
    const { freeBytes, indexBytes } = this.#options;
    const { maxBytes, minFreeBytes } = this.#bounds;
    return this.#usedBytes + indexBytes() + INDEX_GROWTH_BYTES + bytes <= maxBytes &&
      freeBytes() - bytes >= minFreeBytes;
  }

  #evictFor(bytes: number): boolean {
    // Held content stays at the head of the list, so the list must be longer than it.
    for (let tried = 0;;) {
      const candidates = this.#options.index.leastUsed(this.#held.size + BATCH);
      const free = candidates.filter(({ digest }) => !this.#held.has(digest));
      if (free.length === 0 || tried > 100_000) return false;
      for (const { digest, size } of free) {
        this.#evict(digest, size);
        tried++;
        if (this.#fits(bytes)) return true;
      }
    }
  }

  #evict(digest: Digest, size: number): void {
    const { index, remove } = this.#options;
    // The index first: what it does not know is an orphan, which the next start finds.
    index.dropContent(digest);
    remove(digest);
    this.release(size);
    index.count("evictions");
    this.#lastEvictionAt = new Date();
    log.debug("evicted {digest} of {size} bytes", { digest, size });
  }
}

/** What a file of so many bytes takes on the disk. */
export function occupied(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}
