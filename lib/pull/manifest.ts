/**
 * Manifests: by digest they never change; by tag they are fresh for a while, then revalidated by
 * HEAD, which registries do not count against a quota. When the upstream cannot be asked, what was
 * readable before is served stale.
 */
import { getLogger } from "@logtape/logtape";
import type { CacheIndex } from "../cache/index.ts";
import { RegistryError } from "../errors.ts";
import { describeCause } from "../log.ts";
import { isAccepted } from "../media_type.ts";
import type { Reference } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import { type AccessProofs, isFailure } from "./access.ts";
import type { ManifestCache, TaggedManifest } from "./manifest_cache.ts";
import type { ManifestSource } from "./manifest_source.ts";
import { type Manifest, manifestResponse } from "./manifest_value.ts";
import { passResponse, placeOf, type PullRequest } from "./request.ts";

const log = getLogger(["entrepot", "manifest"]);

type TagReference = Reference & { kind: "tag" };

/** Serves `GET` and `HEAD` of manifests. */
export type ManifestHandler = (
  request: PullRequest,
  target: Target,
  reference: Reference,
) => Promise<Response>;

/** What manifests are served from. */
export interface ManifestDeps {
  readonly index: CacheIndex;
  readonly cache: ManifestCache;
  readonly source: ManifestSource;
  readonly proofs: AccessProofs;
  readonly ttlSeconds: number;
  readonly offline: boolean;
  readonly now: () => number;
}

/** Makes the handler. Source: distribution-spec "Pulling manifests". */
export function createManifestHandler(deps: ManifestDeps): ManifestHandler {
  const { index, cache, source, proofs } = deps;

  return async function handleManifest(request, target, reference) {
    if (reference.kind === "digest") {
      const manifest = cache.byDigest(placeOf(target), reference.digest);
      return manifest === undefined
        ? await serveUpstream(request, target, reference)
        : await serveStored(request, target, manifest);
    }
    const tagged = cache.byTag(placeOf(target), reference.tag);
    if (tagged === undefined) return await serveUpstream(request, target, reference);
    // A client that cannot take what the tag is may be given something else by the upstream.
    if (!isAcceptedBy(request, tagged.manifest)) {
      return await serveConverted(request, target, reference);
    }
    const ageSeconds = (deps.now() - tagged.checkedAt) / 1000;
    return deps.offline || ageSeconds < deps.ttlSeconds
      ? await serveStored(request, target, tagged.manifest)
      : await serveRevalidated(request, target, reference, tagged);
  };

  async function serveStored(
    request: PullRequest,
    target: Target,
    manifest: Manifest,
    staleSeconds?: number,
  ): Promise<Response> {
    await proofs.prove(target, request.credential, {
      kind: "manifest",
      reference: manifest.digest,
    });
    index.count("manifest_hits");
    const result = staleSeconds === undefined ? "HIT" : "STALE";
    return manifestResponse(request, manifest, manifest.bytes, result, staleSeconds);
  }

  /** Asks where the tag points now. The answer is the caller's proof as well. */
  async function serveRevalidated(
    request: PullRequest,
    target: Target,
    reference: TagReference,
    { manifest, checkedAt }: TaggedManifest,
  ): Promise<Response> {
    const place = placeOf(target);
    try {
      const head = await source.head({ target, reference, credential: request.credential });
      if (head?.digest !== manifest.digest) return await serveUpstream(request, target, reference);
      cache.noteTag(place, reference.tag, head.digest);
      return await serveStored(request, target, manifest);
    } catch (error) {
      if (error instanceof RegistryError && error.status === 404) {
        cache.dropTag(place, reference.tag);
      }
      if (!isFailure(error)) throw error;
      log.warn("{upstream} cannot be asked for {repository}:{tag}, serving it stale: {cause}", {
        upstream: target.upstream.registry,
        repository: target.repository,
        tag: reference.tag,
        cause: describeCause(error),
      });
      return await serveStored(request, target, manifest, (deps.now() - checkedAt) / 1000);
    }
  }

  async function serveUpstream(
    request: PullRequest,
    target: Target,
    reference: Reference,
  ): Promise<Response> {
    index.count("manifest_misses");
    const question = { target, reference, credential: request.credential };
    if (request.method === "HEAD") {
      const head = await source.head(question);
      if (head !== undefined) {
        if (reference.kind === "tag") cache.noteTag(placeOf(target), reference.tag, head.digest);
        return reference.kind === "tag" && !isAcceptedBy(request, head)
          ? await serveConverted(request, target, reference)
          : manifestResponse(request, head, null, "MISS");
      }
    }
    const fetched = await source.get(question);
    if (fetched.kind === "pass") return passResponse(request, fetched);
    const { manifest } = fetched;
    await cache.keep(
      placeOf(target),
      manifest,
      reference.kind === "tag" ? reference.tag : undefined,
    );
    return reference.kind === "tag" && !isAcceptedBy(request, manifest)
      ? await serveConverted(request, target, reference)
      : manifestResponse(request, manifest, manifest.bytes, "MISS");
  }

  /** What the upstream makes of the client's own, narrower Accept; kept for nobody else. */
  async function serveConverted(
    request: PullRequest,
    target: Target,
    reference: TagReference,
  ): Promise<Response> {
    const accept = request.headers.get("accept") ?? "*/*";
    const fetched = await source.get({
      target,
      reference,
      credential: request.credential,
      accept,
    });
    return fetched.kind === "pass"
      ? passResponse(request, fetched)
      : manifestResponse(request, fetched.manifest, fetched.manifest.bytes, "BYPASS");
  }
}

function isAcceptedBy(request: PullRequest, manifest: { mediaType: string }): boolean {
  return isAccepted(request.headers.get("accept"), manifest.mediaType);
}
