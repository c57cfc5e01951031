/** Metrics are what clients and upstreams counted themselves. */
import { assert, assertEquals, assertLess, assertStringIncludes } from "../support/assert.ts";
import { openSqliteIndex } from "../../lib/cache/sqlite_index.ts";
import { createMetrics } from "../../lib/metrics/metrics.ts";
import { parseDigest } from "../../lib/reference.ts";
import { noiseImage } from "../support/image.ts";
import { say } from "../chaos/chance.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { waitFor } from "../support/process.ts";
import { ALICE } from "../support/token_server.ts";
import {
  ask,
  type Bench,
  blobPath,
  layerOf,
  manifestPath,
  noWorld,
  startBench,
} from "./pulling.ts";

/** The samples of a metric by their labels, as they are written. */
async function samples(bench: Bench, name: string): Promise<Map<string, number>> {
  const { text } = await bench.ask("/metrics");
  const lines = text.split("\n").filter((line) =>
    line.startsWith(`${name}{`) || line.startsWith(`${name} `)
  );
  return new Map(lines.map((line) => {
    const [, labels = "", value] = /^[a-z_]+(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    return [labels, Number(value)];
  }));
}

async function sum(bench: Bench, name: string, labels = ""): Promise<number> {
  let total = 0;
  for (const [key, value] of await samples(bench, name)) if (key.includes(labels)) total += value;
  return total;
}

Deno.test({
  name: "counters equal what the client and the upstream counted, to the byte",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { PREFETCH: "false" } });
    const { world } = bench;
    const image = await world.seed("public/a", noiseImage("a", [300_000, 20_000]));
    await world.seed("private/a");
    world.clearRecords();
    let received = 0;
    let requests = 0;
    let hits = 0;
    const get = async (path: string, options: Parameters<Bench["ask"]>[1] = {}) => {
      const answer = await bench.ask(path, options);
      requests++;
      received += answer.bytes.length;
      if (answer.headers.get("x-cache") === "HIT") hits++;
      return answer;
    };
    for (let round = 0; round < 2; round++) {
      await get(manifestPath("public/a", "1"));
      await get(manifestPath("public/a", "1"), { method: "HEAD" });
      for (const { digest } of image.manifests) await get(manifestPath("public/a", digest));
      for (const blob of image.blobs) await get(blobPath("public/a", blob));
      await bench.settle();
    }
    await get(blobPath("public/a", layerOf(image, 1)), { headers: { range: "bytes=10-99" } });
    await get(manifestPath("public/a", "gone"));
    await get(manifestPath("private/a", "1"));
    await get(manifestPath("private/a", "1"), { token: await bench.token(ALICE, "private/a") });

    const pulls = async () =>
      await sum(bench, "entrepot_requests_total", 'route="manifest"') +
      await sum(bench, "entrepot_requests_total", 'route="blob"');
    await waitFor("all requests are counted", async () => await pulls() === requests);
    const served = await sum(bench, "entrepot_served_bytes_total", 'route="manifest"') +
      await sum(bench, "entrepot_served_bytes_total", 'route="blob"');
    assertEquals(served, received);
    const storage = world.s3.blobReads().filter(({ isPresigned }) => isPresigned)
      .reduce((total, { bytes }) => total + bytes, 0);
    const manifests = world.hubFront.requests
      .filter(({ method, path, status }) =>
        method === "GET" && path.includes("/manifests/") && status === 200
      )
      .reduce((total, { bytes }) => total + bytes, 0);
    assertEquals(await sum(bench, "entrepot_fetched_bytes_total"), storage + manifests);
    assertEquals(
      await sum(bench, "entrepot_upstream_requests_total", 'upstream="docker.io"'),
      world.hubFront.requests.length + world.tokens.requests.length +
        world.s3.blobReads().filter(({ isPresigned }) => isPresigned).length,
    );
    assert(await sum(bench, "entrepot_proofs_total", 'result="known"') > 0);
    assertEquals(await sum(bench, "entrepot_requests_total", 'cache="HIT"'), hits);
    assertEquals(await sum(bench, "entrepot_requests_total", 'status="404"'), 1);
    assertEquals(await sum(bench, "entrepot_fills_active"), 0);
    assertEquals(
      await sum(bench, "entrepot_cache_events_total", 'event="fills"'),
      image.blobs.length,
    );
    assert(await sum(bench, "entrepot_cache_bytes") > 320_000);
    const { text } = await bench.ask("/metrics");
    for (const secret of ["public/a", "private", "alice", ALICE.password, "Signature"]) {
      assertEquals(text.includes(secret), false, secret);
    }
    assertStringIncludes(text, 'entrepot_upstream_up{upstream="docker.io"} 1');
  },
});

Deno.test("METRICS=false leaves the path to nobody", async () => {
  await using product = await startEntrepot({ env: { METRICS: "false" } });
  assertEquals((await ask(`${product.url}/metrics`)).status, 404);
});

Deno.test("a scrape takes milliseconds with a hundred thousand contents", async () => {
  using index = openSqliteIndex(":memory:");
  for (let i = 0; i < 100_000; i++) {
    const digest = parseDigest(`sha256:${i.toString(16).padStart(64, "0")}`);
    assert(digest !== undefined);
    index.putContent(digest, i);
  }
  const lifetime = new AbortController();
  const metrics = createMetrics({
    index,
    usedBytes: () => 0,
    maxBytes: () => 0,
    activeFills: () => 0,
    activeTransfers: () => 0,
    quota: () => [],
    hosts: () => [],
    warmJobs: () => [],
    lifetime: lifetime.signal,
  });
  const text = await metrics.scrape();
  assertStringIncludes(text, "entrepot_cache_blobs 100000\n");
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    await metrics.scrape();
    times.push(performance.now() - start);
  }
  const median = times.toSorted((a, b) => a - b)[10] ?? NaN;
  say(`a scrape with 100,000 contents: ${median.toFixed(2)} ms`);
  assertLess(median, 100);
  lifetime.abort();
});
