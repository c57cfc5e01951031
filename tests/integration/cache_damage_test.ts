/** A cache whose files somebody or something has changed: nothing wrong is served, and it heals. */
import { join } from "node:path";
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { runEntrepot } from "../support/entrepot.ts";
import { type Image, noiseImage } from "../support/image.ts";
import type { Content } from "../support/layer.ts";
import { startSkopeo } from "../support/skopeo.ts";
import { ALICE } from "../support/token_server.ts";
import {
  assertContent,
  type Bench,
  blobPath,
  layerOf,
  manifestPath,
  noWorld,
  readUntilBroken,
  startBench,
} from "./pulling.ts";

const MIB = 1 << 20;

function fileOf(bench: Bench, { digest }: { digest: string }): string {
  return join(bench.product.cacheDir, "blobs", "sha256", digest.slice("sha256:".length));
}

/** Changes one bit in the middle of what lies on the disk. */
async function flipBit(bench: Bench, content: Content): Promise<void> {
  const path = fileOf(bench, content);
  const bytes = await Deno.readFile(path);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await Deno.writeFile(path, bytes);
}

/** Pulls everything of an image, as an engine for each platform would. */
async function pullAll(bench: Bench, name: string, image: Image, token?: string): Promise<void> {
  const credential = token === undefined ? {} : { token };
  const paths = [
    manifestPath(name, "1"),
    ...image.manifests.map(({ digest }) => manifestPath(name, digest)),
    ...image.blobs.map((blob) => blobPath(name, blob)),
  ];
  for (const path of paths) {
    const answer = await bench.ask(path, credential);
    assertEquals(answer.status, 200, `${path} ${answer.text.slice(0, 200)}`);
  }
  await bench.settle();
}

Deno.test({
  name: "verify finds a changed bit and a lost file, and what it removes is fetched again",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a", noiseImage("a", [MIB, MIB, 2000]));
    await pullAll(bench, "public/a", image);
    const env = { CACHE_DIR: bench.product.cacheDir };
    const fine = await runEntrepot(["verify"], { env });
    assertEquals(fine.code, 0, fine.stdout);
    assertStringIncludes(fine.stdout, ", 0 faults\n");

    const [changed, lost] = [layerOf(image, 0), layerOf(image, 1)];
    await flipBit(bench, changed);
    await Deno.remove(fileOf(bench, lost));
    const found = await runEntrepot(["verify", "--json"], { env });
    assertEquals(found.code, 1);
    const { faults }: { faults: { kind: string; digest: string }[] } = JSON.parse(found.stdout);
    assertEquals(faults.map(({ kind, digest }) => `${kind} ${digest}`), [
      `wrong ${changed.digest}`,
      `missing ${lost.digest}`,
    ]);

    assertEquals((await runEntrepot(["verify", "--repair"], { env })).code, 1);
    for (const layer of [changed, lost]) {
      const healed = await bench.ask(blobPath("public/a", layer));
      assertEquals(healed.headers.get("x-cache"), "MISS");
      assertContent(healed, layer);
    }
    await bench.settle();
    assertEquals((await runEntrepot(["verify"], { env })).code, 0);
  },
});

Deno.test({
  name: "with VERIFY_READS nobody receives a complete copy of what the disk has changed",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { VERIFY_READS: "1", PREFETCH: "false" } });
    const image = await bench.world.seed("public/a", noiseImage("a", [4 * MIB]));
    await pullAll(bench, "public/a", image);
    const layer = layerOf(image, 0);
    const path = blobPath("public/a", layer);
    assertContent(await bench.ask(path), layer);

    await flipBit(bench, layer);
    const { isBroken, received } = await readUntilBroken(await bench.open(path));
    assert(isBroken && received < layer.size, `${received} of ${layer.size} bytes`);
    const healed = await bench.ask(path);
    assertEquals(healed.headers.get("x-cache"), "MISS");
    assertContent(healed, layer);

    const [manifest] = image.manifests;
    assert(manifest !== undefined);
    await flipBit(bench, manifest);
    const again = await bench.ask(manifestPath("public/a", manifest.digest));
    assertEquals(again.headers.get("x-cache"), "MISS");
    assertContent(again, manifest);
  },
});

