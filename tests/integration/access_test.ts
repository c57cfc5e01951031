/**
 * Who may read what is cached. Everything here is in the cache already when it is refused.
 */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { noiseImage, tinyImage } from "../support/image.ts";
import { bytesOf } from "../support/layer.ts";
import { ALICE, BOB } from "../support/token_server.ts";
import {
  type Bench,
  blobPath,
  errorCodes,
  gate,
  layerOf,
  manifestPath,
  noWorld,
  onBlobRead,
  startBench,
  transfers,
} from "./pulling.ts";

/** Every way to ask for an image: its tag, its digest, its blobs. */
function pathsOf(
  repository: string,
  image: { top: { digest: string }; blobs: { digest: string }[] },
): string[] {
  return [
    manifestPath(repository, "1"),
    manifestPath(repository, image.top.digest),
    ...image.blobs.map((blob) => blobPath(repository, blob)),
  ];
}

async function assertRefused(bench: Bench, path: string, token: string | null): Promise<void> {
  for (const method of ["GET", "HEAD"]) {
    const answer = await bench.ask(path, { method, ...(token === null ? {} : { token }) });
    const what = `${method} ${path}`;
    assertEquals(answer.status, 401, what);
    assertEquals(answer.headers.get("x-cache"), null, what);
    assertStringIncludes(answer.headers.get("www-authenticate") ?? "", "Bearer realm=", what);
    assertEquals(answer.headers.get("docker-content-digest"), null, what);
    if (method === "HEAD") assertEquals(answer.bytes.length, 0);
    else assertEquals(errorCodes(answer), ["UNAUTHORIZED"], what);
  }
}

Deno.test({
  name: "defect 2: a cached private image is a hit for its owner and refused to everybody else",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("secret/a");
    const own = await bench.token(ALICE, "secret/a");
    for (const path of pathsOf("secret/a", image)) {
      const answer = await bench.ask(path, { token: own });
      assertEquals([answer.status, answer.headers.get("x-cache")], [
        200,
        path.endsWith(image.top.digest) ? "HIT" : "MISS",
      ]);
    }
    const bob = await bench.token(BOB, "secret/a");
    const nobody = await bench.token(null, "secret/a");
    for (const path of pathsOf("secret/a", image)) {
      for (const token of [null, nobody, bob, "forged.token.x"]) {
        await assertRefused(bench, path, token);
      }
      const answer = await bench.ask(path, { token: own });
      assertEquals([answer.status, answer.headers.get("x-cache")], [200, "HIT"]);
    }
    // A later login of the same user is a new token, and proves itself.
    const later = await bench.token(ALICE, "secret/a");
    const answer = await bench.ask(manifestPath("secret/a", "1"), { token: later });
    assertEquals([answer.status, answer.headers.get("x-cache")], [200, "HIT"]);
  },
});

Deno.test({
  name: "defect 2: a digest alone opens nothing, neither through a public repository's name",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const secret = await bench.world.seed("secret/a");
    await bench.world.seed("public/a");
    const token = await bench.token(ALICE, "secret/a");
    for (const path of pathsOf("secret/a", secret)) await bench.ask(path, { token });
    await bench.ask(manifestPath("public/a", "1"));

    const layer = layerOf(secret);
    for (const method of ["GET", "HEAD"]) {
      for (const credential of [{}, { token: await bench.token(ALICE, "public/a") }]) {
        const blob = await bench.ask(blobPath("public/a", layer), { method, ...credential });
        assertEquals(blob.status, 404);
        assertEquals(blob.headers.get("content-length") === String(layer.size), false);
        const path = manifestPath("public/a", secret.top.digest);
        assertEquals((await bench.ask(path, { method, ...credential })).status, 404);
      }
    }
  },
});

Deno.test({
  name: "a layer that two repositories share is stored once and opens by each one's own rights",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = tinyImage("shared");
    await bench.world.seed("secret/b", image);
    await bench.world.seed("public/b", image);
    const token = await bench.token(ALICE, "secret/b");
    for (const path of pathsOf("secret/b", image)) {
      assertEquals((await bench.ask(path, { token })).status, 200);
    }
    for (const blob of image.blobs) {
      const answer = await bench.ask(blobPath("public/b", blob));
      assertEquals([answer.status, answer.bytes.length], [200, blob.size]);
      assertEquals(answer.headers.get("x-cache"), "HIT");
      await assertRefused(bench, blobPath("secret/b", blob), null);
    }
    assertEquals(transfers(bench.world).length, image.blobs.length);
  },
});

Deno.test({
  name: "defect 2: who follows a transfer under way needs the right to read as well",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("secret/big", noiseImage("big", [1 << 20]));
    const layer = layerOf(image, 1);
    const held = gate(bytesOf(layer), 512 << 10);
    onBlobRead(bench.world, layer, () =>
      new Response(held.body, {
        headers: { "content-length": String(layer.size) },
      }));
    const path = blobPath("secret/big", layer);
    const alice = await bench.open(path, { token: await bench.token(ALICE, "secret/big") });
    assertEquals(alice.status, 200);

    await assertRefused(bench, path, null);
    await assertRefused(bench, path, await bench.token(BOB, "secret/big"));
    const again = await bench.open(path, { token: await bench.token(ALICE, "secret/big") });
    assertEquals(again.status, 200);
    held.open();
    assertEquals((await alice.bytes()).length, layer.size);
    assertEquals((await again.bytes()).length, layer.size);
    assertEquals(transfers(bench.world, layer).length, 1);
  },
});

Deno.test({
  name: "defect 3: a refused first caller leaves no harm to those who asked at the same time",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("secret/a");
    const token = await bench.token(ALICE, "secret/a");
    for (const path of pathsOf("secret/a", image)) {
      const answers = await Promise.all([
        bench.ask(path),
        bench.ask(path, { token }),
        bench.ask(path),
        bench.ask(path, { token }),
      ]);
      assertEquals(answers.map(({ status }) => status), [401, 200, 401, 200], path);
    }
  },
});

Deno.test({
  name: "a refusal of the registry is passed on with its own meaning, also for what is cached",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("secret/a");
    const token = await bench.token(ALICE, "secret/a");
    for (const path of pathsOf("secret/a", image)) await bench.ask(path, { token });
    for (const [status, code] of [[403, "DENIED"], [401, "UNAUTHORIZED"]] as const) {
      // A new process has no proofs: what it remembers is only that the content is there.
      await bench.product.restart();
      bench.world.hubFront.intercept = () => new Response(null, { status });
      for (const path of pathsOf("secret/a", image)) {
        const answer = await bench.ask(path, { token });
        assertEquals(answer.status, status, path);
        assertEquals(errorCodes(answer), [code]);
      }
    }
    bench.world.hubFront.intercept = undefined;
    const answer = await bench.ask(manifestPath("secret/a", "1"), { token });
    assertEquals([answer.status, answer.headers.get("x-cache")], [200, "HIT"]);
  },
});

Deno.test({
  name: "a repository that became private is not served stale as the public one that it was",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    for (const path of pathsOf("public/a", image)) {
      assertEquals((await bench.ask(path)).status, 200);
    }
    await bench.product.restart();
    bench.world.hubFront.intercept = () => new Response(null, { status: 401 });
    assertEquals((await bench.ask(manifestPath("public/a", image.top.digest))).status, 401);
    bench.world.hubFront.intercept = () => new Response(null, { status: 503 });
    for (const path of pathsOf("public/a", image)) {
      const answer = await bench.ask(path);
      assert(answer.status === 503 || answer.status === 502, `${answer.status} ${path}`);
    }
  },
});
