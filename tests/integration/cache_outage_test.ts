/**
 * An upstream that is gone: what was public is served from the cache, what was private is not.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { startEntrepot } from "../support/entrepot.ts";
import type { Image } from "../support/image.ts";
import { sleep } from "../support/process.ts";
import { basic } from "../support/push.ts";
import { startRecorder } from "../support/recorder.ts";
import { ALICE } from "../support/token_server.ts";
import { startWorld } from "../support/world.ts";
import {
  assertContent,
  Bench,
  blobPath,
  errorMessage,
  layerOf,
  manifestPath,
  noWorld,
  upstreams,
} from "./pulling.ts";

/** The product with a public and a private image in its cache, whose upstream is gone. */
async function withOutage(
  env: Record<string, string>,
  check: (bench: Bench, images: { open: Image; closed: Image }, token: string) => Promise<void>,
): Promise<void> {
  await using world = await startWorld();
  await using outage = new AsyncDisposableStack();
  const front = outage.use(startRecorder({ target: world.hub.url }));
  await using product = await startEntrepot({
    env: { ...upstreams(world), UPSTREAM_DOCKER_URL: front.url, ...env },
  });
  const bench = new Bench(world, product);
  const images = { open: await world.seed("public/a"), closed: await world.seed("private/a") };
  const token = await bench.token(ALICE, "private/a");
  for (const [name, image] of [["public/a", images.open], ["private/a", images.closed]] as const) {
    const credential = name === "private/a" ? { token } : {};
    const paths = [manifestPath(name, "1"), manifestPath(name, image.top.digest)];
    for (const path of [...paths, ...image.blobs.map((blob) => blobPath(name, blob))]) {
      assertEquals((await bench.ask(path, credential)).status, 200);
    }
  }
  await bench.settle();
  // Refused from now on, as if the registry's machine were gone.
  await outage.disposeAsync();
  await check(bench, images, token);
}

async function assertServed(bench: Bench, image: Image): Promise<void> {
  for (const reference of ["1", image.top.digest]) {
    const answer = await bench.ask(manifestPath("public/a", reference));
    assertEquals([answer.status, answer.headers.get("x-cache")], [200, "HIT"], answer.text);
    assertContent(answer, image.top);
    assertEquals(
      (await bench.ask(manifestPath("public/a", reference), { method: "HEAD" })).status,
      200,
    );
  }
  for (const blob of image.blobs) {
    const answer = await bench.ask(blobPath("public/a", blob));
    assertEquals([answer.status, answer.headers.get("x-cache")], [200, "HIT"]);
    assertContent(answer, blob);
  }
}

Deno.test({
  name: "a public image is served while its upstream is gone, from the first start on",
  ignore: noWorld,
  async fn() {
    await withOutage({ CACHE_MANIFEST_TTL: "1s" }, async (bench, { open }) => {
      await assertServed(bench, open);
      await sleep(1100);
      await bench.product.restart();
      await assertServed(bench, open);
      const stale = await bench.ask(manifestPath("public/a", "1"));
      assertEquals(stale.headers.get("warning"), '110 - "Response is Stale"');
      assertMatch(stale.headers.get("age") ?? "", /^[1-9]\d*$/);
      const missing = await bench.ask(manifestPath("public/a", "other"));
      assertEquals(missing.status, 502);
      assertMatch(errorMessage(missing), /docker\.io.*connection refused/);
    });
  },
});

Deno.test({
  name: "engines that ask /v2/ first are let in while the upstream is gone",
  ignore: noWorld,
  async fn() {
    await withOutage({}, async (bench) => {
      for (const isRestarted of [false, true]) {
        if (isRestarted) await bench.product.restart();
        const ping = await bench.ask("/v2/");
        assertEquals(ping.status, 401);
        const realm = `Bearer realm="http://${bench.product.host}/v2/auth"`;
        assertStringIncludes(ping.headers.get("www-authenticate") ?? "", realm);
        const token = await bench.token(null, "public/a");
        assertEquals((await bench.ask(manifestPath("public/a", "1"), { token })).status, 200);
        // A password that nobody can check is not called right.
        const headers = { authorization: basic(ALICE) };
        if (isRestarted) assertEquals((await bench.ask("/v2/auth", { headers })).status, 502);
      }
    });
  },
});

Deno.test({
  name: "defect 2: a private image is not served while its upstream cannot say who may read it",
  ignore: noWorld,
  async fn() {
    await withOutage({}, async (bench, { closed }, token) => {
      await bench.product.restart();
      const paths = [
        manifestPath("private/a", "1"),
        manifestPath("private/a", closed.top.digest),
        blobPath("private/a", layerOf(closed)),
      ];
      for (const path of paths) {
        for (const credential of [{}, { token }]) {
          assertEquals((await bench.ask(path, credential)).status, 502, path);
        }
      }
    });
  },
});

Deno.test({
  name: "STALE_IF_ERROR bounds how long an upstream's word on a public image is believed",
  ignore: noWorld,
  async fn() {
    await withOutage({ STALE_IF_ERROR: "1s" }, async (bench) => {
      await sleep(1100);
      await bench.product.restart();
      assertEquals((await bench.ask(manifestPath("public/a", "1"))).status, 502);
    });
  },
});

Deno.test({
  name:
    "OFFLINE never asks an upstream: what is there is served, what is not is said to be missing",
  ignore: noWorld,
  async fn() {
    await using world = await startWorld();
    await using product = await startEntrepot({ env: upstreams(world) });
    const bench = new Bench(world, product);
    const image = await world.seed("public/a");
    const secret = await world.seed("private/a");
    const token = await bench.token(ALICE, "private/a");
    await bench.ask(manifestPath("private/a", "1"), { token });
    await bench.ask(manifestPath("public/a", "1"));
    for (const blob of image.blobs) await bench.ask(blobPath("public/a", blob));
    await bench.settle();
    await product.restart({ OFFLINE: "true", CACHE_MANIFEST_TTL: "1s", STALE_IF_ERROR: "1s" });
    await sleep(1100);
    world.clearRecords();
    await assertServed(bench, image);
    assertEquals((await bench.ask(manifestPath("private/a", "1"), { token })).status, 503);
    const missing = [
      manifestPath("public/a", "other"),
      blobPath("public/a", layerOf(secret)),
      "/v2/public/a/tags/list",
    ];
    for (const path of missing) {
      const answer = await bench.ask(path);
      assertEquals(answer.status, 503, path);
      assertMatch(errorMessage(answer), /OFFLINE/);
    }
    assertEquals((await bench.ask("/v2/")).status, 401);
    assertEquals(world.hubFront.requests, []);
    assertEquals(world.tokens.requests, []);
    assertEquals(world.s3.requests, []);
  },
});
