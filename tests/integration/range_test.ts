/** Parts of blobs, as engines that pull lazily ask for them. */
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { noiseImage } from "../support/image.ts";
import { bytesOf, type Content } from "../support/layer.ts";
import { sleep, waitFor } from "../support/process.ts";
import {
  type Answer,
  assertContent,
  type Bench,
  blobPath,
  layerOf,
  noWorld,
  startBench,
  transfers,
} from "./pulling.ts";

const MIB = 1 << 20;
const LAYER = noiseImage("lazy", [32 * MIB]);

async function seeded(mode: "pass" | "fill"): Promise<{ bench: Bench; layer: Content }> {
  const bench = await startBench({ env: { RANGE_MISS: mode } });
  return { bench, layer: layerOf(await bench.world.seed("public/lazy", LAYER), 1) };
}

function assertPart(answer: Answer, layer: Content, start: number, end: number): void {
  assertEquals(answer.status, 206, answer.text.slice(0, 300));
  assertEquals(answer.headers.get("content-range"), `bytes ${start}-${end}/${layer.size}`);
  assertEquals(answer.headers.get("docker-content-digest"), layer.digest);
  assertEquals(answer.bytes, bytesOf(layer).subarray(start, end + 1));
}

Deno.test({
  name: "a small part of what is not cached comes alone, and with RANGE_MISS=fill the whole behind",
  ignore: noWorld,
  async fn() {
    for (const mode of ["pass", "fill"] as const) {
      const { bench, layer } = await seeded(mode);
      await using _ = bench;
      const path = blobPath("public/lazy", layer);
      const size = layer.size;
      const footer = await bench.ask(path, { headers: { range: "bytes=-100" } });
      assertPart(footer, layer, size - 100, size - 1);
      assertEquals(footer.headers.get("x-cache"), "BYPASS");
      const parts = bench.world.s3.blobReads().filter(({ range }) => range === "bytes=-100");
      assertEquals(parts.length, 1);
      if (mode === "fill") {
        await waitFor("the whole has come", () => transfers(bench.world, layer).length === 1);
        await bench.settle();
        const hit = await bench.ask(path, { headers: { range: "bytes=5-9" } });
        assertPart(hit, layer, 5, 9);
        assertEquals(hit.headers.get("x-cache"), "HIT");
      } else {
        await sleep(100);
        const large = await bench.ask(path, { headers: { range: `bytes=${MIB}-` } });
        assertPart(large, layer, MIB, size - 1);
        assertEquals(transfers(bench.world, layer), [], "nothing is filled");
      }
    }
  },
});

Deno.test({
  name: "a part far ahead of a transfer under way does not wait for it, one that is near does",
  ignore: noWorld,
  async fn() {
    const { bench, layer } = await seeded("fill");
    await using _ = bench;
    const path = blobPath("public/lazy", layer);
    const held = Promise.withResolvers<void>();
    bench.world.s3.intercept = async (request, forward) => {
      const response = await forward();
      if (request.headers.has("range") || response.body === null) return response;
      // The whole comes to a halt after its first bytes.
      const reader = response.body.getReader();
      let sent = 0;
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (sent > MIB) await held.promise;
          const { done, value } = await reader.read();
          if (done || value === undefined) return controller.close();
          sent += value.length;
          controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason),
      });
      return new Response(body, response);
    };
    const whole = bench.ask(path);
    await waitFor("the transfer is under way", () => transfers(bench.world, layer).length === 1);
    const near = bench.ask(path, { headers: { range: "bytes=10-19" } });
    assertPart(await near, layer, 10, 19);
    const far = await bench.ask(path, { headers: { range: `bytes=${30 * MIB}-${30 * MIB + 9}` } });
    assertPart(far, layer, 30 * MIB, 30 * MIB + 9);
    assertEquals(far.headers.get("x-cache"), "BYPASS");
    const head = await bench.ask(path, { method: "HEAD" });
    assertEquals(head.headers.get("content-length"), String(layer.size));
    held.resolve();
    assertContent(await whole, layer);
    assertEquals(transfers(bench.world, layer).length, 1);
  },
});

Deno.test({
  name: "several parts of a cached blob are one body of parts, exact and in order",
  ignore: noWorld,
  async fn() {
    const { bench, layer } = await seeded("fill");
    await using _ = bench;
    const path = blobPath("public/lazy", layer);
    await bench.ask(path);
    await bench.settle();
    const answer = await bench.ask(path, {
      headers: { range: `bytes=100-109, 0-0, -3, ${layer.size}-` },
    });
    assertEquals([answer.status, answer.headers.get("x-cache")], [206, "HIT"]);
    assertEquals(Number(answer.headers.get("content-length")), answer.bytes.length);
    const type = answer.headers.get("content-type") ?? "";
    assertStringIncludes(type, "multipart/byteranges; boundary=");
    const text = new TextDecoder("latin1").decode(answer.bytes);
    const parts = text.split(`--${type.split("boundary=")[1]}`).slice(1, -1).map((part) => {
      const [head = "", data = ""] = part.slice(2, -2).split(/\r\n\r\n(.*)/s);
      return { range: /content-range: bytes (.*)/.exec(head)?.[1], data };
    });
    const bytes = new TextDecoder("latin1").decode(bytesOf(layer));
    const { size } = layer;
    assertEquals(parts, [
      { range: `100-109/${size}`, data: bytes.slice(100, 110) },
      { range: `0-0/${size}`, data: bytes.slice(0, 1) },
      { range: `${size - 3}-${size - 1}/${size}`, data: bytes.slice(-3) },
    ]);
    const overlapping = await bench.ask(path, { headers: { range: "bytes=0-9,5-20" } });
    assertContent(overlapping, layer);
  },
});

Deno.test({
  name: "If-Range of the digest keeps the part, of anything else it asks for all",
  ignore: noWorld,
  async fn() {
    const { bench, layer } = await seeded("fill");
    await using _ = bench;
    const path = blobPath("public/lazy", layer);
    const range = "bytes=-10";
    const same = { range, "if-range": `"${layer.digest}"` };
    const other = { range, "if-range": '"something else"' };
    for (const round of ["not cached", "cached"]) {
      const part = await bench.ask(path, { headers: same });
      assertPart(part, layer, layer.size - 10, layer.size - 1);
      assertContent(await bench.ask(path, { headers: other }), layer, round);
      await bench.settle();
    }
  },
});

Deno.test({
  name: "a part that is not there is 416, cached or not",
  ignore: noWorld,
  async fn() {
    const { bench, layer } = await seeded("pass");
    await using _ = bench;
    const path = blobPath("public/lazy", layer);
    const headers = { range: `bytes=${layer.size}-${layer.size + 9}` };
    assertEquals((await bench.ask(path, { headers })).status, 416);
    await bench.ask(path);
    await bench.settle();
    const cached = await bench.ask(path, { headers });
    assertEquals([cached.status, cached.headers.get("content-range")], [
      416,
      `bytes */${layer.size}`,
    ]);
  },
});
