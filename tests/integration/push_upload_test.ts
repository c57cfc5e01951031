/**
 * Uploads of blobs through the product: every form of the specification and every way of naming the
 * registry, with what reaches the registry seen from there.
 */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { basic } from "../support/push.ts";
import { ALICE, BOB } from "../support/token_server.ts";
import { ask, type Bench, errorCodes, noWorld } from "./pulling.ts";
import {
  digestOf,
  ownerOf,
  PushClient,
  pushClient,
  startPushBench,
  textBytes,
  WAYS,
  withQuery,
} from "./pushing.ts";

const ignore = noWorld;

/** What the registry itself answers to a HEAD of a blob. */
async function upstreamHas(bench: Bench, repository: string, digest: string): Promise<boolean> {
  const { tokens, registry } = bench.world;
  const scope = `repository:${repository}:pull`;
  const token = await ask(`${tokens.realm}?service=test-registry&scope=${scope}`, {
    headers: { authorization: basic(ALICE) },
  });
  const { status } = await ask(`${registry.url}/v2/${repository}/blobs/${digest}`, {
    method: "HEAD",
    token: JSON.parse(token.text).token,
  });
  return status === 200;
}

Deno.test({
  name: "an upload passes in each of the four ways, with Locations of the client's own",
  ignore,
  async fn(t) {
    await using bench = await startPushBench();
    for (const way of WAYS) {
      await t.step(way, async () => {
        const repository = `alice/${way}`;
        const client = await ownerOf(bench, way, repository);
        const first = textBytes(`first of ${way}, `);
        const second = textBytes("and second");
        const digest = digestOf(textBytes(`first of ${way}, and second`));
        bench.world.clearRecords();
        const location = await client.start(repository);
        assert(location.startsWith(client.url(repository, "blobs/uploads/").split("?")[0] ?? ""));
        assertEquals(way === "ns", /[?&]ns=ghcr\.io$/.test(location));
        const patched = await client.ask(location, { method: "PATCH", body: first });
        assertEquals(patched.status, 202, patched.text);
        assertEquals(patched.headers.get("range"), `0-${first.length - 1}`);
        assertMatch(patched.headers.get("docker-upload-uuid") ?? "", /^[0-9a-f-]{36}$/);
        const status = await client.ask(client.location(patched));
        assertEquals([status.status, status.headers.get("range")], [
          204,
          `0-${first.length - 1}`,
        ]);
        const more = await client.ask(client.location(status), {
          method: "PATCH",
          headers: {
            "content-range": `${first.length}-${first.length + second.length - 1}`,
            "content-type": "application/octet-stream",
          },
          body: second,
        });
        assertEquals(more.status, 202, more.text);
        const put = await client.ask(withQuery(client.location(more), `digest=${digest}`), {
          method: "PUT",
        });
        assertEquals(put.status, 201, put.text);
        assertEquals(put.headers.get("location"), client.url(repository, `blobs/${digest}`));
        assertEquals(put.headers.get("docker-content-digest"), digest);
        assert(await upstreamHas(bench, repository, digest));

        const { requests } = bench.world.registryFront;
        assert(requests.every(({ query }) => !query.includes("ns=")));
        assert(
          requests.filter(({ query }) => query.includes("_state=")).length >= 4,
          "the state reaches the registry",
        );
      });
    }
  },
});

Deno.test({
  name: "the query of a Location travels byte for byte",
  ignore,
  async fn() {
    await using bench = await startPushBench();
    const state = "?_state=a%2Fb+c%20d==&x&y=%7e~&z=%C3%A9";
    const seen: string[] = [];
    bench.world.registryFront.intercept = (request) => {
      const { pathname } = new URL(request.url);
      if (!pathname.includes("/blobs/uploads/")) return undefined;
      seen.push(request.url.slice(request.url.indexOf("?")));
      return new Response(null, {
        status: 202,
        headers: { location: `/v2/alice/bytes/blobs/uploads/id-1${state}`, range: "0-0" },
      });
    };
    const client = await ownerOf(bench, "ns", "alice/bytes");
    const location = await client.start("alice/bytes");
    assertEquals(location, `${client.base}/v2/alice/bytes/blobs/uploads/id-1${state}&ns=ghcr.io`);
    await client.ask(withQuery(location, "digest=sha256%3Aabc"), { method: "PUT" });
    assertEquals(seen[1], `${state}&digest=sha256%3Aabc`);
  },
});

