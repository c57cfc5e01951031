/** The rest of a transfer for one reader alone, where the disk under a fill has failed. */
import type { Hash } from "node:crypto";
import { HeldTail } from "../cache/held_tail.ts";
import { HELD_BYTES } from "../cache/spool.ts";
import type { Origin } from "../upstream/origin.ts";
import { pump } from "./pump.ts";
import { beginTransfer, type TransferRequest } from "./transfer.ts";

/** What a reader goes on with. */
export interface ContinuationOptions {
  readonly origin: Origin;
  /** From the first byte that the reader lacks. */
  readonly request: TransferRequest;
  readonly idleSeconds: number;
  /** Where the reader had everything before: the hash of that, and the judgement of the whole. */
  readonly check: { readonly hash: Hash; readonly verify: (hash: Hash) => void } | undefined;
}

/**
 * Streams the rest, at the reader's own pace. With a check, the last bytes are held until it has
 * passed; the stream errors where it does not, or where the transfer breaks.
 */
export function continueTransfer(
  options: ContinuationOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { origin, check, idleSeconds } = options;
  const ended = new AbortController();
  const signal = AbortSignal.any([options.request.signal, ended.signal]);
  const held = new HeldTail(check === undefined ? 0 : HELD_BYTES);
  const { readable, writable } = new TransformStream<
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>
  >();
  const writer = writable.getWriter();

  async function move(): Promise<void> {
    const start = await beginTransfer(origin, { ...options.request, signal });
    if (start.kind !== "transfer") throw new Error("the upstream does not go on");
    await pump(start, {
      signal,
      idleSeconds,
      write: async (bytes) => {
        check?.hash.update(bytes);
        for (const chunk of held.push(bytes.slice())) await writer.write(chunk);
      },
    });
    check?.verify(check.hash);
    for (const chunk of held.rest()) await writer.write(chunk);
    await writer.close();
  }

  move().catch((error) => {
    ended.abort(error);
    return writer.abort(error);
  }).catch(() => undefined);
  return readable;
}
