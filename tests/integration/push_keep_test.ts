/** `CACHE_PUSHES`: what is pushed is kept on its way, once the registry has taken it. */
import { assert, assertEquals } from "../support/assert.ts";
import { createCa } from "../support/ca.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { basic } from "../support/push.ts";
import { startRecorder } from "../support/recorder.ts";
import { startRegistry } from "../support/registry.ts";
import { ALICE } from "../support/token_server.ts";
import { type Bench, noWorld } from "./pulling.ts";
import {
  digestOf,
  ownerOf,
  PushClient,
  pushParts,
  startPushBench,
  textBytes,
  withQuery,
} from "./pushing.ts";

const ignore = noWorld;
const env = { CACHE_PUSHES: "true" };

/** Whether a pull is served without a GET of the content upstream. */
async function isKept(bench: Bench, client: PushClient, repository: string, rest: string) {
  bench.world.clearRecords();
  const answer = await client.ask(client.url(repository, rest));
  assertEquals(answer.status, 200, answer.text);
  return bench.world.registryFront.matching("GET", /\/(blobs|manifests)\//).length === 0;
}

Deno.test({
  name: "what was pushed is pulled without asking the registry for its bytes",
  ignore,
  async fn(t) {
    await using bench = await startPushBench({ env });
    const client = await ownerOf(bench, "default", "alice/kept");
    const bytes = new Uint8Array(3 << 20).map((_, at) => (at * 7) >> 2);

    await t.step("a blob in one piece, with its length", async () => {
      bench.world.clearRecords();
      const digest = await client.pushBlob("alice/kept", bytes);
      const [put] = bench.world.registryFront.matching("PUT", /uploads/);
      assertEquals(put?.headers.get("content-length"), String(bytes.length));
      assert(await isKept(bench, client, "alice/kept", `blobs/${digest}`));
      const answer = await client.ask(client.url("alice/kept", `blobs/${digest}`));
      assertEquals(digestOf(answer.bytes), digest);
    });
    await t.step("a blob in a stream, as Docker sends it", async () => {
      const digest = digestOf(bytes.slice(1));
      const patched = await client.ask(await client.start("alice/kept"), {
        method: "PATCH",
        body: ReadableStream.from([bytes.slice(1, 1 << 20), bytes.slice(1 << 20)]),
      });
      const end = withQuery(client.location(patched), `digest=${digest}`);
      assertEquals((await client.ask(end, { method: "PUT" })).status, 201);
      assert(await isKept(bench, client, "alice/kept", `blobs/${digest}`));
    });
    await t.step("a blob in several chunks, the last with the end", async () => {
      const chunks = [bytes.slice(2, 1000), bytes.slice(1000, 5000), bytes.slice(5000, 9000)];
      const digest = digestOf(bytes.slice(2, 9000));
      let location = await client.start("alice/kept");
      let from = 0;
      for (const [i, body] of chunks.entries()) {
        const range = `${from}-${from + body.length - 1}`;
        from += body.length;
        const isLast = i === chunks.length - 1;
        const answer = await client.ask(
          isLast ? withQuery(location, `digest=${digest}`) : location,
          { method: isLast ? "PUT" : "PATCH", headers: { "content-range": range }, body },
        );
        assertEquals(answer.status, isLast ? 201 : 202, answer.text);
        location = client.location(answer);
      }
      assert(await isKept(bench, client, "alice/kept", `blobs/${digest}`));
    });
    await t.step("a manifest, by its tag and its digest", async () => {
      const manifest = await pushParts(client, "alice/kept", "kept");
      assertEquals((await client.putManifest("alice/kept", "1", manifest)).status, 201);
      assert(await isKept(bench, client, "alice/kept", "manifests/1"));
      assert(await isKept(bench, client, "alice/kept", `manifests/${manifest.digest}`));
    });
    await t.step("for those alone who may read it", async () => {
      const digest = await client.pushBlob("alice/kept", bytes);
      const nobody = new PushClient(bench.product.port, "default");
      assertEquals((await nobody.ask(nobody.url("alice/kept", `blobs/${digest}`))).status, 401);
    });
  },
});

Deno.test({
  name: "what the registry did not take is not kept",
  ignore,
  async fn() {
    await using bench = await startPushBench({ env });
    const client = await ownerOf(bench, "default", "alice/refused");
    const bytes = textBytes("refused");
    const wrong = digestOf(textBytes("something else"));
    const put = await client.ask(
      withQuery(await client.start("alice/refused"), `digest=${wrong}`),
      {
        method: "PUT",
        body: bytes,
      },
    );
    assertEquals(put.status, 400);
    // A registry that does not look: the bytes are not those of the digest.
    bench.world.registryFront.intercept = async (request) => {
      if (request.method !== "PUT") return undefined;
      await request.bytes();
      return new Response(null, { status: 201 });
    };
    const blind = await client.ask(
      withQuery(await client.start("alice/refused"), `digest=${wrong}`),
      { method: "PUT", body: bytes },
    );
    assertEquals(blind.status, 201);
    bench.world.registryFront.intercept = undefined;
    for (const digest of [wrong, digestOf(bytes)]) {
      const { status } = await client.ask(client.url("alice/refused", `blobs/${digest}`));
      assertEquals(status, 404);
    }
    const left = [...Deno.readDirSync(`${bench.product.cacheDir}/partial`)];
    assertEquals(left.map(({ name }) => name), []);
  },
});

Deno.test({
  name: "to a registry under TLS bodies keep their length, kept or not",
  ignore,
  async fn(t) {
    await using ca = await createCa();
    const certificate = await ca.issue("127.0.0.1");
    await using registry = await startRegistry();
    await using front = startRecorder({ target: registry.url, certificate });
    for (const pushes of ["true", "false"]) {
      await t.step(`CACHE_PUSHES=${pushes}`, async () => {
        await using product = await startEntrepot({
          env: { CACHE_PUSHES: pushes, UPSTREAM_REGISTRY_HOST: front.url },
          caFile: ca.certFile,
        });
        const client = new PushClient(product.port, "default", { authorization: basic(ALICE) });
        front.clear();
        await client.pushBlob("a/tls", new Uint8Array(2_000_000).fill(Number(pushes === "true")));
        const [put] = front.matching("PUT", /uploads/);
        assertEquals(put?.headers.get("content-length"), "2000000");
      });
    }
  },
});
