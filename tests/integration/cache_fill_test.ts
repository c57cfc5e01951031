/**
 * Transfers and those who follow them: one for all, from the first byte on, whoever leaves.
 */
import { assert, assertEquals, assertGreaterOrEqual } from "../support/assert.ts";
import { noiseImage } from "../support/image.ts";
import { bytesOf, type Content } from "../support/layer.ts";
import {
  assertContent,
  type Bench,
  blobPath,
  type Gate,
  gate,
  layerOf,
  manifestPath,
  noWorld,
  onBlobRead,
  startBench,
  transfers,
} from "./pulling.ts";

const MIB = 1 << 20;

/** A layer of two mebibytes whose transfer stops in the middle until the gate is opened. */
async function holdTransfer(bench: Bench): Promise<{ layer: Content; path: string; held: Gate }> {
  const layer = layerOf(await bench.world.seed("public/held", noiseImage("held", [2 * MIB])), 1);
  const held = gate(bytesOf(layer), MIB);
  onBlobRead(
    bench.world,
    layer,
    () => new Response(held.body, { headers: { "content-length": String(layer.size) } }),
  );
  return { layer, path: blobPath("public/held", layer), held };
}

/** Reads at least so many bytes and leaves the rest. */
async function readSome(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  wanted: number,
): Promise<number> {
  let received = 0;
  while (received < wanted) {
    const { value, done } = await reader.read();
    if (done) return received;
    received += value.length;
  }
  return received;
}

Deno.test({
  name: "clients that ask at once share one transfer, and each gets all of it",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a", noiseImage("a", [4 * MIB]));
    const layer = layerOf(image, 1);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => bench.ask(blobPath("public/a", layer))),
    );
    for (const answer of answers) assertContent(answer, layer);
    assertEquals(transfers(bench.world, layer).length, 1);
  },
});

Deno.test({
  name: "clients that ask for a manifest at once share one request for it",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    for (const reference of ["1", image.manifests[0]?.digest ?? ""]) {
      bench.world.clearRecords();
      const path = manifestPath("public/a", reference);
      const answers = await Promise.all(Array.from({ length: 12 }, () => bench.ask(path)));
      assertEquals(new Set(answers.map(({ status }) => status)), new Set([200]));
      const asked = bench.world.hubFront.requests.filter(({ status }) => status === 200);
      assertEquals(asked.map(({ method }) => method), ["GET"]);
    }
  },
});

Deno.test({
  name: "defect 11: the first bytes reach a client while the upstream is still sending",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const { layer, path, held } = await holdTransfer(bench);
    const response = await bench.open(path);
    assertEquals([response.status, response.headers.get("x-cache")], [200, "MISS"]);
    assertEquals(response.headers.get("content-length"), String(layer.size));
    const reader = response.body?.getReader();
    assert(reader !== undefined);
    assertGreaterOrEqual(await readSome(reader, MIB - 128 * 1024), MIB - 128 * 1024);
    // One that comes late starts at the beginning, and a range needs no more than its own bytes.
    const range = await bench.ask(path, { headers: { range: "bytes=1000-1999" } });
    assertEquals([range.status, range.bytes], [206, bytesOf(layer).slice(1000, 2000)]);
    held.open();
    await readSome(reader, layer.size);
  },
});

Deno.test({
  name: "defect 14: a client that leaves ends neither the transfer nor that of others",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const { layer, path, held } = await holdTransfer(bench);
    const leaving = new AbortController();
    const first = await bench.open(path, { signal: leaving.signal });
    const second = await bench.open(path);
    const reader = first.body?.getReader();
    assert(reader !== undefined);
    await readSome(reader, 1);
    leaving.abort();
    await reader.read().catch(() => undefined);
    held.open();
    assertEquals((await second.bytes()).length, layer.size);
    await bench.settle();
    const third = await bench.ask(path);
    assertEquals(third.headers.get("x-cache"), "HIT");
    assertContent(third, layer);
    assertEquals(transfers(bench.world, layer).length, 1);
  },
});

Deno.test({
  name: "a transfer goes on to its end although its only client has left",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const { layer, path, held } = await holdTransfer(bench);
    const leaving = new AbortController();
    const response = await bench.open(path, { signal: leaving.signal });
    assertEquals(response.status, 200);
    leaving.abort();
    await response.body?.cancel().catch(() => undefined);
    held.open();
    await bench.settle();
    const later = await bench.ask(path);
    assertEquals(later.headers.get("x-cache"), "HIT");
    assertContent(later, layer);
  },
});

Deno.test({
  name: "a client that reads nothing holds up nobody else",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/slow", noiseImage("slow", [16 * MIB]));
    const layer = layerOf(image, 1);
    const path = blobPath("public/slow", layer);
    const idle = await bench.open(path);
    assertContent(await bench.ask(path), layer);
    await bench.settle();
    assertEquals((await bench.ask(path)).headers.get("x-cache"), "HIT");
    assertEquals((await idle.bytes()).length, layer.size);
    assertEquals(transfers(bench.world, layer).length, 1);
  },
});

Deno.test({
  name: "defect 11: a blob of more than fifty mebibytes is cached like any other",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/large", noiseImage("large", [52 * MIB]));
    const layer = layerOf(image, 1);
    for (const cache of ["MISS", "HIT"]) {
      const answer = await bench.ask(blobPath("public/large", layer));
      assertEquals(answer.headers.get("x-cache"), cache);
      assertContent(answer, layer);
      await bench.settle();
    }
    assertEquals(transfers(bench.world, layer).length, 1);
  },
});
