/**
 * Manifests that are pushed and content that is deleted through the product, and that the next pull
 * sees it at once, whatever the cache held.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { basic, type Credentials } from "../support/push.ts";
import { ALICE, BOB } from "../support/token_server.ts";
import { type Bench, errorCodes, manifestPath, noWorld } from "./pulling.ts";
import {
  manifestOf,
  ownerOf,
  PushClient,
  type PushedManifest,
  pushParts,
  startPushBench,
  textBytes,
  WAYS,
} from "./pushing.ts";

const ignore = noWorld;

/** The digest that a pull through the product finds under a reference, or its status. */
async function pulled(
  bench: Bench,
  repository: string,
  reference: string,
  credentials: Credentials | null = null,
): Promise<string> {
  const answer = await bench.ask(manifestPath(repository, reference), {
    headers: credentials === null ? {} : { authorization: basic(credentials) },
  });
  return answer.headers.get("docker-content-digest") ?? String(answer.status);
}

/** Pushes an image under a tag. */
async function pushTag(client: PushClient, repository: string, tag: string, seed: string) {
  const manifest = await pushParts(client, repository, seed);
  const answer = await client.putManifest(repository, tag, manifest);
  assertEquals(answer.status, 201, answer.text);
  return manifest;
}

Deno.test({
  name: "a manifest passes in each of the four ways, bytes and type exact",
  ignore,
  async fn(t) {
    await using bench = await startPushBench();
    for (const way of WAYS) {
      await t.step(way, async () => {
        const repository = `public/${way}`;
        const client = await ownerOf(bench, way, repository);
        const manifest = await pushParts(client, repository, way);
        const answer = await client.putManifest(repository, "1", manifest);
        assertEquals(answer.status, 201, answer.text);
        assertEquals(answer.headers.get("docker-content-digest"), manifest.digest);
        assertEquals(
          answer.headers.get("location"),
          client.url(repository, `manifests/${manifest.digest}`),
        );
        const [put] = bench.world.registryFront.matching("PUT", /manifests\/1$/).slice(-1);
        assertEquals(put?.headers.get("content-type"), manifest.mediaType);
        assertEquals(put?.headers.get("content-length"), String(manifest.bytes.length));
        const back = await client.ask(client.url(repository, "manifests/1"), {
          headers: { accept: manifest.mediaType },
        });
        assertEquals([back.status, back.bytes], [200, manifest.bytes]);
      });
    }
  },
});

Deno.test({
  name: "a tag that is pushed again is the new one at the next pull",
  ignore,
  async fn() {
    await using bench = await startPushBench();
    const client = await ownerOf(bench, "default", "public/moved");
    assertEquals(await pulled(bench, "public/moved", "1"), "404");
    const first = await pushTag(client, "public/moved", "1", "first");
    assertEquals(await pulled(bench, "public/moved", "1"), first.digest);
    const second = await pushTag(client, "public/moved", "1", "second");
    assertEquals(await pulled(bench, "public/moved", "1"), second.digest);
    const third = await pushTag(client, "public/moved", "1", "third");
    assertEquals(await pulled(bench, "public/moved", "1"), third.digest);
  },
});

Deno.test({
  name: "an answer that was under way when a tag was pushed does not bring the old one back",
  ignore,
  async fn() {
    await using bench = await startPushBench();
    const client = await ownerOf(bench, "default", "public/race");
    const first = await pushTag(client, "public/race", "1", "first");
    const held = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    bench.world.registryFront.intercept = async (request, forward) => {
      if (request.method !== "GET" || !request.url.includes("/manifests/1")) return undefined;
      const response = await forward();
      asked.resolve();
      await held.promise;
      return response;
    };
    const early = pulled(bench, "public/race", "1");
    await asked.promise;
    bench.world.registryFront.intercept = undefined;
    const second = await pushTag(client, "public/race", "1", "second");
    held.resolve();
    assertEquals(await early, first.digest);
    assertEquals(await pulled(bench, "public/race", "1"), second.digest);
  },
});

