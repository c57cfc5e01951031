/** A manifest as it travels: verified bytes with what its headers say. */
import { createHash } from "node:crypto";
import { RegistryError } from "../errors.ts";
import { copyHeaders } from "../http.ts";
import { readBounded } from "../http_body.ts";
import { isSignedSchema1 } from "../media_type.ts";
import {
  type Digest,
  parseDigest,
  type Reference,
  referenceText,
  splitDigest,
} from "../reference.ts";
import type { Target } from "../routing/route.ts";
import { QUOTA_HEADERS, upstreamError } from "../upstream/failure.ts";
import type { CacheResult, PullRequest } from "./request.ts";

/** Registries take manifests of 4 MiB at least (distribution-spec "Pushing manifests"). */
const MAX_MANIFEST_BYTES = 16 << 20;

/** What a manifest's headers say. */
export interface ManifestHead {
  readonly digest: Digest;
  /** The upstream's Content-Type, exactly. */
  readonly mediaType: string;
  /** In bytes. */
  readonly size: number;
  /** The upstream's words on the client's quota. */
  readonly quota: Headers;
}

/** A manifest whose bytes have the digest, but for signed schema 1. */
export interface Manifest extends ManifestHead {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Reads a manifest whole and verifies it against the digest that was asked for, or that the
 * upstream named.
 *
 * @throws {RegistryError} the upstream's refusal, or 502 where the bytes are not what they should.
 */
export async function readManifest(
  response: Response,
  target: Target,
  reference: Reference,
): Promise<Manifest> {
  if (response.status !== 200) throw await upstreamError(response, target.upstream, "manifest");
  const bytes = await readBounded(response, MAX_MANIFEST_BYTES);
  if (bytes === undefined) {
    throw unusable(target, reference, `it is larger than ${MAX_MANIFEST_BYTES} bytes`);
  }
  const mediaType = mediaTypeOf(response);
  const named = namedDigest(response, reference);
  // Where nobody names a digest, it may be no registry that answers, but a page of the network.
  if (named === undefined && !isJsonObject(bytes)) {
    throw unusable(target, reference, "it is no manifest");
  }
  const algorithm = named === undefined ? "sha256" : splitDigest(named).algorithm;
  const found = parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`);
  // The digest of signed schema 1 is that of its payload alone.
  const digest = named !== undefined && isSignedSchema1(mediaType) ? named : found;
  if (digest === undefined || (named !== undefined && digest !== named)) {
    throw unusable(target, reference, `its bytes are ${found}`);
  }
  const quota = copyHeaders(response.headers, QUOTA_HEADERS);
  return { bytes, digest, mediaType, size: bytes.length, quota };
}

/**
 * Reads the answer to a HEAD; undefined where it says too little for clients, which need digest,
 * length and type.
 *
 * @throws {RegistryError} the upstream's refusal.
 */
export async function readManifestHead(
  response: Response,
  target: Target,
  reference: Reference,
): Promise<ManifestHead | undefined> {
  if (!response.ok) throw await upstreamError(response, target.upstream, "manifest");
  await response.body?.cancel();
  const digest = namedDigest(response, reference);
  const length = response.headers.get("content-length");
  if (digest === undefined || length === null || !response.headers.has("content-type")) {
    return undefined;
  }
  return {
    digest,
    mediaType: mediaTypeOf(response),
    size: Number(length),
    quota: copyHeaders(response.headers, QUOTA_HEADERS),
  };
}

/** The response for a manifest, or for its head where only that is asked. */
export function manifestResponse(
  request: PullRequest,
  manifest: ManifestHead,
  bytes: Uint8Array<ArrayBuffer> | null,
  cache: CacheResult,
  ageSeconds?: number,
): Response {
  request.note({ cache });
  const headers = new Headers(manifest.quota);
  headers.set("content-type", manifest.mediaType);
  headers.set("docker-content-digest", manifest.digest);
  headers.set("etag", `"${manifest.digest}"`);
  headers.set("x-cache", cache === "STALE" ? "HIT" : cache);
  if (cache === "STALE" && ageSeconds !== undefined) {
    headers.set("age", String(Math.floor(ageSeconds)));
    headers.set("warning", `110 - "Response is Stale"`);
  }
  if (request.headers.get("if-none-match")?.includes(manifest.digest)) {
    return new Response(null, { status: 304, headers });
  }
  headers.set("content-length", String(manifest.size));
  return new Response(request.method === "HEAD" ? null : bytes, { headers });
}

function namedDigest(response: Response, reference: Reference): Digest | undefined {
  return reference.kind === "digest"
    ? reference.digest
    : parseDigest(response.headers.get("docker-content-digest") ?? "");
}

function mediaTypeOf(response: Response): string {
  return response.headers.get("content-type") ?? "application/octet-stream";
}

function isJsonObject(bytes: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function unusable(target: Target, reference: Reference, why: string): RegistryError {
  const name = `${target.repository} ${referenceText(reference)}`;
  return new RegistryError(
    "UNAVAILABLE",
    `the manifest ${name} from ${target.upstream.registry} cannot be used: ${why}`,
    { status: 502, detail: { upstream: target.upstream.registry } },
  );
}
