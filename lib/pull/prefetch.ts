/**
 * Begins the fills of what a manifest refers to when the manifest is served, so that its client, who
 * asks for the blobs one after the other, joins transfers under way.
 */
import { getLogger } from "@logtape/logtape";
import type { Credential } from "../auth/credential.ts";
import type { ContentStore } from "../cache/store.ts";
import { describeCause } from "../log.ts";
import { LruMap } from "../lru.ts";
import type { Digest } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import type { Fills } from "./fills.ts";
import { blobsOf } from "../cache/manifest_children.ts";
import type { Manifest } from "./manifest_value.ts";
import { placeOf } from "./request.ts";

const log = getLogger(["entrepot", "prefetch"]);
/** Blobs that wait; a client that comes later fills what was dropped. */
const MAX_WAITING = 1_000;
/** A manifest whose blobs were looked for is not looked at again for a while. */
const LOOKED_AT_MS = 10_000;
const MAX_LOOKED_AT = 10_000;

/** Begins fills. Never throws, and holds nobody up. */
export type Prefetch = (target: Target, manifest: Manifest, credential: Credential) => void;

/** What is fetched with. */
export interface PrefetchOptions {
  readonly fills: Fills;
  readonly store: ContentStore;
  /** Fills that may be under way at the same time; 0 for none. */
  readonly maxFills: number;
  readonly now: () => number;
  readonly lifetime: AbortSignal;
}

interface Waiting {
  readonly target: Target;
  readonly digest: Digest;
  readonly credential: Credential;
  /** Shared by the blobs of one manifest. */
  readonly run: { isOver: boolean };
}

/** Makes the prefetch. */
export function createPrefetch(options: PrefetchOptions): Prefetch {
  const { fills, store, maxFills, now, lifetime } = options;
  const lookedAt = new LruMap<string, number>(MAX_LOOKED_AT);
  const waiting: Waiting[] = [];
  let active = 0;

  return function prefetch(target, manifest, credential) {
    // Where clients go to the storage themselves, nothing is stored here.
    if (maxFills === 0 || target.upstream.redirect === "pass") return;
    const { registry, repository } = placeOf(target);
    const key = `${registry} ${repository} ${manifest.digest}`;
    if (now() - (lookedAt.get(key) ?? -Infinity) < LOOKED_AT_MS) return;
    lookedAt.set(key, now());
    const run = { isOver: false };
    for (const digest of blobsOf(manifest.bytes)) {
      if (waiting.length >= MAX_WAITING) break;
      if (!isCovered(target, digest)) waiting.push({ target, digest, credential, run });
    }
    startWaiting();
  };

  function isCovered(target: Target, digest: Digest): boolean {
    return store.has(digest) || fills.find(target, digest) !== undefined;
  }

  function startWaiting(): void {
    while (active < maxFills && !lifetime.aborted) {
      const next = waiting.shift();
      if (next === undefined) return;
      if (next.run.isOver || isCovered(next.target, next.digest)) continue;
      active++;
      fetchOne(next).finally(() => {
        active--;
        startWaiting();
      });
    }
  }

  /** Resolves when the fill has ended, in whatever way. */
  async function fetchOne({ target, digest, credential, run }: Waiting): Promise<void> {
    const fill = fills.start(target, digest, credential);
    try {
      const { kind } = await fill.started;
      // Neither the storage's own clients nor a full disk gain anything by the manifest's others.
      if (kind !== "filling") run.isOver = true;
    } catch (error) {
      run.isOver = true;
      log.debug("{digest} was not fetched ahead: {cause}", { digest, cause: describeCause(error) });
    }
    await fill.ended;
  }
}
