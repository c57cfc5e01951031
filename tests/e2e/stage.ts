/**
 * What the end-to-end tests share: the product before a world of upstreams, and what is to be seen
 * of a pull from outside. The world's hub, whose blobs are on signed storage, is Docker Hub to the
 * product; its plain registry is ghcr.
 */
import { assertEquals } from "../support/assert.ts";
import { has } from "../support/components.ts";
import type { Dockerd } from "../support/dockerd.ts";
import {
  type Entrepot,
  type EntrepotOptions,
  type LogLine,
  startEntrepot,
} from "../support/entrepot.ts";
import { buildImage, type Image, type PlatformImage } from "../support/image.ts";
import { noiseFile } from "../support/layer.ts";
import { type Output, runOk, waitFor } from "../support/process.ts";
import type { S3Request } from "../support/s3.ts";
import { helloProgram, textFile } from "../support/tar.ts";
import { startWorld, type World, type WorldOptions } from "../support/world.ts";

/** Whether the programs of a world are missing; for `ignore`. */
export const noWorld = !has("docker-registry") || !has("openssl");

/** The upstreams of a stage, as the product knows them. */
export type RegistryName = "docker.io" | "ghcr.io";

/** How a stage is set. */
export interface StageOptions extends Omit<EntrepotOptions, "env"> {
  env?: Record<string, string>;
  world?: WorldOptions;
}

/** The product before a world. */
export class Stage implements AsyncDisposable {
  readonly world: World;
  readonly proxy: Entrepot;

  constructor(world: World, proxy: Entrepot) {
    this.world = world;
    this.proxy = proxy;
  }

  /** Requests about blobs that reached an upstream or the storage. */
  blobsUpstream(): string[] {
    const { hubFront, registryFront } = this.world;
    const asked = [...hubFront.requests, ...registryFront.requests]
      .filter(({ path }) => path.includes("/blobs/"))
      .map(({ method, path }) => `${method} ${path}`);
    return [...asked, ...this.storageReads().map(({ path }) => `storage ${path}`)];
  }

  /** Requests by signed URLs; the hub's own to its storage are signed in a header. */
  storageReads(): S3Request[] {
    return this.world.s3.blobReads().filter(({ isPresigned }) => isPresigned);
  }

  /**
   * Checks that content was asked of one upstream since the records were cleared, and not of the
   * other: they have the same, so that an image does not tell where it came from. Pings do not count;
   * an engine's `GET /v2/` names no image.
   */
  assertOnlyAsked(registry: RegistryName): void {
    const { hubFront, registryFront } = this.world;
    const asked = [hubFront, registryFront].map(({ requests }) =>
      requests.some(({ path }) => path !== "/v2/")
    );
    assertEquals(asked, [registry === "docker.io", registry === "ghcr.io"]);
  }

  /** The digests of the blobs that left the storage, sorted. */
  blobsRead(): string[] {
    return this.storageReads().map(({ digest }) => digest ?? "").sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.world[Symbol.asyncDispose]();
  }
}

/** Starts a world and the product before it. */
export async function startStage(options: StageOptions = {}): Promise<Stage> {
  const { env, world: worldOptions, ...rest } = options;
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await startWorld(worldOptions));
  const upstreams = {
    UPSTREAM_DOCKER_URL: world.hubFront.url,
    UPSTREAM_GHCR_URL: world.registryFront.url,
  };
  const proxy = stack.use(await startEntrepot({ ...rest, env: { ...upstreams, ...env } }));
  stack.move();
  return new Stage(world, proxy);
}

/** An image for two platforms with several layers; on amd64 it runs and has the layers of noise. */
export function layeredImage(name: string, noiseSizes: number[]): Image {
  const hello = { name: "hello", data: helloProgram(`hello from ${name}`), mode: 0o755 };
  const shared = [textFile("shared.txt", `${name} everywhere\n`)];
  const noise = noiseSizes.map((size, i) => [noiseFile(`noise-${i}.bin`, `${name}-${i}`, size)]);
  return buildImage({
    name,
    platforms: [
      {
        platform: { architecture: "arm64", os: "linux", variant: "v8" },
        layers: [[textFile("arm64.txt", `${name} on arm64\n`)], shared],
      },
      { platform: { architecture: "amd64", os: "linux" }, layers: [[hello], ...noise, shared] },
    ],
  });
}

/** What an engine on this machine takes of an image. */
export function amd64(image: Image): PlatformImage {
  const found = image.platforms.find(({ platform }) => platform.architecture === "amd64");
  if (found === undefined) throw new Error(`${image.name} has nothing for amd64`);
  return found;
}

/** The digests of the blobs that a pull on amd64 needs, sorted. */
export function blobDigests(image: Image): string[] {
  const { config, layers } = amd64(image);
  return [config, ...layers].map(({ digest }) => digest).sort();
}

/** Fails with what a program said unless it succeeded. */
export function assertSuccess(output: Output): void {
  assertEquals(output.code, 0, output.stdout + output.stderr);
}

/** Checks that what an engine holds under a name is the upstream's image, byte for byte. */
export async function assertDockerHas(docker: Dockerd, name: string, image: Image): Promise<void> {
  const output = await docker.docker("image", "inspect", name);
  assertSuccess(output);
  const [found]: { Id: string; RepoDigests: string[] }[] = JSON.parse(output.stdout);
  assertEquals(found?.Id, amd64(image).config.digest);
  const digests = found?.RepoDigests.map((entry) => entry.split("@")[1]);
  assertEquals(new Set(digests), new Set([image.top.digest]));
}

/** The lines that the product wrote of requests, once there are at least so many. */
export async function requestLines(proxy: Entrepot, atLeast = 1): Promise<LogLine[]> {
  let lines: LogLine[] = [];
  await waitFor(`${atLeast} lines of requests`, async () => {
    const all = await proxy.log();
    lines = all.filter(({ logger, path }) =>
      // The test's own question whether it is ready is none of an engine's.
      logger === "entrepot.request" && path !== "/healthz"
    );
    return lines.length >= atLeast;
  });
  return lines;
}

/** The most memory that a process ever had resident, in bytes. */
export async function peakRss({ pid }: { pid: number }): Promise<number> {
  const status = await runOk("cat", [`/proc/${pid}/status`]);
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  if (kilobytes === undefined) throw new Error(`no VmHWM for ${pid}`);
  return Number(kilobytes) * 1024;
}
