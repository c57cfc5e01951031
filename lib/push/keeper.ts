/**
 * What is pushed, kept on its way: bytes are hashed and written while they pass, and become the
 * cache's only when the registry has taken them under the digest that they have. Trouble with the
 * disk ends the keeping, never the push.
 */
import { createHash, type Hash } from "node:crypto";
import { getLogger } from "@logtape/logtape";
import type { CacheIndex } from "../cache/index.ts";
import { type ContentStore, type PartialFile, StoreError } from "../cache/store.ts";
import { describeCause } from "../log.ts";
import { placeOf } from "../pull/request.ts";
import { type Digest, parseDigest } from "../reference.ts";
import type { Target } from "../routing/route.ts";

const log = getLogger(["entrepot", "push"]);
/** Uploads between two of their requests; the oldest is given up, and any that waits too long. */
const MAX_WAITING = 256;
const MAX_WAIT_MS = 3600 * 1000;

/** One request of an upload. */
export interface KeptRequest {
  readonly target: Target;
  /** The registry's session, or null where the upload is this one request. */
  readonly session: string | null;
  /** The `Content-Range` of the body, or null. */
  readonly range: string | null;
  readonly hasBody: boolean;
}

/** What is kept of an upload while one of its requests is under way. */
export interface Keeping {
  /** The body, seen on its way; once. */
  through(body: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Decides by the registry's answer; undefined where none came. */
  settle(response: Response | undefined, digest: Digest | undefined): Promise<void>;
}

/** Keeps pushes. */
export interface PushKeeper {
  /** Begins or goes on with what is kept of an upload; undefined where nothing can be. */
  begin(request: KeptRequest): Keeping | undefined;
}

/** The bytes of one upload so far. */
interface Kept {
  readonly file: PartialFile;
  readonly hash: Hash;
  written: number;
  isBroken: boolean;
  /** When its last request ended, in milliseconds since the epoch. */
  waitsSince: number;
}

/** Makes the keeper. */
export function createPushKeeper(
  options: { store: ContentStore; index: CacheIndex; now: () => number },
): PushKeeper {
  const { store, index, now } = options;
  const waiting = new Map<string, Kept>();

  function begin({ target, session, range, hasBody }: KeptRequest): Keeping | undefined {
    dropAbandoned();
    const key = session === null ? null : keyOf(target, session);
    const earlier = key === null ? undefined : waiting.get(key);
    if (key !== null) waiting.delete(key);
    const start = range === null ? undefined : Number(/^(\d+)-/.exec(range)?.[1]);
    if (earlier !== undefined && (start ?? earlier.written) !== earlier.written) {
      earlier.file.discard();
      return undefined;
    }
    const kept = earlier ?? (hasBody && (start ?? 0) === 0 ? open(store) : undefined);
    if (kept === undefined) return undefined;
    return {
      through: (body) => body.pipeThrough(new TransformStream(watcher(kept)), {}),
      settle: (response, digest) => settle(kept, { target, key, response, digest }),
    };
  }

  async function settle(
    kept: Kept,
    end: {
      target: Target;
      key: string | null;
      response: Response | undefined;
      digest: Digest | undefined;
    },
  ): Promise<void> {
    const { response, digest, key } = end;
    if (kept.isBroken || response === undefined) return kept.file.discard();
    if (response.status === 202 && key !== null && isInStep(kept, response)) {
      return wait(key, kept);
    }
    const found = parseDigest(`sha256:${kept.hash.copy().digest("hex")}`);
    if (response.status !== 201 || digest === undefined || digest !== found) {
      return kept.file.discard();
    }
    try {
      await commit(kept, end.target, digest);
    } catch (error) {
      kept.file.discard();
      log.warn("{digest} was pushed and could not be kept: {cause}", {
        digest,
        cause: describeCause(error),
      });
    }
  }

  async function commit(kept: Kept, target: Target, digest: Digest): Promise<void> {
    if (store.has(digest)) kept.file.discard();
    else {
      await kept.file.commit(digest);
      index.putContent(digest, kept.written);
    }
    index.putLink(placeOf(target), digest, null);
  }

  function wait(key: string, kept: Kept): void {
    kept.waitsSince = now();
    waiting.set(key, kept);
    dropAbandoned();
  }

  /** The map is in the order of waiting. */
  function dropAbandoned(): void {
    for (const [key, kept] of waiting) {
      if (waiting.size <= MAX_WAITING && kept.waitsSince > now() - MAX_WAIT_MS) return;
      waiting.delete(key);
      kept.file.discard();
    }
  }

  return { begin };
}

function open(store: ContentStore): Kept | undefined {
  try {
    const file = store.begin(`push-${crypto.randomUUID()}`);
    if (file === undefined) return undefined;
    return { file, hash: createHash("sha256"), written: 0, isBroken: false, waitsSince: 0 };
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

/** Writes and hashes what passes, until the disk refuses. */
function watcher(
  kept: Kept,
): Transformer<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  return {
    async transform(piece, controller) {
      try {
        if (!kept.isBroken) {
          await kept.file.append(piece);
          kept.hash.update(piece);
          kept.written += piece.length;
        }
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        kept.isBroken = true;
      }
      controller.enqueue(piece);
    },
  };
}

/** Whether the registry has taken exactly what is kept. */
function isInStep(kept: Kept, response: Response): boolean {
  const [, last] = /^0-(\d+)$/.exec(response.headers.get("range") ?? "") ?? [];
  return last !== undefined && Number(last) === kept.written - 1;
}

function keyOf(target: Target, session: string): string {
  const { registry, repository } = placeOf(target);
  return `${registry} ${repository} ${session}`;
}
