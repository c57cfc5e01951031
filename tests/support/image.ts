/**
 * Images made from nothing: the same name gives the same digests on every machine.
 * Nothing is stored; see push.ts for the ways to put one in a registry or a folder.
 */
import { type Content, type Descriptor, jsonContent, makeLayer, noiseFile } from "./layer.ts";
import { helloProgram, type TarEntry, textFile } from "./tar.ts";

/** OCI's media types or Docker's. */
export type ImageFormat = "oci" | "docker";

const TYPES = {
  oci: {
    index: "application/vnd.oci.image.index.v1+json",
    manifest: "application/vnd.oci.image.manifest.v1+json",
    config: "application/vnd.oci.image.config.v1+json",
    layer: "application/vnd.oci.image.layer.v1.tar+gzip",
  },
  docker: {
    index: "application/vnd.docker.distribution.manifest.list.v2+json",
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
    config: "application/vnd.docker.container.image.v1+json",
    layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  },
};

/** Where an image runs, as an index says it. */
export interface Platform {
  architecture: string;
  os: string;
  variant?: string;
}

/** One platform's image. */
export interface PlatformImage {
  platform: Platform;
  manifest: Content;
  config: Content;
  layers: Content[];
}

/** An image with everything that has to be uploaded for it. */
export interface Image {
  name: string;
  /** What the tag points at: the index, or the manifest of an image without one. */
  top: Content;
  /** One per platform; none for an artifact. */
  platforms: PlatformImage[];
  /** Every blob once: layers and configs. */
  blobs: Content[];
  /** Every manifest, those that others refer to first, the top last. */
  manifests: Content[];
}

/** What an image is made of. */
export interface ImageSpec {
  name: string;
  /** Default `oci`. */
  format?: ImageFormat;
  /** The layers of each platform. */
  platforms: { platform: Platform; layers: TarEntry[][] }[];
  /** Without an index, for an image of one platform. */
  isSingle?: boolean;
}

const AMD64: Platform = { architecture: "amd64", os: "linux" };
const ARM64: Platform = { architecture: "arm64", os: "linux", variant: "v8" };

/** Builds an image: hashes every layer once; their bytes are made again when they are read. */
export function buildImage(spec: ImageSpec): Image {
  const types = TYPES[spec.format ?? "oci"];
  const platforms = spec.platforms.map(({ platform, layers }) =>
    buildPlatform(spec.name, types, platform, layers)
  );
  const manifests = platforms.map(({ manifest }) => manifest);
  const only = manifests[0];
  if (spec.isSingle && (manifests.length !== 1 || only === undefined)) {
    throw new TypeError("an image without an index has one platform");
  }
  const index = jsonContent(types.index, {
    schemaVersion: 2,
    mediaType: types.index,
    manifests: platforms.map(({ manifest, platform }) => ({ ...describe(manifest), platform })),
  });
  const top = spec.isSingle && only !== undefined ? only : index;
  const blobs = platforms.flatMap(({ config, layers }) => [...layers, config]);
  return {
    name: spec.name,
    top,
    platforms,
    blobs: unique(blobs),
    manifests: unique([...manifests, top]),
  };
}

/** An image for amd64 (runnable: prints `hello from <name>`) and arm64, a few kilobytes in all. */
export function tinyImage(name = "tiny", format: ImageFormat = "oci"): Image {
  const shared = [textFile("shared.txt", "the same on every platform\n".repeat(200))];
  const hello = { name: "hello", data: helloProgram(`hello from ${name}`), mode: 0o755 };
  return buildImage({
    name,
    format,
    platforms: [
      { platform: AMD64, layers: [[hello], [textFile("amd64.txt", `${name} on amd64\n`)], shared] },
      { platform: ARM64, layers: [[textFile("arm64.txt", `${name} on arm64\n`)], shared] },
    ],
  });
}

/**
 * A runnable amd64 image with a layer of noise for each of the given sizes in bytes. A size is
 * that of the file in the layer; the blob is a few kilobytes larger.
 */
export function noiseImage(name: string, sizes: number[], format: ImageFormat = "oci"): Image {
  const hello = { name: "hello", data: helloProgram(`hello from ${name}`), mode: 0o755 };
  const layers = sizes.map((size, i) => [noiseFile(`noise-${i}.bin`, `${name}-${i}`, size)]);
  return buildImage({
    name,
    format,
    platforms: [{ platform: AMD64, layers: [[hello], ...layers] }],
  });
}

/** What an artifact is made of. */
export interface ArtifactSpec {
  name: string;
  artifactType: string;
  layers: Content[];
  /** The manifest that it is attached to. */
  subject?: Descriptor;
}

/** An OCI artifact: a manifest that no engine runs; its layers may be of zero bytes. */
export function buildArtifact(spec: ArtifactSpec): Image {
  const config = jsonContent("application/vnd.oci.empty.v1+json", {});
  const top = jsonContent(TYPES.oci.manifest, {
    schemaVersion: 2,
    mediaType: TYPES.oci.manifest,
    artifactType: spec.artifactType,
    config: describe(config),
    layers: spec.layers.map(describe),
    ...(spec.subject === undefined ? {} : { subject: describe(spec.subject) }),
  });
  return {
    name: spec.name,
    top,
    platforms: [],
    blobs: unique([...spec.layers, config]),
    manifests: [top],
  };
}

/** The descriptor of a piece of content. */
export function describe({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

function buildPlatform(
  name: string,
  types: typeof TYPES.oci,
  platform: Platform,
  entries: TarEntry[][],
): PlatformImage {
  const created = "2024-01-01T00:00:00Z";
  const made = entries.map((layer) => makeLayer(types.layer, layer));
  const config = jsonContent(types.config, {
    created,
    ...platform,
    config: { Cmd: ["/hello"], Env: ["PATH=/bin:/"], Labels: { name } },
    rootfs: { type: "layers", diff_ids: made.map(({ diffId }) => diffId) },
    history: made.map((_, i) => ({ created, created_by: `layer ${i}` })),
  });
  const layers = made.map(({ layer }) => layer);
  const manifest = jsonContent(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: describe(config),
    layers: layers.map(describe),
  });
  return { platform, manifest, config, layers };
}

function unique(contents: Content[]): Content[] {
  return [...new Map(contents.map((content) => [content.digest, content])).values()];
}
