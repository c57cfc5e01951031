/** Blobs: from the cache where the caller may read, else by a fill that the caller follows. */
import type { CacheIndex } from "../cache/index.ts";
import type { ContentStore, StoredContent } from "../cache/store.ts";
import type { Digest } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import type { AccessProofs } from "./access.ts";
import { blobResponse, isRangeMeant } from "./blob_response.ts";
import { fetchBlobSize } from "./blob_size.ts";
import { callerKey, type Fill, type Fills } from "./fills.ts";
import { isFarAndSmall } from "./range_miss.ts";
import { passResponse, placeOf, type PullRequest } from "./request.ts";
import { serveUntouched, serveVerified, type UncachedDeps } from "./uncached.ts";

const EMPTY = new Blob();

/** Serves `GET` and `HEAD` of blobs. */
export type BlobHandler = (
  request: PullRequest,
  target: Target,
  digest: Digest,
) => Promise<Response>;

/** What blobs are served from. */
export interface BlobDeps extends UncachedDeps {
  readonly index: CacheIndex;
  readonly store: ContentStore;
  readonly proofs: AccessProofs;
  readonly fills: Fills;
  /** Whether a part of what is not cached also begins a fill of all of it. */
  readonly rangeMiss: "pass" | "fill";
}

/** Makes the handler. Source: distribution-spec "Pulling blobs". */
export function createBlobHandler(deps: BlobDeps): BlobHandler {
  const { index, store, origin, proofs, fills } = deps;

  return async function handleBlob(request, target, digest) {
    return await serveStored(request, target, digest) ??
      (request.method === "HEAD"
        ? await serveSize(request, target, digest)
        : await serveFill(request, target, digest));
  };

  /** From the store, after proof that the caller may read; undefined where it is not there. */
  async function serveStored(
    request: PullRequest,
    target: Target,
    digest: Digest,
  ): Promise<Response | undefined> {
    if (!store.has(digest)) return undefined;
    await proveLinked(request, target, digest);
    // Opened after the proof: what is open here is surely consumed or closed.
    using content = store.open(digest);
    if (content === undefined) return undefined;
    const held = store.hold(digest);
    request.finished.finally(() => held[Symbol.dispose]());
    index.count("blob_hits");
    let first: StoredContent | undefined = content;
    const response = blobResponse(request, {
      digest,
      cache: "HIT",
      size: content.size,
      bytes: content.bytes,
      open(span) {
        const next = first ?? store.open(digest);
        first = undefined;
        if (next === undefined) throw new Error(`${digest} was removed while it was read`);
        return next.stream(span);
      },
    });
    // Closed with this function unless it is read; parts that are read later are opened then.
    first = undefined;
    return response;
  }

  /**
   * A digest alone opens nothing: the blob must be this repository's, and the repository readable.
   * Bytes that another repository brought are shared only after the upstream said that this one
   * has them too.
   */
  async function proveLinked(
    request: PullRequest,
    target: Target,
    digest: Digest,
  ): Promise<void> {
    if (index.link(placeOf(target), digest) !== undefined) {
      await proofs.prove(target, request.credential, { kind: "blob", digest });
      return;
    }
    await fetchBlobSize(origin, target, digest, request.credential, request.signal);
    proofs.remember(target, request.credential);
    index.putLink(placeOf(target), digest, null);
  }

  async function serveSize(
    request: PullRequest,
    target: Target,
    digest: Digest,
  ): Promise<Response> {
    const size = await sizeOfFill(request, target, digest) ??
      await fetchBlobSize(origin, target, digest, request.credential, request.signal);
    proofs.remember(target, request.credential);
    return blobResponse(request, { digest, cache: "MISS", size, open: () => EMPTY.stream() });
  }

  /** What a transfer under way knows, for its own caller; others ask for themselves. */
  async function sizeOfFill(
    request: PullRequest,
    target: Target,
    digest: Digest,
  ): Promise<number | undefined> {
    const fill = fills.find(target, digest);
    if (fill?.openedBy !== callerKey(target, request.credential)) return undefined;
    const start = await fill.started.catch(() => undefined);
    return start?.kind === "filling" ? start.size : undefined;
  }

  async function serveFill(
    request: PullRequest,
    target: Target,
    digest: Digest,
  ): Promise<Response> {
    index.count("blob_misses");
    if (isPassedOn(request, target, digest)) {
      const response = await serveUntouched(deps, request, target, digest);
      if (response.ok && deps.rangeMiss === "fill") fillBehind(request, target, digest);
      return response;
    }
    const fill = await findOrStart(request, target, digest);
    const start = await fill.started;
    switch (start.kind) {
      case "pass":
        return passResponse(request, start);
      case "uncached":
        return await serveUntouched(deps, request, target, digest);
      case "roomless":
        return isRangeMeant(request, digest)
          ? await serveUntouched(deps, request, target, digest)
          : await serveVerified(deps, request, target, digest);
      case "filling":
        return blobResponse(request, {
          digest,
          cache: "MISS",
          size: start.size,
          open: (span) => fill.stream(span, request.onSent),
        });
      default:
        return start satisfies never;
    }
  }

  /** Whether the caller's part of the blob is asked for by itself. */
  function isPassedOn(request: PullRequest, target: Target, digest: Digest): boolean {
    if (!isRangeMeant(request, digest)) return false;
    const fill = fills.find(target, digest);
    return (fill === undefined && deps.rangeMiss === "pass") || isFarAndSmall(request, fill);
  }

  /** Who read a part will want others; the upstream has just let this caller read it. */
  function fillBehind(request: PullRequest, target: Target, digest: Digest): void {
    if (fills.find(target, digest) !== undefined || store.has(digest)) return;
    fills.start(target, digest, request.credential);
  }

  /** The fill under way, once this caller is proven to be allowed to follow it, or a new one. */
  async function findOrStart(
    request: PullRequest,
    target: Target,
    digest: Digest,
  ): Promise<Fill> {
    for (;;) {
      const fill = fills.find(target, digest);
      // At once: of callers that waited together, only one may find none.
      if (fill === undefined) return fills.start(target, digest, request.credential);
      if (fill.openedBy !== callerKey(target, request.credential)) {
        // Another caller's refusal is not this one's: ask again where its fill did not begin.
        const start = await fill.started.catch(() => undefined);
        if (start === undefined) continue;
        await proveLinked(request, target, digest);
        const isOver = fills.find(target, digest) !== fill;
        if (isOver && index.contentSize(digest) === undefined) continue;
      }
      index.count("joins");
      fill.join(request.credential);
      return fill;
    }
  }
}
