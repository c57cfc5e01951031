/**
 * What clients are told when an upstream, its realm or its storage cannot be asked at all: who
 * could not be reached, and why.
 */
import { assert, assertEquals, assertFalse, assertStringIncludes } from "../support/assert.ts";
import { createCa } from "../support/ca.ts";
import { has } from "../support/components.ts";
import { type Entrepot, startEntrepot } from "../support/entrepot.ts";
import { tinyImage } from "../support/image.ts";
import { bytesOf } from "../support/layer.ts";
import { freePort } from "../support/ports.ts";
import { sleep } from "../support/process.ts";
import { basic } from "../support/push.ts";
import { TestServer } from "../support/serve.ts";
import { ALICE } from "../support/token_server.ts";
import { ask, blobPath, errorCodes, errorMessage, manifestPath } from "./pulling.ts";

const MANIFEST = manifestPath("team/app", "1");

async function failure(product: Entrepot, path: string, status = 502): Promise<string> {
  const answer = await ask(product.url + path);
  assertEquals([answer.status, ...errorCodes(answer)], [status, "UNAVAILABLE"], answer.text);
  const head = await ask(product.url + path, { method: "HEAD" });
  assertEquals([head.status, head.bytes.length], [status, 0]);
  return errorMessage(answer);
}

/** A port where whoever connects is told this and cut. */
function startRude(text: string): { url: string } & Disposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: freePort() });
  const serve = async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(4096));
      await connection.write(new TextEncoder().encode(text));
      connection.close();
    }
  };
  serve().catch((error: unknown) => {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  });
  const { port } = listener.addr;
  return { url: `http://127.0.0.1:${port}`, [Symbol.dispose]: () => listener.close() };
}

Deno.test("an upstream that cannot be reached is named, with the cause", async () => {
  using silent = startRude("");
  using rude = startRude("220 mail.test ESMTP\r\n");
  await using product = await startEntrepot({
    env: {
      UPSTREAM_QUAY_URL: `http://127.0.0.1:${freePort()}`,
      UPSTREAM_GCR_URL: "http://registry.invalid",
      UPSTREAM_MCR_URL: silent.url,
      UPSTREAM_NVCR_URL: rude.url,
    },
  });
  const expected = {
    "quay.io": "connection refused",
    "gcr.io": "DNS",
    "mcr.microsoft.com": "closed",
    "nvcr.io": "not HTTP",
  };
  for (const [registry, cause] of Object.entries(expected)) {
    const message = await failure(product, manifestPath(`${registry}/team/app`, "1"));
    assertStringIncludes(message, registry);
    assertStringIncludes(message, cause);
  }
});

Deno.test(
  "a certificate that is not trusted is said to be one",
  { ignore: !has("openssl") },
  async () => {
    await using ca = await createCa();
    const certificate = await ca.issue("127.0.0.1");
    await using upstream = new TestServer(() => Response.json({}), { certificate });
    await using product = await startEntrepot({ env: { UPSTREAM_DOCKER_URL: upstream.url } });
    assertStringIncludes(await failure(product, MANIFEST), "issuer is not trusted");
  },
);

Deno.test("an upstream that does not answer in time is a 504", async () => {
  const ended = new AbortController();
  await using upstream = new TestServer(async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    ended.signal.addEventListener("abort", () => resolve());
    await promise;
    return new Response();
  });
  await using product = await startEntrepot({
    env: { UPSTREAM_DOCKER_URL: upstream.url, UPSTREAM_HEADERS_TIMEOUT: "1s" },
  });
  const blob = blobPath("team/app", { digest: `sha256:${"a".repeat(64)}` });
  const startedAt = performance.now();
  const paths = [MANIFEST, blob, "/v2/team/app/tags/list"];
  const messages = await Promise.all(paths.map((path) => failure(product, path, 504)));
  assert(messages.every((message) => message.includes("did not answer within 1 s")));
  assert(performance.now() - startedAt < 4000);
  ended.abort();
});

Deno.test("defect 7: a body may take longer than the time-out for its headers", async () => {
  const { top } = tinyImage("slow");
  const bytes = bytesOf(top);
  await using upstream = new TestServer(() =>
    new Response(
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        async start(controller) {
          for (let i = 0; i < 5; i++) {
            controller.enqueue(bytes.slice(i * 100, i === 4 ? bytes.length : (i + 1) * 100));
            await sleep(400);
          }
          controller.close();
        },
      }),
      { headers: { "content-length": String(bytes.length), "content-type": top.mediaType } },
    )
  );
  await using product = await startEntrepot({
    env: { UPSTREAM_DOCKER_URL: upstream.url, UPSTREAM_HEADERS_TIMEOUT: "1s" },
  });
  const [manifest, blob] = await Promise.all([
    ask(product.url + MANIFEST),
    ask(product.url + blobPath("team/app", top)),
  ]);
  assertEquals([manifest.status, manifest.bytes], [200, bytes]);
  assertEquals([blob.status, blob.bytes], [200, bytes]);
});

/** An upstream whose realm is a server of the test's. */
async function withRealm(
  realm: string,
  check: (product: Entrepot) => Promise<void>,
): Promise<void> {
  await using upstream = new TestServer(() =>
    new Response(null, {
      status: 401,
      headers: { "www-authenticate": `Bearer realm="${realm}",service="s"` },
    })
  );
  await using product = await startEntrepot({
    env: { UPSTREAM_DOCKER_URL: upstream.url, UPSTREAM_HEADERS_TIMEOUT: "1s" },
  });
  await check(product);
}

Deno.test("a token realm that is down or confused is named, by a pull and by a login", async () => {
  const login = { headers: { authorization: basic(ALICE) } };
  const path = "/v2/auth?service=s";
  const port = freePort();
  await withRealm(`http://127.0.0.1:${port}/token`, async (product) => {
    for (
      const answer of [await ask(product.url + path, login), await ask(product.url + MANIFEST)]
    ) {
      assertEquals([answer.status, ...errorCodes(answer)], [502, "UNAVAILABLE"]);
      assertStringIncludes(errorMessage(answer), `127.0.0.1:${port}`);
      assertStringIncludes(errorMessage(answer), "connection refused");
    }
  });
  const confused = [
    () => new Response("<html>welcome</html>", { headers: { "content-type": "text/html" } }),
    () => Response.json({ tokens: [] }),
    () => Response.json({ token: "" }),
    () => new Response("x".repeat(2 << 20)),
    () => new Response("oops", { status: 500 }),
  ];
  for (const answerOf of confused) {
    await using realm = new TestServer(answerOf);
    await withRealm(`${realm.url}/token`, async (product) => {
      for (
        const answer of [await ask(product.url + path, login), await ask(product.url + MANIFEST)]
      ) {
        assertEquals([answer.status, ...errorCodes(answer)], [502, "UNAVAILABLE"]);
        assertFalse(answer.text.includes("welcome"));
      }
    });
  }
});

Deno.test("a token realm that limits its callers is a 429 with its Retry-After", async () => {
  await using realm = new TestServer(() =>
    new Response(null, { status: 429, headers: { "retry-after": "5" } })
  );
  await withRealm(`${realm.url}/token`, async (product) => {
    const login = { headers: { authorization: basic(ALICE) } };
    const scope = "/v2/auth?scope=repository:team/app:pull";
    for (
      const answer of [await ask(product.url + scope, login), await ask(product.url + MANIFEST)]
    ) {
      assertEquals([answer.status, ...errorCodes(answer)], [429, "TOOMANYREQUESTS"]);
      assertEquals(answer.headers.get("retry-after"), "5");
    }
  });
});
