/**
 * What lies in a registry, read from there without the product and checked byte by byte.
 */
import { createHash } from "node:crypto";
import { assertEquals } from "./assert.ts";
import { basic, type Credentials } from "./push.ts";

/** Where an image lies. */
export interface UpstreamPlace {
  /** The registry's base. */
  readonly registry: string;
  readonly repository: string;
  /** Used at the token realm that the registry names, if it wants tokens. */
  readonly credentials?: Credentials;
}

/** An image as it lies in a registry: everything that its tag leads to. */
export interface UpstreamImage {
  readonly digest: string;
  /** Digests of all manifests, the top first, and of all blobs, each once. */
  readonly manifests: readonly string[];
  readonly blobs: readonly string[];
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

interface Manifest {
  readonly manifests?: Descriptor[];
  readonly config?: Descriptor;
  readonly layers?: Descriptor[];
}

/** Reads an image whole; fails where anything is missing or has another digest than its name. */
export async function readUpstreamImage(
  place: UpstreamPlace,
  reference: string,
): Promise<UpstreamImage> {
  const headers = await upstreamHeaders(place);
  const manifests: string[] = [];
  const blobs = new Set<string>();
  const base = `${place.registry}/v2/${place.repository}`;
  const read = async (name: string): Promise<string> => {
    const bytes = await get(`${base}/manifests/${name}`, { ...headers, accept: ACCEPT });
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (name.startsWith("sha256:")) assertEquals(digest, name);
    manifests.push(digest);
    const manifest: Manifest = JSON.parse(new TextDecoder().decode(bytes));
    for (const child of manifest.manifests ?? []) await read(child.digest);
    const parts = manifest.config === undefined
      ? []
      : [manifest.config, ...(manifest.layers ?? [])];
    for (const blob of parts) {
      if (!blobs.has(blob.digest)) await checkBlob(`${base}/blobs/`, headers, blob);
      blobs.add(blob.digest);
    }
    return digest;
  };
  return { digest: await read(reference), manifests, blobs: [...blobs] };
}

/** The status that a registry gives for a manifest. */
export async function upstreamStatus(place: UpstreamPlace, reference: string): Promise<number> {
  const response = await fetch(`${place.registry}/v2/${place.repository}/manifests/${reference}`, {
    method: "HEAD",
    headers: { ...await upstreamHeaders(place), accept: ACCEPT },
  });
  await response.body?.cancel();
  return response.status;
}

const ACCEPT = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

async function upstreamHeaders(place: UpstreamPlace): Promise<Record<string, string>> {
  if (place.credentials === undefined) return {};
  const ping = await fetch(`${place.registry}/v2/`);
  await ping.body?.cancel();
  const challenge = ping.headers.get("www-authenticate") ?? "";
  const [, realm = ""] = /realm="([^"]*)"/.exec(challenge) ?? [];
  const [, service = ""] = /service="([^"]*)"/.exec(challenge) ?? [];
  const scope = `repository:${place.repository}:pull`;
  const url = `${realm}?service=${encodeURIComponent(service)}&scope=${encodeURIComponent(scope)}`;
  const response = await fetch(url, { headers: { authorization: basic(place.credentials) } });
  const { token }: { token: string } = await response.json();
  return { authorization: `Bearer ${token}` };
}

async function get(url: string, headers: Record<string, string>): Promise<Uint8Array> {
  const response = await fetch(url, { headers });
  const bytes = await response.bytes();
  assertEquals(response.status, 200, `${url}: ${new TextDecoder().decode(bytes.slice(0, 500))}`);
  return bytes;
}

async function checkBlob(
  base: string,
  headers: Record<string, string>,
  { digest, size }: Descriptor,
): Promise<void> {
  const response = await fetch(base + digest, { headers });
  assertEquals(response.status, 200, `${base}${digest}`);
  const hash = createHash("sha256");
  let length = 0;
  for await (const chunk of response.body ?? []) {
    hash.update(chunk);
    length += chunk.length;
  }
  assertEquals([`sha256:${hash.digest("hex")}`, length], [digest, size]);
}
