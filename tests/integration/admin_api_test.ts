import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { noiseImage } from "../support/image.ts";
import { bytesOf } from "../support/layer.ts";
import { waitFor } from "../support/process.ts";
import {
  ask,
  type Bench,
  blobPath,
  errorCodes,
  gate,
  layerOf,
  manifestPath,
  noWorld,
  onBlobRead,
  startBench,
} from "./pulling.ts";

interface Transfer {
  kind: string;
  client: string | null;
  upstream: string;
  repository: string;
  digest: string;
  cache: string | null;
  bytes: number | null;
  total: number | null;
}

async function json(bench: Bench, path: string) {
  const answer = await bench.ask(`/api/v1${path}`);
  assertEquals(answer.status, 200, answer.text);
  return JSON.parse(answer.text);
}

Deno.test({
  name: "a transfer under way is told with its bytes and its client, and is gone when it has ended",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { PREFETCH: "false" } });
    const image = await bench.world.seed("library/big", noiseImage("big", [4 << 20]));
    const layer = layerOf(image, 1);
    // The manifest tells the size, which the held answer does not.
    const digest = image.platforms[0]?.manifest.digest ?? "";
    await bench.ask(manifestPath("library/big", digest));
    const held = gate(bytesOf(layer), 1 << 20);
    onBlobRead(bench.world, layer, () => new Response(held.body));
    const events = await bench.open("/api/v1/events");
    const pull = bench.ask(blobPath("library/big", layer));
    let seen: Transfer[] = [];
    await waitFor("the transfer has come to the gate", async () => {
      seen = (await json(bench, "/transfers")).transfers;
      return seen.length === 2 && seen.every(({ bytes }) => (bytes ?? 0) > 900_000);
    });
    const [fill, serve] = seen.toSorted((a, b) => a.kind.localeCompare(b.kind));
    assertEquals([fill?.kind, fill?.client, fill?.upstream, fill?.repository, fill?.digest], [
      "fill",
      null,
      "docker.io",
      "library/big",
      layer.digest,
    ]);
    assertEquals([serve?.kind, serve?.client, serve?.cache, serve?.total], [
      "serve",
      "127.0.0.1",
      "MISS",
      layer.size,
    ]);
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of events.body ?? []) {
      text += decoder.decode(chunk);
      if (text.includes(layer.digest)) break;
    }
    assertMatch(text, /^event: transfers\ndata: \[/m);
    held.open();
    assertEquals((await pull).status, 200);
    await waitFor(
      "nothing is under way",
      async () => (await json(bench, "/transfers")).transfers.length === 0,
    );
  },
});

Deno.test({
  name: "traffic counts what was served and fetched to the byte, and survives a restart",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("library/one");
    const layer = layerOf(image);
    let served = 0;
    for (let i = 0; i < 3; i++) {
      served += (await bench.ask(blobPath("library/one", layer))).bytes.length;
      served += (await bench.ask(manifestPath("library/one", "1"))).bytes.length;
    }
    await bench.settle();
    await bench.product.restart();
    const { sum, points } = await json(bench, "/traffic?period=hour");
    assertEquals(points.length, 60);
    assertEquals([sum.requests, sum.servedBytes, sum.errors], [6, served, 0]);
    assertEquals(sum.hits, 4);
    // Prefetch fetches the rest of the image as well.
    assert(sum.fetchedBytes >= served / 3, `${sum.fetchedBytes} of ${served}`);
    for (const [period, length] of [["day", 96], ["week", 84]]) {
      const longer = await json(bench, `/traffic?period=${period}`);
      assertEquals([longer.points.length, longer.sum], [length, sum]);
    }
    assertEquals((await bench.ask("/api/v1/traffic?period=year")).status, 400);
  },
});

Deno.test({
  name: "explain says where a pull would go and what is cached of it, and asks nobody unless told",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await bench.world.seed("library/one");
    bench.world.clearRecords();
    const before = await json(bench, "/explain?image=one:1");
    assertEquals([before.upstream.registry, before.route.repository, before.cache.state], [
      "docker.io",
      "library/one",
      "absent",
    ]);
    assertEquals(before.proof.kind, "ask");
    assertEquals(bench.world.hubFront.requests.length, 0);

    await bench.ask(manifestPath("library/one", "1"));
    await bench.settle();
    bench.world.clearRecords();
    const after = await json(bench, "/explain?image=one:1");
    assertEquals([after.cache.state, after.proof.kind, after.redirect.mode], [
      "fresh",
      "public",
      "stream",
    ]);
    assertEquals(bench.world.hubFront.requests.length, 0);
    const { probe } = await json(bench, "/explain?image=one:1&probe=true");
    assertEquals([probe.status, probe.digest], [200, after.cache.digest]);
    assert(bench.world.hubFront.requests.length > 0);

    const unknown = await json(bench, "/explain?image=nowhere.example/a:1");
    assertEquals(unknown.kind, "unknown");
    assertMatch(unknown.why, /nowhere\.example is not a registry/);
  },
});

Deno.test({
  name: "upstreams are told with what was seen of them, accounts masked and passwords never",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      env: {
        UPSTREAM_GHCR_USERNAME: "alice",
        UPSTREAM_GHCR_PASSWORD: "canary-password",
        UPSTREAM_GHCR_AUTH: "account",
      },
    });
    await bench.world.seed("library/one");
    await bench.ask(manifestPath("library/one", "1"));
    const answer = await bench.ask("/api/v1/upstreams");
    const upstreams: { alias: string; state: string; accounts: string[]; isDefault: boolean }[] =
      JSON.parse(answer.text).upstreams;
    const [first] = upstreams;
    assertEquals([first?.alias, first?.isDefault, first?.state], ["docker", true, "up"]);
    const ghcr = upstreams.find(({ alias }) => alias === "ghcr");
    assertEquals([ghcr?.state, ghcr?.accounts], ["unknown", ["al***e"]]);
    const config = await bench.ask("/api/v1/config");
    assert(!(answer.text + config.text).includes("canary-password"));
  },
});

Deno.test({
  name: "a warm-up is taken as JSON and done",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await bench.world.seed("library/one");
    const url = `${bench.product.url}/api/v1/warm`;
    for (const body of ["{", "[]", '{"images":[]}', '{"images":["A B"]}', '{"images":"a"}']) {
      const refused = await ask(url, { method: "POST", body });
      assertEquals([refused.status, errorCodes(refused)], [400, ["UNSUPPORTED"]], body);
    }
    const taken = await ask(url, { method: "POST", body: '{"images":["library/one:1"]}' });
    assertEquals(taken.status, 202, taken.text);
    const { id } = JSON.parse(taken.text);
    await waitFor(
      "the job is done",
      async () => (await json(bench, `/warm/${id}`)).state === "done",
    );
    const [image] = (await json(bench, "/images")).images;
    assertEquals(image.name, "docker.io/library/one:1");
  },
});
