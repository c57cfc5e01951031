/** Manifests in the cache: the bytes in the store, what they are and where tags point in the index. */
import { getLogger } from "@logtape/logtape";
import type { CacheIndex, Place } from "../cache/index.ts";
import type { ContentStore } from "../cache/store.ts";
import { describeCause } from "../log.ts";
import { LruMap } from "../lru.ts";
import { isSignedSchema1 } from "../media_type.ts";
import type { Digest, Tag } from "../reference.ts";
import { childrenOf } from "../cache/manifest_children.ts";
import type { Manifest } from "./manifest_value.ts";

const log = getLogger(["entrepot", "manifest"]);
const MAX_HEADS = 1000;
/** Manifests in memory, and the largest of them: 16 MiB at most. */
const MAX_RECENT = 256;
const MAX_RECENT_BYTES = 64 * 1024;

/** A tag's manifest with the time at which the upstream last said that it is. */
export interface TaggedManifest {
  readonly manifest: Manifest;
  /** Milliseconds since the epoch. */
  readonly checkedAt: number;
}

/** What is known of manifests. */
export interface ManifestCache {
  byDigest(place: Place, digest: Digest): Manifest | undefined;
  byTag(place: Place, tag: Tag): TaggedManifest | undefined;
  /** Keeps a verified manifest, and the tag by which it was asked. A failing disk is only logged. */
  keep(place: Place, manifest: Manifest, tag: Tag | undefined): Promise<void>;
  /**
   * Notes where the upstream says that a tag points. The tag keeps its old manifest until the new
   * one is here, so that there is always something to serve.
   */
  noteTag(place: Place, tag: Tag, digest: Digest): void;
  dropTag(place: Place, tag: Tag): void;
}

/** Makes the cache. */
export function createManifestCache(
  options: { index: CacheIndex; store: ContentStore; now: () => number },
): ManifestCache {
  const { index, store, now } = options;
  const recent = new Recent<Manifest>(index, ({ size }) => size);
  const recentTags = new Recent<TaggedManifest>(index, ({ manifest }) => manifest.size);
  /** Tags that were seen to point to manifests that are not here yet. */
  const awaited = new LruMap<string, { tag: Tag; checkedAt: number }>(MAX_HEADS);

  function byDigest(place: Place, digest: Digest): Manifest | undefined {
    return recent.get(keyOf(place, digest), () => readByDigest(place, digest));
  }

  function readByDigest(place: Place, digest: Digest): Manifest | undefined {
    const mediaType = index.link(place, digest)?.mediaType ?? null;
    if (mediaType === null) return undefined;
    const bytes = store.read(digest);
    if (bytes === undefined) return undefined;
    return { bytes, digest, mediaType, size: bytes.length, quota: new Headers() };
  }

  function byTag(place: Place, tag: Tag): TaggedManifest | undefined {
    return recentTags.get(keyOf(place, tag), () => readByTag(place, tag));
  }

  function readByTag(place: Place, tag: Tag): TaggedManifest | undefined {
    const entry = index.tag(place, tag);
    const manifest = entry === undefined ? undefined : byDigest(place, entry.digest);
    if (entry === undefined || manifest === undefined) return undefined;
    return { manifest, checkedAt: entry.checkedAt };
  }

  async function keep(place: Place, manifest: Manifest, tag: Tag | undefined): Promise<void> {
    // Its digest is not that of its bytes, so the store could not verify it later.
    if (isSignedSchema1(manifest.mediaType)) return;
    const { digest } = manifest;
    try {
      if (!await store.write(digest, manifest.bytes)) return;
      index.putLink(place, digest, manifest.mediaType);
      index.putChildren(digest, childrenOf(manifest.bytes));
      if (tag !== undefined) index.putTag(place, tag, { digest, checkedAt: now() });
      const key = keyOf(place, digest);
      const head = awaited.get(key);
      if (head !== undefined) index.putTag(place, head.tag, { digest, checkedAt: head.checkedAt });
      awaited.delete(key);
    } catch (error) {
      // A pull that the upstream can serve never fails for the cache.
      log.error("manifest {digest} could not be cached: {cause}", {
        digest,
        cause: describeCause(error),
      });
    }
  }

  function noteTag(place: Place, tag: Tag, digest: Digest): void {
    const isHere = (index.link(place, digest)?.mediaType ?? null) !== null && store.has(digest);
    if (isHere) index.putTag(place, tag, { digest, checkedAt: now() });
    else awaited.set(keyOf(place, digest), { tag, checkedAt: now() });
  }

  return { byDigest, byTag, keep, noteTag, dropTag: (place, tag) => index.dropTag(place, tag) };
}

function keyOf(place: Place, name: Digest | Tag): string {
  return `${place.registry} ${place.repository} ${name}`;
}

/**
 * What was read of the index and the store of late, for as long as the index has not changed: a
 * manifest that many ask for is read once.
 */
class Recent<Value> {
  readonly #index: CacheIndex;
  readonly #sizeOf: (value: Value) => number;
  readonly #entries = new LruMap<string, Value>(MAX_RECENT);
  #revision = -1;

  constructor(index: CacheIndex, sizeOf: (value: Value) => number) {
    this.#index = index;
    this.#sizeOf = sizeOf;
  }

  get(key: string, read: () => Value | undefined): Value | undefined {
    const revision = this.#index.revision();
    if (revision !== this.#revision) {
      this.#revision = revision;
      this.#entries.clear();
    }
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const value = read();
    if (value !== undefined && this.#sizeOf(value) <= MAX_RECENT_BYTES) {
      this.#entries.set(key, value);
    }
    return value;
  }
}
