/**
 * Content that is brought to the cache by its admin: bytes first, each verified against its digest,
 * and then, once all of an image is here, the name that leads to it.
 */
import { createHash } from "node:crypto";
import type { CacheIndex, Place } from "../../cache/index.ts";
import { blobsOf, childrenOf } from "../../cache/manifest_children.ts";
import { type ContentStore, type PartialFile, StoreError } from "../../cache/store.ts";
import { RegistryError } from "../../errors.ts";
import { resolveImage } from "../../explain/explain.ts";
import { isRecord } from "../../json.ts";
import { placeOf } from "../../pull/request.ts";
import { type Digest, splitDigest } from "../../reference.ts";
import type { Router } from "../../routing/router.ts";
import { invalid } from "./api_error.ts";

const MAX_MANIFEST_BYTES = 16 << 20;
/** An index of indexes is allowed; deeper ones are a circle, or a joke. */
const MAX_DEPTH = 3;

/** What a name was given to. */
export interface ImportedImage {
  readonly digest: Digest;
  /** Manifests of platforms, and of artifacts. */
  readonly manifests: number;
  /** Manifests that the index names and that were not brought: other platforms. */
  readonly absent: readonly Digest[];
}

/** Takes content. */
export interface Imports {
  has(digest: Digest): boolean;
  /**
   * Stores content. `length` is in bytes where it is known.
   *
   * @throws {RegistryError} DIGEST_INVALID for other bytes, UNAVAILABLE (507) where there is no room.
   */
  put(
    digest: Digest,
    body: ReadableStream<Uint8Array<ArrayBuffer>>,
    length: number | undefined,
  ): Promise<void>;
  /**
   * Gives a name to content that is here. `isPublic` has it served to everybody where the upstream
   * cannot be asked: it is the admin's word that anybody may read the repository.
   *
   * @throws {RegistryError} where something of the image is missing; then nothing has changed.
   */
  name(image: string, digest: Digest, isPublic: boolean): ImportedImage;
}

/** A manifest with what is noted of it. */
interface Read {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** Makes the imports. */
export function createImports(
  deps: { store: ContentStore; index: CacheIndex; router: Router; now: () => number },
): Imports {
  const { store, index, router, now } = deps;

  async function put(
    digest: Digest,
    body: ReadableStream<Uint8Array<ArrayBuffer>>,
    length: number | undefined,
  ): Promise<void> {
    const file = begin(length);
    const hash = createHash(splitDigest(digest).algorithm);
    try {
      for await (const piece of body) {
        hash.update(piece);
        await file.append(piece);
      }
      const found = `${splitDigest(digest).algorithm}:${hash.digest("hex")}`;
      if (found !== digest) {
        throw new RegistryError("DIGEST_INVALID", `the bytes sent for ${digest} are ${found}`);
      }
      await file.commit(digest);
    } catch (error) {
      file.discard();
      throw error instanceof StoreError ? noRoom(error) : error;
    }
  }

  function begin(length: number | undefined): PartialFile {
    try {
      const file = store.begin(`import-${crypto.randomUUID()}`, length);
      if (file !== undefined) return file;
    } catch (error) {
      throw error instanceof StoreError ? noRoom(error) : error;
    }
    throw invalid("nothing is cached here: CACHE_ENABLED is false");
  }

  function name(image: string, digest: Digest, isPublic: boolean): ImportedImage {
    const resolved = resolveImage(image, router);
    if ("why" in resolved) throw invalid(`${image}: ${resolved.why}`);
    const { reference, target } = resolved;
    if (reference.kind === "digest" && reference.digest !== digest) {
      throw invalid(`${image} names another digest than ${digest}`);
    }
    const absent: Digest[] = [];
    const all = readAll(digest, absent, MAX_DEPTH);
    const platforms = all.filter(({ bytes }) => blobsOf(bytes).length > 0);
    if (platforms.length === 0) {
      throw new RegistryError("MANIFEST_INVALID", `${digest} leads to no image that was brought`);
    }
    const place = placeOf(target);
    for (const manifest of all) link(place, manifest);
    if (reference.kind === "tag") index.putTag(place, reference.tag, { digest, checkedAt: now() });
    if (isPublic) index.putPublic(place, now());
    return { digest, manifests: platforms.length, absent };
  }

  /** A manifest and those below it, the top one last: links of the last are found first. */
  function readAll(digest: Digest, absent: Digest[], depth: number): Read[] {
    const manifest = read(digest);
    const blobs = blobsOf(manifest.bytes);
    const lost = blobs.filter((blob) => !store.has(blob));
    if (lost.length > 0) {
      throw new RegistryError(
        "MANIFEST_BLOB_UNKNOWN",
        `${digest} refers to what was not brought: ${lost.join(", ")}`,
      );
    }
    if (blobs.length > 0) return [manifest];
    const below = childrenOf(manifest.bytes).flatMap((child): Read[] => {
      if (depth > 0 && store.has(child.digest)) return readAll(child.digest, absent, depth - 1);
      absent.push(child.digest);
      return [];
    });
    return [...below, manifest];
  }

  function read(digest: Digest): Read {
    const size = index.contentSize(digest) ?? 0;
    const bytes = size > MAX_MANIFEST_BYTES ? undefined : store.read(digest);
    if (bytes === undefined) {
      throw new RegistryError("MANIFEST_UNKNOWN", `the manifest ${digest} was not brought`);
    }
    return { digest, bytes, mediaType: mediaTypeOf(bytes, digest) };
  }

  function link(place: Place, { digest, mediaType, bytes }: Read): void {
    index.putChildren(digest, childrenOf(bytes));
    for (const blob of blobsOf(bytes)) index.putLink(place, blob, null);
    index.putLink(place, digest, mediaType);
  }

  return { has: (digest) => store.has(digest), put, name };
}

/** What a manifest says that it is; OCI's may leave it out. Source: image-spec "Image Manifest". */
function mediaTypeOf(bytes: Uint8Array, digest: Digest): string {
  const json = parse(bytes);
  if (!isRecord(json) || json["schemaVersion"] !== 2) {
    throw new RegistryError("MANIFEST_INVALID", `${digest} is no manifest of schema version 2`);
  }
  const said = json["mediaType"];
  if (typeof said === "string") return said;
  const kind = Array.isArray(json["manifests"]) ? "index" : "manifest";
  return `application/vnd.oci.image.${kind}.v1+json`;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function noRoom(cause: StoreError): RegistryError {
  return new RegistryError("UNAVAILABLE", "there is no room in the cache for this", {
    status: 507,
    cause,
  });
}