Deno.test({
  name: "a body keeps the length that the client gave, and is chunked where it gave none",
  ignore,
  async fn() {
    await using bench = await startPushBench();
    const client = await ownerOf(bench, "prefix", "alice/length");
    const bytes = new Uint8Array(3_000_000).fill(7);
    bench.world.clearRecords();
    await client.pushBlob("alice/length", bytes);
    const [put] = bench.world.registryFront.matching("PUT", /uploads/);
    assertEquals(put?.headers.get("content-length"), "3000000");
    assertEquals(put?.headers.get("transfer-encoding"), null);
    const [post] = bench.world.registryFront.matching("POST", /uploads/);
    assertEquals(post?.headers.get("content-length"), "0");

    const other = new Uint8Array(100_000).fill(8);
    const streamed = await client.ask(await client.start("alice/length"), {
      method: "PATCH",
      body: ReadableStream.from([other.slice(0, 50_000), other.slice(50_000)]),
    });
    assertEquals([streamed.status, streamed.headers.get("range")], [202, "0-99999"]);
    const [patch] = bench.world.registryFront.matching("PATCH", /uploads/);
    assertEquals(patch?.headers.get("content-length"), null);
    const end = await client.ask(
      withQuery(client.location(streamed), `digest=${digestOf(other)}`),
      { method: "PUT" },
    );
    assertEquals(end.status, 201, end.text);
    assertEquals(
      bench.world.registryFront.matching("PUT", /uploads/)[1]?.headers.get("content-length"),
      "0",
    );
  },
});

Deno.test({
  name: "what the registry refuses in an upload is told in its own words and headers",
  ignore,
  async fn() {
    await using bench = await startPushBench();
    const client = await ownerOf(bench, "default", "alice/refused");
    const location = await client.start("alice/refused");
    const wrong = await client.ask(withQuery(location, `digest=sha256:${"0".repeat(64)}`), {
      method: "PUT",
      body: textBytes("other bytes"),
    });
    assertEquals([wrong.status, errorCodes(wrong)], [400, ["DIGEST_INVALID"]]);
    const cancelled = await client.start("alice/refused");
    assertEquals((await client.ask(cancelled, { method: "DELETE" })).status, 204);
    const gone = await client.ask(cancelled);
    assertEquals([gone.status, errorCodes(gone)], [404, ["BLOB_UPLOAD_UNKNOWN"]]);

    bench.world.registryFront.intercept = (request) =>
      request.method === "PATCH"
        ? Response.json({ errors: [{ code: "RANGE_INVALID", message: "out of order" }] }, {
          status: 416,
          headers: { location: "/v2/alice/refused/blobs/uploads/u?s=2", range: "0-9" },
        })
        : undefined;
    const late = await client.ask(await client.start("alice/refused"), {
      method: "PATCH",
      headers: { "content-range": "20-29" },
      body: new Uint8Array(10),
    });
    assertEquals([late.status, late.headers.get("range")], [416, "0-9"]);
    assertEquals(client.location(late), `${client.base}/v2/alice/refused/blobs/uploads/u?s=2`);
  },
});

