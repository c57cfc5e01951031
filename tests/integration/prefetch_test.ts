/** What a manifest refers to begins to come when the manifest is served. */
import { assertEquals } from "../support/assert.ts";
import type { Image } from "../support/image.ts";
import { sleep, waitFor } from "../support/process.ts";
import { ALICE } from "../support/token_server.ts";
import {
  assertContent,
  type Bench,
  blobPath,
  manifestPath,
  noWorld,
  startBench,
} from "./pulling.ts";

/** The digests that left the storage, sorted. */
function fetched({ world }: Bench): string[] {
  return world.s3.blobReads().filter(({ isPresigned }) => isPresigned)
    .map(({ digest }) => digest ?? "").sort();
}

/** The digests of one platform's config and layers, sorted. */
function firstPlatform(image: Image): { manifest: string; blobs: string[] } {
  const [platform] = image.platforms;
  if (platform === undefined) throw new Error("there is no platform");
  const blobs = [platform.config, ...platform.layers].map(({ digest }) => digest).sort();
  return { manifest: manifestPath("public/a", platform.manifest.digest), blobs };
}

Deno.test({
  name: "a platform's manifest brings its blobs, once, and the client joins them without a proof",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    const { manifest, blobs } = firstPlatform(image);
    await bench.ask(manifestPath("public/a", "1"));
    await sleep(100);
    assertEquals(fetched(bench), [], "an index alone says not what is wanted");
    await bench.ask(manifest);
    await waitFor("all blobs have come", () => fetched(bench).length === blobs.length);
    await bench.settle();
    bench.world.hubFront.clear();
    for (const digest of blobs) {
      const blob = image.blobs.find((content) => content.digest === digest);
      if (blob !== undefined) assertContent(await bench.ask(blobPath("public/a", blob)), blob);
    }
    await bench.ask(manifest);
    await sleep(100);
    assertEquals(fetched(bench), blobs);
    assertEquals(bench.world.hubFront.requests, []);
  },
});

Deno.test({
  name: "a cached manifest brings the blobs that are missing, with the caller's own right",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { PREFETCH: "false" } });
    const image = await bench.world.seed("private/a");
    const token = await bench.token(ALICE, "private/a");
    const digest = image.platforms[0]?.manifest.digest ?? "";
    await bench.ask(manifestPath("private/a", digest), { token });
    await sleep(100);
    assertEquals(fetched(bench), []);
    await bench.product.restart({ PREFETCH: "true" });
    assertEquals((await bench.ask(manifestPath("private/a", digest))).status, 401);
    await sleep(100);
    assertEquals(fetched(bench), [], "who may not read begins no transfer");
    await bench.ask(manifestPath("private/a", digest), { method: "HEAD", token });
    await sleep(100);
    assertEquals(fetched(bench), [], "nor does a HEAD");
    await bench.ask(manifestPath("private/a", digest), { token });
    const count = 1 + (image.platforms[0]?.layers.length ?? 0);
    await waitFor("all blobs have come", () => fetched(bench).length === count);
  },
});

Deno.test({
  name: "no more than PREFETCH_FILLS transfers begin by themselves, and others follow",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { PREFETCH_FILLS: "1" } });
    const image = await bench.world.seed("public/a");
    const { manifest, blobs } = firstPlatform(image);
    const held = Promise.withResolvers<void>();
    bench.world.hubFront.intercept = async (request, forward) => {
      if (request.url.includes("/blobs/")) await held.promise;
      return await forward();
    };
    await bench.ask(manifest);
    const asked = () => bench.world.hubFront.matching("GET", /\/blobs\//).length;
    await waitFor("one has begun", () => asked() === 1);
    await sleep(100);
    assertEquals(asked(), 1);
    held.resolve();
    await waitFor("all blobs have come", () => fetched(bench).length === blobs.length);
  },
});

Deno.test({
  name: "where clients go to the storage themselves nothing is fetched ahead",
  ignore: noWorld,
  async fn() {
    for (const mode of ["pass", "auto"]) {
      await using bench = await startBench({
        env: { UPSTREAM_DOCKER_REDIRECT: mode, PREFETCH_FILLS: "1" },
      });
      const image = await bench.world.seed("public/a");
      await bench.ask(firstPlatform(image).manifest);
      await sleep(200);
      assertEquals(fetched(bench), []);
      const most = mode === "pass" ? 0 : 1;
      assertEquals(bench.world.hubFront.matching("GET", /\/blobs\//).length <= most, true);
    }
  },
});
