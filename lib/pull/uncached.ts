/** Blobs that are streamed for one caller alone, because nothing is stored. */
import { createHash, type Hash } from "node:crypto";
import { RegistryError } from "../errors.ts";
import { copyHeaders } from "../http.ts";
import { type Digest, splitDigest } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import { upstreamError } from "../upstream/failure.ts";
import type { Origin } from "../upstream/origin.ts";
import { blobResponse, isRangeMeant } from "./blob_response.ts";
import { continueTransfer } from "./continuation.ts";
import { WrongContentError } from "./fill.ts";
import { passResponse, type PullRequest } from "./request.ts";
import { beginTransfer } from "./transfer.ts";

/** What such blobs are streamed from. */
export interface UncachedDeps {
  readonly origin: Origin;
  /** The longest silence inside a transfer. */
  readonly idleSeconds: number;
}

/** The upstream's own stream, untouched: the fastest way. The client checks the digest. */
export async function serveUntouched(
  { origin }: UncachedDeps,
  request: PullRequest,
  target: Target,
  digest: Digest,
): Promise<Response> {
  const answer = await origin.ask({
    target,
    method: "GET",
    path: `blobs/${digest}`,
    // Whether the range counts is known by the digest; a storage host has another ETag.
    headers: isRangeMeant(request, digest) ? copyHeaders(request.headers, ["range"]) : {},
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

/**
 * The whole blob, resumed where its transfer breaks and verified before its last bytes, as a fill
 * would do it: an operator who wants a cache loses no more than the cache while it has no room.
 */
export async function serveVerified(
  { origin, idleSeconds }: UncachedDeps,
  request: PullRequest,
  target: Target,
  digest: Digest,
): Promise<Response> {
  const { credential, signal } = request;
  const transfer = { target, digest, offset: 0, isRangeless: false, credential, signal };
  const first = await beginTransfer(origin, transfer);
  if (first.kind === "pass") return passResponse(request, first);
  if (first.kind === "end") throw new Error("an end without a range");
  if (first.kind !== "transfer") throw first.error;
  // Where the answer needs no body, nobody reads it; where somebody did, this does nothing.
  request.finished.then(() => first.body.cancel()).catch(() => undefined);
  const { algorithm } = splitDigest(digest);
  const verify = (hash: Hash): void => {
    const found = `${algorithm}:${hash.copy().digest("hex")}`;
    if (found !== digest) throw new WrongContentError(`the bytes sent for ${digest} are ${found}`);
  };
  return blobResponse(request, {
    digest,
    cache: "BYPASS",
    size: first.size,
    open: () =>
      continueTransfer({
        origin,
        request: transfer,
        first,
        idleSeconds,
        check: { hash: createHash(algorithm), verify },
      }),
  });
}
