/** What the cache holds as people think of it: images with their tags, sizes and uses. */
import type { Digest, Repository, Tag } from "../reference.ts";
import type { Place } from "./index.ts";

/** An image in the cache: what a tag points to, or a manifest that neither tag nor index names. */
export interface ImageEntry {
  readonly place: Place;
  /** Null where it was pulled by digest alone. */
  readonly tag: Tag | null;
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes in the store of all that it refers to. What images share counts for each of them. */
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly usedAt: number;
  /** How often its manifest was served. */
  readonly pulls: number;
  readonly isPinned: boolean;
}

/** Which images. */
export interface ImageQuery {
  /** A part of registry, repository or tag; empty for all. */
  readonly search: string;
  /** As {@linkcode Place} names it, or null for all. */
  readonly registry: string | null;
  readonly offset: number;
  readonly limit: number;
}

/** Some of the images. */
export interface ImagePage {
  /** The ones used last come first. */
  readonly images: readonly ImageEntry[];
  /** Of all that the query matches. */
  readonly total: number;
}

/** A registry in the cache. */
export interface RegistryEntry {
  readonly registry: string;
  readonly repositories: number;
}

/** Something that a manifest refers to. */
export interface ChildEntry {
  readonly digest: Digest;
  readonly size: number;
  readonly isCached: boolean;
}

/** A content in the store. */
export interface BlobEntry {
  readonly digest: Digest;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly usedAt: number;
  /** Repositories that hold it. */
  readonly repositories: number;
}

/** What an image is chosen by: a tag or a digest of a repository. */
export interface ImageKey {
  readonly place: Place;
  readonly reference: Tag | Digest;
}

/** What a purge took away. */
export interface Purged {
  /** What nobody needs any more: the caller removes it from the store. */
  readonly contents: readonly Digest[];
}

/** Looks at the cache, and changes what it keeps. Every call is synchronous. */
export interface Inventory {
  images(query: ImageQuery): ImagePage;
  registries(): readonly RegistryEntry[];
  /** The largest first. */
  blobs(query: { readonly offset: number; readonly limit: number }): readonly BlobEntry[];
  childrenOf(manifest: Digest): readonly ChildEntry[];
  /** Notes that a manifest was served. */
  notePull(place: Place, digest: Digest): void;
  /** Whether such an image is known. */
  has(image: ImageKey): boolean;
  /** Keeps an image from eviction, with all that it refers to now and later. */
  pin(image: ImageKey): void;
  unpin(image: ImageKey): void;
  /**
   * Forgets an image, its pin included. What other images of the repository need stays; a digest
   * that a tag still names stays too, and is forgotten by purging the tag.
   */
  purge(image: ImageKey): Purged;
  /** Forgets all images of a repository. */
  purgeRepository(place: { readonly registry: string; readonly repository: Repository }): Purged;
}
