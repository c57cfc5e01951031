/**
 * A growing file that one writer fills and many readers follow, each at its own pace. The last
 * bytes stay hidden until the writer says that the digest was right, so that nobody can receive a
 * complete corrupt content.
 */
import type { Digest } from "../reference.ts";
import type { ByteSpan, PartialFile } from "./store.ts";

/** How much of the end is withheld until the content is verified. */
const HELD_BYTES = 64 * 1024;
const READ_BYTES = 256 * 1024;

type SpoolState =
  | { readonly kind: "growing" }
  | { readonly kind: "complete" }
  | { readonly kind: "broken"; readonly reason: unknown };

/** One writer's file, followed by readers. */
export class Spool {
  readonly #file: PartialFile;
  #state: SpoolState = { kind: "growing" };
  #wake = Promise.withResolvers<void>();

  constructor(file: PartialFile) {
    this.#file = file;
  }

  /** Bytes written so far. */
  get written(): number {
    return this.#file.written;
  }

  /** Appends bytes, which are copied before this returns. @throws where the disk refuses. */
  append(bytes: Uint8Array): void {
    this.#file.append(bytes);
    this.#wakeReaders();
  }

  /**
   * Shows readers all of the content, which the writer has verified, and makes it durable under
   * its digest. Readers need not wait for the disk.
   *
   * @throws where the disk refuses; readers still get the content, the cache does not.
   */
  async commit(digest: Digest): Promise<void> {
    this.#state = { kind: "complete" };
    this.#wakeReaders();
    await this.#file.commit(digest);
  }

  /** Breaks every reader's stream, unless it is complete, and throws the file away. */
  break(reason: unknown): void {
    if (this.#state.kind === "growing") this.#state = { kind: "broken", reason };
    this.#file.discard();
    this.#wakeReaders();
  }

  /**
   * Streams the content, or a span of it, as it becomes visible. The stream errors when the spool
   * breaks; cancelling it disturbs neither the writer nor other readers.
   */
  stream(span: ByteSpan | undefined): ReadableStream<Uint8Array<ArrayBuffer>> {
    const file = this.#file.open();
    const end = span?.end ?? Number.MAX_SAFE_INTEGER;
    let position = span?.start ?? 0;
    let isClosed = false;
    const close = () => {
      if (!isClosed) file.close();
      isClosed = true;
    };
    const fail = (error: unknown): never => {
      close();
      throw error;
    };
    file.seekSync(position, Deno.SeekMode.Start);

    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        while (!isClosed && this.#visible() <= position && this.#state.kind === "growing") {
          await this.#wake.promise;
        }
        if (isClosed) return;
        if (this.#state.kind === "broken") return fail(this.#state.reason);
        const available = Math.min(this.#visible(), end + 1) - position;
        if (available > 0) {
          const buffer = new Uint8Array(Math.min(READ_BYTES, available));
          const length = file.readSync(buffer);
          if (length === null) return fail(new Error("the spool is shorter than what was written"));
          position += length;
          controller.enqueue(buffer.subarray(0, length));
        }
        if (position > end || (this.#state.kind === "complete" && position >= this.written)) {
          close();
          controller.close();
        }
      },
      cancel: close,
    }, { highWaterMark: 0 });
  }

  /** How many bytes readers may see. */
  #visible(): number {
    return this.#state.kind === "complete" ? this.written : Math.max(0, this.written - HELD_BYTES);
  }

  #wakeReaders(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }
}
