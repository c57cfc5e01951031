/**
 * The product before relays that can fail: before a registry that redirects to signed storage
 * (docker.io to the product), before that storage, before a registry that has the bytes itself
 * (ghcr.io), and before the token server of both.
 */
import { has } from "../support/components.ts";
import { type Entrepot, type EntrepotOptions, startEntrepot } from "../support/entrepot.ts";
import { type Image, noiseImage } from "../support/image.ts";
import type { Content } from "../support/layer.ts";
import { waitFor } from "../support/process.ts";
import { pushImage } from "../support/push.ts";
import { startRegistry } from "../support/registry.ts";
import { type S3, startS3, startS3Registry } from "../support/s3.ts";
import { ALICE, startTokenServer } from "../support/token_server.ts";
import type { Fault } from "./faults.ts";
import { type Relay, startRelay } from "./relay.ts";
import type { RequestHead } from "./wire.ts";

/** Whether the programs of an arena are missing; for `ignore`. */
export const noArena = !has("docker-registry") || !has("openssl");

/** Everything that an outage takes down. */
export interface Relays {
  readonly hub: Relay;
  readonly storage: Relay;
  readonly registry: Relay;
  readonly tokens: Relay;
}

/** A composed upstream behind relays. */
export class Arena implements AsyncDisposable {
  readonly relays: Relays;
  readonly s3: S3;
  readonly #registryUrl: string;
  readonly #stack: AsyncDisposableStack;

  constructor(relays: Relays, s3: S3, registryUrl: string, stack: AsyncDisposableStack) {
    this.relays = relays;
    this.s3 = s3;
    this.#registryUrl = registryUrl;
    this.#stack = stack;
  }

  /** The environment by which the product knows the arena. */
  get env(): Record<string, string> {
    return {
      UPSTREAM_DOCKER_URL: this.relays.hub.url,
      UPSTREAM_GHCR_URL: this.relays.registry.url,
      UPSTREAM_IDLE_TIMEOUT: "1s",
      PREFETCH: "false",
    };
  }

  /** Starts the product. */
  startProduct(options: EntrepotOptions = {}): Promise<Entrepot> {
    return startEntrepot({ ...options, env: { ...this.env, ...options.env } });
  }

  /** Pushes an image past the relays. */
  async push(repository: string, image: Image, tag = "1"): Promise<Image> {
    const registry = this.#registryUrl;
    await pushImage(image, { registry, repository, tag, credentials: ALICE });
    return image;
  }

  /** The same with layers of noise of so many bytes. */
  pushNoise(repository: string, sizes: number[], name = repository): Promise<Image> {
    return this.push(repository, noiseImage(name, sizes));
  }

  /** Plans the faults of blobs' bytes: each answer takes the next one of its digest. */
  planBytes(plan: (digest: string) => Fault | undefined): void {
    this.relays.storage.plan = (request) => {
      const digest = signedBlob(request);
      return digest === undefined ? undefined : plan(digest);
    };
    this.relays.registry.plan = ({ method, target }) => {
      const [, digest] = /\/blobs\/(sha256:[0-9a-f]{64})$/.exec(target) ?? [];
      return digest === undefined || method !== "GET" ? undefined : plan(digest);
    };
  }

  /** Bytes of blobs that left the storage by signed URLs, and how many requests it took. */
  storageReads(): { requests: number; bytes: number } {
    const reads = this.s3.blobReads().filter(({ isPresigned }) => isPresigned);
    return { requests: reads.length, bytes: reads.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  /** Takes everything down. */
  async down(): Promise<void> {
    await Promise.all(Object.values(this.relays).map((relay: Relay) => relay.down()));
  }

  /** Brings everything up again. */
  async up(): Promise<void> {
    await Promise.all(Object.values(this.relays).map((relay: Relay) => relay.up()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Starts an arena. Nothing is in it until it is pushed. */
export async function startArena(): Promise<Arena> {
  await using stack = new AsyncDisposableStack();
  const tokens = stack.use(await startTokenServer());
  const tokenRelay = stack.use(await startRelay(tokens.url));
  const auth = tokens.auth(`${tokenRelay.url}/token`);
  const registry = stack.use(await startRegistry({ auth }));
  const s3 = stack.use(startS3({ root: registry.root }));
  const storage = stack.use(await startRelay(s3.url));
  const hub = stack.use(await startS3Registry(s3, { auth, endpoint: storage.url }));
  const relays = {
    tokens: tokenRelay,
    storage,
    hub: stack.use(await startRelay(hub.url)),
    registry: stack.use(await startRelay(registry.url)),
  };
  return new Arena(relays, s3, registry.url, stack.move());
}

/** The layers of an image's first platform that are noise; the first is a program. */
export function noiseLayers(image: Image): Content[] {
  return image.platforms[0]?.layers.slice(1) ?? [];
}

/** Waits until no fill is under way. */
export async function settled(product: Entrepot, timeoutMs = 60_000): Promise<void> {
  await waitFor("no fill is under way", async () => {
    const response = await fetch(`${product.url}/stats`);
    const stats: { cache: { inflight: { currentActive: number } } } = await response.json();
    return stats.cache.inflight.currentActive === 0;
  }, timeoutMs);
}

/** The digest that a signed request for bytes is about; the hub's own are signed in a header. */
function signedBlob({ method, target }: RequestHead): string | undefined {
  const [, hex] = /\/([0-9a-f]{64})\/data\?.*X-Amz-Signature=/.exec(target) ?? [];
  return hex === undefined || method !== "GET" ? undefined : `sha256:${hex}`;
}
