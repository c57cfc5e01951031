/** The answer to a read of a blob of which we have the bytes, or will have: whole or in parts. */
import type { ByteSpan } from "../cache/store.ts";
import { RegistryError } from "../errors.ts";
import { type ByteRange, parseByteRange } from "../http.ts";
import type { Digest } from "../reference.ts";
import { multipartBody } from "./multipart.ts";
import type { CacheResult, PullRequest } from "./request.ts";

/** A blob, and how it is read. */
export interface ReadableBlob {
  readonly digest: Digest;
  readonly cache: CacheResult;
  /** In bytes; undefined where the upstream did not say. */
  readonly size: number | undefined;
  /** All of it, where it is in memory. */
  readonly bytes?: Uint8Array<ArrayBuffer> | null;
  /** Opens it, or a span of it; of several spans one after the other. */
  open(span: ByteSpan | undefined): ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** Makes the response. Source: RFC 9110 sections 13 and 14. @throws {RegistryError} 416. */
export function blobResponse(request: PullRequest, blob: ReadableBlob): Response {
  const { digest, size } = blob;
  request.note({ cache: blob.cache });
  const headers = new Headers({
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    etag: `"${digest}"`,
    "accept-ranges": "bytes",
    // A digest never changes its bytes; `private` keeps shared caches from skipping the proof.
    "cache-control": "private, max-age=31536000, immutable",
    "x-cache": blob.cache,
  });
  if (request.headers.get("if-none-match")?.includes(digest)) {
    return new Response(null, { status: 304, headers });
  }
  const isHead = request.method === "HEAD";
  if (size === undefined) return new Response(isHead ? null : blob.open(undefined), { headers });

  const range = isHead ? { kind: "whole" as const } : rangeOf(request, digest, size);
  switch (range.kind) {
    case "unsatisfiable":
      throw new RegistryError("RANGE_INVALID", `the blob has ${size} bytes`, {
        headers: { "content-range": `bytes */${size}` },
      });
    case "range":
      headers.set("content-range", `bytes ${range.start}-${range.end}/${size}`);
      headers.set("content-length", String(range.end - range.start + 1));
      return new Response(
        blob.bytes?.subarray(range.start, range.end + 1) ?? blob.open(range),
        { status: 206, headers },
      );
    case "multi": {
      const { contentType, length, stream } = multipartBody(
        range.ranges,
        size,
        (span) => blob.open(span),
      );
      headers.set("content-type", contentType);
      headers.set("content-length", String(length));
      return new Response(stream, { status: 206, headers });
    }
    case "whole":
      headers.set("content-length", String(size));
      return new Response(isHead ? null : blob.bytes ?? blob.open(undefined), { headers });
    default:
      return range satisfies never;
  }
}

/** What a request asks for of a blob of this size; `If-Range` of anything else asks for all. */
export function rangeOf(request: PullRequest, digest: Digest, size: number): ByteRange {
  return isRangeMeant(request, digest)
    ? parseByteRange(request.headers.get("range"), size)
    : { kind: "whole" };
}

/** Whether a `Range` counts. Source: RFC 9110 section 13.1.5, which wants a strong comparison. */
export function isRangeMeant({ headers }: PullRequest, digest: Digest): boolean {
  if (!headers.has("range")) return false;
  const condition = headers.get("if-range");
  return condition === null || condition === `"${digest}"`;
}
