/**
 * Tags: how long one is believed, how a moved one is noticed, and what clients with narrow tastes
 * are given.
 */
import { assertEquals, assertGreaterOrEqual } from "../support/assert.ts";
import { tinyImage } from "../support/image.ts";
import { sleep } from "../support/process.ts";
import {
  assertContent,
  type Bench,
  errorCodes,
  manifestPath,
  noWorld,
  startBench,
} from "./pulling.ts";

const SHORT = { env: { CACHE_MANIFEST_TTL: "1s" } };
const TAG = manifestPath("public/a", "1");

/** The requests for manifests that reached the hub since the last time. */
function asked(bench: Bench): string[] {
  const methods = bench.world.hubFront.requests
    .filter(({ path, status }) => path.includes("/manifests/") && status !== 401)
    .map(({ method }) => method);
  bench.world.hubFront.clear();
  return methods;
}

Deno.test({
  name: "a tag is fresh for its time, then revalidated by one HEAD and no GET",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench(SHORT);
    await bench.world.seed("public/a");
    assertEquals((await bench.ask(TAG)).headers.get("x-cache"), "MISS");
    assertEquals(asked(bench), ["GET"]);
    assertEquals((await bench.ask(TAG)).headers.get("x-cache"), "HIT");
    assertEquals(asked(bench), []);
    await sleep(1100);
    const answers = await Promise.all([1, 2, 3, 4].map(() => bench.ask(TAG)));
    assertEquals(answers.map(({ headers }) => headers.get("x-cache")), Array(4).fill("HIT"));
    assertEquals(asked(bench), ["HEAD"]);
    assertEquals((await bench.ask(TAG)).headers.get("x-cache"), "HIT");
    assertEquals(asked(bench), []);
  },
});

Deno.test({
  name: "a tag that moved is seen when its time is over, by GET and by HEAD",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench(SHORT);
    const before = await bench.world.seed("public/a");
    assertContent(await bench.ask(TAG), before.top);
    const after = await bench.world.push("public/a", tinyImage("moved"));
    assertContent(await bench.ask(TAG), before.top);
    await sleep(1100);
    const head = await bench.ask(TAG, { method: "HEAD" });
    assertEquals(head.headers.get("docker-content-digest"), after.top.digest);
    const get = await bench.ask(TAG);
    assertContent(get, after.top);
    assertEquals(get.headers.get("docker-content-digest"), after.top.digest);
    // The old one stays what it is by its digest.
    const old = await bench.ask(manifestPath("public/a", before.top.digest));
    assertEquals([old.status, old.headers.get("x-cache")], [200, "HIT"]);
  },
});

Deno.test({
  name: "defect 6: a manifest by digest is asked for once, whatever the tags' time",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench(SHORT);
    const image = await bench.world.seed("public/a");
    const path = manifestPath("public/a", image.top.digest);
    await bench.ask(path);
    await sleep(1100);
    bench.world.hubFront.clear();
    assertEquals((await bench.ask(path)).headers.get("x-cache"), "HIT");
    assertEquals(asked(bench), []);
  },
});

Deno.test({
  name: "a tag that is gone upstream is gone here, and not served stale afterwards",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench(SHORT);
    await bench.world.seed("public/a");
    await bench.ask(TAG);
    await sleep(1100);
    bench.world.hubFront.intercept = () => new Response(null, { status: 404 });
    const gone = await bench.ask(TAG);
    assertEquals([gone.status, ...errorCodes(gone)], [404, "MANIFEST_UNKNOWN"]);
    bench.world.hubFront.intercept = () => new Response(null, { status: 503 });
    assertEquals((await bench.ask(TAG)).status, 503);
  },
});

Deno.test({
  name: "a tag is served stale, and said to be, when the upstream limits, fails or is not there",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench(SHORT);
    const image = await bench.world.seed("public/a");
    await bench.ask(TAG);
    await sleep(1100);
    const failures = [429, 500, 502, 503, 504];
    const headers = { "retry-after": "0" };
    for (const status of failures) {
      bench.world.hubFront.intercept = () => new Response(null, { status, headers });
      for (const method of ["GET", "HEAD"]) {
        const answer = await bench.ask(TAG, { method });
        assertEquals([answer.status, answer.headers.get("x-cache")], [200, "HIT"], `${status}`);
        assertEquals(answer.headers.get("docker-content-digest"), image.top.digest);
        assertEquals(answer.headers.get("warning"), '110 - "Response is Stale"');
        assertGreaterOrEqual(Number(answer.headers.get("age")), 1);
      }
    }
    bench.world.hubFront.intercept = undefined;
    const answer = await bench.ask(TAG);
    assertEquals([answer.status, answer.headers.get("warning")], [200, null]);
  },
});

const LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
const SINGLE = "application/vnd.docker.distribution.manifest.v2+json";

Deno.test({
  name: "defect 6: a client that knows no list gets what the upstream makes of it, others the list",
  ignore: noWorld,
  async fn() {
    for (const order of ["narrow first", "wide first"]) {
      await using bench = await startBench();
      const image = await bench.world.seed("public/d", tinyImage("d", "docker"));
      const path = manifestPath("public/d", "1");
      const amd64 = image.platforms[0]?.manifest.digest ?? "none";
      const wide = async () => {
        const answer = await bench.ask(path, { headers: { accept: `${LIST}, ${SINGLE}` } });
        assertEquals(answer.headers.get("content-type"), LIST, order);
        assertEquals(answer.headers.get("docker-content-digest"), image.top.digest);
      };
      const narrow = async () => {
        for (const method of ["GET", "HEAD"]) {
          const answer = await bench.ask(path, { method, headers: { accept: SINGLE } });
          assertEquals([answer.status, answer.headers.get("content-type")], [200, SINGLE], order);
          assertEquals(answer.headers.get("docker-content-digest"), amd64);
        }
      };
      const steps = order === "wide first" ? [wide, narrow] : [narrow, wide];
      for (const step of [...steps, ...steps]) await step();
      // By digest there is nothing to choose.
      const byDigest = await bench.ask(manifestPath("public/d", image.top.digest), {
        headers: { accept: SINGLE },
      });
      assertEquals([byDigest.status, byDigest.headers.get("content-type")], [200, LIST]);
    }
  },
});

Deno.test({
  name: "defect 6: a 404 that came of a narrow Accept is not kept for others",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    for (const round of [1, 2]) {
      const narrow = await bench.ask(TAG, { headers: { accept: SINGLE } });
      assertEquals([narrow.status, ...errorCodes(narrow)], [404, "MANIFEST_UNKNOWN"]);
      const wide = await bench.ask(TAG);
      assertEquals(wide.headers.get("docker-content-digest"), image.top.digest, `${round}`);
      assertEquals((await bench.ask(TAG)).headers.get("x-cache"), "HIT");
    }
    // What is there is known although the first to ask could not take it.
    const path = manifestPath("public/a", image.top.digest);
    const head = await bench.ask(path, { method: "HEAD", headers: { accept: "" } });
    assertEquals([head.status, head.headers.get("content-type")], [200, image.top.mediaType]);
  },
});
