/**
 * What writes through this proxy changed, so that the next pull sees it at once. An answer that was
 * under way when the change came may arrive after it; it must not bring the old state back.
 */
import type { CacheIndex, Place } from "../cache/index.ts";
import { LruMap } from "../lru.ts";
import type { Digest, Tag } from "../reference.ts";

/** Something of a repository that a write changed. */
export type Change =
  /** `digest` is where the tag now points; null where it is gone, or the registry did not say. */
  | { readonly kind: "tag"; readonly tag: Tag; readonly digest: Digest | null }
  /** The registry's answer was lost: it may have moved the tag or not. */
  | { readonly kind: "uncertain"; readonly tag: Tag }
  | { readonly kind: "pushed"; readonly digest: Digest }
  | { readonly kind: "deleted"; readonly digest: Digest };

/** Takes note of writes. */
export interface Changes {
  note(place: Place, change: Change): void;
}

/** No answer to a pull is under way for longer before its headers, or a manifest's body, are here. */
const UNDER_WAY_MS = 60_000;
const MAX_CHANGES = 10_000;

interface Noted {
  readonly at: number;
  readonly digest: Digest | null;
}

/** Makes the changes, and the index through which everything else has to note what it learns. */
export function createChanges(
  inner: CacheIndex,
  now: () => number,
): { changes: Changes; index: CacheIndex } {
  const tags = new LruMap<string, Noted>(MAX_CHANGES);
  const deleted = new LruMap<string, number>(MAX_CHANGES);

  function note(place: Place, change: Change): void {
    switch (change.kind) {
      case "tag":
        tags.set(keyOf(place, change.tag), { at: now(), digest: change.digest });
        inner.dropTag(place, change.tag);
        break;
      case "uncertain":
        doubt(place, change.tag);
        break;
      case "pushed":
        deleted.delete(keyOf(place, change.digest));
        break;
      case "deleted":
        deleted.set(keyOf(place, change.digest), now());
        inner.dropLink(place, change.digest);
        break;
      default:
        change satisfies never;
    }
  }

  /**
   * Has the next pull ask where the tag points. It is not dropped: with the upstream down anybody's
   * write fails so, and must not take from others what is still served.
   */
  function doubt(place: Place, tag: Tag): void {
    const entry = inner.tag(place, tag);
    if (entry !== undefined) inner.putTag(place, tag, { ...entry, checkedAt: 0 });
  }

  const index: CacheIndex = {
    ...inner,
    putTag(place, tag, entry) {
      const change = tags.get(keyOf(place, tag));
      const isOld = change !== undefined && change.digest !== entry.digest &&
        entry.checkedAt < change.at + UNDER_WAY_MS;
      if (!isOld) inner.putTag(place, tag, entry);
    },
    putLink(place, digest, mediaType) {
      const at = deleted.get(keyOf(place, digest));
      if (at === undefined || now() > at + UNDER_WAY_MS) inner.putLink(place, digest, mediaType);
    },
  };
  return { changes: { note }, index };
}

function keyOf({ registry, repository }: Place, name: string): string {
  return `${registry} ${repository} ${name}`;
}
