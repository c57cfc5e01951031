/** Writes an image, read through the proxy, as an OCI image layout that other tools can read. */
import { createHash } from "node:crypto";
import { type Digest, splitDigest } from "../../reference.ts";
import { type Platforms, type RawManifest, readImage } from "../../warm/image.ts";
import type { WarmSource } from "../../warm/source.ts";
import type { LayoutWriter } from "./write.ts";

/** By what name tools know a manifest. Source: image-spec "Annotations"; containerd's import. */
export const REF_NAME = "org.opencontainers.image.ref.name";
export const FULL_NAME = "io.containerd.image.name";

/** What is exported. */
export interface ExportOptions {
  readonly source: WarmSource;
  /** The tag or digest. */
  readonly reference: string;
  /** With the registry, such as `docker.io/library/nginx:1.27`. */
  readonly fullName: string;
  readonly platforms: Platforms;
  readonly onFile: (file: { readonly digest: Digest; readonly size: number }) => void;
  readonly signal: AbortSignal;
}

/** What was exported. */
export interface Exported {
  readonly name: string;
  readonly digest: Digest;
  readonly contents: number;
  readonly bytes: number;
}

/**
 * Writes the layout's files; the caller commits them. An index is kept as it is, with the platforms
 * that were asked for: its digest is the image's.
 *
 * @throws {RegistryError} the proxy's refusal.
 * @throws where bytes are not what their digest says.
 */
export async function exportImage(
  writer: LayoutWriter,
  options: ExportOptions,
): Promise<Exported> {
  const { source, signal, onFile } = options;
  const { manifests, blobs } = await readImage(
    source,
    options.reference,
    options.platforms,
    signal,
  );
  await writeText(writer, "oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  await writeText(writer, "index.json", JSON.stringify(layoutIndex(manifests[0], options)));
  let bytes = 0;
  for (const { digest, bytes: content } of uniqueManifests(manifests)) {
    await writer.write(pathOf(digest), content.length, new Blob([content]).stream());
    onFile({ digest, size: content.length });
    bytes += content.length;
  }
  for (const { digest, size } of blobs) {
    const response = await source.ask(`blobs/${digest}`, {}, signal);
    const body = response.body ?? new Blob([]).stream();
    await writer.write(pathOf(digest), size, body.pipeThrough(verifying(digest, size)));
    onFile({ digest, size });
    bytes += size;
  }
  const contents = uniqueManifests(manifests).length + blobs.length;
  return { name: options.fullName, digest: manifests[0].digest, contents, bytes };
}

function layoutIndex(
  { mediaType, digest, bytes }: RawManifest,
  { fullName, reference }: ExportOptions,
): Record<string, unknown> {
  const annotations = reference.includes(":")
    ? { [FULL_NAME]: fullName }
    : { [REF_NAME]: reference, [FULL_NAME]: fullName };
  return {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{ mediaType, digest, size: bytes.length, annotations }],
  };
}

function uniqueManifests(manifests: readonly RawManifest[]): RawManifest[] {
  return [...new Map(manifests.map((manifest) => [manifest.digest, manifest])).values()];
}

function pathOf(digest: Digest): string {
  const { algorithm, hex } = splitDigest(digest);
  return `blobs/${algorithm}/${hex}`;
}

async function writeText(writer: LayoutWriter, path: string, text: string): Promise<void> {
  const blob = new Blob([text]);
  await writer.write(path, blob.size, blob.stream());
}

/** Passes bytes on, and errors at their end where they are not the content. */
function verifying(digest: Digest, size: number): TransformStream<Uint8Array, Uint8Array> {
  const hash = createHash(splitDigest(digest).algorithm);
  let length = 0;
  return new TransformStream({
    transform(piece, controller) {
      hash.update(piece);
      length += piece.length;
      controller.enqueue(piece);
    },
    flush() {
      const found = `${splitDigest(digest).algorithm}:${hash.digest("hex")}`;
      if (found !== digest) throw new Error(`the bytes of ${digest} are ${found}`);
      if (length !== size) throw new Error(`${digest} has ${length} bytes instead of ${size}`);
    },
  });
}
