/** The disk under the cache is full, fails or is gone: pulls go on, and so does caching afterwards. */
import { assert, assertEquals } from "../support/assert.ts";
import { has } from "../support/components.ts";
import type { Entrepot } from "../support/entrepot.ts";
import type { Content } from "../support/layer.ts";
import { sleep } from "../support/process.ts";
import { removeAll, tempDir } from "../support/temp.ts";
import { noArena, noiseLayers, settled, startArena } from "./arena.ts";
import { type Pull, pullBlob } from "./client.ts";
import { mountSmallDisk } from "./small_disk.ts";

const MIB = 1 << 20;
const FOLLOWERS = 4;
const REPOSITORY = "public/full";
const ignore = noArena || !has("disk");

function pull(product: Entrepot, { digest }: Content): Promise<Pull> {
  return pullBlob(`${product.url}/v2/${REPOSITORY}/blobs/${digest}`, digest);
}

async function assertPulls(product: Entrepot, blob: Content, followers = 1): Promise<void> {
  const pulls = await Promise.all(Array.from({ length: followers }, () => pull(product, blob)));
  assertEquals(pulls.filter(({ end }) => end !== "right"), []);
}

/** Once more to cache it, and once more to see that it was. */
async function assertCaches(product: Entrepot, blob: Content): Promise<void> {
  await assertPulls(product, blob);
  await settled(product);
  const again = await pull(product, blob);
  assertEquals([again.end, again.cache], ["right", "HIT"]);
}

function layer(layers: readonly Content[], index: number): Content {
  const found = layers[index];
  if (found === undefined) throw new Error(`no layer ${index}`);
  return found;
}

Deno.test({
  name: "a full disk stops no pull, and caching goes on when there is room again",
  ignore,
  async fn(t) {
    await using arena = await startArena();
    const layers = noiseLayers(
      await arena.pushNoise(REPOSITORY, [2 * MIB, 16 * MIB, 24 * MIB, 60 * MIB]),
    );
    await using disk = await mountSmallDisk("memory", 40 * MIB);
    await using product = await arena.startProduct({
      env: { CACHE_DIR: `${disk.path}/cache`, CACHE_MIN_FREE: "0" },
    });
    await assertCaches(product, layer(layers, 0));

    await t.step("full before the transfer begins", async () => {
      await disk.fill();
      await assertPulls(product, layer(layers, 1), FOLLOWERS);
      await assertPulls(product, layer(layers, 0));
      await settled(product);
      const warnings = (await product.log()).filter(({ level }) => level === "WARN");
      assert(warnings.length > 0, "nobody was warned");
    });

    await t.step("free again, it is cached", async () => {
      await disk.empty();
      await assertCaches(product, layer(layers, 1));
    });

    await t.step("full in the middle of a transfer that several follow", async () => {
      await removeAll(`${disk.path}/ballast`);
      arena.relays.storage.bytesPerSecond = 24 * MIB;
      const pulls = Array.from({ length: FOLLOWERS }, () => pull(product, layer(layers, 2)));
      await sleep(400);
      await disk.fill();
      assertEquals((await Promise.all(pulls)).filter(({ end }) => end !== "right"), []);
      arena.relays.storage.bytesPerSecond = undefined;
      await settled(product);
    });

    await t.step("larger than the disk", async () => {
      await disk.empty();
      await assertPulls(product, layer(layers, 3), FOLLOWERS);
      await settled(product);
    });

    await t.step("free again, it is cached as before", async () => {
      await assertCaches(product, layer(layers, 2));
      await assertCaches(product, layer(layers, 0));
    });
  },
});

Deno.test({
  name: "a folder that somebody removes stops no pull, and is filled again",
  ignore: noArena,
  async fn() {
    await using arena = await startArena();
    const layers = noiseLayers(await arena.pushNoise(REPOSITORY, [2 * MIB, 8 * MIB, MIB]));
    await using folder = await tempDir("chaos-removed");
    const env = { CACHE_DIR: folder.join("cache"), CACHE_MIN_FREE: "0" };
    await using product = await arena.startProduct({ env });
    await assertCaches(product, layer(layers, 0));
    arena.relays.storage.bytesPerSecond = 16 * MIB;
    const underWay = Array.from({ length: FOLLOWERS }, () => pull(product, layer(layers, 1)));
    await sleep(150);
    await removeAll(folder.join("cache"));
    assertEquals((await Promise.all(underWay)).filter(({ end }) => end !== "right"), []);
    arena.relays.storage.bytesPerSecond = undefined;
    await settled(product);
    for (const blob of layers) await assertPulls(product, blob, FOLLOWERS);
    await settled(product);
    for (const blob of layers) await assertCaches(product, blob);
    await product.restart();
    for (const blob of layers) assertEquals((await pull(product, blob)).end, "right");
  },
});

Deno.test({
  name: "a disk that turns read-only stops no pull, and what it has is still served from it",
  ignore,
  async fn() {
    await using arena = await startArena();
    const layers = noiseLayers(await arena.pushNoise(REPOSITORY, [2 * MIB, 16 * MIB, MIB]));
    await using disk = await mountSmallDisk("file", 48 * MIB);
    await using product = await arena.startProduct({
      env: { CACHE_DIR: `${disk.path}/cache`, CACHE_MIN_FREE: "0" },
    });
    await assertCaches(product, layer(layers, 0));
    arena.relays.storage.bytesPerSecond = 24 * MIB;
    const underWay = Array.from({ length: FOLLOWERS }, () => pull(product, layer(layers, 1)));
    await sleep(300);
    await disk.failWrites();
    assertEquals((await Promise.all(underWay)).filter(({ end }) => end !== "right"), []);
    arena.relays.storage.bytesPerSecond = undefined;
    await assertPulls(product, layer(layers, 2), FOLLOWERS);
    const kept = await pull(product, layer(layers, 0));
    assertEquals([kept.end, kept.cache], ["right", "HIT"]);
    await product.stop();
    await disk.repair();
    await product.restart();
    for (const blob of layers) await assertCaches(product, blob);
    await product.stop();
  },
});
