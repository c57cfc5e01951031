/** Brings the images of a layout to a proxy's cache, through its admin API. */
import { isRecord } from "../../json.ts";
import { splitImageName } from "../../image_name.ts";
import { type Digest, parseDigest } from "../../reference.ts";
import { childrenOf } from "../../cache/manifest_children.ts";
import { FULL_NAME, REF_NAME } from "./export_image.ts";
import { digestOfPath, type LayoutFile, type LayoutReader } from "./read.ts";

/** The largest manifest, and what is read of a layout at once. */
const MAX_MANIFEST_BYTES = 4 << 20;

/** The proxy that takes content. */
export interface ImportTarget {
  has(digest: Digest): Promise<boolean>;
  put(digest: Digest, size: number, body: ReadableStream<Uint8Array>): Promise<void>;
  /** Names an image; gives the number of platforms that it has here. */
  name(image: string, digest: Digest): Promise<number>;
}

/** An image that a layout holds. */
export interface NamedImage {
  readonly name: string;
  readonly digest: Digest;
}

/** What was imported. */
export interface Imported extends NamedImage {
  readonly platforms: number;
}

/**
 * Imports a layout's images, or the only one under the given name.
 *
 * @throws where the layout is none, or names no image and no name is given.
 * @throws {RegistryError} the proxy's refusal.
 */
export async function importLayout(
  read: LayoutReader,
  target: ImportTarget,
  name: string | undefined,
): Promise<Imported[]> {
  const small = await readSmall(read);
  const index = small.get("index.json");
  if (index === undefined) throw new Error("there is no index.json: this is no OCI image layout");
  const images = imagesOf(index, name);
  const wanted = wantedContents(images, small);
  for await (const file of read()) {
    const digest = digestOfPath(file.path);
    // Each once, though a tar may hold a file twice.
    if (digest === undefined || !wanted.delete(digest) || await target.has(digest)) continue;
    await target.put(digest, file.size, file.open());
  }
  const imported: Imported[] = [];
  for (const image of images) {
    imported.push({ ...image, platforms: await target.name(image.name, image.digest) });
  }
  return imported;
}

/** The files that may be manifests, by their path. */
async function readSmall(read: LayoutReader): Promise<Map<string, Uint8Array>> {
  const small = new Map<string, Uint8Array>();
  for await (const file of read()) {
    if (file.size > MAX_MANIFEST_BYTES) continue;
    const bytes = await readIfJson(file);
    if (bytes !== undefined) small.set(file.path, bytes);
  }
  return small;
}

/** All of a file that begins as JSON objects do. */
async function readIfJson(file: LayoutFile): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let isJson = true;
  for await (const piece of file.open()) {
    if (pieces.length === 0) isJson = piece[0] === "{".charCodeAt(0);
    // Read to its end all the same: what is left unread would hold up a tar.
    if (isJson) pieces.push(piece);
  }
  return isJson ? await new Blob(pieces).bytes() : undefined;
}

function imagesOf(index: Uint8Array, name: string | undefined): NamedImage[] {
  const json: unknown = JSON.parse(new TextDecoder().decode(index));
  const entries = isRecord(json) && Array.isArray(json["manifests"]) ? json["manifests"] : [];
  const images = entries.filter(isRecord).flatMap((entry) => {
    const digest = parseDigest(String(entry["digest"]));
    return digest === undefined ? [] : [{ digest, name: nameOf(entry["annotations"]) }];
  });
  if (images.length === 0) throw new Error("the layout holds no image");
  if (name !== undefined) {
    const { tag } = splitImageName(name) ?? {};
    const chosen = images.length === 1
      ? images
      : images.filter((image) => image.name === name || image.name === tag);
    const [first, ...others] = chosen;
    if (first !== undefined && others.length === 0) return [{ name, digest: first.digest }];
    const names = images.map((image) => image.name ?? image.digest).join(", ");
    throw new Error(`the layout holds several images, and ${name} is none of them: ${names}`);
  }
  return images.map((image) => {
    if (image.name !== undefined && isFullName(image.name)) {
      return { digest: image.digest, name: image.name };
    }
    throw new Error(`the layout does not say whose ${image.name ?? image.digest} is: name it`);
  });
}

function isFullName(name: string): boolean {
  return (splitImageName(name)?.registry ?? null) !== null;
}

function nameOf(annotations: unknown): string | undefined {
  if (!isRecord(annotations)) return undefined;
  const name = annotations[FULL_NAME] ?? annotations[REF_NAME];
  return typeof name === "string" ? name : undefined;
}

/** All that the images consist of, as far as the layout holds it. */
function wantedContents(
  images: readonly NamedImage[],
  small: ReadonlyMap<string, Uint8Array>,
): Set<Digest> {
  const wanted = new Set<Digest>();
  const add = (digest: Digest): void => {
    if (wanted.has(digest)) return;
    wanted.add(digest);
    const bytes = small.get(`blobs/${digest.replace(":", "/")}`);
    if (bytes !== undefined) childrenOf(bytes).forEach((child) => add(child.digest));
  };
  images.forEach(({ digest }) => add(digest));
  return wanted;
}
