import { assert, assertEquals } from "../support/assert.ts";
import { noiseImage, tinyImage } from "../support/image.ts";
import {
  ask,
  type Bench,
  blobPath,
  errorCodes,
  layerOf,
  manifestPath,
  noWorld,
  startBench,
  transfers,
} from "./pulling.ts";
import { pullAll } from "./pull_all.ts";

interface ShownImage {
  name: string;
  registry: string;
  digest: string;
  bytes: number;
  pulls: number;
  isPinned: boolean;
  platforms: { name: string; isCached: boolean }[];
}

async function images(bench: Bench, query = ""): Promise<{ images: ShownImage[]; total: number }> {
  return JSON.parse((await bench.ask(`/api/v1/images${query}`)).text);
}

/** Pulls an image that is pushed first where it is not there. */
async function pull(bench: Bench, repository: string): Promise<void> {
  await bench.world.seed(repository);
  await pullAll(bench, repository);
}

Deno.test({
  name: "images are listed by what was used last, with platforms, sizes and pulls",
  ignore: noWorld,
}, async () => {
  await using bench = await startBench();
  await pull(bench, "library/one");
  await pull(bench, "library/two");
  await bench.ask(manifestPath("library/two", "1"));
  const all = await images(bench);
  assertEquals(all.images.map(({ name }) => name), [
    "docker.io/library/two:1",
    "docker.io/library/one:1",
  ]);
  assertEquals(all.total, 2);
  const [two] = all.images;
  const image = await bench.world.seed("library/two");
  const [platform] = image.platforms;
  assert(two !== undefined && platform !== undefined);
  assertEquals(two.digest, image.top.digest);
  assertEquals(two.pulls, 2);
  assertEquals(two.platforms, [
    { name: "linux/amd64", isCached: true },
    { name: "linux/arm64/v8", isCached: false },
  ]);
  assert(two.bytes >= layerOf(image).size, `${two.bytes}`);

  assertEquals((await images(bench, "?search=ONE")).images.map(({ name }) => name), [
    "docker.io/library/one:1",
  ]);
  assertEquals((await images(bench, "?registry=ghcr.io")).total, 0);
  const second = await images(bench, "?limit=1&offset=1");
  assertEquals([second.images.length, second.total], [1, 2]);
});

Deno.test({
  name: "purging an image frees what no other image needs, and the next pull fetches it again",
  ignore: noWorld,
}, async () => {
  await using bench = await startBench();
  await pull(bench, "library/one");
  await bench.world.push("library/one", await bench.world.seed("library/one"), "same");
  await bench.ask(manifestPath("library/one", "same"));
  const layer = layerOf(await bench.world.seed("library/one"));

  const first = await bench.ask("/api/v1/images?image=library/one:1", { method: "DELETE" });
  assertEquals([first.status, first.text], [200, '{"freedBytes":0}']);
  assertEquals((await images(bench)).images.map(({ name }) => name), [
    "docker.io/library/one:same",
  ]);
  assertEquals((await bench.ask(blobPath("library/one", layer))).headers.get("x-cache"), "HIT");

  const last = await bench.ask("/api/v1/images?image=docker.io/library/one:same", {
    method: "DELETE",
  });
  assert(JSON.parse(last.text).freedBytes > layer.size, last.text);
  assertEquals((await images(bench)).total, 0);
  bench.world.clearRecords();
  assertEquals((await bench.ask(blobPath("library/one", layer))).headers.get("x-cache"), "MISS");
  assertEquals(transfers(bench.world, layer).length, 1);
  const gone = await bench.ask("/api/v1/images?image=library/one:1", { method: "DELETE" });
  assertEquals([gone.status, errorCodes(gone)], [404, ["NAME_UNKNOWN"]]);
});

Deno.test(
  { name: "purging a repository leaves what other repositories hold", ignore: noWorld },
  async () => {
    await using bench = await startBench();
    const shared = tinyImage("shared");
    await bench.world.seed("library/one", shared);
    await bench.world.seed("library/two", shared);
    await pull(bench, "library/one");
    await pull(bench, "library/two");
    const purged = await bench.ask("/api/v1/images?repository=library/one", { method: "DELETE" });
    assertEquals(purged.text, '{"freedBytes":0}');
    assertEquals((await images(bench)).images.map(({ name }) => name), ["docker.io/library/two:1"]);
    const layer = layerOf(shared);
    assertEquals((await bench.ask(blobPath("library/two", layer))).headers.get("x-cache"), "HIT");
  },
);

Deno.test(
  { name: "a pinned image is kept when room is made for others", ignore: noWorld },
  async () => {
    await using bench = await startBench({
      env: { CACHE_MAX_SIZE: "6MiB", CACHE_MIN_FREE: "0" },
    });
    const kept = noiseImage("kept", [1 << 20]);
    await bench.world.seed("library/kept", kept);
    await pull(bench, "library/kept");
    const pinned = await bench.ask("/api/v1/pins?image=library/kept:1", { method: "PUT" });
    assertEquals(pinned.status, 200);
    for (let i = 0; i < 6; i++) {
      await bench.world.seed(`library/other${i}`, noiseImage(`other${i}`, [1 << 20]));
      await pull(bench, `library/other${i}`);
    }
    const left = (await images(bench)).images.map(({ name }) => name);
    assert(left.includes("docker.io/library/kept:1"), left.join());
    assert(!left.includes("docker.io/library/other0:1"), left.join());
    assertEquals(
      (await bench.ask(blobPath("library/kept", layerOf(kept, 1)))).headers.get("x-cache"),
      "HIT",
    );
    await bench.product.restart();
    const [image] = (await images(bench, "?search=kept")).images;
    assertEquals(image?.isPinned, true);
    await ask(`${bench.product.url}/api/v1/pins?image=library/kept:1`, { method: "DELETE" });
    assertEquals((await images(bench, "?search=kept")).images[0]?.isPinned, false);
  },
);
