/**
 * The store with its index and its bounds: content is what the index knows and the disk has, and
 * every byte has room reserved before it is written.
 */
import { getLogger } from "@logtape/logtape";
import { describeCause } from "../log.ts";
import type { Digest } from "../reference.ts";
import { checkedContent, isContentOf } from "./checked_content.ts";
import type { DiskPartial, DiskStore } from "./disk_store.ts";
import type { CacheIndex } from "./index.ts";
import { MAX_CONTENT_BYTES, MemoryContents } from "./memory_contents.ts";
import { occupied, type Room } from "./room.ts";
import { type ContentStore, type PartialFile, type StoredContent, StoreError } from "./store.ts";

const log = getLogger(["entrepot", "cache"]);
/** Room for content whose size nobody has said is taken in steps. */
const STEP_BYTES = 4 << 20;
const COMPLAIN_MS = 10_000;

/** What the store is made from. */
export interface BoundedStoreOptions {
  readonly disk: DiskStore;
  readonly index: CacheIndex;
  readonly room: Room;
  /** The share of reads, 0 to 1, whose digest is checked on the way. */
  readonly verifyReads: () => number;
  readonly random: () => number;
}

/** Composes the store. */
export function createBoundedStore(options: BoundedStoreOptions): ContentStore {
  const { disk, index, room } = options;
  const memory = new MemoryContents();
  let complainedAt = -Infinity;

  /** What the index knows and the disk has lost is known no longer. */
  function forget(digest: Digest): void {
    const size = index.contentSize(digest);
    if (size === undefined) return;
    index.dropContent(digest);
    memory.delete(digest);
    room.release(size);
  }

  function isSampled(): boolean {
    const share = options.verifyReads();
    return share > 0 && options.random() < share;
  }

  /** What the disk has changed heals by being fetched again. */
  function dropWrong(digest: Digest): void {
    log.error("the disk has changed {digest}, which is removed", { digest });
    index.count("mismatches");
    forget(digest);
    disk.remove(digest);
  }

  function openKnown(digest: Digest, size: number): StoredContent | undefined {
    return size > 0 && size <= MAX_CONTENT_BYTES && options.verifyReads() === 0
      ? openInMemory(digest, size)
      : openFile(digest, size);
  }

  function openInMemory(digest: Digest, size: number): StoredContent | undefined {
    const bytes = memory.get(digest) ?? disk.read(digest);
    if (bytes === undefined) {
      forget(digest);
      return undefined;
    }
    if (bytes.length !== size) {
      dropWrong(digest);
      return undefined;
    }
    memory.set(digest, bytes);
    index.touch(digest);
    return contentOf(bytes);
  }

  function openFile(digest: Digest, size: number): StoredContent | undefined {
    const content = disk.open(digest);
    if (content === undefined) {
      forget(digest);
      return undefined;
    }
    if (content.size !== size) {
      content[Symbol.dispose]();
      dropWrong(digest);
      return undefined;
    }
    index.touch(digest);
    return isSampled() ? checkedContent(content, digest, () => dropWrong(digest)) : content;
  }

  function complain(error: unknown): void {
    index.count("degraded");
    if (Date.now() - complainedAt < COMPLAIN_MS) return;
    complainedAt = Date.now();
    log.warn("the cache cannot be used, serving without it: {cause}", {
      cause: describeCause(error),
    });
  }

  function begin(key: string, expectedBytes = 0): PartialFile {
    try {
      return reserve(key, expectedBytes);
    } catch (error) {
      complain(error);
      throw error;
    }
  }

  function reserve(key: string, expectedBytes: number): PartialFile {
    // The room of what an earlier fill left is taken already; it goes over to this one.
    const left = disk.partialBytes(key);
    const reservation = new Reservation(room, occupied(left));
    try {
      reservation.grow(Math.max(left, expectedBytes));
      return reservedFile(disk.begin(key), reservation, index);
    } catch (error) {
      reservation.shrink(left);
      throw error;
    }
  }

  /** What a failing disk cannot give is a miss: the upstream has it. */
  function unlessFailing<Result>(look: () => Result): Result | undefined {
    try {
      return look();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      complain(error);
      return undefined;
    }
  }

  return {
    open: (digest) =>
      unlessFailing(() => {
        const size = index.contentSize(digest);
        return size === undefined ? undefined : openKnown(digest, size);
      }),
    read: (digest) =>
      unlessFailing(() => {
        if (index.contentSize(digest) === undefined) return undefined;
        const bytes = disk.read(digest);
        if (bytes === undefined) forget(digest);
        else if (isSampled() && !isContentOf(bytes, digest)) dropWrong(digest);
        else return bytes;
        return undefined;
      }),
    has: (digest) => index.contentSize(digest) !== undefined,
    async write(digest, bytes) {
      if (index.contentSize(digest) !== undefined) return true;
      const file = begin(`small-${crypto.randomUUID()}`, bytes.length);
      try {
        await file.append(bytes);
        await file.commit(digest);
        return true;
      } catch (error) {
        file.discard();
        complain(error);
        throw error;
      }
    },
    begin,
    remove(digest) {
      memory.delete(digest);
      forget(digest);
      disk.remove(digest);
    },
    hold: (digest) => room.hold(digest),
    probe: () => disk.probe(),
  };
}

function contentOf(bytes: Uint8Array<ArrayBuffer>): StoredContent {
  return {
    size: bytes.length,
    bytes,
    stream: (span) =>
      new Blob([span === undefined ? bytes : bytes.subarray(span.start, span.end + 1)]).stream(),
    [Symbol.dispose]: () => undefined,
  };
}

/** A file that takes room as it grows and gives back what it did not need. */
function reservedFile(
  file: DiskPartial,
  reservation: Reservation,
  index: CacheIndex,
): PartialFile {
  return {
    get written() {
      return file.written;
    },
    async append(bytes) {
      reservation.grow(file.written + bytes.length);
      await file.append(bytes);
    },
    reserve: (bytes) => reservation.grow(bytes),
    open: () => file.open(),
    async commit(digest) {
      await file.commit(digest);
      reservation.settle(file.written);
      // Content that was there before is the same file now, and has its room already.
      const before = index.contentSize(digest);
      if (before !== undefined) reservation.settle(0);
      index.putContent(digest, file.written);
    },
    keep() {
      file.keep();
      reservation.settle(file.written);
    },
    discard() {
      file.discard();
      reservation.settle(0);
    },
  };
}

/** Room taken for one file. */
class Reservation {
  readonly #room: Room;
  #bytes: number;
  #isSettled = false;

  constructor(room: Room, bytes: number) {
    this.#room = room;
    this.#bytes = bytes;
  }

  /** Takes room until the file may have so many bytes. @throws {StoreError} where there is none. */
  grow(bytes: number): void {
    if (bytes <= this.#bytes) return;
    const step = this.#bytes === 0 ? bytes : Math.max(bytes - this.#bytes, STEP_BYTES);
    if (!this.#room.reserve(step)) throw new StoreError("there is no room in the cache");
    this.#bytes += occupied(step);
  }

  /** Gives back all but the room of so many bytes. */
  shrink(bytes: number): void {
    const rest = this.#bytes - occupied(bytes);
    if (rest > 0) this.#room.release(rest);
    this.#bytes = Math.min(this.#bytes, occupied(bytes));
  }

  /** The file's last word on its size; later ones do not count. */
  settle(bytes: number): void {
    if (this.#isSettled && bytes !== 0) return;
    this.shrink(bytes);
    this.#isSettled = true;
  }
}
