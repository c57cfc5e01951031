/**
 * What the tests of pushes share: the product before one registry that asks for tokens, reached in
 * each of the four ways, and a client that goes exactly where it is told to.
 */
import { createHash } from "node:crypto";
import { assert, assertEquals } from "../support/assert.ts";
import { basic, type Credentials } from "../support/push.ts";
import { ALICE } from "../support/token_server.ts";
import {
  type Answer,
  ask,
  type AskOptions,
  type Bench,
  type BenchOptions,
  startBench,
} from "./pulling.ts";

/** The domain of the alias hosts. */
export const DOMAIN = "push.test";

/** How a client names the registry. */
export type Way = "default" | "prefix" | "host" | "ns";
export const WAYS: readonly Way[] = ["default", "prefix", "host", "ns"];

/** Starts the product before the world's registry, which is ghcr and the default upstream. */
export function startPushBench(options: BenchOptions = {}): Promise<Bench> {
  const { env = {}, ...rest } = options;
  return startBench({
    ...rest,
    env: (world) => ({
      CUSTOM_DOMAIN: DOMAIN,
      UPSTREAM_REGISTRY_HOST: world.registryFront.url,
      ...(typeof env === "function" ? env(world) : env),
    }),
  });
}

/** A client of the product, in one of the ways. */
export class PushClient {
  readonly #port: number;
  readonly #way: Way;
  readonly #token: string | null;
  readonly #authorization: string | null;

  constructor(port: number, way: Way, access: { token?: string; authorization?: string } = {}) {
    this.#port = port;
    this.#way = way;
    this.#token = access.token ?? null;
    this.#authorization = access.authorization ?? null;
  }

  /** Scheme, host and port as this client sees the product. */
  get base(): string {
    return `http://${this.#way === "host" ? `ghcr.${DOMAIN}` : "127.0.0.1"}:${this.#port}`;
  }

  /** A repository in this client's words. */
  name(repository: string): string {
    return this.#way === "prefix" ? `ghcr.io/${repository}` : repository;
  }

  /** The URL of something of a repository, such as `blobs/uploads/?mount=…`. */
  url(repository: string, rest: string): string {
    const url = `${this.base}/v2/${this.name(repository)}/${rest}`;
    return this.#way === "ns" ? `${url}${rest.includes("?") ? "&" : "?"}ns=ghcr.io` : url;
  }

  /** Asks a URL of the product, as this client knows its host. */
  ask(url: string, options: AskOptions = {}): Promise<Answer> {
    const { host, pathname, search } = new URL(url);
    assertEquals(`http://${host}`, this.base, "the client was sent elsewhere");
    const headers = new Headers(options.headers);
    if (this.#authorization !== null) headers.set("authorization", this.#authorization);
    return ask(`http://127.0.0.1:${this.#port}${pathname}${search}`, {
      ...options,
      host,
      headers: Object.fromEntries(headers),
      ...(this.#token === null ? {} : { token: this.#token }),
    });
  }

  /** Begins an upload and gives its first Location. */
  async start(repository: string, query = ""): Promise<string> {
    const answer = await this.ask(this.url(repository, `blobs/uploads/${query}`), {
      method: "POST",
    });
    assertEquals(answer.status, 202, answer.text);
    return this.location(answer);
  }

  /** The Location of an answer, which has to be absolute and this client's own. */
  location(answer: Answer): string {
    const location = answer.headers.get("location") ?? "";
    assert(location.startsWith(`${this.base}/v2/`), `Location: ${location}`);
    return location;
  }

  /** Uploads a blob in one piece and gives its digest. */
  async pushBlob(repository: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const digest = digestOf(bytes);
    const location = await this.start(repository);
    const answer = await this.ask(withQuery(location, `digest=${digest}`), {
      method: "PUT",
      body: bytes,
    });
    assertEquals(answer.status, 201, answer.text);
    return digest;
  }

  /** Pushes a manifest under a tag or its digest. */
  putManifest(repository: string, reference: string, manifest: PushedManifest): Promise<Answer> {
    return this.ask(this.url(repository, `manifests/${reference}`), {
      method: "PUT",
      headers: { "content-type": manifest.mediaType },
      body: manifest.bytes,
    });
  }
}

/** A client with a token that the product's realm gave for the scopes. */
export async function pushClient(
  bench: Bench,
  way: Way,
  scopes: readonly string[],
  credentials: Credentials = ALICE,
): Promise<PushClient> {
  const anonymous = new PushClient(bench.product.port, way);
  const query = scopes.map((scope) => `&scope=${encodeURIComponent(scope)}`).join("");
  const ns = way === "ns" ? "&ns=ghcr.io" : "";
  const answer = await anonymous.ask(`${anonymous.base}/v2/auth?service=s${query}${ns}`, {
    headers: { authorization: basic(credentials) },
  });
  assertEquals(answer.status, 200, answer.text);
  const { token }: { token: string } = JSON.parse(answer.text);
  return new PushClient(bench.product.port, way, { token });
}

/** A client that may do everything in the repositories. */
export function ownerOf(bench: Bench, way: Way, ...repositories: string[]): Promise<PushClient> {
  const names = new PushClient(0, way);
  const scopes = repositories.map((name) => `repository:${names.name(name)}:pull,push,delete`);
  return pushClient(bench, way, scopes);
}

/** A manifest that refers to blobs, in bytes. */
export interface PushedManifest {
  readonly mediaType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly digest: string;
}

/** Pushes the blobs of a small image and gives its manifest, which is not pushed yet. */
export async function pushParts(
  client: PushClient,
  repository: string,
  seed: string,
): Promise<PushedManifest> {
  const config = textBytes(JSON.stringify({ seed }));
  const layer = textBytes(`layer of ${seed}`);
  for (const bytes of [config, layer]) await client.pushBlob(repository, bytes);
  return manifestOf(config, layer);
}

/** An image manifest of one layer. */
export function manifestOf(
  config: Uint8Array<ArrayBuffer>,
  layer: Uint8Array<ArrayBuffer>,
): PushedManifest {
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const describe = (kind: string, bytes: Uint8Array<ArrayBuffer>) => ({
    mediaType: `application/vnd.oci.image.${kind}`,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const bytes = textBytes(JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: describe("config.v1+json", config),
    layers: [describe("layer.v1.tar", layer)],
  }));
  return { mediaType, bytes, digest: digestOf(bytes) };
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

export function textBytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** The URL with one more parameter, as clients add it: behind what is there, byte for byte. */
export function withQuery(url: string, parameter: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}${parameter}`;
}
