/**
 * The cache over the life of processes, and a proxy that has none, or none that works.
 */
import { createHash } from "node:crypto";
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { runEntrepot } from "../support/entrepot.ts";
import { noiseImage } from "../support/image.ts";
import { bytesOf } from "../support/layer.ts";
import { waitFor } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";
import {
  assertContent,
  type Bench,
  blobPath,
  errorCodes,
  gate,
  layerOf,
  manifestPath,
  noWorld,
  onBlobRead,
  startBench,
} from "./pulling.ts";

/** Every file of content whose name is not the digest of its bytes. */
async function wronglyNamed(bench: Bench): Promise<string[]> {
  const folder = `${bench.product.cacheDir}/blobs/sha256`;
  const wrong: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    const hash = createHash("sha256").update(await Deno.readFile(`${folder}/${name}`));
    if (hash.digest("hex") !== name) wrong.push(name);
  }
  return wrong;
}

Deno.test({
  name: "defect 12: a restart keeps what is cached, and asks only whether it may still be read",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    const paths = [
      manifestPath("public/a", "1"),
      ...image.manifests.map(({ digest }) => manifestPath("public/a", digest)),
      ...image.blobs.map((blob) => blobPath("public/a", blob)),
    ];
    for (const path of paths) await bench.ask(path);
    await bench.settle();
    await bench.product.restart();
    bench.world.clearRecords();
    for (const path of paths) {
      const answer = await bench.ask(path);
      assertEquals([answer.status, answer.headers.get("x-cache")], [200, "HIT"], path);
    }
    const { requests } = bench.world.hubFront;
    assert(requests.every(({ method }) => method === "HEAD"));
    // One that teaches how to authenticate, one that proves the right to read.
    assert(requests.length <= 2, `${requests.length} requests`);
  },
});

Deno.test({
  name: "defect 12: a kill in the middle of a transfer leaves nothing that is served for the whole",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/k", noiseImage("k", [2 << 20]));
    const layer = layerOf(image, 1);
    const path = blobPath("public/k", layer);
    await bench.ask(blobPath("public/k", layerOf(image)));
    await bench.settle();
    const held = gate(bytesOf(layer), 1 << 20);
    onBlobRead(
      bench.world,
      layer,
      () => new Response(held.body, { headers: { "content-length": String(layer.size) } }),
    );
    const response = await bench.open(path);
    await response.body?.getReader().read();
    bench.product.kill("SIGKILL");
    await bench.product.status;
    held.open();
    bench.world.s3.intercept = undefined;
    await bench.product.restart();
    assertEquals(await wronglyNamed(bench), []);
    assertContent(await bench.ask(path), layer);
    await bench.settle();
    const partial = Deno.readDir(`${bench.product.cacheDir}/partial`);
    assertEquals(await Array.fromAsync(partial, ({ name }) => name), []);
    assertEquals((await bench.ask(path)).headers.get("x-cache"), "HIT");
    assertEquals(await wronglyNamed(bench), []);
  },
});

Deno.test({
  name: "a cached file that is lost is fetched again",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    const layer = layerOf(image);
    const paths = [manifestPath("public/a", "1"), blobPath("public/a", layer)];
    for (const path of paths) await bench.ask(path);
    await bench.settle();
    for (const { digest } of [image.top, layer]) {
      const hex = digest.replace("sha256:", "");
      await Deno.remove(`${bench.product.cacheDir}/blobs/sha256/${hex}`);
    }
    for (const path of paths) {
      const answer = await bench.ask(path);
      assertEquals([answer.status, answer.headers.get("x-cache")], [200, "MISS"]);
    }
  },
});

Deno.test({
  name: "without a cache everything streams, ranges included, and nothing is written",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { CACHE_ENABLED: "false" } });
    const image = await bench.world.seed("public/n", noiseImage("n", [1 << 20]));
    const layer = layerOf(image, 1);
    const path = blobPath("public/n", layer);
    for (let round = 0; round < 2; round++) {
      const [first, second] = await Promise.all([bench.ask(path), bench.ask(path)]);
      for (const answer of [first, second]) {
        assertEquals([answer.status, answer.headers.get("x-cache")], [200, "BYPASS"]);
        assertEquals(answer.headers.get("content-length"), String(layer.size));
        assertEquals(answer.headers.get("docker-content-digest"), layer.digest);
        assertContent(answer, layer);
      }
    }
    const manifest = await bench.ask(manifestPath("public/n", "1"));
    assertContent(manifest, image.top);
    const range = await bench.ask(path, { headers: { range: "bytes=10-19" } });
    assertEquals([range.status, range.headers.get("x-cache")], [206, "BYPASS"]);
    assertEquals(range.headers.get("content-range"), `bytes 10-19/${layer.size}`);
    assertEquals(range.bytes, bytesOf(layer).slice(10, 20));
    const beyond = await bench.ask(path, { headers: { range: `bytes=${layer.size}-` } });
    assertEquals([beyond.status, ...errorCodes(beyond)], [416, "RANGE_INVALID"]);
    const head = await bench.ask(path, { method: "HEAD" });
    assertEquals(head.headers.get("content-length"), String(layer.size));
    const written = await Deno.stat(bench.product.cacheDir).catch(() => null);
    assertEquals(written, null);
  },
});

Deno.test({
  name: "without a cache several ranges keep the form in which the storage sends them",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { CACHE_ENABLED: "false" } });
    const layer = layerOf(await bench.world.seed("public/a"));
    const type = 'multipart/byteranges; boundary="x"';
    bench.world.s3.intercept = ({ headers }) =>
      headers.get("range")?.includes(",")
        ? new Response("--x\r\n", { status: 206, headers: { "content-type": type } })
        : undefined;
    const answer = await bench.ask(blobPath("public/a", layer), {
      headers: { range: "bytes=0-1,4-5" },
    });
    assertEquals([answer.status, answer.headers.get("content-type")], [206, type]);
  },
});

Deno.test({
  name: "a cache that can no longer be written is told of, and costs no pull",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/r", noiseImage("r", [1 << 20]));
    // Root is not stopped by modes, but by a file where a folder has to be.
    const partial = `${bench.product.cacheDir}/partial`;
    await Deno.remove(partial, { recursive: true });
    await Deno.writeTextFile(partial, "");
    for (let round = 0; round < 2; round++) {
      assertContent(await bench.ask(manifestPath("public/r", "1")), image.top);
      for (const index of [0, 1]) {
        const layer = layerOf(image, index);
        assertContent(await bench.ask(blobPath("public/r", layer)), layer);
      }
    }
    await waitFor(
      "the log tells of it",
      async () => /cache cannot be used|could not be cached/.test(await bench.output()),
    );
  },
});

Deno.test("a CACHE_DIR that cannot be used ends the start with words on what to do", async () => {
  await using folder = await tempDir("no-cache");
  const file = await folder.write("file", "");
  const { code, stdout, stderr } = await runEntrepot([], {
    env: { CACHE_DIR: `${file}/cache`, PORT: "0" },
    timeoutMs: 10_000,
  });
  assertEquals(code, 1);
  assertStringIncludes(stdout + stderr, "CACHE_DIR");
});
