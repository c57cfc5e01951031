/**
 * One cache fill: a transfer from upstream that belongs to nobody who asks. It hashes and stores
 * what comes, starts again where a transfer broke, and commits only what it verified.
 */
import { createHash, type Hash } from "node:crypto";
import { getLogger } from "@logtape/logtape";
import { backoffMs, delay } from "../backoff.ts";
import type { Credential } from "../auth/credential.ts";
import { Spool } from "../cache/spool.ts";
import { type PartialFile, StoreError } from "../cache/store.ts";
import { RegistryError } from "../errors.ts";
import { describeCause } from "../log.ts";
import { type Digest, splitDigest } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import type { Origin } from "../upstream/origin.ts";
import { continueTransfer } from "./continuation.ts";
import { pump } from "./pump.ts";
import { beginTransfer, type Transfer, type TransferStart } from "./transfer.ts";

const log = getLogger(["entrepot", "fill"]);
/** Tries before the first byte: a client waits, and would try again by itself. */
const OPEN_TRIES = 4;
/** Tries in a row that bring no byte, once clients have a status and wait for bytes only. */
const RESUME_TRIES = 8;
const BACKOFF = { firstMs: 200, maxMs: 10_000 };

/** What a fill needs. */
export interface FillOptions {
  readonly target: Target;
  readonly digest: Digest;
  readonly file: PartialFile;
  readonly origin: Origin;
  /** The longest silence inside a transfer. */
  readonly idleSeconds: number;
  /** What the manifest says, where one is known: an upstream that says otherwise is not believed. */
  readonly expectedSize: number | undefined;
  readonly onReaders: (count: number) => void;
  readonly onEvent: (event: FillEvent) => void;
  /** Is told of the bytes that the upstream sent. */
  readonly onFetched: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** What happens in fills, to be counted. */
export type FillEvent = "resume" | "mismatch" | "detach";

/** How a fill began. */
export type FillOpening =
  | { readonly kind: "filling"; readonly size: number | undefined; readonly transfer: Transfer }
  | { readonly kind: "pass"; readonly status: number; readonly location: URL }
  /** What an earlier process left is not the content; it is thrown away, and this fill with it. */
  | { readonly kind: "spoilt" };

/** A fill that runs once: `open`, then `run`. */
export class FillTask {
  readonly spool: Spool;
  /** Whose right is used: that of the caller that joined last, whose token lives longest. */
  credential: Credential;
  readonly #options: FillOptions;
  #hash: Hash;
  #size: number | undefined;
  #badRanges = 0;
  #isRehashed = false;

  constructor(options: FillOptions, credential: Credential) {
    this.#options = options;
    this.credential = credential;
    this.spool = new Spool(options.file, options.onReaders);
    this.#hash = createHash(splitDigest(options.digest).algorithm);
    this.#size = options.expectedSize;
  }

  /** In bytes, or undefined while nobody has said. */
  get size(): number | undefined {
    return this.#size;
  }

