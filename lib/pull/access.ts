/**
 * Who may read what is cached. Content leaves the cache only after the upstream was seen to let
 * this caller, or anybody, read the repository; what was seen is remembered for a minute.
 */
import type { Credential } from "../auth/credential.ts";
import { ANONYMOUS, credentialKey } from "../auth/credential.ts";
import type { CacheIndex } from "../cache/index.ts";
import { RegistryError } from "../errors.ts";
import { LruMap } from "../lru.ts";
import { FULL_ACCEPT } from "../media_type.ts";
import type { Digest } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import { SingleFlight } from "../single_flight.ts";
import { upstreamError } from "../upstream/failure.ts";
import type { Origin } from "../upstream/origin.ts";
import { fetchBlobSize } from "./blob_size.ts";
import { placeOf } from "./request.ts";

/** A revocation upstream is seen within this time. */
const PROOF_SECONDS = 60;
const MAX_PROOFS = 100_000;

/** How a caller may read. `stale`: it could once, and the upstream cannot be asked now. */
export type Access = "proven" | "stale";

/** Proofs of the right to read repositories. */
export interface AccessProofs {
  /** Notes that the upstream let this credential read the repository just now. */
  remember(target: Target, credential: Credential): void;
  /**
   * Resolves when the caller may read the repository; `wanted` is what it asks for.
   *
   * @throws {RegistryError} the upstream's refusal, or its failure where nothing was proven before.
   */
  prove(target: Target, credential: Credential, wanted: WantedContent): Promise<Access>;
}

/** What a caller asks for in a repository. */
export type WantedContent =
  | { readonly kind: "manifest"; readonly reference: string }
  | { readonly kind: "blob"; readonly digest: Digest };

/** Makes the proofs. `lifetime` ends their requests: they are shared and belong to no caller. */
export function createAccessProofs(
  options: {
    index: CacheIndex;
    origin: Origin;
    staleIfErrorSeconds: number;
    /** Is told of each proof. */
    onProof: (result: "known" | "asked" | "stale" | "refused") => void;
    now: () => number;
    lifetime: AbortSignal;
  },
): AccessProofs {
  const { index, origin, now } = options;
  const proofs = new LruMap<string, number>(MAX_PROOFS);
  const flights = new SingleFlight<void>();

  function remember(target: Target, credential: Credential): void {
    proofs.set(proofKey(target, credential), now() + PROOF_SECONDS * 1000);
    if (credential.kind === "anonymous") index.putPublic(placeOf(target), now());
  }

  function isProven(target: Target, credential: Credential): boolean {
    return (proofs.get(proofKey(target, credential)) ?? 0) > now();
  }

  async function prove(
    target: Target,
    credential: Credential,
    wanted: WantedContent,
  ): Promise<Access> {
    // What anybody may read, everybody may.
    if (isProven(target, ANONYMOUS) || isProven(target, credential)) {
      options.onProof("known");
      return "proven";
    }
    try {
      await flights.run(
        proofKey(target, credential),
        () => askUpstream(target, credential, wanted),
      );
      options.onProof("asked");
      return "proven";
    } catch (error) {
      const isStale = isFailure(error) && wasPublic(target);
      options.onProof(isStale ? "stale" : "refused");
      if (isStale) return "stale";
      throw error;
    }
  }

  /** Asks the upstream, and forgets what was remembered where it refuses. */
  async function askUpstream(
    target: Target,
    credential: Credential,
    wanted: WantedContent,
  ): Promise<void> {
    try {
      await askForContent(target, credential, wanted);
    } catch (error) {
      if (error instanceof RegistryError && !isFailure(error)) {
        proofs.delete(proofKey(target, credential));
        if (credential.kind === "anonymous") index.dropPublic(placeOf(target));
      }
      throw error;
    }
    remember(target, credential);
  }

  /**
   * Asks for a manifest that the repository is known to hold, which costs no blob request and no
   * quota; where that is gone, for what the caller wants itself.
   */
  async function askForContent(
    target: Target,
    credential: Credential,
    wanted: WantedContent,
  ): Promise<void> {
    const manifest = index.anyManifest(placeOf(target));
    if (manifest !== undefined && await hasManifest(target, credential, manifest)) return;
    if (wanted.kind === "blob") {
      await fetchBlobSize(origin, target, wanted.digest, credential, options.lifetime);
    } else if (!await hasManifest(target, credential, wanted.reference)) {
      throw new RegistryError("MANIFEST_UNKNOWN", `${target.upstream.registry} has it no more`);
    }
  }

  /** @throws {RegistryError} any answer but yes and 404. */
  async function hasManifest(
    target: Target,
    credential: Credential,
    reference: string,
  ): Promise<boolean> {
    const response = await origin.fetch({
      target,
      method: "HEAD",
      path: `manifests/${reference}`,
      headers: { accept: FULL_ACCEPT, range: "bytes=0-0" },
      credential,
      signal: options.lifetime,
    });
    await response.body?.cancel();
    if (response.ok) return true;
    if (response.status === 404) return false;
    throw await upstreamError(response, target.upstream, "manifest");
  }

  function wasPublic(target: Target): boolean {
    const at = index.publicAt(placeOf(target));
    return at !== undefined && now() - at < options.staleIfErrorSeconds * 1000;
  }

  return { remember, prove };
}

/** Whether an error says that the upstream cannot be asked, rather than that it refused. */
export function isFailure(error: unknown): error is RegistryError {
  return error instanceof RegistryError && (error.status >= 500 || error.status === 429);
}

function proofKey(target: Target, credential: Credential): string {
  const { registry, repository } = placeOf(target);
  return `${registry} ${repository} ${credentialKey(credential)}`;
}
