/**
 * Manifests: by digest they never change; by tag they are fresh for a while, then revalidated by
 * HEAD, which registries do not count against a quota. When the upstream cannot be asked, what was
 * readable before is served stale.
 */
import { getLogger } from "@logtape/logtape";
import type { Credential } from "../auth/credential.ts";
import type { CacheIndex } from "../cache/index.ts";
import type { Upstream } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import { describeCause } from "../log.ts";
import { isAccepted } from "../media_type.ts";
import type { Reference, Tag } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import { SingleFlight } from "../single_flight.ts";
import { type AccessProofs, isFailure } from "./access.ts";
import {
  type Freshness,
  freshnessOf,
  type FreshnessRules,
  isServableOnError,
  ttlOfTag,
} from "./freshness.ts";
import type { ManifestCache, TaggedManifest } from "./manifest_cache.ts";
import type { ManifestSource } from "./manifest_source.ts";
import { type Manifest, type ManifestHead, manifestResponse } from "./manifest_value.ts";
import type { Prefetch } from "./prefetch.ts";
import { passResponse, placeOf, type PullRequest } from "./request.ts";

const log = getLogger(["entrepot", "manifest"]);

type TagReference = Reference & { kind: "tag" };

/** How old what is known of a tag is, and what that allows. */
interface Age {
  readonly seconds: number;
  readonly freshness: Freshness;
  readonly isServableOnError: boolean;
}

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
  readonly prefetch: Prefetch;
  readonly freshness: FreshnessRules;
  /** By how much an upstream's answers are believed longer, to spare its quota; 1 and more. */
  readonly ttlFactor: (upstream: Upstream) => number;
  readonly offline: boolean;
  readonly now: () => number;
}

/** Makes the handler. Source: distribution-spec "Pulling manifests". */
export function createManifestHandler(deps: ManifestDeps): ManifestHandler {
  const { index, cache, source, proofs, freshness } = deps;
  const behind = new SingleFlight<void>();

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
    const known = { ...tagged, age: ageOf(tagged, target, reference.tag) };
    switch (known.age.freshness) {
      case "revalidate_behind":
        revalidateBehind(request, target, reference, tagged);
        return await serveStored(request, target, tagged.manifest);
      case "fresh":
        return await serveStored(request, target, tagged.manifest);
      case "stale":
        return await serveRevalidated(request, target, reference, known);
      default:
        return known.age.freshness satisfies never;
    }
  };

  function ageOf({ checkedAt }: TaggedManifest, { upstream }: Target, tag: Tag): Age {
    const seconds = (deps.now() - checkedAt) / 1000;
    if (deps.offline) return { seconds, freshness: "fresh", isServableOnError: true };
    const ttlSeconds = ttlOfTag(tag, upstream.tagTtl, freshness) * deps.ttlFactor(upstream);
    return {
      seconds,
      freshness: freshnessOf(seconds, ttlSeconds, freshness),
      isServableOnError: isServableOnError(seconds, ttlSeconds, freshness),
    };
  }

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
    index.touch(manifest.digest);
    if (request.method === "GET") deps.prefetch(target, manifest, request.credential);
    const result = staleSeconds === undefined ? "HIT" : "STALE";
    return manifestResponse(request, manifest, manifest.bytes, result, staleSeconds);
  }

  /** Asks where the tag points now. The answer is the caller's proof as well. */
  async function serveRevalidated(
    request: PullRequest,
    target: Target,
    reference: TagReference,
    { manifest, age }: TaggedManifest & { age: Age },
  ): Promise<Response> {
    try {
      const head = await askForTag(request.credential, target, reference);
      if (head?.digest === manifest.digest) return await serveStored(request, target, manifest);
      return request.method === "HEAD" && head !== undefined && isAcceptedBy(request, head)
        ? manifestResponse(request, head, null, "MISS")
        : await serveUpstream(request, target, reference);
    } catch (error) {
      if (!isFailure(error) || !age.isServableOnError) throw error;
      log.warn("{upstream} cannot be asked for {repository}:{tag}, serving it stale: {cause}", {
        upstream: target.upstream.registry,
        repository: target.repository,
        tag: reference.tag,
        cause: describeCause(error),
      });
      return await serveStored(request, target, manifest, age.seconds);
    }
  }

  /** Where a tag points upstream, by HEAD; a tag that is gone there is gone here. */
  async function askForTag(
    credential: Credential,
    target: Target,
    reference: TagReference,
  ): Promise<ManifestHead | undefined> {
    const place = placeOf(target);
    try {
      const head = await source.head({ target, reference, credential });
      if (head !== undefined) cache.noteTag(place, reference.tag, head.digest);
      return head;
    } catch (error) {
      if (error instanceof RegistryError && error.status === 404) {
        cache.dropTag(place, reference.tag);
      }
      throw error;
    }
  }

  /** The caller has its answer and does not wait; many callers cost one question. */
  function revalidateBehind(
    { credential }: PullRequest,
    target: Target,
    reference: TagReference,
    { manifest }: TaggedManifest,
  ): void {
    const { registry, repository } = placeOf(target);
    behind.run(`${registry} ${repository} ${reference.tag}`, async () => {
      const head = await askForTag(credential, target, reference);
      if (head?.digest === manifest.digest) return;
      const fetched = await source.get({ target, reference, credential });
      if (fetched.kind === "pass") return;
      await cache.keep(placeOf(target), fetched.manifest, reference.tag);
    }).catch((error: unknown) =>
      log.debug("{repository}:{tag} was not revalidated: {cause}", {
        repository,
        tag: reference.tag,
        cause: describeCause(error),
      })
    );
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
    if (reference.kind === "tag" && !isAcceptedBy(request, manifest)) {
      return await serveConverted(request, target, reference);
    }
    if (request.method === "GET") deps.prefetch(target, manifest, request.credential);
    return manifestResponse(request, manifest, manifest.bytes, "MISS");
  }

  /** What the upstream makes of the client's own, narrower Accept; kept for nobody else. */
  async function serveConverted(
    request: PullRequest,
    target: Target,
    reference: TagReference,
  ): Promise<Response> {
    const accept = request.headers.get("accept") ?? "*/*";
    const question = { target, reference, credential: request.credential, accept };
    if (request.method === "HEAD") {
      const head = await source.head(question);
      if (head !== undefined) return manifestResponse(request, head, null, "BYPASS");
    }
    const fetched = await source.get(question);
    return fetched.kind === "pass"
      ? passResponse(request, fetched)
      : manifestResponse(request, fetched.manifest, fetched.manifest.bytes, "BYPASS");
  }
}

function isAcceptedBy(request: PullRequest, manifest: { mediaType: string }): boolean {
  return isAccepted(request.headers.get("accept"), manifest.mediaType);
}
