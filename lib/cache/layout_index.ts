/**
 * The layout's `index.json`: which manifests the folder holds and by what names, so that other tools
 * can read them (`skopeo inspect oci:DIR:docker.io/library/nginx:latest`), and so that a lost or
 * corrupt index can be made anew with its tags and links. Source: image-spec "Image Layout".
 */
// @ts-types="../std_path.d.ts"
import { join } from "@std/path";
import { isRecord } from "../json.ts";
import { parseDigest, parseRepository, parseTag } from "../reference.ts";
import type { CacheIndex, LayoutEntry } from "./index.ts";
import { childrenOf } from "./manifest_children.ts";
import type { ContentStore } from "./store.ts";

const FILE = "index.json";
/** By what name other tools know a manifest. Source: image-spec "Annotations". */
const REF_NAME = "org.opencontainers.image.ref.name";
const OWN = "dev.entrepot.";
const SEPARATOR = " ";

/** Writes what the index knows of manifests. @throws where the disk refuses. */
export function writeLayoutIndex(dir: string, index: CacheIndex): void {
  const manifests = [...index.layout()].map(toDescriptor);
  const text = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",` +
    `"manifests":[${manifests.map((entry) => `\n${JSON.stringify(entry)}`).join(",")}\n]}\n`;
  const temporary = join(dir, `${FILE}.tmp`);
  Deno.writeTextFileSync(temporary, text);
  Deno.renameSync(temporary, join(dir, FILE));
}

/**
 * Puts into an empty index what the file knows of manifests that are in the store. Only what the
 * upstreams had once said comes back: a link that was never there is not made.
 *
 * @returns how many manifests have their names again.
 */
export function readLayoutIndex(dir: string, index: CacheIndex, store: ContentStore): number {
  let count = 0;
  for (const entry of readEntries(dir)) {
    const bytes = store.read(entry.digest);
    if (bytes === undefined) continue;
    const { place, digest } = entry;
    index.putLink(place, digest, entry.mediaType);
    index.putChildren(digest, childrenOf(bytes));
    for (const blob of entry.blobs) index.putLink(place, blob, null);
    if (entry.tag !== null) {
      index.putTag(place, entry.tag, { digest, checkedAt: entry.checkedAt });
    }
    if (entry.publicAt !== null) index.putPublic(place, entry.publicAt);
    count++;
  }
  return count;
}

function toDescriptor(entry: LayoutEntry): Record<string, unknown> {
  const { place, tag, mediaType, digest, size, blobs, publicAt } = entry;
  const registry = place.registry.slice(place.registry.lastIndexOf("@") + 1);
  return {
    mediaType,
    digest,
    size,
    annotations: {
      ...(tag === null ? {} : { [REF_NAME]: `${registry}/${place.repository}:${tag}` }),
      [`${OWN}registry`]: place.registry,
      [`${OWN}repository`]: place.repository,
      ...(tag === null
        ? {}
        : { [`${OWN}tag`]: tag, [`${OWN}checked-at`]: String(entry.checkedAt) }),
      ...(publicAt === null ? {} : { [`${OWN}public-at`]: String(publicAt) }),
      ...(blobs.length === 0 ? {} : { [`${OWN}blobs`]: blobs.join(SEPARATOR) }),
    },
  };
}

function readEntries(dir: string): LayoutEntry[] {
  let json: unknown;
  try {
    json = JSON.parse(Deno.readTextFileSync(join(dir, FILE)));
  } catch (error) {
    // What is no JSON was not written by this program, and what is not there names nothing.
    if (error instanceof SyntaxError || error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  const manifests = isRecord(json) ? json["manifests"] : undefined;
  return Array.isArray(manifests) ? manifests.flatMap(toEntry) : [];
}

function toEntry(descriptor: unknown): LayoutEntry[] {
  if (!isRecord(descriptor) || !isRecord(descriptor["annotations"])) return [];
  const annotations = new Map(Object.entries(descriptor["annotations"]));
  const text = (name: string): string => String(annotations.get(OWN + name) ?? "");
  const digest = parseDigest(String(descriptor["digest"]));
  const repository = parseRepository(text("repository"));
  const registry = text("registry");
  if (digest === undefined || repository === undefined || registry === "") return [];
  return [{
    place: { registry, repository },
    digest,
    size: Number(descriptor["size"]),
    mediaType: String(descriptor["mediaType"]),
    tag: parseTag(text("tag")) ?? null,
    checkedAt: Number(text("checked-at")) || 0,
    publicAt: Number(text("public-at")) || null,
    blobs: text("blobs").split(SEPARATOR).flatMap((blob) => parseDigest(blob) ?? []),
  }];
}
