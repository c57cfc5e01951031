/**
 * Manifests that are pushed, and manifests and blobs that are deleted. A manifest is small enough to
 * be held, so that it survives a redirect or a token that has to be renewed.
 * Source: distribution-spec "Pushing Manifests", "Content Management".
 */
import { createHash } from "node:crypto";
import type { Place } from "../cache/index.ts";
import { RegistryError } from "../errors.ts";
import { copyHeaders } from "../http.ts";
import { readBounded } from "../http_body.ts";
import type { ManifestCache } from "../pull/manifest_cache.ts";
import { placeOf } from "../pull/request.ts";
import {
  type Digest,
  parseDigest,
  parseTag,
  type Reference,
  referenceText,
  type Tag,
} from "../reference.ts";
import type { Target } from "../routing/route.ts";
import { upstreamUrl } from "../upstream/client.ts";
import { answerWrite } from "./answer.ts";
import type { Change, Changes } from "./changes.ts";
import type { UploadLocations } from "./location.ts";
import type { PushRequest } from "./request.ts";
import type { WriteAnswer, Writer } from "./write.ts";

/** What such writes are made with. */
export interface ContentDeps {
  readonly send: Writer;
  readonly locations: UploadLocations;
  readonly changes: Changes;
  readonly maxManifestBytes: number;
  /** Keeps manifests for the cache; absent where pushes are not kept. */
  readonly cache?: Pick<ManifestCache, "keep"> | undefined;
}

/** Writes of content that is named by tag or digest. */
export interface ContentHandlers {
  putManifest(request: PushRequest, target: Target, reference: Reference): Promise<Response>;
  deleteManifest(request: PushRequest, target: Target, reference: Reference): Promise<Response>;
  deleteBlob(request: PushRequest, target: Target, digest: Digest): Promise<Response>;
}

/** Makes the handlers. */
export function createContentHandlers(deps: ContentDeps): ContentHandlers {
  async function putManifest(
    request: PushRequest,
    target: Target,
    reference: Reference,
  ): Promise<Response> {
    const bytes = await readManifest(request.incoming);
    const path = `manifests/${referenceText(reference)}`;
    const tags = pushedTags(reference, request.query);
    const answer = await change(
      { request, target, tags },
      () => sendTo(request, target, path, bytes),
      (response) => pushedChanges(reference, tags, response),
    );
    const digest = parseDigest(answer.response.headers.get("docker-content-digest") ?? "");
    if (answer.response.status === 201) await keep(request, target, reference, bytes);
    return await respond(
      request,
      target,
      answer,
      `manifests/${digest ?? referenceText(reference)}`,
    );
  }

  /** Keeps a manifest that the registry has taken, under the digest of its bytes. */
  async function keep(
    { incoming }: PushRequest,
    target: Target,
    reference: Reference,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const mediaType = incoming.headers.get("content-type");
    const digest = parseDigest(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
    if (deps.cache === undefined || mediaType === null || digest === undefined) return;
    if (reference.kind === "digest" && reference.digest !== digest) return;
    const manifest = { bytes, digest, mediaType, size: bytes.length, quota: new Headers() };
    const tag = reference.kind === "tag" ? reference.tag : undefined;
    await deps.cache.keep(placeOf(target), manifest, tag);
  }

  async function deleteManifest(
    request: PushRequest,
    target: Target,
    reference: Reference,
  ): Promise<Response> {
    const isTag = reference.kind === "tag";
    const gone: Change = isTag
      ? { kind: "tag", tag: reference.tag, digest: null }
      : { kind: "deleted", digest: reference.digest };
    const answer = await change(
      { request, target, tags: isTag ? [reference.tag] : [] },
      () => sendTo(request, target, `manifests/${referenceText(reference)}`),
      () => [gone],
    );
    return await respond(request, target, answer);
  }

  async function deleteBlob(
    request: PushRequest,
    target: Target,
    digest: Digest,
  ): Promise<Response> {
    const answer = await change(
      { request, target, tags: [] },
      () => sendTo(request, target, `blobs/${digest}`),
      () => [{ kind: "deleted", digest }],
    );
    return await respond(request, target, answer, undefined, "blob");
  }

  /**
   * Notes what a write changed once it has succeeded, or was found done already, and that a tag may
   * have moved where the answer was lost. A refusal changes nothing.
   */
  async function change(
    subject: { request: PushRequest; target: Target; tags: readonly Tag[] },
    write: () => Promise<WriteAnswer>,
    changesOf: (response: Response) => readonly Change[],
  ): Promise<WriteAnswer> {
    const { request, target, tags } = subject;
    const place = placeOf(target);
    const doubt = () => noteAll(place, tags.map((tag) => ({ kind: "uncertain", tag })));
    let answer: WriteAnswer;
    try {
      answer = await write();
    } catch (error) {
      doubt();
      throw error;
    }
    const { ok, status } = answer.response;
    // A deletion that finds nothing was done before.
    const isDone = ok || (status === 404 && request.method === "DELETE");
    if (isDone) noteAll(place, changesOf(answer.response));
    else if (status >= 500) doubt();
    return answer;
  }

  function noteAll(place: Place, all: readonly Change[]): void {
    for (const one of all) deps.changes.note(place, one);
  }

  /** @throws {RegistryError} SIZE_INVALID (413) for what is too large to be a manifest. */
  async function readManifest(incoming: Request): Promise<Uint8Array<ArrayBuffer>> {
    const isTooLarge = Number(incoming.headers.get("content-length")) > deps.maxManifestBytes;
    const bytes = isTooLarge ? undefined : await readBounded(incoming, deps.maxManifestBytes);
    if (bytes !== undefined) return bytes;
    throw new RegistryError(
      "SIZE_INVALID",
      `the manifest is larger than ${deps.maxManifestBytes} bytes, which is MAX_MANIFEST_SIZE here`,
      { status: 413 },
    );
  }

  function sendTo(
    request: PushRequest,
    target: Target,
    path: string,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<WriteAnswer> {
    return deps.send({
      target,
      method: request.method,
      url: upstreamUrl(target.upstream, `/v2/${target.repository}/${path}${request.query}`),
      headers: copyHeaders(request.incoming.headers, ["accept", "content-type"]),
      credential: request.credential,
      signal: request.incoming.signal,
      ...(body === undefined ? {} : { body }),
    });
  }

  function respond(
    request: PushRequest,
    target: Target,
    answer: WriteAnswer,
    created?: string,
    wanted: "manifest" | "blob" = "manifest",
  ): Promise<Response> {
    const view = { target, base: request.base };
    return answerWrite(answer, { request, view, locations: deps.locations, wanted, created });
  }

  return { putManifest, deleteManifest, deleteBlob };
}

/** The tags that a push moves: its own, and those that `?tag=` names beside a digest. */
function pushedTags(reference: Reference, query: string): Tag[] {
  const named = new URLSearchParams(query).getAll("tag").map(parseTag)
    .filter((tag) => tag !== undefined);
  return reference.kind === "tag" ? [reference.tag, ...named] : named;
}

function pushedChanges(reference: Reference, tags: readonly Tag[], response: Response): Change[] {
  const digest = reference.kind === "digest"
    ? reference.digest
    : parseDigest(response.headers.get("docker-content-digest") ?? "") ?? null;
  const pushed: Change[] = digest === null ? [] : [{ kind: "pushed", digest }];
  return [...pushed, ...tags.map((tag): Change => ({ kind: "tag", tag, digest }))];
}
