/**
 * A cache that has run out of room: by its own bound it makes some, and a full disk costs no pull.
 */
import { assert, assertEquals, assertLessOrEqual } from "../support/assert.ts";
import { findCommand, has } from "../support/components.ts";
import { noiseImage } from "../support/image.ts";
import {
  assertContent,
  type Bench,
  blobPath,
  layerOf,
  manifestPath,
  noWorld,
  startBench,
} from "./pulling.ts";

const MIB = 1 << 20;

async function cachedBytes(bench: Bench): Promise<number> {
  let bytes = 0;
  for (const folder of ["blobs/sha256", "partial"]) {
    const path = `${bench.product.cacheDir}/${folder}`;
    for await (const { name } of Deno.readDir(path)) {
      bytes += (await Deno.stat(`${path}/${name}`)).size;
    }
  }
  return bytes;
}

Deno.test({
  name: "defect 12: the cache keeps its bound by dropping what was used longest ago",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { CACHE_MAX_SIZE: "30MiB" } });
    const image = await bench.world.seed("public/a", noiseImage("a", Array(5).fill(8 * MIB)));
    const pull = async (index: number) => {
      const layer = layerOf(image, index);
      const answer = await bench.ask(blobPath("public/a", layer));
      assertContent(answer, layer);
      await bench.settle();
      assertLessOrEqual(await cachedBytes(bench), 30 * MIB);
      return answer.headers.get("x-cache");
    };
    assertEquals([await pull(1), await pull(2), await pull(3)], ["MISS", "MISS", "MISS"]);
    // The first is used again, so that the second is the oldest; what came first does not matter.
    assertEquals(await pull(1), "HIT");
    assertEquals(await pull(4), "MISS");
    assertEquals([await pull(1), await pull(3), await pull(4)], ["HIT", "HIT", "HIT"]);
    assertEquals(await pull(2), "MISS");
  },
});

Deno.test({
  name: "a blob that is larger than the whole cache is streamed, and drops nothing",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { CACHE_MAX_SIZE: "24MiB" } });
    const image = await bench.world.seed("public/a", noiseImage("a", [2 * MIB, 30 * MIB]));
    const [, small, large] = [0, 1, 2].map((index) => layerOf(image, index));
    assert(small !== undefined && large !== undefined);
    await bench.ask(manifestPath("public/a", image.manifests[0]?.digest ?? ""));
    await bench.ask(blobPath("public/a", small));
    await bench.settle();
    for (let round = 0; round < 2; round++) {
      assertContent(await bench.ask(blobPath("public/a", large)), large);
      await bench.settle();
    }
    assertLessOrEqual(await cachedBytes(bench), 24 * MIB);
    const answer = await bench.ask(blobPath("public/a", small));
    assertEquals(answer.headers.get("x-cache"), "HIT");
  },
});

/** The product's command with a folder of its own in memory, of so many mebibytes, as its cache. */
function onSmallDisk(mebibytes: number): [string, ...string[]] {
  const script = 'mkdir -p "$CACHE_DIR" && ' +
    `mount -t tmpfs -o size=${mebibytes}m tmpfs "$CACHE_DIR" && exec "$@"`;
  const product = [Deno.execPath(), "run", "--no-prompt", "-A", "main.ts"];
  return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", ...product];
}

Deno.test({
  name: "a disk that is full costs no pull, whether or not the size was known before",
  ignore: noWorld || !has("namespace") || findCommand("mount") === null,
  async fn() {
    await using bench = await startBench({
      command: onSmallDisk(6),
      env: { CACHE_MIN_FREE: "0" },
    });
    const image = await bench.world.seed("public/a", noiseImage("a", [2 * MIB, 12 * MIB]));
    for (const isSizeKnown of [false, true]) {
      if (isSizeKnown) {
        for (const { digest } of image.manifests) {
          assertEquals((await bench.ask(manifestPath("public/a", digest))).status, 200);
        }
      }
      for (const index of [2, 1, 2]) {
        const layer = layerOf(image, index);
        const answers = await Promise.all([1, 2].map(() => bench.ask(blobPath("public/a", layer))));
        for (const answer of answers) assertContent(answer, layer);
        const range = await bench.ask(blobPath("public/a", layer), {
          headers: { range: `bytes=${layer.size - 5}-` },
        });
        assertEquals([range.status, range.bytes.length], [206, 5]);
        await bench.settle();
      }
    }
  },
});
