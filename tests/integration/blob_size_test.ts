/**
 * HEAD of a blob. A signed URL is signed for one method, so the size has to be found in other ways
 * than by asking the storage with HEAD.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { buildArtifact, noiseImage } from "../support/image.ts";
import { contentOf, streamOf } from "../support/layer.ts";
import type { World } from "../support/world.ts";
import { blobPath, layerOf, manifestPath, noWorld, startBench } from "./pulling.ts";

/** Makes the hub answer HEAD of a blob with a URL that is signed for GET, as Docker Hub does. */
function signForGetOnly({ hub, hubFront }: World): void {
  hubFront.intercept = async (request, forward) => {
    const { pathname } = new URL(request.url);
    if (request.method !== "HEAD" || !pathname.includes("/blobs/")) return await forward();
    const headers = new Headers(request.headers);
    headers.delete("host");
    return await fetch(hub.url + pathname, { headers, redirect: "manual" });
  };
}

Deno.test({
  name: "HEAD of a blob gives its size though the registry's URLs are signed for GET only",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    signForGetOnly(bench.world);
    bench.world.clearRecords();
    for (const blob of image.blobs) {
      const head = await bench.ask(blobPath("public/a", blob), { method: "HEAD" });
      assertEquals([head.status, head.bytes.length], [200, 0]);
      assertEquals(head.headers.get("content-length"), String(blob.size));
      assertEquals(head.headers.get("docker-content-digest"), blob.digest);
      assertEquals(head.headers.get("content-type"), "application/octet-stream");
      assertEquals(head.headers.get("x-cache"), "MISS");
    }
    const presigned = bench.world.s3.requests.filter(({ isPresigned }) => isPresigned);
    assert(presigned.every(({ method, range }) => method === "GET" && range === "bytes=0-0"));
    assertEquals(presigned.every(({ status, bytes }) => status === 206 && bytes <= 1), true);
  },
});

Deno.test({
  name: "defect 13: HEAD of a large blob moves no more than a byte, signed for whichever method",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const layer = layerOf(await bench.world.seed("public/big", noiseImage("big", [8 << 20])), 1);
    bench.world.clearRecords();
    const head = await bench.ask(blobPath("public/big", layer), { method: "HEAD" });
    assertEquals(head.headers.get("content-length"), String(layer.size));
    const bytes = bench.world.s3.requests.filter(({ isPresigned }) => isPresigned)
      .reduce((sum, request) => sum + request.bytes, 0);
    assert(bytes <= 1024, `${bytes} bytes`);
  },
});

Deno.test({
  name: "a storage that ignores Range gives the size as well, and its bytes are not read",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const layer = layerOf(await bench.world.seed("public/big", noiseImage("big", [8 << 20])), 1);
    signForGetOnly(bench.world);
    bench.world.clearRecords();
    bench.world.s3.intercept = async (request, serve) => {
      if (!request.url.includes("X-Amz-Signature")) return undefined;
      const response = await serve();
      if (response.status !== 206) return response;
      await response.body?.cancel();
      const length = String(layer.size);
      return new Response(streamOf(layer), { headers: { "content-length": length } });
    };
    const head = await bench.ask(blobPath("public/big", layer), { method: "HEAD" });
    assertEquals(head.headers.get("content-length"), String(layer.size));
    assert(bench.world.s3.requests.every(({ bytes }) => bytes < layer.size));
  },
});

Deno.test({
  name: "a registry that answers HEAD of blobs badly is asked by GET",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    const answers = [
      () => new Response(null, { status: 401 }),
      () => new Response(null, { status: 403 }),
      () => new Response(null, { status: 405 }),
      // Without a length.
      () => new Response(new ReadableStream({ start: (controller) => controller.close() })),
    ];
    for (const [index, answer] of answers.entries()) {
      const blob = image.blobs[index];
      assert(blob !== undefined);
      bench.world.hubFront.intercept = ({ method, url }) =>
        method === "HEAD" && url.includes("/blobs/") ? answer() : undefined;
      const head = await bench.ask(blobPath("public/a", blob), { method: "HEAD" });
      assertEquals([head.status, head.headers.get("content-length")], [200, String(blob.size)]);
    }
  },
});

Deno.test({
  name: "a blob of no bytes is served, by HEAD, GET and range, from upstream and from the cache",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const empty = contentOf("application/octet-stream", new Uint8Array());
    const artifactType = "application/vnd.test.note";
    const artifact = buildArtifact({ name: "note", artifactType, layers: [empty] });
    await bench.world.seed("public/note", artifact);
    const path = blobPath("public/note", empty);
    for (const cache of ["MISS", "HIT"]) {
      const head = await bench.ask(path, { method: "HEAD" });
      assertEquals([head.status, head.headers.get("content-length")], [200, "0"]);
      const get = await bench.ask(path);
      assertEquals([get.status, get.bytes.length], [200, 0]);
      assertEquals(get.headers.get("x-cache"), cache);
      await bench.settle();
      const ranged = await bench.ask(path, { headers: { range: "bytes=0-" } });
      assertEquals([ranged.status, ranged.bytes.length], [200, 0]);
    }
    const small = await bench.ask(blobPath("public/note", artifact.blobs[1] ?? empty));
    assertEquals(small.text, "{}");
    assertEquals((await bench.ask(manifestPath("public/note", "1"))).status, 200);
  },
});

Deno.test({
  name: "a blob that does not exist is 404 by HEAD without a body, and by GET with a code",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await bench.world.seed("public/a");
    const path = blobPath("public/a", { digest: `sha256:${"0".repeat(64)}` });
    const head = await bench.ask(path, { method: "HEAD" });
    assertEquals([head.status, head.bytes.length], [404, 0]);
    const get = await bench.ask(path);
    assertEquals([get.status, JSON.parse(get.text).errors[0].code], [404, "BLOB_UNKNOWN"]);
  },
});
