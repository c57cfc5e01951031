/**
 * The upstream that most tests want: a registry like Docker Hub, with tokens and redirects to
 * signed URLs, a plain one over the same content, and a record of everything they are asked.
 */
import { type Image, tinyImage } from "./image.ts";
import { type Credentials, pushImage } from "./push.ts";
import { type Recorder, startRecorder } from "./recorder.ts";
import { type Registry, startRegistry } from "./registry.ts";
import { type S3, type S3Options, startS3, startS3Registry } from "./s3.ts";
import {
  ALICE,
  startTokenServer,
  type TokenServer,
  type TokenServerOptions,
} from "./token_server.ts";

/** What may differ from world to world. */
export interface WorldOptions {
  token?: TokenServerOptions;
  s3?: Omit<S3Options, "root">;
}

/** A composed upstream. */
export class World implements AsyncDisposable {
  /** Asks for tokens, answers blobs itself, takes pushes. */
  readonly registry: Registry;
  /** Asks for tokens, answers blobs with 307 to the storage, read-only. */
  readonly hub: Registry;
  readonly s3: S3;
  readonly tokens: TokenServer;
  /** Records what reaches `hub`; this is the upstream to configure for redirects. */
  readonly hubFront: Recorder;
  /** Records what reaches `registry`; this is the upstream to configure for pushes. */
  readonly registryFront: Recorder;
  readonly #stack: AsyncDisposableStack;
  readonly #seeded = new Map<string, Promise<Image>>();

  constructor(
    parts: Pick<World, "registry" | "hub" | "s3" | "tokens" | "hubFront" | "registryFront">,
    stack: AsyncDisposableStack,
  ) {
    this.registry = parts.registry;
    this.hub = parts.hub;
    this.s3 = parts.s3;
    this.tokens = parts.tokens;
    this.hubFront = parts.hubFront;
    this.registryFront = parts.registryFront;
    this.#stack = stack;
  }

  /**
   * The image at `repository:tag`, pushed the first time that it is asked for. Without an image
   * it is a tiny one whose content is the repository's own.
   */
  seed(repository: string, image?: Image, tag = "1"): Promise<Image> {
    const name = `${repository}:${tag}`;
    const present = this.#seeded.get(name);
    if (present !== undefined && image === undefined) return present;
    const pushed = this.push(repository, image ?? tinyImage(repository), tag);
    this.#seeded.set(name, pushed);
    return pushed;
  }

  /** Pushes an image as the owner, past the recorders; moves a tag that is there. */
  async push(
    repository: string,
    image: Image,
    tag = "1",
    credentials: Credentials = ALICE,
  ): Promise<Image> {
    await pushImage(image, { registry: this.registry.url, repository, tag, credentials });
    return image;
  }

  /** Forgets all requests so far, except in the registries' own logs. */
  clearRecords(): void {
    this.hubFront.clear();
    this.registryFront.clear();
    this.s3.clear();
    this.tokens.requests.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Starts a world. Nothing is in it until it is seeded. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const tokens = stack.use(await startTokenServer(options.token));
  const auth = tokens.auth();
  const registry = stack.use(await startRegistry({ auth }));
  const s3 = stack.use(startS3({ ...options.s3, root: registry.root }));
  const hub = stack.use(await startS3Registry(s3, { auth }));
  const hubFront = stack.use(startRecorder({ target: hub.url }));
  const registryFront = stack.use(startRecorder({ target: registry.url }));
  return new World({ registry, hub, s3, tokens, hubFront, registryFront }, stack.move());
}
