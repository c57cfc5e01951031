/**
 * The product is killed at any instant of pulls under load and started again on the same cache: no
 * wrong byte is ever served, and what was transferred is not transferred again.
 */
import { assert, assertEquals, assertLess } from "../support/assert.ts";
import type { Entrepot } from "../support/entrepot.ts";
import type { Content } from "../support/layer.ts";
import { sleep } from "../support/process.ts";
import { type Arena, noArena, noiseLayers, settled, startArena } from "./arena.ts";
import { type Chance, chanceFor, isLong, say } from "./chance.ts";
import { type Pull, pullBlob, pullManifest } from "./client.ts";
import { findOrphans, partialFiles } from "./folder.ts";

const KIB = 1 << 10;
const MIB = 1 << 20;
const KILLS = isLong ? 100 : 8;
/** Slow enough that most kills hit transfers, fast enough that some hit commits. */
const STORAGE_BYTES_PER_SECOND = 20 * MIB;
const LONGEST_LIFE_MS = 900;
const CLIENTS = 6;
const REPOSITORY = "public/killed";

/** What all lives of the product came to. */
interface Tally {
  readonly ends: Record<Pull["end"], number>;
  /** Transfers that kills cut. */
  cuts: number;
  /** Bytes that the cut transfers had brought. */
  cutBytes: number;
}

Deno.test({
  name: "a kill at any instant serves nobody a wrong byte, and what was transferred is kept",
  ignore: noArena,
  async fn() {
    const chance = chanceFor("kill");
    await using arena = await startArena();
    const images: Content[][] = [];
    for (let i = 0; i < KILLS; i++) {
      const name = `${REPOSITORY}-${i}`;
      images.push(noiseLayers(await arena.pushNoise(REPOSITORY, imageSizes(chance), name)));
    }
    const blobs = images.flat();
    arena.relays.storage.bytesPerSecond = STORAGE_BYTES_PER_SECOND;
    await using product = await arena.startProduct();
    const tally: Tally = {
      ends: { right: 0, wrong: 0, broken: 0, refused: 0 },
      cuts: 0,
      cutBytes: 0,
    };
    const known = new Map<string, number>();
    for (let i = 0; i < KILLS; i++) {
      await liveAndDie(product, blobs.slice(0, (i + 1) * (images[0]?.length ?? 0)), tally, chance);
      for (const { name, size } of partialFiles(product.cacheDir)) {
        const grown = size - (known.get(name) ?? 0);
        known.set(name, size);
        tally.cuts += grown > 0 ? 1 : 0;
        tally.cutBytes += grown;
      }
      await product.restart();
    }
    arena.relays.storage.bytesPerSecond = undefined;
    const last = await Promise.all(
      blobs.map((blob) => pullBlob(pathOf(product, blob), blob.digest)),
    );
    await settled(product);
    await product.restart();
    await assertAllCached(product, arena, blobs);
    await product.stop();
    report(arena, blobs, tally);

    assertEquals(tally.ends.wrong, 0, "nobody completes with other bytes");
    assertEquals(last.filter(({ end }) => end !== "right"), []);
    assertEquals(findOrphans(product.cacheDir), { files: [], rows: [] });
    assertEquals(partialFiles(product.cacheDir), []);
    assert(tally.cuts > 0, "no kill hit a transfer");
  },
});

/** Some that are committed every few milliseconds, and some that are long under way. */
function imageSizes(chance: Chance): number[] {
  const small = Array.from({ length: 6 }, () => Math.round(chance.logarithmic(KIB, 200 * KIB)));
  const large = Array.from({ length: 2 }, () => Math.round(chance.logarithmic(MIB, 12 * MIB)));
  return [...small, ...large];
}

function pathOf({ url }: Entrepot, { digest }: { digest: string }): string {
  return `${url}/v2/${REPOSITORY}/blobs/${digest}`;
}

/** Pulls with several clients until a random instant, at which the product is killed. */
async function liveAndDie(
  product: Entrepot,
  blobs: readonly Content[],
  tally: Tally,
  chance: Chance,
): Promise<void> {
  const lifeMs = chance.between(0, LONGEST_LIFE_MS);
  let isOver = false;
  // The newest first, which are not cached, then any.
  const queue = blobs.slice(-8);
  const client = async (): Promise<void> => {
    await pullManifest(`${product.url}/v2/${REPOSITORY}/manifests/1`).catch(() => undefined);
    while (!isOver) {
      const blob = queue.shift() ?? chance.pick(blobs);
      const { end } = await pullBlob(pathOf(product, blob), blob.digest);
      if (!isOver || end !== "refused") tally.ends[end]++;
    }
  };
  const clients = Array.from({ length: CLIENTS }, client);
  await sleep(lifeMs);
  isOver = true;
  product.kill("SIGKILL");
  await product.status;
  await Promise.all(clients);
}

/** After the last start everything comes from the cache. */
async function assertAllCached(
  product: Entrepot,
  arena: Arena,
  blobs: readonly Content[],
): Promise<void> {
  const before = arena.storageReads().requests;
  for (const blob of blobs) {
    const pull = await pullBlob(pathOf(product, blob), blob.digest);
    assertEquals([pull.end, pull.cache], ["right", "HIT"], blob.digest);
  }
  assertEquals(arena.storageReads().requests, before);
}

function report(arena: Arena, blobs: readonly Content[], tally: Tally): void {
  const total = blobs.reduce((sum, { size }) => sum + size, 0);
  // What the storage had sent when a connection was cut was on the way, not in the cache.
  const { bytes } = arena.relays.storage;
  const refetched = bytes - total;
  say(
    `${KILLS} kills cut ${tally.cuts} transfers that had brought ${mib(tally.cutBytes)}; ` +
      `pulls: ${JSON.stringify(tally.ends)}`,
  );
  say(
    `${mib(total)} of content, ${mib(refetched)} fetched again ` +
      `(${((100 * refetched) / total).toFixed(1)} %)`,
  );
  assertLess(refetched / total, 0.25, "partial files were not resumed");
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
