/**
 * What clients are told when an upstream refuses: its meaning and its words, in the form that every
 * client reads, and nothing of it in the cache.
 */
import { assert, assertEquals, assertFalse, assertStringIncludes } from "../support/assert.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { TestServer } from "../support/serve.ts";
import {
  type Answer,
  ask,
  assertContent,
  blobPath,
  errorCodes,
  errorMessage,
  layerOf,
  manifestPath,
  noWorld,
  onBlobRead,
  startBench,
  transfers,
} from "./pulling.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const MANIFEST = manifestPath("team/app", "1");
const BLOB = blobPath("team/app", { digest: DIGEST });

function assertErrorJson(answer: Answer): void {
  assertEquals(answer.headers.get("content-type"), "application/json");
  assertEquals(answer.headers.get("docker-distribution-api-version"), "registry/2.0");
  assertEquals(answer.headers.get("x-cache"), null);
  assert(answer.headers.has("x-request-id"));
  assert(errorMessage(answer) !== "");
}

/** An upstream that gives one answer to everything. */
function startGrump(answer: () => Response): TestServer {
  return new TestServer((request) => request.url.endsWith("/v2/") ? Response.json({}) : answer());
}

const MEANINGS = [
  { status: 400, manifest: [400, "UNKNOWN"], blob: [400, "UNKNOWN"] },
  { status: 401, manifest: [401, "UNAUTHORIZED"], blob: [401, "UNAUTHORIZED"] },
  { status: 403, manifest: [403, "DENIED"], blob: [403, "DENIED"] },
  { status: 404, manifest: [404, "MANIFEST_UNKNOWN"], blob: [404, "BLOB_UNKNOWN"] },
  { status: 405, manifest: [405, "UNSUPPORTED"], blob: [405, "UNSUPPORTED"] },
  { status: 429, manifest: [429, "TOOMANYREQUESTS"], blob: [429, "TOOMANYREQUESTS"] },
  { status: 500, manifest: [502, "UNAVAILABLE"], blob: [502, "UNAVAILABLE"] },
  { status: 502, manifest: [502, "UNAVAILABLE"], blob: [502, "UNAVAILABLE"] },
  { status: 503, manifest: [503, "UNAVAILABLE"], blob: [503, "UNAVAILABLE"] },
  { status: 504, manifest: [504, "UNAVAILABLE"], blob: [504, "UNAVAILABLE"] },
] as const;

Deno.test("an upstream's refusal keeps its meaning, whatever body it came with", async () => {
  let answer = () => new Response(null);
  await using upstream = startGrump(() => answer());
  await using product = await startEntrepot({
    env: { UPSTREAM_DOCKER_URL: upstream.url, NEGATIVE_TTL: "0" },
  });
  // Otherwise a limit would be kept to, and the next question not be asked.
  const soon = { "retry-after": "0" };
  const html = { "content-type": "text/html", ...soon };
  const json = { "content-type": "application/json", ...soon };
  for (const { status, manifest, blob } of MEANINGS) {
    const bodies = [
      () => new Response(null, { status, headers: soon }),
      () => new Response("<html><b>nginx</b></html>", { status, headers: html }),
      () => new Response("{ not json", { status, headers: json }),
    ];
    // Transfers are tried again where that can help, which takes its time.
    for (const body of status >= 500 ? bodies.slice(1, 2) : bodies) {
      answer = body;
      for (const [path, expected] of [[MANIFEST, manifest], [BLOB, blob]] as const) {
        const get = await ask(product.url + path);
        assertEquals([get.status, ...errorCodes(get)], [...expected], `${status} ${path}`);
        assertErrorJson(get);
        assertFalse(get.text.includes("nginx"));
        const head = await ask(product.url + path, { method: "HEAD" });
        assertEquals([head.status, head.bytes.length], [expected[0], 0], `HEAD ${path}`);
      }
    }
  }
});

