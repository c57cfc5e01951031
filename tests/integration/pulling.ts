/**
 * What the tests of pulls share: the product before a world of upstreams, and a client that sees
 * every answer as it is. The world's hub is Docker Hub to the product, its plain registry is ghcr.
 */
import { createHash } from "node:crypto";
import { assert, assertEquals } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { type Entrepot, type EntrepotOptions, startEntrepot } from "../support/entrepot.ts";
import type { Image } from "../support/image.ts";
import type { Content } from "../support/layer.ts";
import { waitFor } from "../support/process.ts";
import { basic, type Credentials } from "../support/push.ts";
import type { S3Interceptor, S3Request } from "../support/s3.ts";
import { startWorld, type World, type WorldOptions } from "../support/world.ts";

/** Whether the programs of a world are missing; for `ignore`. */
export const noWorld = !has("docker-registry") || !has("openssl");
/** The same where a name has to resolve to an address of the test's. */
export const noNames = noWorld || !has("namespace");

/** A request; redirects are never followed. */
export interface AskOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: BodyInit;
  /** The Host header, where it is not the address. */
  host?: string;
  /** Sent as a Bearer token. */
  token?: string;
  signal?: AbortSignal;
}

/** An answer, read whole. */
export interface Answer {
  status: number;
  headers: Headers;
  bytes: Uint8Array;
  text: string;
}

const client = Deno.createHttpClient({ allowHost: true });
globalThis.addEventListener("unload", () => client.close());

