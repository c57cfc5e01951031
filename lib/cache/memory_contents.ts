/** Small content in memory, up to a bound: opening a file costs more than sending it does. */
import type { Digest } from "../reference.ts";

const MAX_BYTES = 32 << 20;
/** Larger content is streamed from its file: as fast, and nobody has to hold it. */
export const MAX_CONTENT_BYTES = 256 << 10;

/** What was read last. */
export class MemoryContents {
  readonly #contents = new Map<Digest, Uint8Array<ArrayBuffer>>();
  #bytes = 0;

  /** The bytes, which become those used last. Nobody may change them. */
  get(digest: Digest): Uint8Array<ArrayBuffer> | undefined {
    const bytes = this.#contents.get(digest);
    if (bytes === undefined) return undefined;
    this.#contents.delete(digest);
    this.#contents.set(digest, bytes);
    return bytes;
  }

  set(digest: Digest, bytes: Uint8Array<ArrayBuffer>): void {
    this.delete(digest);
    this.#contents.set(digest, bytes);
    this.#bytes += bytes.length;
    for (const [oldest, { length }] of this.#contents) {
      if (this.#bytes <= MAX_BYTES) return;
      this.#contents.delete(oldest);
      this.#bytes -= length;
    }
  }

  delete(digest: Digest): void {
    this.#bytes -= this.#contents.get(digest)?.length ?? 0;
    this.#contents.delete(digest);
  }
}
