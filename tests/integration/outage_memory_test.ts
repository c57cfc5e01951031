/**
 * An upstream that answers nobody: only the first request waits for the time-out. What was there is
 * served stale without asking again, and an end of the outage is noticed at once.
 */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import type { Recorder } from "../support/recorder.ts";
import { waitFor } from "../support/process.ts";
import {
  assertContent,
  type Bench,
  blobPath,
  errorMessage,
  layerOf,
  manifestPath,
  noWorld,
  startBench,
} from "./pulling.ts";

/** Keeps every request waiting until it is opened. */
function hold(front: Recorder): () => void {
  const opened = Promise.withResolvers<void>();
  front.intercept = async () => {
    await opened.promise;
    return undefined;
  };
  return opened.resolve;
}

async function statesOf(bench: Bench): Promise<Record<string, string>> {
  const stats: { upstreams: { host: string; state: string }[] } = JSON.parse(
    (await bench.ask("/stats")).text,
  );
  return Object.fromEntries(stats.upstreams.map(({ host, state }) => [host, state]));
}

Deno.test({
  name: "while an upstream answers nobody, one request waits and the others have what is stale",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      env: { UPSTREAM_HEADERS_TIMEOUT: "2s", CACHE_MANIFEST_TTL: "0" },
    });
    const { hubFront } = bench.world;
    const image = await bench.world.seed("public/a");
    const layer = layerOf(image);
    const tag = manifestPath("public/a", "1");
    assertEquals((await bench.ask(tag)).status, 200);
    assertEquals((await bench.ask(blobPath("public/a", layer))).status, 200);
    await bench.settle();
    bench.world.clearRecords();

    const open = hold(hubFront);
    for (let i = 0; i < 6; i++) {
      const stale = await bench.ask(tag);
      assertContent(stale, image.top);
      assertEquals(stale.headers.get("warning"), '110 - "Response is Stale"');
      assertContent(await bench.ask(blobPath("public/a", layer)), layer);
      const missing = await bench.ask(manifestPath("public/a", "other"));
      assertEquals(missing.status, 504);
      assertStringIncludes(
        errorMessage(missing),
        "did not answer within 2 s; it is asked again in",
      );
      assert(Number(missing.headers.get("retry-after")) > 0);
    }
    // The request that waited for its time-out, and the proxy's own question.
    const asked = hubFront.requests.map(({ method, path }) => `${method} ${path}`);
    assertEquals(asked, [`HEAD ${tag}`, "HEAD /v2/"]);
    assertEquals((await statesOf(bench))[hubFront.host], "resting");

    open();
    hubFront.intercept = undefined;
    await waitFor("the upstream is asked again", async () => {
      const answer = await bench.ask(tag);
      return answer.status === 200 && answer.headers.get("warning") === null;
    }, 60_000);
    assertEquals((await statesOf(bench))[hubFront.host], "up");
  },
});
