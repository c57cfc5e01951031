/**
 * Content whose digest is checked while it is read: the last bytes are withheld until it is right, so
 * that nobody receives a complete copy of what the disk has changed.
 */
import { createHash } from "node:crypto";
import { type Digest, splitDigest } from "../reference.ts";
import { HeldTail } from "./held_tail.ts";
import { HELD_BYTES } from "./spool.ts";
import type { StoredContent } from "./store.ts";

/** Whether bytes are the digest's. */
export function isContentOf(bytes: Uint8Array, digest: Digest): boolean {
  const { algorithm, hex } = splitDigest(digest);
  return createHash(algorithm).update(bytes).digest("hex") === hex;
}

/**
 * Checks what is read whole; a span of content says nothing about its digest and is not checked.
 * `onWrong` is told before the reader's stream errors.
 */
export function checkedContent(
  content: StoredContent,
  digest: Digest,
  onWrong: () => void,
): StoredContent {
  return {
    size: content.size,
    bytes: null,
    stream: (span) =>
      span === undefined ? checkedStream(content.stream(), digest, onWrong) : content.stream(span),
    [Symbol.dispose]: () => content[Symbol.dispose](),
  };
}

function checkedStream(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  digest: Digest,
  onWrong: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { algorithm, hex } = splitDigest(digest);
  const hash = createHash(algorithm);
  const tail = new HeldTail(HELD_BYTES);
  return stream.pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        hash.update(chunk);
        for (const free of tail.push(chunk)) controller.enqueue(free);
      },
      flush(controller) {
        if (hash.digest("hex") === hex) {
          for (const rest of tail.rest()) controller.enqueue(rest);
          return;
        }
        onWrong();
        throw new Error(`the disk has changed ${digest}`);
      },
    }),
  );
}
