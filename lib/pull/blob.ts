/** Blobs: from the cache where the caller may read, else by a fill that the caller follows. */
import type { CacheIndex } from "../cache/index.ts";
import type { ByteSpan, ContentStore } from "../cache/store.ts";
import { RegistryError } from "../errors.ts";
import { copyHeaders, parseByteRange } from "../http.ts";
import type { Digest } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import { upstreamError } from "../upstream/failure.ts";
import type { Origin } from "../upstream/origin.ts";
import type { AccessProofs } from "./access.ts";
import { callerKey, type Fill, type Fills } from "./fills.ts";
import { fetchBlobSize } from "./blob_size.ts";
import { type CacheResult, passResponse, placeOf, type PullRequest } from "./request.ts";

/** Serves `GET` and `HEAD` of blobs. */
export type BlobHandler = (
  request: PullRequest,
  target: Target,
  digest: Digest,
) => Promise<Response>;

/** What blobs are served from. */
export interface BlobDeps {
  readonly index: CacheIndex;
  readonly store: ContentStore;
  readonly origin: Origin;
  readonly proofs: AccessProofs;
  readonly fills: Fills;
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
    return blobResponse(request, digest, "HIT", content.size, (span) => content.stream(span));
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
    const size = await fetchBlobSize(origin, target, digest, request.credential, request.signal);
    proofs.remember(target, request.credential);
    return blobResponse(request, digest, "MISS", size, () => null);
  }

  async function serveFill(
    request: PullRequest,
    target: Target,
    digest: Digest,
  ): Promise<Response> {
    index.count("blob_misses");
    const fill = await findOrStart(request, target, digest);
    const start = await fill.started;
    switch (start.kind) {
      case "pass":
        return passResponse(request, start);
      case "uncached":
        return await serveUncached(request, target, digest);
      case "filling":
        return blobResponse(request, digest, "MISS", start.size, (span) => fill.stream(span));
      default:
        return start satisfies never;
    }
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

  /** The upstream's own stream, untouched: the client checks the digest, nothing is stored. */
  async function serveUncached(
    request: PullRequest,
    target: Target,
    digest: Digest,
  ): Promise<Response> {
    const answer = await origin.ask({
      target,
      method: "GET",
      path: `blobs/${digest}`,
      headers: copyHeaders(request.headers, ["range", "if-range"]),
      credential: request.credential,
      transfer: { done: request.finished },
      signal: request.signal,
    });
    if (answer.kind === "pass") return passResponse(request, answer);
    const { response } = answer;
    if (response.status === 416) {
      await response.body?.cancel();
      throw new RegistryError("RANGE_INVALID", "the blob has no such range", {
        headers: copyHeaders(response.headers, ["content-range"]),
      });
    }
    if (!response.ok) throw await upstreamError(response, target.upstream, "blob");
    request.note({ cache: "BYPASS" });
    const headers = copyHeaders(response.headers, [
      "content-length",
      "content-range",
      "content-type",
    ]);
    // Of several ranges, the type says where each begins; otherwise storage hosts say anything.
    if (!headers.get("content-type")?.startsWith("multipart/byteranges")) {
      headers.set("content-type", "application/octet-stream");
    }
    headers.set("docker-content-digest", digest);
    headers.set("accept-ranges", "bytes");
    headers.set("x-cache", "BYPASS");
    return new Response(response.body, { status: response.status, headers });
  }
}

function blobResponse(
  request: PullRequest,
  digest: Digest,
  cache: CacheResult,
  size: number | undefined,
  open: (span: ByteSpan | undefined) => ReadableStream<Uint8Array<ArrayBuffer>> | null,
): Response {
  request.note({ cache });
  const headers = new Headers({
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    etag: `"${digest}"`,
    "accept-ranges": "bytes",
    // A digest never changes its bytes; `private` keeps shared caches from skipping the proof.
    "cache-control": "private, max-age=31536000, immutable",
    "x-cache": cache,
  });
  if (request.headers.get("if-none-match")?.includes(digest)) {
    return new Response(null, { status: 304, headers });
  }
  if (size === undefined) return new Response(open(undefined), { headers });

  const isConditional = request.headers.has("if-range") &&
    request.headers.get("if-range") !== `"${digest}"`;
  const range = request.method === "HEAD" || isConditional
    ? { kind: "whole" as const }
    : parseByteRange(request.headers.get("range"), size);
  if (range.kind === "unsatisfiable") {
    throw new RegistryError("RANGE_INVALID", `the blob has ${size} bytes`, {
      headers: { "content-range": `bytes */${size}` },
    });
  }
  if (range.kind === "range") {
    headers.set("content-range", `bytes ${range.start}-${range.end}/${size}`);
    headers.set("content-length", String(range.end - range.start + 1));
    return new Response(open(range), { status: 206, headers });
  }
  headers.set("content-length", String(size));
  // A client may also be answered with everything where it asked for several ranges.
  return new Response(request.method === "HEAD" ? null : open(undefined), { headers });
}
