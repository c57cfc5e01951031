/**
 * Uploads that a registry keeps at unusual places or on other hosts: the client sees addresses of
 * the product only, which nobody can bend, and no credential goes where it does not belong.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { basic } from "../support/push.ts";
import { startRecorder } from "../support/recorder.ts";
import { TestServer } from "../support/serve.ts";
import { ALICE } from "../support/token_server.ts";
import { type Bench, errorMessage, noWorld } from "./pulling.ts";
import { ownerOf, PushClient, startPushBench, textBytes, WAYS, withQuery } from "./pushing.ts";

const ignore = noWorld;

/** A storage host that takes uploads by itself, and what it was asked. */
interface Away extends AsyncDisposable {
  readonly url: string;
  readonly seen: { method: string; url: string; authorization: string | null; bytes: number }[];
}

function startAway(hostname = "127.0.0.1"): Away {
  const seen: Away["seen"] = [];
  const server = new TestServer(async (request) => {
    const { pathname, search } = new URL(request.url);
    const authorization = request.headers.get("authorization");
    const bytes = (await request.bytes()).length;
    seen.push({ method: request.method, url: pathname + search, authorization, bytes });
    return request.method === "PUT"
      ? new Response(null, { status: 201, headers: { location: "https://cdn.test/some/where" } })
      : new Response(null, {
        status: 202,
        headers: { location: `/uploads/next?sig=${seen.length}`, range: `0-${bytes - 1}` },
      });
  }, { hostname });
  return {
    url: server.url,
    seen,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Has the registry begin every upload with a Location of the test's. */
function uploadAt(bench: Bench, location: string, status = 202): void {
  bench.world.registryFront.intercept = (request) =>
    request.method === "POST" && request.url.includes("/blobs/uploads/")
      ? new Response(null, { status, headers: { location } })
      : undefined;
}

Deno.test({
  name: "an upload on another host passes sealed, without credentials, its query exact",
  ignore,
  async fn(t) {
    await using away = startAway();
    await using bench = await startPushBench({ env: { PRIVATE_TARGETS: "127.0.0.1" } });
    uploadAt(bench, `${away.url}/uploads/first?sig=a%2Fb+c==&x`);
    for (const way of WAYS) {
      await t.step(way, async () => {
        away.seen.length = 0;
        const client = await ownerOf(bench, way, "alice/away");
        const location = await client.start("alice/away");
        assert(!location.includes(new URL(away.url).host), location);
        assert(location.includes("/blobs/uploads/~"), location);
        const patched = await client.ask(location, { method: "PATCH", body: textBytes("12345") });
        assertEquals([patched.status, patched.headers.get("range")], [202, "0-4"]);
        const digest = `sha256:${"e".repeat(64)}`;
        const put = await client.ask(withQuery(client.location(patched), `digest=${digest}`), {
          method: "PUT",
        });
        assertEquals(put.status, 201);
        assertEquals(put.headers.get("location"), client.url("alice/away", `blobs/${digest}`));
        assertEquals(away.seen, [
          {
            method: "PATCH",
            url: "/uploads/first?sig=a%2Fb+c==&x",
            authorization: null,
            bytes: 5,
          },
          {
            method: "PUT",
            url: `/uploads/next?sig=1&digest=${digest}`,
            authorization: null,
            bytes: 0,
          },
        ]);
      });
    }
  },
});

Deno.test({
  name: "an upload at an unusual place of the registry itself passes with the caller's credential",
  ignore,
  async fn() {
    await using bench = await startPushBench();
    const seen: [string, string | null][] = [];
    bench.world.registryFront.intercept = (request) => {
      const { pathname, search } = new URL(request.url);
      if (request.method === "POST") {
        return new Response(null, {
          status: 202,
          headers: { location: "/artifacts-uploads/namespaces/p/uploads/AbC?k=1" },
        });
      }
      if (!pathname.startsWith("/artifacts-uploads/")) return undefined;
      seen.push([pathname + search, request.headers.get("authorization")]);
      return new Response(null, { status: 201 });
    };
    const client = await ownerOf(bench, "default", "alice/odd");
    const location = await client.start("alice/odd");
    const put = await client.ask(withQuery(location, `digest=sha256:${"e".repeat(64)}`), {
      method: "PUT",
      body: textBytes("x"),
    });
    assertEquals(put.status, 201);
    assertEquals(
      seen.map(([url]) => url),
      [`/artifacts-uploads/namespaces/p/uploads/AbC?k=1&digest=sha256:${"e".repeat(64)}`],
    );
    assert(seen[0]?.[1]?.startsWith("Bearer "));
  },
});

Deno.test({
  name: "a registry cannot send a push to a private address that is not allowed",
  ignore,
  async fn() {
    await using away = startAway("127.0.0.2");
    await using bench = await startPushBench();
    uploadAt(bench, `${away.url}/uploads/first`);
    const client = await ownerOf(bench, "default", "alice/ssrf");
    const location = await client.start("alice/ssrf");
    const patched = await client.ask(location, { method: "PATCH", body: textBytes("x") });
    assertEquals(patched.status, 502);
    assert(errorMessage(patched).includes("PRIVATE_TARGETS"), patched.text);
    uploadAt(bench, "file:///etc/passwd");
    const start = client.url("alice/ssrf", "blobs/uploads/");
    assertEquals((await client.ask(start, { method: "POST" })).status, 502);
    assertEquals(away.seen, []);
  },
});

Deno.test({
  name: "10,000 sealed addresses that were tampered with lead nowhere",
  ignore,
  async fn() {
    await using away = startAway();
    await using bench = await startPushBench({ env: { PRIVATE_TARGETS: "127.0.0.1" } });
    uploadAt(bench, `${away.url}/uploads/first?sig=1`);
    const client = await ownerOf(bench, "default", "alice/sealed", "alice/other");
    const location = await client.start("alice/sealed");
    const [seal = ""] = new URL(location).pathname.split("/").slice(-1);
    bench.world.clearRecords();

    const sealedFor = (repository: string, text: string) =>
      client.url(repository, `blobs/uploads/${text}`);
    const elsewhere = await client.ask(sealedFor("alice/other", seal), { method: "GET" });
    assertEquals(elsewhere.status, 404, "another repository's");
    const methods = ["GET", "PATCH", "PUT", "DELETE"];
    const statuses = new Map<number, number>();
    for (let batch = 0; batch < 10_000; batch += 50) {
      const answers = Array.from(
        { length: 50 },
        (_, i) =>
          client.ask(sealedFor("alice/sealed", mutate(seal, batch + i)), {
            method: methods[(batch + i) % methods.length] ?? "GET",
          }),
      );
      for (const { status } of await Promise.all(answers)) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    }
    const refused = (statuses.get(404) ?? 0) + (statuses.get(400) ?? 0);
    assertEquals([refused, [...statuses.values()].reduce((a, b) => a + b)], [10_000, 10_000]);
    assertEquals([bench.world.registryFront.requests, away.seen], [[], []]);
    // The right one still opens.
    assertEquals((await client.ask(location, { method: "PATCH", body: "x" })).status, 202);
  },
});

/** A different text for each number: changed, cut, doubled, moved or put together anew. */
function mutate(seal: string, seed: number): string {
  const random = (below: number, salt: number) =>
    Math.floor(Math.abs(Math.sin(seed * 7919 + salt * 104_729) * 1e6)) % below;
  const at = random(seal.length, 1);
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~";
  const letter = alphabet[random(alphabet.length, 2)] ?? "A";
  const mutations = [
    () => seal.slice(0, at) + letter + seal.slice(at + 1),
    () => seal.slice(0, at) + seal.slice(at + 1),
    () => seal.slice(0, at) + letter + seal.slice(at),
    () => seal.slice(0, Math.max(at, 17)),
    () => seal.slice(Math.min(at + 1, seal.length - 17)),
    () => seal.slice(at) + seal.slice(0, at),
    () => seal + seal.slice(at),
    () => seal.replaceAll("~", letter === "~" ? "%00~" : letter),
    () => seal.slice(0, at) + `%${(128 + random(100, 3)).toString(16)}` + seal.slice(at),
    () => seal.split("").reverse().join(""),
  ];
  const mutated = mutations[seed % mutations.length]?.() ?? "";
  return mutated === seal ? `${seal}~` : mutated;
}

Deno.test({
  name: "a secret key lets uploads go on after a restart, a key of the process does not",
  ignore,
  async fn(t) {
    for (const env of [{ SECRET_KEY: "k".repeat(40) }, {}]) {
      const isKept = "SECRET_KEY" in env;
      await t.step(isKept ? "with SECRET_KEY" : "without", async () => {
        await using away = startAway();
        await using bench = await startPushBench({ env: { ...env, PRIVATE_TARGETS: "127.0.0.1" } });
        uploadAt(bench, `${away.url}/uploads/first`);
        const client = new PushClient(bench.product.port, "default", {
          authorization: basic(ALICE),
        });
        const location = await client.start("alice/restart");
        await bench.product.restart();
        const { status } = await client.ask(location, { method: "PATCH", body: "x" });
        assertEquals(status, isKept ? 202 : 404);
        assert(!(await bench.output()).includes("k".repeat(40)));
      });
    }
  },
});

Deno.test({
  name: "a redirected start is followed, a redirected body is the client's to send again",
  ignore,
  async fn() {
    await using away = startAway();
    await using bench = await startPushBench({ env: { PRIVATE_TARGETS: "127.0.0.1" } });
    uploadAt(bench, `${away.url}/begin`, 307);
    const client = await ownerOf(bench, "default", "alice/redirect");
    const location = await client.start("alice/redirect");
    assertEquals(away.seen.map(({ method, url }) => method + url), ["POST/begin"]);
    const patched = await client.ask(location, { method: "PATCH", body: textBytes("1") });
    assertEquals(patched.status, 202);
    assertEquals(away.seen[1]?.url, "/uploads/next?sig=1");

    bench.world.registryFront.intercept = (request) =>
      request.method === "PATCH"
        ? new Response(null, { status: 307, headers: { location: `${away.url}/body?x=1` } })
        : undefined;
    const handed = await client.ask(await client.start("alice/redirect"), {
      method: "PATCH",
      body: textBytes("12"),
    });
    assertEquals(handed.status, 307);
    const again = await client.ask(client.location(handed), {
      method: "PATCH",
      body: textBytes("12"),
    });
    assertEquals(again.status, 202);
    assertEquals(away.seen.at(-1), {
      method: "PATCH",
      url: "/body?x=1",
      authorization: null,
      bytes: 2,
    });
  },
});

Deno.test({
  name: "a registry that calls itself by another scheme or name is still itself",
  ignore,
  async fn() {
    await using bench = await startPushBench({
      env: { UPSTREAM_GHCR_NAMES: "registry.corp.test" },
    });
    const { host } = new URL(bench.world.registryFront.url);
    const client = await ownerOf(bench, "default", "alice/names");
    for (const base of [`https://${host}`, "https://registry.corp.test"]) {
      uploadAt(bench, `${base}/v2/alice/names/blobs/uploads/u-1?s=1`);
      assertEquals(
        await client.start("alice/names"),
        `${client.base}/v2/alice/names/blobs/uploads/u-1?s=1`,
      );
    }
  },
});

Deno.test({
  name: "Locations carry what the client sees behind a TLS terminator, and PUBLIC_URL",
  ignore,
  async fn(t) {
    const cases: [string, Record<string, string>, Record<string, string>, string][] = [
      [
        "X-Forwarded from a trusted proxy",
        { TRUSTED_PROXIES: "127.0.0.1" },
        { "x-forwarded-proto": "https", "x-forwarded-host": "hub.test:8443" },
        "https://hub.test:8443/v2/",
      ],
      ["PUBLIC_URL", { PUBLIC_URL: "https://hub.test" }, {}, "https://hub.test/v2/"],
    ];
    for (const [name, env, headers, base] of cases) {
      await t.step(name, async () => {
        await using bench = await startPushBench({ env });
        await using front = startRecorder({ target: bench.product.url });
        const response = await fetch(`${front.url}/v2/alice/tls/blobs/uploads/`, {
          method: "POST",
          headers: { ...headers, authorization: basic(ALICE) },
        });
        await response.body?.cancel();
        assertEquals(response.status, 202);
        assert(response.headers.get("location")?.startsWith(base), `${response.headers}`);
      });
    }
  },
});