Deno.test({
  name: "what is deleted is gone at the next pull",
  ignore,
  async fn(t) {
    await using bench = await startPushBench();
    const repository = "public/deleted";
    const client = await ownerOf(bench, "default", repository);
    const manifest = await pushTag(client, repository, "1", "deleted");
    assertEquals(await pulled(bench, repository, manifest.digest), manifest.digest);
    assertEquals(await pulled(bench, repository, "1"), manifest.digest);

    await t.step("a refused deletion changes nothing", async () => {
      const anybody = new PushClient(bench.product.port, "default");
      const url = anybody.url(repository, `manifests/${manifest.digest}`);
      const answer = await anybody.ask(url, { method: "DELETE" });
      assertEquals(answer.status, 401);
      assertStringIncludes(
        answer.headers.get("www-authenticate") ?? "",
        `scope="repository:${repository}:delete"`,
      );
      bench.world.clearRecords();
      assertEquals(await pulled(bench, repository, "1"), manifest.digest);
      assertEquals(bench.world.registryFront.matching("GET", /manifests/), []);
    });
    await t.step("a manifest", async () => {
      const url = client.url(repository, `manifests/${manifest.digest}`);
      assertEquals((await client.ask(url, { method: "DELETE" })).status, 202);
      assertEquals(await pulled(bench, repository, manifest.digest), "404");
      assertEquals(await pulled(bench, repository, "1"), "404");
    });
    await t.step("a blob, and a HEAD says so", async () => {
      const digest = await client.pushBlob(repository, textBytes("a blob"));
      const url = client.url(repository, `blobs/${digest}`);
      assertEquals((await client.ask(url)).status, 200);
      assertEquals((await client.ask(url, { method: "HEAD" })).status, 200);
      assertEquals((await client.ask(url, { method: "DELETE" })).status, 202);
      assertEquals((await client.ask(url, { method: "HEAD" })).status, 404);
      assertEquals((await client.ask(url)).status, 404);
      await client.pushBlob(repository, textBytes("a blob"));
      assertEquals((await client.ask(url)).status, 200);
    });
    await t.step("by a caller with a password, whose token is asked for anew", async () => {
      const other = new PushClient(bench.product.port, "default", { authorization: basic(ALICE) });
      const gone = await pushTag(other, repository, "2", "by password");
      const url = other.url(repository, `manifests/${gone.digest}`);
      assertEquals((await other.ask(url, { method: "DELETE" })).status, 202);
    });
    await t.step("what the registry does not support is told as it says", async () => {
      const answer = await client.ask(client.url(repository, "manifests/1"), { method: "DELETE" });
      assertEquals([answer.status, errorCodes(answer)], [400, ["DIGEST_INVALID"]]);
    });
  },
});

Deno.test({
  name: "a blob that is gone upstream is not said to be there before a push",
  ignore,
  async fn() {
    await using bench = await startPushBench();
    const client = await ownerOf(bench, "default", "alice/one", "alice/two");
    const digest = await client.pushBlob("alice/one", textBytes("shared"));
    const url = client.url("alice/one", `blobs/${digest}`);
    assertEquals((await client.ask(url)).status, 200);
    const elsewhere = client.url("alice/two", `blobs/${digest}`);
    assertEquals((await client.ask(elsewhere, { method: "HEAD" })).status, 404);
    // Deleted past the product.
    const { requests } = bench.world.registryFront;
    const before = requests.length;
    bench.world.registryFront.intercept = (request) =>
      request.method === "HEAD" ? new Response(null, { status: 404 }) : undefined;
    assertEquals((await client.ask(url, { method: "HEAD" })).status, 404);
    assertEquals(requests.length > before, true);
    bench.world.registryFront.intercept = undefined;
    assertEquals((await client.ask(url, { method: "HEAD" })).headers.get("content-length"), "6");
  },
});

Deno.test({
  name: "a pusher is told where a tag points upstream, whatever is cached",
  ignore,
  async fn() {
    await using bench = await startPushBench();
    const client = await ownerOf(bench, "default", "public/told");
    const first = await pushTag(client, "public/told", "1", "first");
    assertEquals(await pulled(bench, "public/told", "1"), first.digest);
    // Moved past the product, as by another proxy.
    const away = await bench.world.seed("public/told");
    const head = await client.ask(client.url("public/told", "manifests/1"), { method: "HEAD" });
    assertEquals(head.headers.get("docker-content-digest"), away.top.digest);
  },
});