/** Asks and leaves the body to the caller. */
export function open(url: string, options: AskOptions = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  if (options.host !== undefined) headers.set("host", options.host);
  if (options.token !== undefined) headers.set("authorization", `Bearer ${options.token}`);
  return fetch(url, {
    method: options.method ?? "GET",
    headers,
    redirect: "manual",
    client,
    ...(options.body === undefined ? {} : { body: options.body }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/** Asks and reads the body. */
export async function ask(url: string, options: AskOptions = {}): Promise<Answer> {
  const response = await open(url, options);
  const bytes = await response.bytes();
  const text = new TextDecoder().decode(bytes);
  return { status: response.status, headers: response.headers, bytes, text };
}

/** The codes of an answer in the registry's error JSON. */
export function errorCodes(answer: Answer): string[] {
  const body: { errors: { code: string }[] } = JSON.parse(answer.text);
  return body.errors.map(({ code }) => code);
}

/** The message of the first error. */
export function errorMessage(answer: Answer): string {
  const body: { errors: { message: string }[] } = JSON.parse(answer.text);
  return body.errors[0]?.message ?? "";
}

/** Asserts that the body is the whole content, telling two digests where it is not. */
export function assertContent(answer: Answer, content: Content, message?: string): void {
  const found = `sha256:${createHash("sha256").update(answer.bytes).digest("hex")}`;
  const told = message ?? answer.text.slice(0, 300);
  assert(answer.status === 200, `${answer.status} ${told}`);
  assertEquals(found, content.digest, told);
}

/** How a bench is started. */
export interface BenchOptions extends Omit<EntrepotOptions, "env"> {
  env?: Record<string, string> | ((world: World) => Record<string, string>);
  world?: WorldOptions;
}

/** The product before a world. */
export class Bench implements AsyncDisposable {
  readonly world: World;
  readonly product: Entrepot;

  constructor(world: World, product: Entrepot) {
    this.world = world;
    this.product = product;
  }

  /** Asks for a path of the product. */
  ask(path: string, options: AskOptions = {}): Promise<Answer> {
    return ask(this.product.url + path, options);
  }

  /** The same, with the body left to the caller. */
  open(path: string, options: AskOptions = {}): Promise<Response> {
    return open(this.product.url + path, options);
  }

  /** A token of the product's realm for pulling, as `docker login` and a pull would get it. */
  async token(credentials: Credentials | null, ...repositories: string[]): Promise<string> {
    const query = repositories.map((name) => `&scope=repository:${name}:pull`).join("");
    const answer = await this.ask(`/v2/auth?service=test-registry${query}`, {
      headers: credentials === null ? {} : { authorization: basic(credentials) },
    });
    assert(answer.status === 200, `token: ${answer.status} ${answer.text}`);
    const { token }: { token: string } = JSON.parse(answer.text);
    return token;
  }

  /** Waits until no fill is under way: what was pulled is committed then. */
  async settle(): Promise<void> {
    await waitFor("no fill is under way", async () => {
      const stats: { cache: { inflight: { currentActive: number } } } = JSON.parse(
        (await this.ask("/stats")).text,
      );
      return stats.cache.inflight.currentActive === 0;
    });
  }

  /** What the product wrote so far. */
  async output(): Promise<string> {
    return await this.product.stdout() + await this.product.stderr();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.product[Symbol.asyncDispose]();
    await this.world[Symbol.asyncDispose]();
  }
}

/** Starts a world and the product before it. */
export async function startBench(options: BenchOptions = {}): Promise<Bench> {
  const { env = {}, world: worldOptions, ...rest } = options;
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await startWorld(worldOptions));
  const own = typeof env === "function" ? env(world) : env;
  const product = stack.use(await startEntrepot({ ...rest, env: { ...upstreams(world), ...own } }));
  stack.move();
  return new Bench(world, product);
}

/** The environment by which the product knows the world. */
export function upstreams(world: World): Record<string, string> {
  return {
    UPSTREAM_DOCKER_URL: world.hubFront.url,
    UPSTREAM_GHCR_URL: world.registryFront.url,
  };
}

/** A layer of an image's first platform. */
export function layerOf(image: Image, index = 0): Content {
  const layer = image.platforms[0]?.layers[index];
  assert(layer !== undefined, `the image has no layer ${index}`);
  return layer;
}

/** The path of a blob. */
export function blobPath(repository: string, { digest }: { digest: string }): string {
  return `/v2/${repository}/blobs/${digest}`;
}

/** The path of a manifest. */
export function manifestPath(repository: string, reference: string): string {
  return `/v2/${repository}/manifests/${reference}`;
}

/** Answers reads of a blob in the storage's place; the registry's own reads go on as they are. */
export function onBlobRead(
  world: World,
  { digest }: { digest: string },
  intercept: S3Interceptor,
): void {
  const file = `/${digest.replace("sha256:", "")}/data`;
  world.s3.intercept = (request, serve) =>
    request.method === "GET" && request.url.includes(`${file}?`) &&
      !request.headers.has("range")
      ? intercept(request, serve)
      : undefined;
}

/** Whole reads of a signed URL: what a transfer of a blob is, unlike the registry's own reads. */
export function transfers(world: World, content?: { digest: string }): S3Request[] {
  return world.s3.blobReads().filter(({ isPresigned, range, digest }) =>
    isPresigned && range === null && (content === undefined || digest === content.digest)
  );
}

/** Whether reading the body to its end fails, and how many bytes came before. */
export async function readUntilBroken(
  response: Response,
): Promise<{ isBroken: boolean; received: number }> {
  let received = 0;
  try {
    for await (const chunk of response.body ?? []) received += chunk.length;
    return { isBroken: false, received };
  } catch {
    // How the runtime words a transfer that broke is not the product's.
    return { isBroken: true, received };
  }
}

/** An answer that a gate holds back in the middle of its body. */
export interface Gate {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Lets the rest through. */
  open(): void;
}

/** A body that stops after `before` until the gate is opened. */
export function gate(bytes: Uint8Array<ArrayBuffer>, before: number): Gate {
  const opened = Promise.withResolvers<void>();
  let sent = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (sent >= before) await opened.promise;
      const end = sent < before ? before : bytes.length;
      const part = bytes.slice(sent, Math.min(end, sent + (64 << 10)));
      sent += part.length;
      if (part.length > 0) controller.enqueue(part);
      if (sent >= bytes.length) controller.close();
    },
    cancel: () => opened.resolve(),
  }, { highWaterMark: 0 });
  return { body, open: () => opened.resolve() };
}
