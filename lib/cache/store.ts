/** Where verified content lies, named by its digest. */
import type { Digest } from "../reference.ts";

/** Bytes of a stored content, `start` to `end` inclusive. */
export interface ByteSpan {
  readonly start: number;
  readonly end: number;
}

/** Stored content, opened. Whoever opened it consumes or cancels the stream, or closes it unread. */
export interface StoredContent extends Disposable {
  /** In bytes. */
  readonly size: number;
  /** All of it, where it is in memory; not to be changed. */
  readonly bytes: Uint8Array<ArrayBuffer> | null;
  /** The bytes, or a span of them. May be called once; owns the file from then on. */
  stream(span?: ByteSpan): ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** A file that is being written and becomes content when its digest is right. */
export interface PartialFile {
  /** Bytes written so far, those of an earlier process included. */
  readonly written: number;
  /**
   * Appends all the bytes, which must not change until then; one call at a time.
   *
   * @throws {StoreError} where the disk refuses; `written` says how much it took.
   */
  append(bytes: Uint8Array): Promise<void>;
  /** Takes room for so many bytes in all, now that they are known. @throws {StoreError} */
  reserve(bytes: number): void;
  /** Opens what is written for reading beside the writer. */
  open(): Deno.FsFile;
  /** Makes it the digest's content, durably. @throws {StoreError} where the disk refuses. */
  commit(digest: Digest): Promise<void>;
  /** Closes it unless it was committed, and leaves it to be resumed. */
  keep(): void;
  /** Throws it away unless it was committed; those who opened it may read on. */
  discard(): void;
}

/** The disk refused: it is full, read-only, gone, or out of handles. */
export class StoreError extends Error {
  override readonly name = "StoreError";
}

/** The bytes of the cache. */
export interface ContentStore {
  /** Opens content, or undefined where there is none. */
  open(digest: Digest): StoredContent | undefined;
  /** Reads content whole; for manifests. */
  read(digest: Digest): Uint8Array<ArrayBuffer> | undefined;
  /** Whether there is such content. */
  has(digest: Digest): boolean;
  /**
   * Stores small content whole, durably, unless this store keeps nothing; says whether it did. The
   * caller has verified the bytes.
   *
   * @throws {StoreError} where the disk refuses.
   */
  write(digest: Digest, bytes: Uint8Array): Promise<boolean>;
  /**
   * Begins a file, or goes on with what an earlier fill of the same key left; undefined where this
   * store keeps nothing. One writer at a time per key. `expectedBytes` is its whole size if known.
   *
   * @throws {StoreError} where the disk refuses, or there is no room.
   */
  begin(key: string, expectedBytes?: number): PartialFile | undefined;
  /** Removes content, if it is there. */
  remove(digest: Digest): void;
  /** Keeps content, there or to come, from being evicted until the result is disposed. */
  hold(digest: Digest): Disposable;
  /** Resolves when the store can be written. @throws where it cannot. */
  probe(): Promise<void>;
}

/** The store of a proxy that caches nothing. */
export const NO_STORE: ContentStore = {
  open: () => undefined,
  read: () => undefined,
  has: () => false,
  write: () => Promise.resolve(false),
  begin: () => undefined,
  remove: () => undefined,
  hold: () => ({ [Symbol.dispose]: () => undefined }),
  probe: () => Promise.resolve(),
};
