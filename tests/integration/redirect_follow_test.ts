/**
 * Redirects that are followed on the server: every status, relative and absolute, with nothing of
 * the registry's or the caller's reaching a storage host.
 */
import { assert, assertEquals, assertFalse, assertStringIncludes } from "../support/assert.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { tinyImage } from "../support/image.ts";
import { bytesOf } from "../support/layer.ts";
import { basic } from "../support/push.ts";
import { startRecorder } from "../support/recorder.ts";
import { requestTarget, TestServer } from "../support/serve.ts";
import { S3_KEYS } from "../support/s3.ts";
import { presign } from "../support/s3_signature.ts";
import { ALICE } from "../support/token_server.ts";
import {
  ask,
  assertContent,
  blobPath,
  errorMessage,
  layerOf,
  manifestPath,
  noWorld,
  startBench,
} from "./pulling.ts";

const BYTES = new TextEncoder().encode("the bytes of a layer");
const CONTENT = { digest: `sha256:${await sha256(BYTES)}` };

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

function redirectTo(location: string, status = 307): Response {
  return new Response(null, { status, headers: { location } });
}

Deno.test({
  name: "each of 301, 302, 303, 307 and 308 leads to the bytes",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    for (const [index, status] of [301, 302, 303, 307, 308].entries()) {
      bench.world.hubFront.intercept = async (_request, forward) => {
        const response = await forward();
        return response.status === 307
          ? new Response("moved", { status, headers: response.headers })
          : response;
      };
      const blob = image.blobs[index];
      assert(blob !== undefined);
      const answer = await bench.ask(blobPath("public/a", blob));
      assertEquals([answer.status, answer.headers.get("x-cache")], [200, "MISS"], `${status}`);
      assertContent(answer, blob);
      assertEquals(answer.headers.get("location"), null);
    }
  },
});

Deno.test({
  name: "no request that reaches storage has credentials, cookies or anything else of the caller's",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("private/a");
    bench.world.clearRecords();
    for (const blob of image.blobs) {
      for (const method of ["HEAD", "GET"]) {
        const answer = await bench.ask(blobPath("private/a", blob), {
          method,
          headers: {
            authorization: basic(ALICE),
            cookie: "session=secret",
            "x-forwarded-for": "192.0.2.7",
            "x-amz-meta-a": "b",
            referer: "http://intranet.test/",
          },
        });
        assertEquals(answer.status, 200);
      }
    }
    const presigned = bench.world.s3.requests.filter(({ isPresigned }) => isPresigned);
    assert(presigned.length >= 2 * image.blobs.length);
    assertFalse(presigned.some(({ hasAuthorization }) => hasAuthorization));
    const names = new Set(presigned.flatMap(({ headerNames }) => headerNames));
    const harmless = [
      "accept",
      "accept-encoding",
      "accept-language",
      "host",
      "range",
      "user-agent",
    ];
    assertEquals([...names].filter((name) => !harmless.includes(name)), []);
  },
});

Deno.test({
  name: "what broke the seeds breaks the storage still, and is not done",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    const { s3 } = bench.world;
    const url = presign({ ...S3_KEYS, url: s3.blobUrl(layerOf(image).digest) });
    const forwarded = await ask(url, { token: "registry-token" });
    assertEquals(forwarded.status, 400);
    assertStringIncludes(forwarded.text, "Missing x-amz-content-sha256");
    assertEquals((await ask(url, { method: "HEAD" })).status, 403);
    s3.clear();
    const path = blobPath("public/a", layerOf(image));
    assertEquals((await bench.ask(path, { method: "HEAD" })).status, 200);
    assertEquals((await bench.ask(path)).status, 200);
    assertFalse(
      s3.requests.some(({ isPresigned, method, status }) =>
        isPresigned && (method === "HEAD" || status === 400)
      ),
    );
  },
});

Deno.test("a redirect's query arrives as it was written, byte for byte", async () => {
  const targets: string[] = [];
  await using storage = new TestServer((request) => {
    targets.push(requestTarget(request));
    return new Response(BYTES);
  });
  const query = "?sig=a%2Fb+c%2B~%27&&empty=&X-Amz-Signature=%3d%3D&z=1&a=%e2%82%ac";
  await using registry = new TestServer(() => redirectTo(`${storage.url}/x%2Fy/data${query}`));
  await using product = await startEntrepot({ env: { UPSTREAM_DOCKER_URL: registry.url } });
  assertEquals((await ask(product.url + blobPath("a/b", CONTENT))).bytes, BYTES);
  assertEquals(targets, [`/x%2Fy/data${query}`]);
});

