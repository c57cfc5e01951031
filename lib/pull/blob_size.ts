/**
 * The size of a blob at its origin. A signed URL is signed for one method, mostly GET, so HEAD never
 * goes to a storage host; where the registry redirects, one byte is asked for instead.
 */
import { createHash } from "node:crypto";
import type { Credential } from "../auth/credential.ts";
import { RegistryError } from "../errors.ts";
import { type Digest, splitDigest } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import { upstreamError } from "../upstream/failure.ts";
import type { Origin } from "../upstream/origin.ts";

/**
 * Asks the upstream for the size in bytes, which also proves that the caller may read the blob.
 *
 * @throws {RegistryError} the upstream's refusal or failure.
 */
export async function fetchBlobSize(
  origin: Origin,
  target: Target,
  digest: Digest,
  credential: Credential,
  signal: AbortSignal,
): Promise<number> {
  const request = {
    target,
    path: `blobs/${digest}`,
    headers: { range: "bytes=0-0" },
    credential,
    signal,
  };
  let response = await origin.fetch({ ...request, method: "HEAD" });
  let size = sizeOf(response, digest);
  // Some registries know HEAD badly: no length, or refused although GET is not.
  if (size === undefined && (response.ok || [401, 403, 405].includes(response.status))) {
    await response.body?.cancel();
    response = await origin.fetch({ ...request, method: "GET" });
    size = sizeOf(response, digest);
  }
  if (size === undefined) {
    if (!response.ok) throw await upstreamError(response, target.upstream, "blob");
    await response.body?.cancel();
    throw new RegistryError(
      "UNAVAILABLE",
      `${target.upstream.registry} does not say how large ${digest} is`,
      { status: 502 },
    );
  }
  await response.body?.cancel();
  return size;
}

/** From `Content-Range` of a part or of 416 (RFC 9110 section 14.4), or `Content-Length`. */
function sizeOf(response: Response, digest: Digest): number | undefined {
  const range = response.headers.get("content-range");
  if (response.status === 206 || response.status === 416) {
    const [, total] = /^bytes (?:\*|\d+-\d+)\/(\d+)$/.exec(range ?? "") ?? [];
    if (total !== undefined) return Number(total);
    // A blob of no bytes has no first byte; S3 says no more than that.
    return response.status === 416 && isOfNothing(digest) ? 0 : undefined;
  }
  const length = response.headers.get("content-length");
  return response.status === 200 && length !== null && /^\d+$/.test(length)
    ? Number(length)
    : undefined;
}

function isOfNothing(digest: Digest): boolean {
  const { algorithm, hex } = splitDigest(digest);
  return createHash(algorithm).digest("hex") === hex;
}
