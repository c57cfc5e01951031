/**
 * Whether a redirect is followed by the server or handed to the client: modes, rules and the keys
 * of the seeds. The storage is the judge of who asked it.
 */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { bytesOf } from "../support/layer.ts";
import { ALICE } from "../support/token_server.ts";
import {
  type Answer,
  ask,
  type Bench,
  blobPath,
  layerOf,
  manifestPath,
  noWorld,
  startBench,
  transfers,
} from "./pulling.ts";

/** Asks for a layer of a public image and says what became of its redirect. */
async function modeOf(bench: Bench): Promise<"stream" | "pass"> {
  const image = await bench.world.seed("public/a");
  const answer = await bench.ask(blobPath("public/a", layerOf(image)));
  if (answer.status === 200) return "stream";
  assertEquals([answer.status, answer.headers.get("x-cache")], [307, "BYPASS"]);
  assertEquals(transfers(bench.world).length, 0);
  return "pass";
}

function assertPassed(answer: Answer, bench: Bench, digest: string): string {
  assertEquals([answer.status, answer.headers.get("x-cache")], [307, "BYPASS"]);
  assertEquals(answer.bytes.length, 0);
  const location = answer.headers.get("location") ?? "";
  assertStringIncludes(location, `${bench.world.s3.blobUrl(digest)}?`);
  return location;
}

Deno.test({
  name: "pass hands the client the upstream's own Location, which works as it is",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { REDIRECT_MODE: "pass" } });
    const image = await bench.world.seed("public/a");
    const layer = layerOf(image);
    const given: string[] = [];
    bench.world.hubFront.intercept = async (_request, forward) => {
      const response = await forward();
      const location = response.headers.get("location");
      if (location !== null) given.push(location);
      return response;
    };
    for (let round = 0; round < 2; round++) {
      const answer = await bench.ask(blobPath("public/a", layer));
      const location = assertPassed(answer, bench, layer.digest);
      assertEquals(location, given.at(-1) ?? "none");
      assertEquals((await ask(location)).bytes, bytesOf(layer));
    }
    // The client's two requests are the only ones: nothing was fetched for the cache.
    assertEquals(transfers(bench.world).length, 2);
    // What is not redirected is cached as always.
    await bench.ask(manifestPath("public/a", "1"));
    const manifest = await bench.ask(manifestPath("public/a", "1"));
    assertEquals(manifest.headers.get("x-cache"), "HIT");
  },
});

Deno.test({
  name: "pass gives a Location only to who may read",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { REDIRECT_MODE: "pass" } });
    const layer = layerOf(await bench.world.seed("private/a"));
    const path = blobPath("private/a", layer);
    const token = await bench.token(ALICE, "private/a");
    const [own, other] = await Promise.all([bench.ask(path, { token }), bench.ask(path)]);
    assertPassed(own, bench, layer.digest);
    assertEquals([other.status, other.headers.get("location")], [401, null]);
  },
});

Deno.test({
  name: "pass leaves HEAD to the server: no client could use a URL that is signed for GET",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { REDIRECT_MODE: "pass" } });
    const layer = layerOf(await bench.world.seed("public/a"));
    const head = await bench.ask(blobPath("public/a", layer), { method: "HEAD" });
    assertEquals([head.status, head.headers.get("content-length")], [200, String(layer.size)]);
  },
});

Deno.test({
  name: "pass makes a relative Location absolute: the client would look for it here",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { REDIRECT_MODE: "pass" } });
    bench.world.hubFront.intercept = () =>
      new Response(null, { status: 302, headers: { location: "/artifacts-downloads/x?y=%2F" } });
    const answer = await bench.ask(blobPath("a/b", { digest: `sha256:${"0".repeat(64)}` }));
    assertEquals(answer.status, 302);
    const expected = `${bench.world.hubFront.url}/artifacts-downloads/x?y=%2F`;
    assertEquals(answer.headers.get("location"), expected);
  },
});

Deno.test({
  name: "stream is the default, and one upstream's mode is its own",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    assertEquals(await modeOf(bench), "stream");
    await using own = await startBench({
      env: { UPSTREAM_DOCKER_REDIRECT: "pass", REDIRECT_MODE: "stream" },
    });
    assertEquals(await modeOf(own), "pass");
    await using other = await startBench({
      env: { UPSTREAM_DOCKER_REDIRECT: "stream", REDIRECT_MODE: "pass" },
    });
    assertEquals(await modeOf(other), "stream");
  },
});

Deno.test({
  name: "auto passes what clients can reach and streams from BLOCKED_HOSTS",
  ignore: noWorld,
  async fn() {
    await using auto = await startBench({ env: { REDIRECT_MODE: "auto" } });
    assertEquals(await modeOf(auto), "pass");
    await using blocked = await startBench({
      env: { REDIRECT_MODE: "auto", BLOCKED_HOSTS: "cdn.example.test,127.0.0.1" },
    });
    assertEquals(await modeOf(blocked), "stream");
  },
});

Deno.test({
  name: "auto streams from Docker's own hosts without being told",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { REDIRECT_MODE: "auto" } });
    const targets = {
      "https://production.cloudflare.docker.com/x?y": 502,
      "https://docker.com.evil.test/x": 307,
      "https://images.r2.cloudflarestorage.com/x?X-Amz-Signature=0": 307,
    };
    for (const [index, [location, status]] of Object.entries(targets).entries()) {
      bench.world.hubFront.intercept = () =>
        new Response(null, { status: 307, headers: { location } });
      // To stream fails here, for there is no way to that host.
      const digest = `sha256:${String(index).repeat(64)}`;
      assertEquals((await bench.ask(blobPath("a/b", { digest }))).status, status, location);
    }
  },
});

Deno.test({
  name: "FOLLOW_ALL_REDIRECTS means what it meant in the seed",
  ignore: noWorld,
  async fn() {
    await using all = await startBench({ env: { FOLLOW_ALL_REDIRECTS: "true" } });
    assertEquals(await modeOf(all), "stream");
    await using judged = await startBench({ env: { FOLLOW_ALL_REDIRECTS: "false" } });
    assertEquals(await modeOf(judged), "pass");
    await using blocked = await startBench({
      env: { FOLLOW_ALL_REDIRECTS: "false", BLOCKED_HOSTS: "127.0.0.1" },
    });
    assertEquals(await modeOf(blocked), "stream");
  },
});

Deno.test({
  name: "the first of REDIRECT_RULES that names the host wins over the mode",
  ignore: noWorld,
  async fn() {
    await using pass = await startBench({
      env: { REDIRECT_RULES: "*.example.test=stream,127.0.0.1=pass,127.0.0.1=stream" },
    });
    assertEquals(await modeOf(pass), "pass");
    await using stream = await startBench({
      env: { REDIRECT_MODE: "pass", REDIRECT_RULES: "127.0.0.1=stream" },
    });
    assertEquals(await modeOf(stream), "stream");
  },
});

Deno.test({
  name: "what is in the cache is served from there in every mode",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const layer = layerOf(await bench.world.seed("public/a"));
    await bench.ask(blobPath("public/a", layer));
    await bench.settle();
    await bench.product.restart({ REDIRECT_MODE: "pass" });
    const answer = await bench.ask(blobPath("public/a", layer));
    assertEquals([answer.status, answer.headers.get("x-cache")], [200, "HIT"]);
    assert(answer.bytes.length === layer.size);
  },
});
