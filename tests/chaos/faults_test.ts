/**
 * Transfers through a relay that makes them go wrong in every way: a client gets the right bytes
 * or sees that it did not, and what asking again can mend is mended without the client.
 */
import { assert, assertEquals, assertGreaterOrEqual } from "../support/assert.ts";
import type { Entrepot } from "../support/entrepot.ts";
import type { Content } from "../support/layer.ts";
import { tempDir } from "../support/temp.ts";
import { type Arena, noArena, noiseLayers, settled, startArena } from "./arena.ts";
import { type Chance, chanceFor, isLong, say, sayTable } from "./chance.ts";
import { type Pull, pullBlob, pullManifest } from "./client.ts";
import { type Fault, type Scene, type Script, SCRIPT_NAMES, writeScript } from "./faults.ts";

const MIB = 1 << 20;
const SIZE = isLong
  ? { rounds: 14, blobs: 36, maxBytes: 64 * MIB }
  : { rounds: 3, blobs: 20, maxBytes: 8 * MIB };
const AT_ONCE = isLong ? 6 : 10;

/** One blob's transfer, its script and what its clients got. */
interface Transfer {
  readonly url: string;
  readonly blob: Content;
  readonly scene: Scene;
  readonly script: Script;
  readonly clients: number;
  readonly pulls: Pull[];
  /** The same client's next request. */
  retry: Pull | undefined;
}

Deno.test({
  name:
    "a fault gives every client the right bytes or a broken transfer, and is mended where it can",
  ignore: noArena,
  async fn() {
    const chance = chanceFor("faults");
    await using arena = await startArena();
    const sizes = Array.from(
      { length: SIZE.blobs },
      () => Math.round(chance.logarithmic(MIB, SIZE.maxBytes)),
    );
    const image = await arena.pushNoise("public/faults", sizes);
    // The same blobs where no manifest was read, so that nobody knows their sizes.
    await arena.push("public/bare", image);
    await using caches = await tempDir("chaos-faults");
    await using product = await arena.startProduct();
    const transfers: Transfer[] = [];
    const started = performance.now();
    for (let round = 0; round < SIZE.rounds; round++) {
      await product.restart({ CACHE_DIR: caches.join(String(round)) });
      const planned = noiseLayers(image).map((blob, i) =>
        planTransfer(product, blob, round * SIZE.blobs + i, chance)
      );
      await learnSizes(product, image.platforms[0]?.manifest.digest ?? "");
      await runRound(arena, planned);
      await settled(product);
      transfers.push(...planned);
    }
    report(transfers, (performance.now() - started) / 1000);

    const wrong = transfers.filter(({ pulls, retry }) =>
      [...pulls, retry].some((pull) => pull?.end === "wrong")
    );
    assertEquals(wrong.map(describe), [], "nobody completes with other bytes");
    const unhealed = transfers.filter(({ retry }) => retry !== undefined && retry.end !== "right");
    assertEquals(unhealed.map(describe), [], "the next request begins anew");
    const { mended, transient } = tally(transfers);
    assertGreaterOrEqual(mended / transient, 0.99, `${mended} of ${transient} mended`);
    const corrupt = transfers.filter(({ script }) => script.hope === "corrupting");
    assert(corrupt.length > 0);
  },
});

function planTransfer(product: Entrepot, blob: Content, number: number, chance: Chance): Transfer {
  const source = chance.pick(["registry", "storage"] as const);
  const isSizeKnown = chance.next() < 0.5;
  const scene: Scene = { source, isSizeKnown };
  const name = SCRIPT_NAMES[number % SCRIPT_NAMES.length] ?? "reset";
  const prefix = source === "registry" ? "ghcr.io/" : "";
  const repository = `${prefix}public/${isSizeKnown ? "faults" : "bare"}`;
  return {
    url: `${product.url}/v2/${repository}/blobs/${blob.digest}`,
    blob,
    scene,
    script: writeScript(name, scene, chance),
    clients: chance.whole(1, 3),
    pulls: [],
    retry: undefined,
  };
}

/** Lets the proxy read the manifest by both ways. */
async function learnSizes(product: Entrepot, digest: string): Promise<void> {
  for (const prefix of ["", "ghcr.io/"]) {
    const path = `/v2/${prefix}public/faults/manifests/${digest}`;
    assertEquals((await pullManifest(product.url + path)).status, 200);
  }
}

async function runRound(arena: Arena, transfers: readonly Transfer[]): Promise<void> {
  const due = new Map<string, Fault[]>(
    transfers.map(({ blob, script }) => [blob.digest, [...script.faults]]),
  );
  arena.planBytes((digest) => due.get(digest)?.shift());
  const waiting = [...transfers];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { url, blob, clients } = next;
      const pulls = await Promise.all(
        Array.from({ length: clients }, () => pullBlob(url, blob.digest)),
      );
      next.pulls.push(...pulls);
      due.delete(blob.digest);
      if (pulls.some(({ end }) => end !== "right")) next.retry = await pullBlob(url, blob.digest);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

function tally(transfers: readonly Transfer[]): { transient: number; mended: number } {
  const transient = transfers.filter(({ script }) => script.hope === "transient");
  const mended = transient.filter(({ pulls }) => pulls.every(({ end }) => end === "right"));
  return { transient: transient.length, mended: mended.length };
}

function report(transfers: readonly Transfer[], seconds: number): void {
  const clients = transfers.flatMap(({ pulls }) => pulls);
  const bytes = transfers.reduce((sum, { blob }) => sum + blob.size, 0);
  say(
    `${transfers.length} faulty transfers of ${Math.round(bytes / MIB)} MiB to ` +
      `${clients.length} clients in ${seconds.toFixed(1)} s`,
  );
  const count = (some: readonly Transfer[], ...ends: Pull["end"][]) =>
    some.flatMap(({ pulls }) => pulls).filter(({ end }) => ends.includes(end)).length;
  sayTable([
    ["fault", "hope", "transfers", "clients", "right", "broken", "refused", "wrong", "slowest s"],
    ...SCRIPT_NAMES.flatMap((name) =>
      (["transient", "corrupting"] as const).flatMap((hope) => {
        const some = transfers.filter(({ script }) => script.name === name && script.hope === hope);
        if (some.length === 0) return [];
        const slowest = Math.max(
          ...some.flatMap(({ pulls }) => pulls.map(({ totalMs }) => totalMs)),
        );
        return [[
          name,
          hope,
          some.length,
          count(some, "right", "broken", "refused", "wrong"),
          ...(["right", "broken", "refused", "wrong"] as const).map((end) => count(some, end)),
          (slowest / 1000).toFixed(1),
        ]];
      })
    ),
  ]);
  const { mended, transient } = tally(transfers);
  say(`${mended} of ${transient} transient ones mended without any client's retry`);
  for (const one of transfers) {
    const isBad = one.script.hope === "transient" && one.pulls.some(({ end }) => end !== "right");
    if (isBad) say(`  not mended: ${describe(one)}`);
  }
}

function describe({ scene, script, blob, pulls, retry }: Transfer): string {
  return JSON.stringify({ ...scene, script, size: blob.size, pulls, retry });
}
