/**
 * Blobs on signed storage: the product streams them, or sends the engine to the storage. Either way
 * the storage sees a clean request, though the engine is logged in and has a secret to lose.
 */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startDockerd } from "../support/dockerd.ts";
import { ALICE } from "../support/token_server.ts";
import {
  assertDockerHas,
  assertSuccess,
  blobDigests,
  layeredImage,
  noWorld,
  requestLines,
  type Stage,
  startStage,
} from "./stage.ts";

const MIB = 1 << 20;
/** Another host than the registry's: engines keep credentials on redirects to the same one. */
const STORAGE = "127.0.0.2";

const MODES = [
  { mode: "stream", userAgent: /^entrepot\//, cache: "MISS" },
  { mode: "pass", userAgent: /^docker\//, cache: "BYPASS" },
];

/** Checks what the storage was asked for one pull of the image. */
function assertCleanReads(stage: Stage, digests: string[], userAgent: RegExp): void {
  assertEquals(stage.blobsRead(), digests);
  for (const request of stage.storageReads()) {
    assertEquals(request.status, 200);
    assertEquals(request.hasAuthorization, false);
    assert(!request.headerNames.includes("cookie"));
    assertMatch(request.userAgent, userAgent);
  }
}

for (const { mode, userAgent, cache } of MODES) {
  Deno.test({
    name: `redirects in mode ${mode}: the storage gets signed requests without Authorization`,
    ignore: noWorld || !has("dockerd"),
    async fn() {
      await using stage = await startStage({
        env: { REDIRECT_MODE: mode, PRIVATE_TARGETS: STORAGE },
        world: { s3: { hostname: STORAGE } },
      });
      const { world, proxy } = stage;
      const image = layeredImage("redirected", [20 * MIB, 1000]);
      await world.push("library/redirected", image);
      await world.push("alice/redirected", image);
      await using docker = await startDockerd({ mirrors: [proxy.url] });

      await docker.pull("redirected:1");
      await assertDockerHas(docker, "redirected:1", image);
      assertCleanReads(stage, blobDigests(image), userAgent);
      const lines = await requestLines(proxy, 8);
      const blobs = lines.filter(({ route }) => route === "blob");
      assertEquals(new Set(blobs.map((line) => line["cache"])), new Set([cache]));

      await docker.removeImages();
      world.clearRecords();
      const { username, password } = ALICE;
      assertSuccess(await docker.docker("login", "-u", username, "-p", password, proxy.host));
      const name = `${proxy.host}/alice/redirected:1`;
      await docker.pull(name);
      await assertDockerHas(docker, name, image);
      // What is streamed is kept, and its bytes are not read again for a second repository.
      const again = mode === "pass" ? blobDigests(image) : [];
      const whole = stage.storageReads().filter(({ range }) => range === null);
      assertEquals(whole.map(({ digest }) => digest ?? "").sort(), again);
      for (const request of stage.storageReads()) assertEquals(request.hasAuthorization, false);
    },
  });
}

Deno.test({
  name:
    "redirects in mode pass are handed over as they are, and said to be no business of the cache",
  ignore: noWorld,
  async fn() {
    await using stage = await startStage({ env: { REDIRECT_MODE: "pass" } });
    const { world, proxy } = stage;
    const image = await world.seed("library/passed");
    for (const digest of blobDigests(image)) {
      const url = `${proxy.url}/v2/library/passed/blobs/${digest}`;
      const response = await fetch(url, { redirect: "manual" });
      await response.body?.cancel();
      assertEquals(response.status, 307);
      assertEquals(response.headers.get("x-cache"), "BYPASS");
      const location = new URL(response.headers.get("location") ?? "");
      assertEquals(location.host, world.s3.host);
      assert(location.searchParams.has("X-Amz-Signature"));
    }
    assertEquals(stage.blobsRead(), []);
    const redirects = world.hubFront.requests.filter(({ status }) => status === 307);
    assertEquals(redirects.length, blobDigests(image).length);
  },
});
