/** How tags' ages can be set, and what is remembered of manifests that are not there. */
import { assertEquals } from "../support/assert.ts";
import { tinyImage } from "../support/image.ts";
import { sleep, waitFor } from "../support/process.ts";
import { ALICE } from "../support/token_server.ts";
import { assertContent, type Bench, manifestPath, noWorld, startBench } from "./pulling.ts";

/** The requests for manifests that reached the hub since the last time. */
function asked(bench: Bench): string[] {
  const methods = bench.world.hubFront.requests
    .filter(({ path, status }) => path.includes("/manifests/") && status !== 401)
    .map(({ method, path }) => `${method} ${path.split("/").at(-1)}`);
  bench.world.hubFront.clear();
  return methods;
}

Deno.test({
  name: "each tag is fresh for the time of its pattern, by an upstream's own rules first",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      env: {
        CACHE_MANIFEST_TTL: "1d",
        TAG_TTL: "moving=1s,*-rc*=1s",
        UPSTREAM_DOCKER_TAG_TTL: "2-rc*=1h",
        PREFETCH: "false",
      },
    });
    const tags = ["moving", "1-rc1", "2-rc1", "stable"];
    for (const tag of tags) {
      await bench.world.push("public/a", tinyImage(tag), tag);
      await bench.ask(manifestPath("public/a", tag));
    }
    asked(bench);
    await sleep(1100);
    for (const tag of tags) await bench.ask(manifestPath("public/a", tag));
    assertEquals(asked(bench), ["HEAD moving", "HEAD 1-rc1"]);
  },
});

Deno.test({
  name: "within STALE_WHILE_REVALIDATE a tag is served at once, and what moved is there next time",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      env: { CACHE_MANIFEST_TTL: "1s", STALE_WHILE_REVALIDATE: "1h", PREFETCH: "false" },
    });
    const before = await bench.world.seed("public/a");
    const path = manifestPath("public/a", "1");
    await bench.ask(path);
    const after = await bench.world.push("public/a", tinyImage("moved"));
    await sleep(1100);
    asked(bench);
    const held = Promise.withResolvers<void>();
    bench.world.hubFront.intercept = async (_request, forward) => {
      await held.promise;
      return await forward();
    };
    // Nobody waits for the upstream, which does not answer yet.
    const answers = await Promise.all(Array.from({ length: 20 }, () => bench.ask(path)));
    for (const answer of answers) {
      assertContent(answer, before.top);
      assertEquals(answer.headers.get("x-cache"), "HIT");
    }
    held.resolve();
    await waitFor("the new one is here", async () => {
      const { headers } = await bench.ask(path);
      return headers.get("docker-content-digest") === after.top.digest;
    });
    assertEquals(asked(bench), ["HEAD 1", "GET 1"]);
  },
});

Deno.test({
  name: "a manifest that is not there is asked for once in NEGATIVE_TTL, by each caller",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { NEGATIVE_TTL: "1s" } });
    await bench.world.seed("public/a");
    const path = manifestPath("public/a", "later");
    for (let i = 0; i < 3; i++) assertEquals((await bench.ask(path)).status, 404);
    assertEquals(asked(bench), ["GET later"]);
    const token = await bench.token(ALICE, "public/a");
    for (let i = 0; i < 2; i++) assertEquals((await bench.ask(path, { token })).status, 404);
    assertEquals(asked(bench), ["GET later"]);
    const image = await bench.world.push("public/a", tinyImage("later"), "later");
    await sleep(1100);
    assertContent(await bench.ask(path), image.top);
  },
});
