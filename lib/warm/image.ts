/** What an image consists of, read through the proxy so that its manifests are cached on the way. */
import { isRecord } from "../json.ts";
import { RegistryError } from "../errors.ts";
import { readBounded } from "../http_body.ts";
import { FULL_ACCEPT } from "../media_type.ts";
import { type Digest, parseDigest } from "../reference.ts";
import type { WarmSource } from "./source.ts";

const MAX_MANIFEST_BYTES = 16 << 20;

/** Bytes that a manifest refers to. */
export interface Descriptor {
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
}

/** Which platforms are wanted: `linux/amd64` and the like, or all. */
export type Platforms = readonly string[] | "all";

/** An image as it has been read. */
export interface ImageContent {
  /** Of the manifest or index that the name leads to. */
  readonly digest: string | null;
  /** Configs and layers of all wanted platforms, each once. */
  readonly blobs: readonly Descriptor[];
}

/**
 * Reads the manifests of an image.
 *
 * @throws {RegistryError} the proxy's refusal, or where no wanted platform is there.
 */
export async function readImage(
  source: WarmSource,
  reference: string,
  platforms: Platforms,
  signal: AbortSignal,
): Promise<ImageContent> {
  const top = await readManifest(source, reference, signal);
  const manifests = listOf(top.json, "manifests");
  const blobs = new Map<Digest, Descriptor>();
  const add = (json: Record<string, unknown>): void => {
    for (const blob of blobsOf(json)) blobs.set(blob.digest, blob);
  };
  if (manifests.length === 0) add(top.json);
  else {
    const wanted = manifests.filter((entry) => isWanted(entry, platforms));
    if (wanted.length === 0) {
      throw new RegistryError(
        "MANIFEST_UNKNOWN",
        `there is nothing for ${platforms === "all" ? "any platform" : platforms.join(", ")}`,
      );
    }
    for (const { digest } of wanted.flatMap(toDescriptor)) {
      add((await readManifest(source, digest, signal)).json);
    }
  }
  return { digest: top.digest, blobs: [...blobs.values()] };
}

async function readManifest(
  source: WarmSource,
  reference: string,
  signal: AbortSignal,
): Promise<{ json: Record<string, unknown>; digest: string | null }> {
  const response = await source.ask(`manifests/${reference}`, { accept: FULL_ACCEPT }, signal);
  const body = await readBounded(response, MAX_MANIFEST_BYTES);
  const json: unknown = JSON.parse(new TextDecoder().decode(body));
  if (!isRecord(json)) throw new RegistryError("MANIFEST_INVALID", "the manifest is no object");
  return { json, digest: response.headers.get("docker-content-digest") };
}

/** Config and layers; layers that lie elsewhere (`urls`) are no registry's to give. */
function blobsOf(manifest: Record<string, unknown>): Descriptor[] {
  const entries = [manifest["config"], ...listOf(manifest, "layers"), ...listOf(manifest, "blobs")];
  return entries.filter((entry) => !(isRecord(entry) && Array.isArray(entry["urls"])))
    .flatMap(toDescriptor);
}

/** Attestations have the platform `unknown/unknown`; they come with all, and with nothing else. */
function isWanted(entry: unknown, platforms: Platforms): boolean {
  if (platforms === "all") return true;
  const platform = isRecord(entry) ? entry["platform"] : undefined;
  if (!isRecord(platform)) return false;
  const { os, architecture, variant } = platform;
  return platforms.some((wanted) =>
    wanted === `${os}/${architecture}` || wanted === `${os}/${architecture}/${variant}`
  );
}

function toDescriptor(entry: unknown): Descriptor[] {
  if (!isRecord(entry)) return [];
  const { digest: text, size } = entry;
  const digest = typeof text === "string" ? parseDigest(text) : undefined;
  return digest === undefined || typeof size !== "number" ? [] : [{ digest, size }];
}

function listOf(json: Record<string, unknown>, key: string): readonly unknown[] {
  const list = json[key];
  return Array.isArray(list) ? list : [];
}
