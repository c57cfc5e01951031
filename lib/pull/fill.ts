/**
 * The cache fill: one transfer from upstream per content, whatever the number of callers. A fill
 * belongs to nobody who asks; it goes on when they leave, and commits only what it verified.
 */
import { createHash } from "node:crypto";
import { getLogger } from "@logtape/logtape";
import type { Credential } from "../auth/credential.ts";
import { credentialKey } from "../auth/credential.ts";
import type { CacheIndex } from "../cache/index.ts";
import { Spool } from "../cache/spool.ts";
import type { ByteSpan, ContentStore, PartialFile } from "../cache/store.ts";
import { RegistryError } from "../errors.ts";
import { describeCause } from "../log.ts";
import { type Digest, splitDigest } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import { upstreamError } from "../upstream/failure.ts";
import type { Origin } from "../upstream/origin.ts";
import type { AccessProofs } from "./access.ts";
import { placeOf } from "./request.ts";

const log = getLogger(["entrepot", "fill"]);
const READ_BYTES = 256 * 1024;

/** How a fill began. */
export type FillStart =
  /** Bytes arrive; `size` is undefined where the upstream did not say. */
  | { readonly kind: "filling"; readonly size: number | undefined }
  /** The redirect policy sends the client to the storage itself. */
  | { readonly kind: "pass"; readonly status: number; readonly location: URL }
  /** Nothing can be stored: each caller streams from upstream for itself. */
  | { readonly kind: "uncached" };

