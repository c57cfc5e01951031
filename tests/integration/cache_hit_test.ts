/**
 * What a second pull costs, and ranges and conditions on what is cached and what is not.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { noiseImage } from "../support/image.ts";
import { bytesOf } from "../support/layer.ts";
import {
  assertContent,
  blobPath,
  errorCodes,
  layerOf,
  manifestPath,
  noWorld,
  startBench,
  transfers,
} from "./pulling.ts";

Deno.test({
  name: "a second pull asks the upstream for no bytes, and says that it was a hit",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { PREFETCH: "false" } });
    const image = await bench.world.seed("public/a");
    const pull = async () => {
      const answers = [await bench.ask(manifestPath("public/a", "1"))];
      for (const { digest } of image.manifests) {
        answers.push(await bench.ask(manifestPath("public/a", digest)));
      }
      for (const blob of image.blobs) answers.push(await bench.ask(blobPath("public/a", blob)));
      await bench.settle();
      for (const [index, content] of [image.top, ...image.manifests, ...image.blobs].entries()) {
        const answer = answers[index];
        assert(answer?.status === 200, answer?.text);
        assertContent(answer, content);
        assertEquals(answer.headers.get("docker-content-digest"), content.digest);
        assertEquals(answer.headers.get("content-length"), String(content.size));
        assertEquals(answer.headers.get("etag"), `"${content.digest}"`);
      }
      return answers.map(({ headers }) => headers.get("x-cache"));
    };
    const first = await pull();
    // The index was fetched by its tag, and is there by its digest.
    assertEquals(first.filter((cache) => cache === "MISS").length, first.length - 1);
    bench.world.clearRecords();
    assertEquals(new Set(await pull()), new Set(["HIT"]));
    assertEquals(bench.world.hubFront.requests, []);
    assertEquals(bench.world.s3.requests, []);
  },
});

Deno.test({
  name: "a range of a cached blob is exact, and 416 tells the size",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const layer = layerOf(await bench.world.seed("public/b", noiseImage("b", [1 << 20])), 1);
    const path = blobPath("public/b", layer);
    const { size } = layer;
    const bytes = bytesOf(layer);
    await bench.ask(path);
    await bench.settle();
    const get = (range: string, more: Record<string, string> = {}) =>
      bench.ask(path, { headers: { range, ...more } });

    const spans = {
      "bytes=0-0": [0, 0],
      "bytes=0-99": [0, 99],
      "bytes=1000-1999": [1000, 1999],
      "bytes=300000-700000": [300_000, 700_000],
      [`bytes=${size - 10}-`]: [size - 10, size - 1],
      "bytes=-50": [size - 50, size - 1],
      "bytes=0-": [0, size - 1],
      [`bytes=5-${size + 1000}`]: [5, size - 1],
      [`bytes=-${size + 1000}`]: [0, size - 1],
    };
    for (const [range, [start = 0, end = 0]] of Object.entries(spans)) {
      const answer = await get(range);
      assertEquals([answer.status, answer.headers.get("x-cache")], [206, "HIT"], range);
      assertEquals(answer.headers.get("content-range"), `bytes ${start}-${end}/${size}`);
      assertEquals(answer.headers.get("content-length"), String(end - start + 1));
      assert(isSame(answer.bytes, bytes.subarray(start, end + 1)), range);
    }
    for (
      const range of [`bytes=${size}-`, `bytes=${size + 5}-${size + 9}`, "bytes=500-0", "bytes=-0"]
    ) {
      const answer = await get(range);
      assertEquals([answer.status, ...errorCodes(answer)], [416, "RANGE_INVALID"], range);
      assertEquals(answer.headers.get("content-range"), `bytes */${size}`);
    }
    for (const range of ["lines=1-2", "bytes=a-b", "bytes=", "bytes=0-5,5-9"]) {
      assertEquals((await get(range)).status, 200, range);
    }
    const etag = `"${layer.digest}"`;
    assertEquals((await get("bytes=0-9", { "if-range": etag })).status, 206);
    const changed = await get("bytes=0-9", { "if-range": '"another"' });
    assertEquals([changed.status, changed.bytes.length], [200, size]);
    const head = await bench.ask(path, { method: "HEAD", headers: { range: "bytes=0-9" } });
    assertEquals([head.status, head.headers.get("content-length")], [200, String(size)]);
    assertEquals(head.headers.get("accept-ranges"), "bytes");
  },
});

/** Whether two byte sequences are the same; quicker than a comparison that can tell the difference. */
function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

Deno.test({
  name: "a range of a blob that is not cached is answered as a range, and the whole is cached",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/c", noiseImage("c", [1 << 20, 1 << 20]));
    // What is near comes with the transfer of the whole, what is far at once and by itself.
    const cases = [[1, "bytes=100-199", "MISS"], [2, "bytes=-10", "BYPASS"]] as const;
    for (const [index, range, cache] of cases) {
      const layer = layerOf(image, index);
      const bytes = bytesOf(layer);
      const path = blobPath("public/c", layer);
      const answer = await bench.ask(path, { headers: { range } });
      assertEquals([answer.status, answer.headers.get("x-cache")], [206, cache]);
      const expected = index === 1 ? bytes.slice(100, 200) : bytes.slice(-10);
      assertEquals(answer.bytes, expected);
      await bench.settle();
      const whole = await bench.ask(path);
      assertEquals([whole.status, whole.headers.get("x-cache")], [200, "HIT"]);
      assertEquals(whole.bytes.length, layer.size);
      assertEquals(transfers(bench.world, layer).length, 1);
    }
    const layer = layerOf(image, 0);
    const range = `bytes=${layer.size}-`;
    const beyond = await bench.ask(blobPath("public/c", layer), { headers: { range } });
    assertEquals(beyond.status, 416);
    assertEquals(beyond.headers.get("content-range"), `bytes */${layer.size}`);
  },
});

Deno.test({
  name: "If-None-Match of what a client has is 304, without a body",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    const paths = {
      [manifestPath("public/a", "1")]: image.top.digest,
      [manifestPath("public/a", image.top.digest)]: image.top.digest,
      [blobPath("public/a", layerOf(image))]: layerOf(image).digest,
    };
    for (const [path, digest] of Object.entries(paths)) {
      await bench.ask(path);
      await bench.settle();
      for (const value of [`"${digest}"`, digest, `W/"x", "${digest}"`]) {
        for (const method of ["GET", "HEAD"]) {
          const answer = await bench.ask(path, { method, headers: { "if-none-match": value } });
          assertEquals([answer.status, answer.bytes.length], [304, 0], `${method} ${path}`);
          assertEquals(answer.headers.get("etag"), `"${digest}"`);
        }
      }
      const other = await bench.ask(path, { headers: { "if-none-match": '"sha256:0"' } });
      assertEquals(other.status, 200);
    }
  },
});
