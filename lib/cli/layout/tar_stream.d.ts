/** Types of what is used of `tar-stream`, which has none. */
import type { Readable, Writable } from "node:stream";

/** What a tar says of a file. */
export interface Header {
  readonly name: string;
  /** In bytes. */
  readonly size?: number;
  readonly type?: string;
}

/** A file in a tar that is read; what is not read has to be skipped by `resume`. */
export interface Entry extends Readable {
  readonly header: Header;
}

/** A tar that is written. */
export interface Pack extends Readable {
  /** Begins a file, whose bytes are then written. */
  entry(header: Header, callback: (error?: Error | null) => void): Writable;
  finalize(): void;
}

/** Reads a tar: written to, it gives the files in their order. */
export interface Extract extends Writable, AsyncIterable<Entry> {}

export function pack(): Pack;
export function extract(): Extract;
