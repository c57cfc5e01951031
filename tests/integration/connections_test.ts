/** The bound on connections to an upstream: what waits, what goes on, and that none is lost. */
import { assert, assertEquals } from "../support/assert.ts";
import { noiseImage } from "../support/image.ts";
import { bytesOf } from "../support/layer.ts";
import { waitFor } from "../support/process.ts";
import {
  assertContent,
  type Bench,
  blobPath,
  gate,
  layerOf,
  manifestPath,
  noWorld,
  onBlobRead,
  readUntilBroken,
  startBench,
  transfers,
} from "./pulling.ts";

interface Count {
  upstream: string;
  active: number;
  waiting: number;
  max: number;
}

async function connectionsOf(bench: Bench): Promise<Count[]> {
  const stats: { connections: Count[] } = JSON.parse((await bench.ask("/stats")).text);
  return stats.connections;
}

Deno.test({
  name: "where connections are bounded one blob waits for another, and manifests for none",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      env: { UPSTREAM_DOCKER_MAX_CONNECTIONS: "2", PREFETCH: "false" },
    });
    const { world } = bench;
    const image = await world.seed("public/a", noiseImage("bound", [200_000, 100_000]));
    await world.seed("public/b");
    const [slow, next] = [layerOf(image, 1), layerOf(image, 2)];
    assertEquals((await bench.ask(manifestPath("public/a", "1"))).status, 200);

    const held = gate(bytesOf(slow), 65_536);
    const headers = { "content-length": String(slow.size) };
    onBlobRead(world, slow, () => new Response(held.body, { headers }));
    const first = await bench.open(blobPath("public/a", slow));
    const second = bench.ask(blobPath("public/a", next));
    await waitFor("the second blob waits", async () => {
      const [count] = await connectionsOf(bench);
      return count?.active === 1 && count.waiting === 1;
    });
    for (const tag of ["1", "other"]) {
      const answer = await bench.ask(manifestPath("public/b", tag));
      assertEquals(answer.status, tag === "1" ? 200 : 404);
    }
    assertEquals(transfers(world, next).length, 0);
    held.open();
    assertEquals((await readUntilBroken(first)).received, slow.size);
    assertContent(await second, next);
    await bench.settle();
    await waitFor("no connection is held", async () => (await connectionsOf(bench)).length === 0);
  },
});

Deno.test({
  name: "many callers of many blobs by few connections all have theirs, and leave none behind",
  ignore: noWorld,
  async fn() {
    for (const CACHE_ENABLED of ["true", "false"]) {
      await using bench = await startBench({
        env: { UPSTREAM_DOCKER_MAX_CONNECTIONS: "2", CACHE_ENABLED },
      });
      const image = await bench.world.seed("public/a", noiseImage("many", Array(6).fill(50_000)));
      const { layers } = image.platforms[0] ?? { layers: [] };
      assert(layers.length >= 6);
      const asked = layers.flatMap((layer) => [layer, layer]).map(async (layer, i) => {
        const leaving = new AbortController();
        const answer = bench.ask(blobPath("public/a", layer), { signal: leaving.signal });
        if (i % 4 === 3) leaving.abort();
        const outcome = await answer.catch(() => undefined);
        if (outcome !== undefined) assertContent(outcome, layer);
        return outcome;
      });
      const got = (await Promise.all(asked)).filter((answer) => answer !== undefined);
      assert(got.length >= 9, `${got.length} were answered`);
      await bench.settle();
      await waitFor("no connection is held", async () => (await connectionsOf(bench)).length === 0);
    }
  },
});