/** A transfer under way. */
export interface Fill {
  /** Names the caller that began it: its right to read is proven by the upstream's answer. */
  readonly openedBy: string;
  /** Settles with the upstream's answer. @throws {RegistryError} its refusal or failure. */
  readonly started: Promise<FillStart>;
  /** Follows the bytes. Only after `started` said `filling`. */
  stream(span: ByteSpan | undefined): ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** All transfers under way. */
export interface Fills {
  /** The fill of this content from this upstream, if one is under way. */
  find(target: Target, digest: Digest): Fill | undefined;
  /** Begins one; there must be none. */
  start(target: Target, digest: Digest, credential: Credential): Fill;
  /** How many are under way. */
  readonly active: number;
  /** Resolves when none is under way. */
  idle(): Promise<void>;
}

/** Names a caller in a repository, without holding its credential. */
export function callerKey(target: Target, credential: Credential): string {
  return `${target.repository} ${credentialKey(credential)}`;
}

/** Makes the fills. `lifetime` ends them all. */
export function createFills(
  options: {
    store: ContentStore;
    index: CacheIndex;
    origin: Origin;
    proofs: AccessProofs;
    idleSeconds: number;
    lifetime: AbortSignal;
  },
): Fills {
  const { store, index, origin, proofs } = options;
  const fills = new Map<string, { fill: Fill; done: Promise<void> }>();

  function keyOf(target: Target, digest: Digest): string {
    return `${placeOf(target).registry} ${digest}`;
  }

  function start(target: Target, digest: Digest, credential: Credential): Fill {
    const key = keyOf(target, digest);
    const controller = new AbortController();
    const signal = AbortSignal.any([options.lifetime, controller.signal]);
    let spool: Spool | undefined;
    const opened = open(target, digest, credential, signal).then((result) => {
      if (result.kind === "filling") spool = result.spool;
      return result;
    });
    const fill: Fill = {
      openedBy: callerKey(target, credential),
      started: opened.then((result) =>
        result.kind === "filling" ? { kind: "filling", size: result.size } : result
      ),
      stream(span) {
        if (spool === undefined) throw new Error("the fill has no bytes to follow");
        return spool.stream(span);
      },
    };
    const done = opened
      .then((result) =>
        result.kind === "filling" ? copy(result, target, digest, controller) : undefined
      )
      // `started` carries the failure to whoever waits.
      .catch(() => undefined)
      .finally(() => fills.delete(key));
    fills.set(key, { fill, done });
    return fill;
  }

  async function open(
    target: Target,
    digest: Digest,
    credential: Credential,
    signal: AbortSignal,
  ): Promise<OpenedFill> {
    const file = beginFile();
    if (file === undefined) return { kind: "uncached" };
    try {
      const answer = await origin.ask({
        target,
        method: "GET",
        path: `blobs/${digest}`,
        credential,
        signal,
      });
      if (answer.kind === "pass") {
        file.discard();
        return answer;
      }
      const { response } = answer;
      if (response.status !== 200 || response.body === null) {
        throw await upstreamError(response, target.upstream, "blob");
      }
      proofs.remember(target, credential);
      index.putLink(placeOf(target), digest, null);
      index.count("fills");
      const size = contentLength(response);
      return { kind: "filling", spool: new Spool(file), size, body: response.body };
    } catch (error) {
      file.discard();
      throw error;
    }
  }

  function beginFile(): PartialFile | undefined {
    try {
      return store.begin();
    } catch (error) {
      log.warn("the cache cannot be written, streaming without it: {cause}", {
        cause: describeCause(error),
      });
      return undefined;
    }
  }

  /** Moves the bytes, verifies and commits them, or breaks every reader. Never throws. */
  async function copy(
    opened: OpenedFill & { kind: "filling" },
    target: Target,
    digest: Digest,
    controller: AbortController,
  ): Promise<void> {
    const { spool, size, body } = opened;
    const { registry } = target.upstream;
    try {
      const found = await hashInto(spool, body, digest, controller, options.idleSeconds);
      if (size !== undefined && spool.written !== size) {
        throw broken(registry, `${spool.written} bytes of ${digest} came instead of ${size}`);
      }
      if (found !== digest) throw broken(registry, `the bytes sent for ${digest} are ${found}`);
      await spool.commit(digest);
      index.putContent(digest, spool.written);
    } catch (error) {
      controller.abort(error);
      spool.break(error);
      if (options.lifetime.aborted) return;
      log.error("fill of {digest} from {upstream} broke: {cause}", {
        digest,
        upstream: registry,
        repository: target.repository,
        cause: describeCause(error),
      });
    }
  }

  return {
    find: (target, digest) => fills.get(keyOf(target, digest))?.fill,
    start,
    get active() {
      return fills.size;
    },
    async idle() {
      while (fills.size > 0) await Promise.all([...fills.values()].map(({ done }) => done));
    },
  };
}

type OpenedFill =
  | {
    readonly kind: "filling";
    readonly spool: Spool;
    readonly size: number | undefined;
    readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  }
  | Exclude<FillStart, { kind: "filling" }>;

/**
 * Reads a body to its end into the spool, and gives the digest of what came, by the algorithm of
 * the one wanted. A silence longer than `idleSeconds` ends the transfer.
 */
async function hashInto(
  spool: Spool,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  wanted: Digest,
  controller: AbortController,
  idleSeconds: number,
): Promise<string> {
  const { algorithm } = splitDigest(wanted);
  const hash = createHash(algorithm);
  // One recycled buffer: a fresh one per read costs more than the read.
  let buffer = new ArrayBuffer(READ_BYTES);
  const reader = body.getReader({ mode: "byob" });
  using _watchdog = watchIdle(() => spool.written, idleSeconds, () => {
    controller.abort(new Error(`no byte came for ${idleSeconds} s`));
  });
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(buffer));
    if (value === undefined || done) break;
    hash.update(value);
    spool.append(value);
    buffer = value.buffer;
  }
  return `${algorithm}:${hash.digest("hex")}`;
}

/** Calls `onIdle` when the progress has not changed for `seconds`; looks a few times in between. */
function watchIdle(progress: () => number, seconds: number, onIdle: () => void): Disposable {
  let last = progress();
  let unchanged = 0;
  const looks = 4;
  const timer = setInterval(() => {
    const current = progress();
    unchanged = current === last ? unchanged + 1 : 0;
    last = current;
    if (unchanged >= looks) onIdle();
  }, (seconds * 1000) / looks);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function contentLength(response: Response): number | undefined {
  const text = response.headers.get("content-length");
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}

function broken(registry: string, what: string): RegistryError {
  return new RegistryError("UNAVAILABLE", `${registry}: ${what}`, { status: 502 });
}
