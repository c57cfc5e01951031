/** A transfer, or its rest, for one reader alone, where the disk under it has failed. */
import type { Hash } from "node:crypto";
import { HeldTail } from "../cache/held_tail.ts";
import { HELD_BYTES } from "../cache/spool.ts";
import type { Origin } from "../upstream/origin.ts";
import { backoffMs, delay } from "../backoff.ts";
import { pump } from "./pump.ts";
import { beginTransfer, type Transfer, type TransferRequest } from "./transfer.ts";

/** Tries in a row that bring no byte. */
const TRIES = 5;
const BACKOFF = { firstMs: 200, maxMs: 10_000 };

/** What a reader goes on with. */
export interface ContinuationOptions {
  readonly origin: Origin;
  /** From the first byte that the reader lacks. */
  readonly request: TransferRequest;
  /** The first attempt, where it has begun. */
  readonly first?: Transfer;
  readonly idleSeconds: number;
  /** Where the reader had everything before: the hash of that, and the judgement of the whole. */
  readonly check: { readonly hash: Hash; readonly verify: (hash: Hash) => void } | undefined;
}

/**
 * Streams the rest, at the reader's own pace; a transfer that breaks is begun anew where it broke.
 * With a check, the last bytes are held until it has passed; the stream errors where it does not, or
 * where no try brings any more.
 */
export function continueTransfer(
  options: ContinuationOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { origin, check, idleSeconds, request } = options;
  const ended = new AbortController();
  const signal = AbortSignal.any([request.signal, ended.signal]);
  const held = new HeldTail(check === undefined ? 0 : HELD_BYTES);
  const { readable, writable } = new TransformStream<
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>
  >();
  const writer = writable.getWriter();
  // A reader that has gone wants nothing more.
  writer.closed.catch((reason: unknown) => ended.abort(reason));
  let { offset, isRangeless } = request;
  let { first } = options;

  async function move(): Promise<void> {
    for (let attempt = 1;; attempt++) {
      const before = offset;
      const failure = await moveOnce();
      if (failure === undefined) break;
      if (offset > before) attempt = 1;
      if (attempt >= TRIES) throw failure;
      await delay(backoffMs(BACKOFF, attempt, Math.random), signal);
    }
    check?.verify(check.hash);
    for (const chunk of held.rest()) await writer.write(chunk);
    await writer.close();
  }

  /** One transfer; gives what broke it, or undefined where everything came. @throws what is final. */
  async function moveOnce(): Promise<unknown> {
    const start = first ??
      await beginTransfer(origin, { ...request, offset, isRangeless, signal });
    first = undefined;
    if (start.kind === "failed") {
      isRangeless ||= start.badRange;
      return start.error;
    }
    if (start.kind === "end") return undefined;
    if (start.kind !== "transfer") throw new Error("the upstream does not go on");
    try {
      await pump(start, { signal, idleSeconds, write });
    } catch (error) {
      signal.throwIfAborted();
      return error;
    }
    const isShort = start.size !== undefined && offset < start.size;
    return isShort ? new Error(`${offset} bytes came instead of ${start.size}`) : undefined;
  }

  async function write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    offset += bytes.length;
    check?.hash.update(bytes);
    for (const chunk of held.push(bytes.slice())) await writer.write(chunk);
  }

  move().catch((error) => {
    ended.abort(error);
    return writer.abort(error);
  }).catch(() => undefined);
  return readable;
}