Deno.test({
  name: "defect 13: a relative Location stays at the registry, with its authentication",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("private/a");
    const layer = layerOf(image);
    const download = "/artifacts-downloads/namespaces/p/repositories/r/downloads/AF2%2Fx==";
    const { hubFront } = bench.world;
    hubFront.intercept = async (request, forward) => {
      if (request.url.includes("/artifacts-downloads/")) return new Response(bytesOf(layer));
      const response = await forward();
      if (response.status !== 307) return response;
      return redirectTo(`${download}?q=%2B`, 302);
    };
    const token = await bench.token(ALICE, "private/a");
    const answer = await bench.ask(blobPath("private/a", layer), { token });
    assertContent(answer, layer);
    const [hop] = hubFront.matching("GET", download);
    assertEquals(hop?.query, "?q=%2B");
    const [first] = hubFront.matching("GET", /\/blobs\//);
    assertEquals(hop?.authorization, first?.authorization);
    assertEquals(hop?.authorization?.scheme, "Bearer");
  },
});

Deno.test("defect 13: a relative Location of an upstream below a path is resolved by its host", async () => {
  await using registry = startRecorder({
    target: "http://127.0.0.1:1",
    intercept: ({ url }) =>
      url.endsWith("/downloads/x?y=1") ? new Response(BYTES) : redirectTo("/downloads/x?y=1"),
  });
  await using product = await startEntrepot({
    env: { UPSTREAM_DOCKER_URL: `${registry.url}/mirror/hub` },
  });
  const answer = await ask(product.url + blobPath("a/b", CONTENT));
  assertEquals([answer.status, answer.bytes], [200, BYTES]);
  assertEquals(registry.requests.map(({ path }) => path), [
    `/mirror/hub/v2/a/b/blobs/${CONTENT.digest}`,
    "/downloads/x",
  ]);
});

Deno.test({
  name: "a manifest that is redirected is followed, verified and cached",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const { top } = tinyImage("elsewhere");
    const seen: Headers[] = [];
    await using storage = new TestServer((request) => {
      seen.push(new Headers(request.headers));
      return new Response(bytesOf(top), { headers: { "content-type": top.mediaType } });
    });
    bench.world.hubFront.intercept = (request) =>
      request.url.includes("/manifests/") ? redirectTo(`${storage.url}/m`) : undefined;
    for (const cache of ["MISS", "HIT"]) {
      const answer = await bench.ask(manifestPath("public/a", "1"), {
        headers: { authorization: basic(ALICE) },
      });
      assertEquals([answer.status, answer.headers.get("x-cache")], [200, cache], answer.text);
      assertEquals(answer.headers.get("content-type"), top.mediaType);
      assertContent(answer, top);
    }
    assertFalse(seen.some((headers) => headers.has("authorization")));
    assert(seen.every((headers) => headers.get("accept")?.includes(top.mediaType)));
  },
});

Deno.test({
  name: "an expired URL is an upstream's failure, told without the signature",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    const layer = layerOf(image);
    const url = bench.world.s3.blobUrl(layer.digest);
    const expired = presign({ ...S3_KEYS, url, date: new Date(Date.now() - 86_400_000) });
    bench.world.hubFront.intercept = async (_request, forward) => {
      const response = await forward();
      return response.status === 307 ? redirectTo(expired) : response;
    };
    const answer = await bench.ask(blobPath("public/a", layer));
    assertEquals(answer.status, 502);
    assertStringIncludes(errorMessage(answer), "403");
    assertFalse(answer.text.includes("X-Amz-"));
    const head = await bench.ask(blobPath("public/a", layer), { method: "HEAD" });
    assertEquals(head.status, 502);
    bench.world.hubFront.intercept = undefined;
    const later = await bench.ask(blobPath("public/a", layer));
    assertEquals([later.status, later.headers.get("x-cache")], [200, "MISS"]);
  },
});
