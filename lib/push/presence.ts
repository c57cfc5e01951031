/**
 * Whether the upstream has something, asked before a push. A client that is told yes does not upload
 * it: so the upstream itself is asked, and the cache only where it cannot be.
 */
import { type Credential, usesAccount } from "../auth/credential.ts";
import type { CacheIndex } from "../cache/index.ts";
import { RegistryError } from "../errors.ts";
import { isFailure } from "../pull/access.ts";
import type { BlobHandler } from "../pull/blob.ts";
import { fetchBlobSize } from "../pull/blob_size.ts";
import type { ManifestHandler } from "../pull/manifest.ts";
import type { ManifestCache } from "../pull/manifest_cache.ts";
import type { ManifestSource } from "../pull/manifest_source.ts";
import { manifestResponse } from "../pull/manifest_value.ts";
import { placeOf, type PullRequest } from "../pull/request.ts";
import type { Digest } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import type { UpstreamClient } from "../upstream/client.ts";
import type { Origin } from "../upstream/origin.ts";

/**
 * Blobs whose HEAD is the upstream's word for whoever may push: everybody with a credential, and
 * anybody where the upstream asks for none. Source: distribution-spec "Checking if content exists".
 */
export function withBlobPresence(
  inner: BlobHandler,
  deps: { origin: Origin; index: CacheIndex; client: UpstreamClient },
): BlobHandler {
  return async function handleBlob(request, target, digest) {
    if (request.method !== "HEAD" || !mayPush(request.credential, target)) {
      return await inner(request, target, digest);
    }
    try {
      const { credential, signal } = request;
      const size = await fetchBlobSize(deps.origin, target, digest, credential, signal);
      return presentBlob(request, digest, size);
    } catch (error) {
      if (isGone(error)) deps.index.dropLink(placeOf(target), digest);
      if (!isFailure(error)) throw error;
      return await inner(request, target, digest);
    }
  };

  function mayPush(credential: Credential, { upstream }: Target): boolean {
    if (upstream.push === "deny") return false;
    return credential.kind !== "anonymous" || usesAccount(upstream, "read") ||
      deps.client.challengeOf(upstream).kind === "none";
  }
}

/**
 * Manifests whose HEAD is the upstream's word for callers whose token was given out for a push.
 * Others' is what the tag's freshness lets it be: it is asked at every pull.
 */
export function withManifestPresence(
  inner: ManifestHandler,
  deps: { source: ManifestSource; cache: ManifestCache },
): ManifestHandler {
  return async function handleManifest(request, target, reference) {
    const { credential } = request;
    const isPusher = credential.kind === "bearer" && credential.isForPush === true;
    if (request.method !== "HEAD" || !isPusher) return await inner(request, target, reference);
    try {
      const head = await deps.source.head({ target, reference, credential });
      if (head === undefined) return await inner(request, target, reference);
      if (reference.kind === "tag") {
        deps.cache.noteTag(placeOf(target), reference.tag, head.digest);
      }
      return manifestResponse(request, head, null, "BYPASS");
    } catch (error) {
      if (isGone(error) && reference.kind === "tag") {
        deps.cache.dropTag(placeOf(target), reference.tag);
      }
      if (!isFailure(error)) throw error;
      return await inner(request, target, reference);
    }
  };
}

function isGone(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 404;
}

function presentBlob(request: PullRequest, digest: Digest, size: number): Response {
  request.note({ cache: "BYPASS" });
  return new Response(null, {
    headers: {
      "content-type": "application/octet-stream",
      "content-length": String(size),
      "docker-content-digest": digest,
      etag: `"${digest}"`,
      "accept-ranges": "bytes",
      "x-cache": "BYPASS",
    },
  });
}
