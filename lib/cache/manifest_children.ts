/** What a manifest refers to, so that the cache knows sizes before the bytes come. */
import { isRecord } from "../json.ts";
import type { Child } from "./index.ts";
import { type Digest, parseDigest } from "../reference.ts";

/**
 * The descriptors of a manifest: config and layers, the blobs of an artifact, or the manifests of an
 * index. What cannot be read as one is left out. Source: image-spec "Content Descriptors".
 */
export function childrenOf(bytes: Uint8Array): Child[] {
  const manifest = parseRecord(bytes);
  const lists = [manifest["layers"], manifest["blobs"], manifest["manifests"]];
  return [manifest["config"], ...lists.flatMap((list) => Array.isArray(list) ? list : [])]
    .map(toChild)
    .filter((child) => child !== undefined);
}

/**
 * The blobs of a platform's manifest or of an artifact, the config first; none for an index. Layers
 * that lie elsewhere (`urls`) are no registry's to give. Source: image-spec "Image Manifest".
 */
export function blobsOf(bytes: Uint8Array): Digest[] {
  const manifest = parseRecord(bytes);
  const lists = [manifest["layers"], manifest["blobs"]];
  const descriptors = [
    manifest["config"],
    ...lists.flatMap((list): unknown[] => Array.isArray(list) ? list : []),
  ];
  return descriptors
    .filter((descriptor) => !(isRecord(descriptor) && Array.isArray(descriptor["urls"])))
    .flatMap((descriptor) => toChild(descriptor)?.digest ?? []);
}

function parseRecord(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isRecord(value) ? value : {};
  } catch (error) {
    // Not JSON: then it refers to nothing that is known here.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function toChild(descriptor: unknown): Child | undefined {
  if (!isRecord(descriptor)) return undefined;
  const { digest: text, size } = descriptor;
  const digest = typeof text === "string" ? parseDigest(text) : undefined;
  const isSize = typeof size === "number" && Number.isSafeInteger(size) && size >= 0;
  return digest !== undefined && isSize ? { digest, size } : undefined;
}