Deno.test({
  name: "a file of another length than what was stored is never served",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a", noiseImage("a", [MIB]));
    await pullAll(bench, "public/a", image);
    const layer = layerOf(image, 0);
    await Deno.truncate(fileOf(bench, layer), layer.size - 1);
    const healed = await bench.ask(blobPath("public/a", layer));
    assertEquals(healed.headers.get("x-cache"), "MISS");
    assertContent(healed, layer);
  },
});

Deno.test({
  name: "an index that is lost or corrupt is made anew with tags and links, and opens no more",
  ignore: noWorld,
  async fn(t) {
    await using bench = await startBench();
    const { world, product } = bench;
    const image = await world.seed("public/a");
    const secret = await world.seed("private/a");
    const token = await bench.token(ALICE, "private/a");
    await pullAll(bench, "public/a", image);
    await pullAll(bench, "private/a", secret, token);

    const damages = {
      lost: (path: string) => Deno.remove(path),
      corrupt: (path: string) => Deno.writeTextFile(path, "this is no database".repeat(500)),
    };
    for (const [kind, damage] of Object.entries(damages)) {
      await t.step(kind, async () => {
        await product.stop();
        await damage(join(product.cacheDir, "index.sqlite"));
        if (kind === "lost") {
          const env = { CACHE_DIR: product.cacheDir };
          assertEquals((await runEntrepot(["verify"], { env })).code, 0);
        }
        await product.restart();
        world.hubFront.intercept = () => new Response(null, { status: 503 });
        for (const path of [manifestPath("public/a", "1"), blobPath("public/a", layerOf(image))]) {
          const answer = await bench.ask(path);
          assertEquals([answer.status, answer.headers.get("x-cache")], [200, "HIT"], answer.text);
        }
        const closed = [manifestPath("private/a", "1"), blobPath("private/a", layerOf(secret))];
        for (const path of closed) assertEquals((await bench.ask(path)).status, 503);
        const across = await bench.ask(blobPath("public/a", layerOf(secret)));
        assertEquals(across.status, 503, "no link that was never there is made");
        world.hubFront.intercept = undefined;
        world.clearRecords();
        await pullAll(bench, "private/a", secret, await bench.token(ALICE, "private/a"));
        assertEquals(world.s3.blobReads().filter(({ isPresigned }) => isPresigned), []);
      });
    }
  },
});

Deno.test({
  name: "the cache's folder is an image layout that other tools read",
  ignore: noWorld || !has("skopeo"),
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    await pullAll(bench, "public/a", image);
    await bench.product.stop();
    await using skopeo = await startSkopeo();
    const { host } = new URL(bench.world.hubFront.url);
    const source = `oci:${bench.product.cacheDir}:${host}/public/a:1`;
    const target = skopeo.path("copy");
    const copied = await skopeo.skopeo(
      ...["copy", "-q", "--all", "--preserve-digests", source, `oci:${target}:1`],
    );
    assertEquals(copied.code, 0, copied.stderr);
    assertStringIncludes(await Deno.readTextFile(join(target, "index.json")), image.top.digest);
  },
});

Deno.test({
  name: "what was not used for CACHE_BLOB_TTL is removed",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    await pullAll(bench, "public/a", image);
    const layer = layerOf(image);
    await bench.product.restart({ CACHE_BLOB_TTL: "1h" });
    assertEquals((await bench.ask(blobPath("public/a", layer))).headers.get("x-cache"), "HIT");
    await bench.product.restart({ CACHE_BLOB_TTL: "0" });
    assertEquals((await bench.ask(blobPath("public/a", layer))).headers.get("x-cache"), "MISS");
  },
});
