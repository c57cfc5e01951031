/**
 * Puts images where tests want them: in a registry by plain HTTP, which is many times faster
 * than a client program, or in a folder as an OCI image layout.
 */
import type { Image } from "./image.ts";
import { bytesOf, type Content, streamOf } from "./layer.ts";
import { join } from "node:path";

/** A name and password. */
export interface Credentials {
  username: string;
  password: string;
}

/** Where an image goes. */
export interface PushTarget {
  /** The registry's base, `http://127.0.0.1:5000`. */
  registry: string;
  repository: string;
  tag: string;
  /** Used at the token realm that the registry names. */
  credentials?: Credentials;
}

/** Larger ones are streamed. */
const IN_MEMORY = 4 << 20;

/** Uploads an image; what the registry has already is not sent again. */
export async function pushImage(image: Image, target: PushTarget): Promise<void> {
  const { registry, repository, tag } = target;
  const authorization = await pushAuthorization(target);
  const headers: Record<string, string> = authorization === null ? {} : { authorization };
  const base = `${registry}/v2/${repository}`;
  for (const blob of image.blobs) await pushBlob(base, blob, headers);
  for (const manifest of image.manifests) {
    const references = manifest === image.top ? [manifest.digest, tag] : [manifest.digest];
    for (const reference of references) {
      await expectStatus(
        201,
        await fetch(`${base}/manifests/${reference}`, {
          method: "PUT",
          headers: { ...headers, "content-type": manifest.mediaType },
          body: bytesOf(manifest),
        }),
      );
    }
  }
}

async function pushBlob(
  base: string,
  blob: Content,
  headers: Record<string, string>,
): Promise<void> {
  const head = await fetch(`${base}/blobs/${blob.digest}`, {
    method: "HEAD",
    headers,
    redirect: "manual",
  });
  await head.body?.cancel();
  if (head.status === 200 || head.status === 307) return;
  const start = await fetch(`${base}/blobs/uploads/`, { method: "POST", headers });
  await expectStatus(202, start);
  const location = new URL(start.headers.get("location") ?? "", base);
  location.searchParams.set("digest", blob.digest);
  await expectStatus(
    201,
    await fetch(location, {
      method: "PUT",
      headers: { ...headers, "content-type": "application/octet-stream" },
      body: blob.size > IN_MEMORY ? streamOf(blob) : bytesOf(blob),
    }),
  );
}

/** The token that the registry's own challenge leads to; null where none is wanted. */
async function pushAuthorization(target: PushTarget): Promise<string | null> {
  const ping = await fetch(`${target.registry}/v2/`);
  await ping.body?.cancel();
  const challenge = ping.headers.get("www-authenticate");
  if (ping.status !== 401 || challenge === null) return null;
  const parameter = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1] ?? "";
  const url = new URL(parameter("realm"));
  url.searchParams.set("service", parameter("service"));
  url.searchParams.set("scope", `repository:${target.repository}:pull,push`);
  const response = await fetch(url, {
    headers: target.credentials === undefined ? {} : { authorization: basic(target.credentials) },
  });
  if (!response.ok) throw new Error(`token: ${response.status} ${await response.text()}`);
  const answer: { token?: string; access_token?: string } = await response.json();
  return `Bearer ${answer.token ?? answer.access_token}`;
}

/** The value of an `Authorization` header for a name and password. */
export function basic({ username, password }: Credentials): string {
  return `Basic ${btoa(`${username}:${password}`)}`;
}

/** Writes an image as an OCI image layout, tagged; what is in the folder already stays. */
export async function writeLayout(image: Image, folder: string, tag: string): Promise<void> {
  const blobs = join(folder, "blobs", "sha256");
  await Deno.mkdir(blobs, { recursive: true });
  for (const content of [...image.blobs, ...image.manifests]) {
    await Deno.writeFile(join(blobs, content.digest.replace("sha256:", "")), streamOf(content));
  }
  const { mediaType, digest, size } = image.top;
  const annotations = { "org.opencontainers.image.ref.name": tag };
  const index = { schemaVersion: 2, manifests: [{ mediaType, digest, size, annotations }] };
  await Deno.writeTextFile(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await Deno.writeTextFile(join(folder, "index.json"), JSON.stringify(index));
}

async function expectStatus(wanted: number, response: Response): Promise<void> {
  if (response.status !== wanted) {
    throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
  }
  await response.body?.cancel();
}
