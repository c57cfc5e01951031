/** What an image consists of, read through the proxy so that its manifests are cached on the way. */
import { createHash } from "node:crypto";
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

/** A manifest or an index as it came. */
export interface RawManifest {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly mediaType: string;
  /** Of the bytes. */
  readonly digest: Digest;
}

/** Which platforms are wanted: `linux/amd64` and the like, or all. */
export type Platforms = readonly string[] | "all";

/** An image as it has been read. */
export interface ImageContent {
  /** What the name leads to, then those of the wanted platforms where that is an index. */
  readonly manifests: readonly [RawManifest, ...RawManifest[]];
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
  const entries = listOf(top.json, "manifests");
  const others: RawManifest[] = [];
  const blobs = new Map<Digest, Descriptor>();
  const add = (json: Record<string, unknown>): void => {
    for (const blob of blobsOf(json)) blobs.set(blob.digest, blob);
  };
  if (entries.length === 0) add(top.json);
  else {
    const wanted = entries.filter((entry) => isWanted(entry, platforms));
    if (wanted.length === 0) {
      throw new RegistryError(
        "MANIFEST_UNKNOWN",
        `there is nothing for ${platforms === "all" ? "any platform" : platforms.join(", ")}`,
      );
    }
    for (const { digest } of wanted.flatMap(toDescriptor)) {
      const manifest = await readManifest(source, digest, signal);
      others.push(manifest.raw);
      add(manifest.json);
    }
  }
  return { manifests: [top.raw, ...others], blobs: [...blobs.values()] };
}

async function readManifest(
  source: WarmSource,
  reference: string,
  signal: AbortSignal,
): Promise<{ json: Record<string, unknown>; raw: RawManifest }> {
  const response = await source.ask(`manifests/${reference}`, { accept: FULL_ACCEPT }, signal);
  const bytes = await readBounded(response, MAX_MANIFEST_BYTES);
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
  const digest = parseDigest(`sha256:${createHash("sha256").update(bytes ?? "").digest("hex")}`);
  if (!isRecord(json) || bytes === undefined || digest === undefined) {
    throw new RegistryError("MANIFEST_INVALID", "the manifest is no object");
  }
  const mediaType = response.headers.get("content-type") ?? "application/octet-stream";
  return { json, raw: { bytes, mediaType, digest } };
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