Deno.test({
  name: "a manifest that is too large is refused, and one of 4 MiB is not",
  ignore,
  async fn() {
    await using bench = await startPushBench({ env: { MAX_MANIFEST_SIZE: "5MiB" } });
    const client = await ownerOf(bench, "default", "alice/large");
    const sizes: number[] = [];
    bench.world.registryFront.intercept = async (request) => {
      if (request.method !== "PUT") return undefined;
      sizes.push((await request.bytes()).length);
      return new Response(null, { status: 201 });
    };
    const put = (bytes: BodyInit) =>
      client.ask(client.url("alice/large", "manifests/1"), {
        method: "PUT",
        headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
        body: bytes,
      });
    assertEquals((await put(new Uint8Array(4 << 20))).status, 201);
    const chunks = Array.from({ length: 60 }, () => new Uint8Array(100_000));
    const chunked = await put(ReadableStream.from(chunks));
    assertEquals([chunked.status, errorCodes(chunked)], [413, ["SIZE_INVALID"]]);
    assertEquals((await put(new Uint8Array((5 << 20) + 1))).status, 413);
    assertEquals(sizes, [4 << 20]);
  },
});

Deno.test({
  name: "what the registry says of a pushed manifest reaches the client",
  ignore,
  async fn() {
    await using bench = await startPushBench();
    const client = await ownerOf(bench, "ns", "alice/words");
    const subject = `sha256:${"c".repeat(64)}`;
    const queries: string[] = [];
    bench.world.registryFront.intercept = (request) => {
      if (request.method !== "PUT") return undefined;
      queries.push(new URL(request.url).search);
      const headers = new Headers({ "oci-subject": subject, warning: '299 - "old, and slow"' });
      headers.append("oci-tag", "a");
      headers.append("oci-tag", "b");
      return new Response(null, { status: 201, headers });
    };
    const manifest = manifestOf(textBytes("{}"), textBytes("x"));
    const answer = await client.ask(
      client.url("alice/words", `manifests/${manifest.digest}?tag=a&tag=b`),
      { method: "PUT", headers: { "content-type": manifest.mediaType }, body: manifest.bytes },
    );
    assertEquals(queries, ["?tag=a&tag=b"]);
    assertEquals(answer.headers.get("oci-subject"), subject);
    assertEquals(answer.headers.get("oci-tag"), "a, b");
    assertEquals(answer.headers.get("warning"), '299 - "old, and slow"');
  },
});

Deno.test({
  name: "all blobs that a manifest lacks are named",
  ignore,
  async fn() {
    await using bench = await startPushBench();
    const client = await ownerOf(bench, "default", "alice/lacks");
    const manifest: PushedManifest = manifestOf(textBytes("not there"), textBytes("nor this"));
    const answer = await client.putManifest("alice/lacks", "1", manifest);
    assertEquals(answer.status, 400);
    const codes = new Set(errorCodes(answer));
    assertEquals([errorCodes(answer).length >= 2, codes.has("MANIFEST_BLOB_UNKNOWN")], [
      true,
      true,
    ]);
    assertMatch(answer.headers.get("content-type") ?? "", /json/);
  },
});

Deno.test({
  name: "pushes are each caller's own right, whoever else pushed",
  ignore,
  async fn() {
    await using bench = await startPushBench();
    const owner = await ownerOf(bench, "default", "private/own");
    const manifest = await pushTag(owner, "private/own", "1", "owned");
    const bob = new PushClient(bench.product.port, "default", { authorization: basic(BOB) });
    const refused = await bob.putManifest("private/own", "1", manifest);
    assertEquals([refused.status, errorCodes(refused)], [401, ["UNAUTHORIZED"]]);
    assertEquals(await pulled(bench, "private/own", "1", BOB), manifest.digest);
    assertEquals(await pulled(bench, "private/own", "1"), "401");
  },
});
