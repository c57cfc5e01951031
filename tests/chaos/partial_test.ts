/** Partial files as an earlier process may have left them, good or bad. */
import { assertEquals } from "../support/assert.ts";
import type { Entrepot } from "../support/entrepot.ts";
import { bytesOf, type Content } from "../support/layer.ts";
import { type Arena, noArena, noiseLayers, settled, startArena } from "./arena.ts";
import { pullBlob } from "./client.ts";

const MIB = 1 << 20;

/** Leaves the partial file of a fill that broke, with other bytes in it. */
async function leavePartial(
  arena: Arena,
  product: Entrepot,
  blob: Content,
  bytes: Uint8Array,
): Promise<string> {
  const url = `${product.url}/v2/public/partial/blobs/${blob.digest}`;
  let answers = 0;
  arena.planBytes(() => answers++ === 0 ? { kind: "drop", at: 0.5 } : { kind: "stall", at: 0 });
  const pull = pullBlob(url, blob.digest);
  while (answers < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  product.kill("SIGKILL");
  await product.status;
  await pull;
  arena.planBytes(() => undefined);
  const [file] = [...Deno.readDirSync(`${product.cacheDir}/partial`)].filter(({ name }) =>
    name.includes(blob.digest.replace("sha256:", ""))
  );
  await Deno.writeFile(`${product.cacheDir}/partial/${file?.name}`, bytes);
  await product.restart();
  arena.s3.clear();
  return url;
}

Deno.test({
  name:
    "a partial file that was complete is served after proof, without its bytes being sent again",
  ignore: noArena,
  async fn() {
    await using arena = await startArena();
    const [blob] = noiseLayers(await arena.pushNoise("public/partial", [2 * MIB]));
    if (blob === undefined) throw new Error("no layer");
    await using product = await arena.startProduct();
    const url = await leavePartial(arena, product, blob, bytesOf(blob));
    assertEquals((await pullBlob(url, blob.digest)).end, "right");
    assertEquals(arena.storageReads().bytes < 10_000, true);
    await settled(product);
    assertEquals((await pullBlob(url, blob.digest)).cache, "HIT");
  },
});

Deno.test({
  name: "a partial file longer than the content is thrown away, and the same request is served",
  ignore: noArena,
  async fn(t) {
    await using arena = await startArena();
    const layers = noiseLayers(await arena.pushNoise("public/partial", [2 * MIB, 2 * MIB]));
    await using product = await arena.startProduct();
    for (const [i, knowsRanges] of [true, false].entries()) {
      await t.step(
        knowsRanges ? "a storage refuses the range" : "a storage ignores it",
        async () => {
          const blob = layers[i];
          if (blob === undefined) throw new Error("no layer");
          const url = await leavePartial(
            arena,
            product,
            blob,
            new Uint8Array([...bytesOf(blob), 1, 2]),
          );
          const whole = new Uint8Array(bytesOf(blob));
          arena.s3.intercept = (request) =>
            knowsRanges || !request.url.includes(`${blob.digest.replace("sha256:", "")}/data?`)
              ? undefined
              : new Response(whole, { headers: { "content-length": String(whole.length) } });
          assertEquals((await pullBlob(url, blob.digest)).end, "right");
          await settled(product);
          const again = await pullBlob(url, blob.digest);
          assertEquals([again.end, again.cache], ["right", "HIT"]);
        },
      );
    }
  },
});

Deno.test({
  name: "a partial file of other bytes is never served whole, and is thrown away",
  ignore: noArena,
  async fn(t) {
    await using arena = await startArena();
    const layers = noiseLayers(await arena.pushNoise("public/partial", [2 * MIB, 2 * MIB]));
    await using product = await arena.startProduct();
    for (const [i, kept] of [2 * MIB, MIB].entries()) {
      await t.step(`${kept} bytes`, async () => {
        const blob = layers[i];
        if (blob === undefined) throw new Error("no layer");
        const wrong = new Uint8Array(bytesOf(blob)).fill(7, 0, MIB / 2).subarray(0, kept);
        const url = await leavePartial(arena, product, blob, wrong);
        // Where it claims to be all, it is found before the first byte; else by the last.
        const first = await pullBlob(url, blob.digest);
        assertEquals(first.end, kept < blob.size ? "broken" : "right", JSON.stringify(first));
        assertEquals((await pullBlob(url, blob.digest)).end, "right");
      });
    }
  },
});