  /**
   * Asks the upstream, a few times where that can help.
   *
   * @throws {RegistryError} its refusal or failure.
   */
  async open(): Promise<FillOpening> {
    for (let attempt = 1;; attempt++) {
      const start = this.#believe(await this.#begin(this.#options.signal));
      switch (start.kind) {
        case "transfer":
          this.#size ??= start.size;
          if (this.#size !== undefined && this.spool.written > this.#size) {
            await start.body.cancel().catch(() => undefined);
            return this.#throwAway();
          }
          return { kind: "filling", size: this.#size, transfer: start };
        case "end": {
          // Everything is here from an earlier process, and only the proof is missing.
          const { written } = this.spool;
          this.#size ??= start.size ?? written;
          // Proven before a byte is promised: storage hosts mostly do not say where the end is.
          if (this.#size !== written || !await this.#isProven()) return this.#throwAway();
          const body = new Response("").body ?? new ReadableStream();
          return {
            kind: "filling",
            size: this.#size,
            transfer: { kind: "transfer", body, skip: 0, size: this.#size },
          };
        }
        case "pass":
          return start;
        case "refused":
          throw start.error;
        case "failed":
          // A client that waited for a time-out waits no longer, and one that is limited must know.
          if (attempt >= OPEN_TRIES || [429, 504].includes(start.error.status)) throw start.error;
          // Two fresh addresses of what is not there are no accident.
          if (start.error.status === 404 && attempt > 1) throw start.error;
          await delay(backoffMs(BACKOFF, attempt, Math.random), this.#options.signal);
          break;
        default:
          start satisfies never;
      }
    }
  }

  /** Moves the bytes to their end and commits them, or breaks every reader. Never throws. */
  async run(first: Transfer): Promise<void> {
    const { digest, signal, target } = this.#options;
    try {
      await this.#rehash().catch((error) => {
        first.body.cancel(error).catch(() => undefined);
        throw error;
      });
      await this.#moveAll(first);
      await this.spool.commit(digest);
    } catch (error) {
      if (error instanceof StoreError) {
        first.body.cancel().catch(() => undefined);
        this.#detach(error);
        return;
      }
      // What was verified up to here stays to be resumed; what is wrong must not.
      this.spool.break(error, error instanceof WrongContentError ? "discard" : "keep");
      if (!signal.aborted) {
        log.error("fill of {digest} from {upstream} broke: {cause}", {
          digest,
          upstream: target.upstream.registry,
          repository: target.repository,
          cause: describeCause(error),
        });
      }
    }
  }

  #begin(signal: AbortSignal): Promise<TransferStart> {
    return beginTransfer(this.#options.origin, {
      target: this.#options.target,
      digest: this.#options.digest,
      offset: this.spool.written,
      isRangeless: this.#badRanges > 1,
      credential: this.credential,
      signal,
    });
  }

  #throwAway(): FillOpening {
    const { digest } = this.#options;
    log.warn("{bytes} bytes that were kept of {digest} are wrong", {
      bytes: this.spool.written,
      digest,
    });
    this.spool.break(new WrongContentError(`what was kept of ${digest} is wrong`), "discard");
    return { kind: "spoilt" };
  }

