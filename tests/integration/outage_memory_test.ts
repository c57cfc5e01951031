/**
 * An upstream that answers nobody: only the first request waits for the time-out. What was there is
 * served stale without asking again, and an end of the outage is noticed at once.
 */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { tinyImage } from "../support/image.ts";
import { cutAfter, type Recorder } from "../support/recorder.ts";
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

Deno.test({
  name: "an answer that stalls or breaks is a failure: what is stale is served, nothing is held",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      env: { UPSTREAM_IDLE_TIMEOUT: "1s", CACHE_MANIFEST_TTL: "0" },
    });
    const { hubFront } = bench.world;
    const image = await bench.world.seed("public/a");
    const tag = manifestPath("public/a", "1");
    assertEquals((await bench.ask(tag)).status, 200);
    await bench.settle();
    const moved = await bench.world.push("public/a", tinyImage("moved"));
    const faults = {
      stalls: (response: Response) => {
        const reader = response.body?.getReader();
        const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
          async pull(controller) {
            const part = await reader?.read();
            if (part?.value !== undefined) controller.enqueue(part.value.subarray(0, 100));
            await new Promise<void>((resolve) => setTimeout(resolve, 3_000));
          },
          cancel: () => reader?.cancel(),
        }, { highWaterMark: 0 });
        return new Response(body, response);
      },
      breaks: (response: Response) => cutAfter(response, 100),
    };
    for (const [name, fault] of Object.entries(faults)) {
      hubFront.intercept = async (request, forward) => {
        const response = await forward();
        const isManifest = request.method === "GET" && request.url.includes("/manifests/");
        return isManifest && response.ok ? fault(response) : response;
      };
      const stale = await bench.ask(tag);
      assertContent(stale, image.top, name);
      assertEquals(stale.headers.get("warning"), '110 - "Response is Stale"', name);
      const missing = await bench.ask(manifestPath("public/a", moved.top.digest));
      assertEquals(missing.status, name === "stalls" ? 504 : 502, name);
      assertStringIncludes(errorMessage(missing), "docker.io");
      await waitFor("no connection is held", async () => {
        const stats: { connections: unknown[] } = JSON.parse((await bench.ask("/stats")).text);
        return stats.connections.length === 0;
      });
    }
    hubFront.intercept = undefined;
    assertContent(await bench.ask(tag), moved.top);
  },
});
