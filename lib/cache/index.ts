/**
 * What the cache knows beside the bytes: which repository of which registry holds a digest, where
 * tags point, what was proven public. The bytes are the blob store's.
 */
import type { Digest, Repository, Tag } from "../reference.ts";

/** A repository of a registry; `registry` is the upstream's host, so that names never mix. */
export interface Place {
  readonly registry: string;
  readonly repository: Repository;
}

/** A digest that a repository is known to hold. */
export interface Link {
  /** The manifest's Content-Type as the upstream gave it, or null for a blob. */
  readonly mediaType: string | null;
}

/** What a manifest refers to. */
export interface Child {
  readonly digest: Digest;
  /** In bytes, as the manifest says. */
  readonly size: number;
}

/** Where a tag pointed when the upstream was last asked. */
export interface TagEntry {
  readonly digest: Digest;
  /** Milliseconds since the epoch. */
  readonly checkedAt: number;
}

/** Content in the store. */
export interface ContentEntry {
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
}

/** A manifest of a repository with all that is known of it there, once for each of its tags. */
export interface LayoutEntry extends ContentEntry {
  readonly place: Place;
  readonly mediaType: string;
  readonly tag: Tag | null;
  /** When the upstream last said that the tag is this manifest, in milliseconds since the epoch. */
  readonly checkedAt: number;
  /** When the repository was last seen public, or null. */
  readonly publicAt: number | null;
  /** What of the manifest's blobs the repository is known to hold. */
  readonly blobs: readonly Digest[];
}

/** What is counted since the cache was made. */
export const COUNTERS = [
  "blob_hits",
  "blob_misses",
  "manifest_hits",
  "manifest_misses",
  "joins",
  "fills",
  "resumes",
  "mismatches",
  "evictions",
  "degraded",
] as const;

/** One of {@linkcode COUNTERS}. */
export type Counter = typeof COUNTERS[number];

/** How much is cached. */
export interface CacheTotals {
  readonly blobs: number;
  readonly manifests: number;
  /** Bytes of all content, manifests included. */
  readonly bytes: number;
}

/**
 * The index. Every call is synchronous and takes microseconds. None fails a pull: where the disk
 * refuses, nothing is remembered and nothing is known.
 */
export interface CacheIndex extends Disposable {
  /** Remembers committed content. */
  putContent(digest: Digest, size: number): void;
  /** Forgets content that is no longer in the store; its links stay. */
  dropContent(digest: Digest): void;
  /** The content's size in bytes, or undefined where it is not in the store. */
  contentSize(digest: Digest): number | undefined;
  /** Notes a use. What a manifest refers to is used with it, so that images are kept whole. */
  touch(digest: Digest): void;
  /** Content in the order of its last use, the oldest first. */
  leastUsed(limit: number): ContentEntry[];
  /** Content that was not used since, in milliseconds since the epoch. */
  unusedSince(time: number): ContentEntry[];
  /** All content, for reconciliation with the store. */
  contents(): Iterable<ContentEntry>;

  putLink(place: Place, digest: Digest, mediaType: string | null): void;
  link(place: Place, digest: Digest): Link | undefined;
  dropLink(place: Place, digest: Digest): void;
  /** A manifest that the repository is known to hold: the one linked last. */
  anyManifest(place: Place): Digest | undefined;
  /** All manifests in the store. */
  layout(): Iterable<LayoutEntry>;
  /** A number that grows whenever what {@linkcode layout} gives may have changed. */
  revision(): number;

  /** Remembers what a manifest refers to: config and layers, or the manifests of an index. */
  putChildren(manifest: Digest, children: readonly Child[]): void;
  /** The size in bytes that a manifest of the repository gives for the digest. */
  childSize(place: Place, digest: Digest): number | undefined;

  putTag(place: Place, tag: Tag, entry: TagEntry): void;
  tag(place: Place, tag: Tag): TagEntry | undefined;
  dropTag(place: Place, tag: Tag): void;

  /** Remembers when anybody was last seen to be allowed to read the repository. */
  putPublic(place: Place, provenAt: number): void;
  /** When it was last seen public, in milliseconds since the epoch. */
  publicAt(place: Place): number | undefined;
  dropPublic(place: Place): void;

  count(counter: Counter): void;
  counters(): ReadonlyMap<Counter, number>;
  totals(): CacheTotals;
  /** Writes what is collected: uses and counts. */
  flush(): void;
}