  /** Whether what an earlier process left is all of the content. */
  async #isProven(): Promise<boolean> {
    try {
      await this.#rehash();
    } catch {
      // What cannot be read is as good as wrong.
      return false;
    }
    return this.#digest(this.#hash) === this.#options.digest;
  }

  /** A transfer of another size than the manifest's or the first one's is as good as none. */
  #believe(start: TransferStart): TransferStart {
    if (start.kind !== "transfer") return start;
    const said = start.size;
    if (said === undefined || this.#size === undefined || said === this.#size) return start;
    start.body.cancel().catch(() => undefined);
    const error = new RegistryError(
      "UNAVAILABLE",
      `${this.#options.target.upstream.registry} says ${said} bytes instead of ${this.#size}`,
      { status: 502 },
    );
    return { kind: "failed", error, badRange: false };
  }

  /** Hashes what an earlier process left, once. */
  async #rehash(): Promise<void> {
    if (this.spool.written === 0 || this.#isRehashed) return;
    this.#isRehashed = true;
    this.#options.onEvent("resume");
    using file = this.spool.open();
    const buffer = new Uint8Array(1 << 20);
    for (let left = this.spool.written; left > 0;) {
      const length = await file.read(buffer.subarray(0, Math.min(buffer.length, left)));
      if (length === null) throw new WrongContentError("the partial file has shrunk");
      this.#hash.update(buffer.subarray(0, length));
      left -= length;
    }
  }

  /** Transfers until the digest is right. @throws where no try brings any more. */
  async #moveAll(first: Transfer): Promise<void> {
    let transfer: Transfer | undefined = first;
    let failure: unknown;
    for (let attempt = 0;;) {
      const before = this.spool.written;
      if (transfer !== undefined) failure = await this.#pump(transfer);
      if (this.#isComplete(failure)) return;
      attempt = this.spool.written > before ? 1 : attempt + 1;
      if (attempt > RESUME_TRIES) throw failure ?? new Error("the transfer ended early");
      this.#options.onEvent("resume");
      await delay(backoffMs(BACKOFF, attempt, Math.random), this.#options.signal);
      const start = this.#believe(await this.#begin(this.#options.signal));
      transfer = undefined;
      switch (start.kind) {
        case "transfer":
          transfer = start;
          break;
        case "end":
          // Nothing more will come. Either what came is not the content, or its length was not.
          if (this.#digest(this.#hash) !== this.#options.digest) throw this.#wrong(this.#hash);
          throw new Error(`there are ${this.spool.written} bytes instead of ${this.#size}`);
        case "failed":
          failure = start.error;
          if (start.badRange) this.#badRanges++;
          break;
        case "refused":
          throw start.error;
        case "pass":
          throw new Error("the upstream now redirects where clients must go themselves");
        default:
          start satisfies never;
      }
    }
  }

  /** One transfer; gives what broke it, or undefined where it ended. @throws what no try mends. */
  async #pump(transfer: Transfer): Promise<unknown> {
    try {
      await pump(transfer, {
        signal: this.#options.signal,
        idleSeconds: this.#options.idleSeconds,
        write: (bytes) => {
          this.#options.onFetched(bytes.length);
          return this.#append(bytes);
        },
      });
      return undefined;
    } catch (error) {
      if (error instanceof StoreError || error instanceof WrongContentError) throw error;
      this.#options.signal.throwIfAborted();
      return error;
    }
  }

  /** The hash is that of what is written: a disk that fills up takes a part and refuses the rest. */
  async #append(bytes: Uint8Array): Promise<void> {
    const before = this.spool.written;
    if (this.#size !== undefined && before + bytes.length > this.#size) {
      throw new WrongContentError(`more than ${this.#size} bytes came`);
    }
    const hash = this.#hash.copy();
    const written = this.spool.append(bytes);
    this.#hash.update(bytes);
    try {
      await written;
    } catch (error) {
      this.#hash = hash.update(bytes.subarray(0, this.spool.written - before));
      throw error;
    }
  }

  /** @throws {WrongContentError} where all bytes are here and are not the content. */
  #isComplete(failure: unknown): boolean {
    const { written } = this.spool;
    if (this.#size !== undefined && written < this.#size) return false;
    if (this.#size === undefined && failure !== undefined) return false;
    if (this.#digest(this.#hash) === this.#options.digest) return true;
    // Without a length, an end may as well be a broken transfer: ask whether there is more.
    if (this.#size === undefined) return false;
    throw this.#wrong(this.#hash);
  }

  #digest(hash: Hash): string {
    return `${splitDigest(this.#options.digest).algorithm}:${hash.copy().digest("hex")}`;
  }

  #wrong(hash: Hash): WrongContentError {
    this.#options.onEvent("mismatch");
    return new WrongContentError(
      `the bytes sent for ${this.#options.digest} are ${this.#digest(hash)}`,
    );
  }

  /** The disk has failed: whoever follows goes on with a transfer of its own, verified as well. */
  #detach(cause: StoreError): void {
    this.#options.onEvent("detach");
    log.warn("the cache cannot be written, streaming {digest} without it: {cause}", {
      digest: this.#options.digest,
      cause: describeCause(cause),
    });
    const written = this.spool.written;
    this.spool.detach((from) => this.#continue(from, from === written));
  }

  #continue(from: number, isWhole: boolean): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { origin, target, digest, idleSeconds, signal } = this.#options;
    const verify = (hash: Hash): void => {
      if (this.#digest(hash) !== digest) throw this.#wrong(hash);
    };
    return continueTransfer({
      origin,
      request: {
        target,
        digest,
        offset: from,
        isRangeless: false,
        credential: this.credential,
        signal,
      },
      idleSeconds,
      check: isWhole ? { hash: this.#hash.copy(), verify } : undefined,
    });
  }
}

/** What came is not the content: no further byte can make it right. */
export class WrongContentError extends Error {
  override readonly name = "WrongContentError";
}
