/**
 * A growing file that one writer fills and many readers follow, each at its own pace. The last
 * bytes stay hidden until the writer says that the digest was right, so that nobody can receive a
 * complete corrupt content.
 */
import { getLogger } from "@logtape/logtape";
import { describeCause } from "../log.ts";
import type { Digest } from "../reference.ts";
import type { ByteSpan, PartialFile } from "./store.ts";

const log = getLogger(["entrepot", "cache"]);

/** How much of the end is withheld until the content is verified. */
export const HELD_BYTES = 64 * 1024;
const READ_BYTES = 256 * 1024;

/** The bytes from a position behind the file's end on, from a source of each reader's own. */
export type Continuation = (from: number) => ReadableStream<Uint8Array<ArrayBuffer>>;

type SpoolState =
  | { readonly kind: "growing" }
  | { readonly kind: "complete" }
  /** The disk refused more: each reader goes on by itself where the file ends. */
  | { readonly kind: "detached"; readonly rest: Continuation }
  | { readonly kind: "broken"; readonly reason: unknown };

/** One writer's file, followed by readers. */
export class Spool {
  readonly #file: PartialFile;
  readonly #onReaders: (count: number) => void;
  #state: SpoolState = { kind: "growing" };
  #readers = 0;
  #wake = Promise.withResolvers<void>();

  /** `onReaders` is told how many follow, whenever that changes. */
  constructor(file: PartialFile, onReaders: (count: number) => void) {
    this.#file = file;
    this.#onReaders = onReaders;
  }

  /** Bytes written so far. */
  get written(): number {
    return this.#file.written;
  }

  /** Appends bytes, which must not change until then. @throws {StoreError} */
  async append(bytes: Uint8Array): Promise<void> {
    await this.#file.append(bytes);
    this.#wakeReaders();
  }

  /** Opens what is written so far, to be hashed again. */
  open(): Deno.FsFile {
    return this.#file.open();
  }

  /**
   * Shows readers all of the content, which the writer has verified, and makes it durable under
   * its digest. Readers need not wait for the disk.
   *
   * @throws {StoreError} where the disk refuses; readers still get the content, the cache does not.
   */
  async commit(digest: Digest): Promise<void> {
    this.#state = { kind: "complete" };
    this.#wakeReaders();
    await this.#file.commit(digest);
  }

  /** Lets every reader go on from another source after what is written; nothing is kept. */
  detach(rest: Continuation): void {
    if (this.#state.kind === "growing") this.#state = { kind: "detached", rest };
    this.#wakeReaders();
    this.#letGo("discard");
  }

  /** Breaks every reader's stream, unless it is complete; the file is kept to be resumed or not. */
  break(reason: unknown, file: "keep" | "discard"): void {
    if (this.#state.kind === "growing") this.#state = { kind: "broken", reason };
    this.#wakeReaders();
    this.#letGo(file);
  }

  /**
   * Streams the content, or a span of it, as it becomes visible. The stream errors when the spool
   * breaks; cancelling it disturbs neither the writer nor other readers. `onRead` is told of the
   * bytes that were read.
   */
  stream(
    span: ByteSpan | undefined,
    onRead?: (bytes: number) => void,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const reader = new SpoolReader(this.#file.open(), span);
    this.#onReaders(++this.#readers);
    let isOpen = true;
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      reader.close();
      this.#onReaders(--this.#readers);
    };
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        try {
          const chunk = await this.#next(reader, () => isOpen);
          if (chunk !== undefined) {
            controller.enqueue(chunk);
            onRead?.(chunk.length);
          }
          // Ended together with its last chunk: a client that has it all asks for no more.
          if (isOpen && (chunk === undefined || this.#isAtEnd(reader))) {
            close();
            controller.close();
          }
        } catch (error) {
          close();
          throw error;
        }
      },
      cancel: close,
    }, { highWaterMark: 0 });
  }

  /** The next bytes for a reader, waiting for them; undefined at the end. */
  async #next(
    reader: SpoolReader,
    isOpen: () => boolean,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    for (;;) {
      const state = this.#state;
      if (state.kind === "broken") throw state.reason;
      const available = reader.available(this.#visible());
      if (available > 0) return reader.read(Math.min(READ_BYTES, available));
      if (state.kind === "detached" && !reader.isDone) return await reader.readRest(state.rest);
      if (state.kind !== "growing" || reader.isDone || !isOpen()) return undefined;
      await this.#wake.promise;
    }
  }

  /** A disk that refused to write may refuse to remove as well: the next start sweeps. */
  #letGo(how: "keep" | "discard"): void {
    try {
      this.#file[how]();
    } catch (error) {
      log.warn("a partial file cannot be removed: {cause}", { cause: describeCause(error) });
    }
  }

  #isAtEnd(reader: SpoolReader): boolean {
    return reader.isDone || (this.#state.kind === "complete" && reader.position >= this.written);
  }

  /** How many bytes of the file readers may see. */
  #visible(): number {
    return this.#state.kind === "growing" ? Math.max(0, this.written - HELD_BYTES) : this.written;
  }

  #wakeReaders(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }
}

/** One reader's place in the file, and in what follows it where the disk refused the rest. */
class SpoolReader {
  readonly #file: Deno.FsFile;
  readonly #end: number;
  #rest: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  #isExhausted = false;
  position: number;

  constructor(file: Deno.FsFile, span: ByteSpan | undefined) {
    this.#file = file;
    this.position = span?.start ?? 0;
    this.#end = span === undefined ? Number.MAX_SAFE_INTEGER : span.end + 1;
    file.seekSync(this.position, Deno.SeekMode.Start);
  }

  get isDone(): boolean {
    return this.#isExhausted || this.position >= this.#end;
  }

  /** Bytes that it may read now of a file of which so many are visible. */
  available(visible: number): number {
    return Math.min(visible, this.#end) - this.position;
  }

  read(length: number): Uint8Array<ArrayBuffer> {
    const buffer = new Uint8Array(length);
    const count = this.#file.readSync(buffer);
    if (count === null) throw new Error("the spool is shorter than what was written");
    this.position += count;
    return buffer.subarray(0, count);
  }

  /** Reads on after the end of the file. */
  async readRest(rest: Continuation): Promise<Uint8Array<ArrayBuffer> | undefined> {
    this.#rest ??= rest(this.position).getReader();
    const { value } = await this.#rest.read();
    if (value === undefined) {
      this.#isExhausted = true;
      return undefined;
    }
    const chunk = value.subarray(0, this.#end - this.position);
    this.position += chunk.length;
    return chunk;
  }

  close(): void {
    this.#file.close();
    this.#isExhausted = true;
    // It has nothing left to say to a reader that has gone.
    this.#rest?.cancel().catch(() => undefined);
  }
}
