/**
 * Content that is not what its name says: nobody receives it whole, and nothing keeps it.
 */
import { assert, assertEquals, assertLess, assertStringIncludes } from "../support/assert.ts";
import { noiseImage, tinyImage } from "../support/image.ts";
import { bytesOf, type Content } from "../support/layer.ts";
import { waitFor } from "../support/process.ts";
import {
  assertContent,
  type Bench,
  blobPath,
  errorMessage,
  layerOf,
  manifestPath,
  noWorld,
  onBlobRead,
  readUntilBroken,
  startBench,
} from "./pulling.ts";

/** The names of all files below the product's cache that hold or are to hold content. */
async function storedFiles(bench: Bench): Promise<string[]> {
  const names: string[] = [];
  for (const folder of ["blobs/sha256", "partial"]) {
    for await (const { name } of Deno.readDir(`${bench.product.cacheDir}/${folder}`)) {
      names.push(name);
    }
  }
  return names;
}

async function assertHealed(bench: Bench, path: string, content: Content): Promise<void> {
  bench.world.s3.intercept = undefined;
  bench.world.hubFront.intercept = undefined;
  const answer = await bench.ask(path);
  assertEquals([answer.status, answer.headers.get("x-cache")], [200, "MISS"]);
  assertContent(answer, content);
}

Deno.test({
  name: "wrong bytes from storage are a broken transfer, never a complete one, and are not kept",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a", noiseImage("a", [1 << 20]));
    for (const index of [0, 1]) {
      const layer = layerOf(image, index);
      const path = blobPath("public/a", layer);
      const wrong = bytesOf(layer);
      const last = wrong.length - 1;
      wrong[last] = (wrong[last] ?? 0) ^ 1;
      onBlobRead(
        bench.world,
        layer,
        () => new Response(wrong, { headers: { "content-length": String(wrong.length) } }),
      );
      const [first, second] = await Promise.all([bench.open(path), bench.open(path)]);
      for (const response of [first, second]) {
        const { isBroken, received } = await readUntilBroken(response);
        assert(isBroken, "the client was given a complete transfer");
        assertLess(received, layer.size);
      }
      await bench.settle();
      const hex = layer.digest.replace("sha256:", "");
      assertEquals((await storedFiles(bench)).filter((name) => name.includes(hex)), []);
      await assertHealed(bench, path, layer);
    }
    await waitFor(
      "the log tells of it",
      async () => (await bench.output()).includes("the bytes sent for"),
    );
  },
});

Deno.test({
  name: "a truncated blob that ends cleanly is not taken for the whole",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const layer = layerOf(await bench.world.seed("public/a", noiseImage("a", [1 << 20])), 1);
    const half = bytesOf(layer).slice(0, layer.size / 2);
    onBlobRead(
      bench.world,
      layer,
      () => new Response(half, { headers: { "content-length": String(half.length) } }),
    );
    const path = blobPath("public/a", layer);
    const { isBroken, received } = await readUntilBroken(await bench.open(path));
    assert(isBroken);
    assertLess(received, half.length);
    await bench.settle();
    await assertHealed(bench, path, layer);
  },
});

Deno.test({
  name: "a length that is not the manifest's is not believed",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { PREFETCH: "false" } });
    const image = await bench.world.seed("public/a");
    const layer = layerOf(image);
    for (const { digest } of image.manifests) await bench.ask(manifestPath("public/a", digest));
    for (const difference of [-1, 1]) {
      const wrong = new Uint8Array(layer.size + difference);
      onBlobRead(
        bench.world,
        layer,
        () => new Response(wrong, { headers: { "content-length": String(wrong.length) } }),
      );
      const answer = await bench.ask(blobPath("public/a", layer));
      assertEquals(answer.status, 502);
      assertStringIncludes(errorMessage(answer), `instead of ${layer.size}`);
    }
    await assertHealed(bench, blobPath("public/a", layer), layer);
  },
});

Deno.test({
  name: "a blob without a length that ends early is completed from where it ended",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const layer = layerOf(await bench.world.seed("public/a", noiseImage("a", [1 << 20])), 1);
    const half = bytesOf(layer).slice(0, layer.size / 2);
    onBlobRead(bench.world, layer, () => new Response(ReadableStream.from([half])));
    const answer = await bench.ask(blobPath("public/a", layer));
    assertEquals([answer.status, answer.headers.get("content-length")], [200, null]);
    assertContent(answer, layer);
  },
});

Deno.test({
  name: "defect 6: a manifest whose bytes are not its digest's is a 502 and is not kept",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const { top } = await bench.world.seed("public/a");
    const other = tinyImage("other").top;
    const lies = [
      // By digest, and by a tag whose header names another digest than that of the bytes.
      manifestPath("public/a", top.digest),
      manifestPath("public/a", "1"),
    ];
    for (const path of lies) {
      bench.world.hubFront.intercept = async ({ method }, forward) => {
        const response = await forward();
        if (response.status !== 200 || method !== "GET") return response;
        await response.body?.cancel();
        response.headers.delete("content-length");
        return new Response(bytesOf(other), { headers: response.headers });
      };
      const answer = await bench.ask(path);
      assertEquals(answer.status, 502);
      assertStringIncludes(errorMessage(answer), "cannot be used");
      await assertHealed(bench, path, top);
      await bench.product.restart({ CACHE_DIR: `${bench.product.cacheDir}-next` });
    }
  },
});

Deno.test({
  name: "a manifest without a digest in its headers is given one",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const { top } = await bench.world.seed("public/a");
    bench.world.hubFront.intercept = async (_request, forward) => {
      const response = await forward();
      response.headers.delete("docker-content-digest");
      response.headers.delete("etag");
      return response;
    };
    for (const method of ["HEAD", "GET"]) {
      const answer = await bench.ask(manifestPath("public/a", "1"), { method });
      assertEquals(answer.headers.get("docker-content-digest"), top.digest);
      assertEquals(answer.headers.get("content-length"), String(top.size));
    }
  },
});

Deno.test({
  name: "defect 14: a web page in a manifest's place is not taken for one",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const { top } = await bench.world.seed("public/a");
    const path = manifestPath("public/a", "1");
    for (const type of ["text/html; charset=utf-8", "application/json"]) {
      bench.world.hubFront.intercept = () =>
        new Response("<html>Sign in to the network</html>", { headers: { "content-type": type } });
      for (const method of ["HEAD", "GET"]) {
        assertEquals((await bench.ask(path, { method })).status, 502, `${method} ${type}`);
      }
    }
    await assertHealed(bench, path, top);
  },
});