Deno.test("an upstream's own code, message and detail are passed on", async () => {
  const error = { code: "DENIED", message: "your account is suspended", detail: { until: "noon" } };
  await using upstream = startGrump(() => Response.json({ errors: [error] }, { status: 403 }));
  await using product = await startEntrepot({ env: { UPSTREAM_DOCKER_URL: upstream.url } });
  for (const path of [MANIFEST, BLOB, "/v2/team/app/tags/list"]) {
    const answer = await ask(product.url + path);
    assertEquals(answer.status, 403);
    assertEquals(JSON.parse(answer.text).errors, [error]);
  }
});

Deno.test("defect 14: a limited upstream is a 429 with its words on when to come back", async () => {
  const headers = {
    "retry-after": "37",
    "ratelimit-limit": "100;w=21600",
    "ratelimit-remaining": "0;w=21600",
    "docker-ratelimit-source": "192.0.2.1",
    "set-cookie": "a=b",
    server: "nginx",
  };
  await using upstream = startGrump(() =>
    Response.json({
      errors: [{ code: "TOOMANYREQUESTS", message: "You have reached your pull rate limit." }],
    }, { status: 429, headers })
  );
  await using product = await startEntrepot({ env: { UPSTREAM_DOCKER_URL: upstream.url } });
  for (const path of [MANIFEST, BLOB]) {
    const answer = await ask(product.url + path);
    assertEquals([answer.status, ...errorCodes(answer)], [429, "TOOMANYREQUESTS"]);
    assertStringIncludes(errorMessage(answer), "pull rate limit");
    for (const name of Object.keys(headers).slice(0, 4)) {
      assert(answer.headers.has(name), name);
    }
    assertEquals(answer.headers.get("retry-after"), "37");
    assertEquals([answer.headers.get("set-cookie"), answer.headers.get("server")], [null, null]);
  }
});

Deno.test({
  name: "quota headers of a success are passed on",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await bench.world.seed("public/a");
    bench.world.hubFront.intercept = async (_request, forward) => {
      const response = await forward();
      response.headers.set("ratelimit-remaining", "20;w=21600");
      return response;
    };
    const answer = await bench.ask(manifestPath("public/a", "1"));
    assertEquals([answer.status, answer.headers.get("ratelimit-remaining")], [200, "20;w=21600"]);
  },
});

Deno.test({
  name: "defect 14: a refusal is never stored as content, and a miss is fetched once",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { NEGATIVE_TTL: "0" } });
    const image = await bench.world.seed("public/a");
    const layer = layerOf(image);
    const paths = [
      manifestPath("public/a", "1"),
      manifestPath("public/a", image.top.digest),
      blobPath("public/a", layer),
    ];
    for (const status of [404, 429, 403, 503]) {
      bench.world.hubFront.intercept = ({ url }) =>
        url.endsWith("/v2/")
          ? undefined
          : new Response("an error body", { status, headers: { "retry-after": "0" } });
      for (const path of paths) assertEquals((await bench.ask(path)).status, status);
    }
    bench.world.hubFront.intercept = undefined;
    bench.world.clearRecords();
    const [first, , last] = [
      await bench.ask(paths[0] ?? ""),
      await bench.ask(paths[1] ?? ""),
      await bench.ask(paths[2] ?? ""),
    ];
    assertContent(first, image.top);
    assertContent(last, layer);
    const { hubFront } = bench.world;
    const gets = (path: RegExp) =>
      hubFront.matching("GET", path).filter(({ status }) => status !== 401).length;
    assertEquals([gets(/\/manifests\//), gets(/\/blobs\//)], [1, 1]);
    assertEquals(transfers(bench.world, layer).length, 1);
  },
});

Deno.test({
  name: "what the storage behind a registry lacks is a 404, after one more look",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { PREFETCH: "false" } });
    const layer = layerOf(await bench.world.seed("public/a"));
    onBlobRead(bench.world, layer, () => new Response(null, { status: 404 }));
    const answer = await bench.ask(blobPath("public/a", layer));
    assertEquals([answer.status, ...errorCodes(answer)], [404, "BLOB_UNKNOWN"]);
    assertEquals(transfers(bench.world, layer).length, 2);
  },
});
