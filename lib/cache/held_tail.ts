/** Withholds the last bytes of what passes until somebody knows that all of it was right. */
export class HeldTail {
  readonly #bytes: number;
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #length = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Takes a chunk and gives those that surely are not among the last bytes. */
  push(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const free: Uint8Array<ArrayBuffer>[] = [];
    for (let first = this.#chunks[0]; first !== undefined; first = this.#chunks[0]) {
      if (this.#length - first.length < this.#bytes) break;
      free.push(first);
      this.#length -= first.length;
      this.#chunks.shift();
    }
    return free;
  }

  /** Everything withheld. */
  rest(): Uint8Array<ArrayBuffer>[] {
    const rest = this.#chunks;
    this.#chunks = [];
    this.#length = 0;
    return rest;
  }
}
