/** Reads all content again and compares it with its name: a disk may change what was once right. */
import { createHash } from "node:crypto";
import { type Digest, splitDigest } from "../reference.ts";
import type { DiskStore } from "./disk_store.ts";
import type { CacheIndex } from "./index.ts";

/** Something that is not as it should be. */
export type VerifyFault =
  /** The bytes are not those of the name. */
  | { readonly kind: "wrong"; readonly digest: Digest; readonly found: string }
  /** The disk does not give the bytes. */
  | { readonly kind: "unreadable"; readonly digest: Digest; readonly cause: unknown }
  /** The index knows it, the disk does not have it. */
  | { readonly kind: "missing"; readonly digest: Digest };

/** What was looked at. */
export interface VerifyProgress {
  readonly contents: number;
  readonly bytes: number;
}

/** What a verification is told while it goes on. */
export interface VerifyEvents {
  onProgress(progress: VerifyProgress): void;
  onFault(fault: VerifyFault): void;
}

/**
 * Verifies all content. Harmless beside a running proxy: it only reads. With `repair`, files that
 * are wrong or cannot be read are removed; who finds one missing fetches it again.
 */
export async function verifyStore(
  { disk, index }: { disk: DiskStore; index: CacheIndex },
  options: { repair: boolean } & VerifyEvents,
): Promise<VerifyProgress> {
  const known = new Set([...index.contents()].map(({ digest }) => digest));
  const progress = { contents: 0, bytes: 0 };
  for (const digest of [...disk.digests()]) {
    known.delete(digest);
    const fault = await verifyContent(disk, digest, (bytes) => {
      progress.bytes += bytes;
    });
    progress.contents++;
    options.onProgress(progress);
    if (fault === undefined) continue;
    options.onFault(fault);
    if (options.repair) disk.remove(digest);
  }
  for (const digest of known) {
    // It may have been evicted since the list was made.
    const isGone = index.contentSize(digest) !== undefined && disk.sizeOf(digest) === undefined;
    if (isGone) options.onFault({ kind: "missing", digest });
  }
  return progress;
}

async function verifyContent(
  disk: DiskStore,
  digest: Digest,
  onBytes: (count: number) => void,
): Promise<VerifyFault | undefined> {
  const { algorithm } = splitDigest(digest);
  const hash = createHash(algorithm);
  try {
    using content = disk.open(digest);
    // Evicted meanwhile.
    if (content === undefined) return undefined;
    for await (const chunk of content.stream()) {
      hash.update(chunk);
      onBytes(chunk.length);
    }
  } catch (cause) {
    return { kind: "unreadable", digest, cause };
  }
  const found = `${algorithm}:${hash.digest("hex")}`;
  return found === digest ? undefined : { kind: "wrong", digest, found };
}