Deno.test({
  name: "a blob is mounted from another repository of the registry, and no byte is sent",
  ignore,
  async fn(t) {
    await using bench = await startPushBench();
    for (const way of WAYS) {
      await t.step(way, async () => {
        const client = await ownerOf(bench, way, `alice/from-${way}`, `alice/to-${way}`);
        const digest = await client.pushBlob(`alice/from-${way}`, textBytes(`mounted ${way}`));
        const from = encodeURIComponent(client.name(`alice/from-${way}`));
        const mount = `blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${from}`;
        const answer = await client.ask(client.url(`alice/to-${way}`, mount), { method: "POST" });
        assertEquals(answer.status, 201, answer.text);
        assertEquals(
          answer.headers.get("location"),
          client.url(`alice/to-${way}`, `blobs/${digest}`),
        );
        assert(await upstreamHas(bench, `alice/to-${way}`, digest));
      });
    }
    await t.step("from another registry it is an upload like any other", async () => {
      const client = await ownerOf(bench, "prefix", "alice/to");
      bench.world.clearRecords();
      const mount = `?mount=sha256:${"a".repeat(64)}&from=quay.io%2Fx%2Fy&origin=quay.io`;
      await client.start("alice/to", mount);
      assertEquals(bench.world.registryFront.matching("POST", /uploads/)[0]?.query, "");
    });
    await t.step("from where the caller may not read it is not mounted", async () => {
      const owner = await ownerOf(bench, "default", "secret/from");
      const digest = await owner.pushBlob("secret/from", textBytes("secret"));
      const client = await pushClient(bench, "default", ["repository:alice/x:pull,push"]);
      const mount = `blobs/uploads/?mount=${digest}&from=secret/from`;
      const answer = await client.ask(client.url("alice/x", mount), { method: "POST" });
      assertEquals(answer.status, 401);
      assertMatch(
        answer.headers.get("www-authenticate") ?? "",
        /scope="repository:alice\/x:pull,push repository:secret\/from:pull"/,
      );
    });
  },
});

Deno.test({
  name: "a caller with a password gets its token before the first byte of a body",
  ignore,
  async fn() {
    await using bench = await startPushBench();
    const client = new PushClient(bench.product.port, "default", { authorization: basic(ALICE) });
    const session = await client.start("alice/basic");
    // A new process knows nothing of the registry: the body must not go out to learn it.
    await bench.product.restart();
    bench.world.clearRecords();
    const bytes = new Uint8Array(2_000_000).fill(3);
    const put = await client.ask(withQuery(session, `digest=${digestOf(bytes)}`), {
      method: "PUT",
      body: bytes,
    });
    assertEquals(put.status, 201, put.text);
    assertEquals(bench.world.registryFront.matching("PUT", /uploads/).length, 1);
    const pushes = bench.world.tokens.requests.map(({ scopes }) => scopes.join());
    assertEquals(pushes, ["repository:alice/basic:pull,push"]);
  },
});

Deno.test({
  name: "a push without the right to it is refused with the scope that it needs",
  ignore,
  async fn(t) {
    await using bench = await startPushBench();
    for (const way of WAYS) {
      await t.step(way, async () => {
        const client = new PushClient(bench.product.port, way);
        const answer = await client.ask(client.url("alice/x", "blobs/uploads/"), {
          method: "POST",
        });
        assertEquals([answer.status, errorCodes(answer)], [401, ["UNAUTHORIZED"]]);
        const challenge = answer.headers.get("www-authenticate") ?? "";
        assert(
          challenge.includes(`scope="repository:${client.name("alice/x")}:pull,push"`),
          challenge,
        );
        assert(challenge.includes(`realm="${client.base}/v2/auth`), challenge);
      });
    }
    await t.step("a reader is no writer", async () => {
      const bob = await pushClient(bench, "default", ["repository:private/x:pull,push"], BOB);
      const answer = await bob.ask(bob.url("private/x", "blobs/uploads/"), { method: "POST" });
      assertEquals(answer.status, 401);
      assertMatch(answer.headers.get("www-authenticate") ?? "", /insufficient_scope/);
    });
  },
});

Deno.test({
  name: "Expect: 100-continue is answered, and the body follows",
  ignore: ignore || !has("namespace"),
  async fn() {
    await using bench = await startPushBench();
    const client = await ownerOf(bench, "default", "alice/expect");
    const bytes = textBytes("expected");
    const { pathname, search } = new URL(
      withQuery(await client.start("alice/expect"), `digest=${digestOf(bytes)}`),
    );
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: bench.product.port });
    const token = basic(ALICE);
    const head = `PUT ${pathname}${search} HTTP/1.1\r\nHost: 127.0.0.1:${bench.product.port}\r\n` +
      `Authorization: ${token}\r\nExpect: 100-continue\r\nContent-Length: ${bytes.length}\r\n` +
      "Connection: close\r\n\r\n";
    await connection.write(new TextEncoder().encode(head));
    const buffer = new Uint8Array(4096);
    const first = new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
    assertMatch(first, /^HTTP\/1\.1 100 Continue/);
    await connection.write(bytes);
    const then = new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
    assertMatch(then, /^HTTP\/1\.1 201/);
  },
});
