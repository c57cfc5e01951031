/** The platforms of a cached image. Source: image-spec "Image Index" and "Image Configuration". */
import type { CacheIndex } from "../../cache/index.ts";
import type { ContentStore } from "../../cache/store.ts";
import { type Digest, parseDigest } from "../../reference.ts";

/** A platform of an image. */
export interface PlatformEntry {
  /** Such as `linux/arm64/v8`. */
  readonly name: string;
  /** Whether its manifest is in the cache. */
  readonly isCached: boolean;
}

const MAX_CONFIG_BYTES = 1 << 20;

/** The platforms of an index, or the one of an image; none where what says so is not here. */
export function platformsOf(
  { digest }: { readonly digest: Digest },
  store: ContentStore,
  index: CacheIndex,
): readonly PlatformEntry[] {
  const manifest = readRecord(store, digest);
  const manifests = manifest["manifests"];
  if (!Array.isArray(manifests)) {
    const config = digestIn(manifest["config"]);
    const isSmall = config !== undefined && (index.contentSize(config) ?? Infinity) <
        MAX_CONFIG_BYTES;
    const name = isSmall ? nameOf(readRecord(store, config)) : undefined;
    return name === undefined ? [] : [{ name, isCached: true }];
  }
  return manifests.flatMap((descriptor: unknown): PlatformEntry[] => {
    const child = digestIn(descriptor);
    const name = isRecord(descriptor) ? nameOf(descriptor["platform"]) : undefined;
    // Attestations lie beside the platforms under a name of their own.
    if (child === undefined || name === undefined || name.startsWith("unknown/")) return [];
    return [{ name, isCached: index.contentSize(child) !== undefined }];
  });
}

function nameOf(platform: unknown): string | undefined {
  if (!isRecord(platform)) return undefined;
  const parts = [platform["os"], platform["architecture"], platform["variant"]]
    .filter((part) => typeof part === "string" && part !== "");
  return parts.length < 2 ? undefined : parts.join("/");
}

function readRecord(store: ContentStore, digest: Digest): Record<string, unknown> {
  const bytes = store.read(digest);
  if (bytes === undefined) return {};
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isRecord(value) ? value : {};
  } catch (error) {
    // An artifact's config may be anything.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function digestIn(descriptor: unknown): Digest | undefined {
  const text = isRecord(descriptor) ? descriptor["digest"] : undefined;
  return typeof text === "string" ? parseDigest(text) : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
