/**
 * Which realms credentials may go to. A challenge is a registry's word: whoever can forge one would
 * otherwise be handed the passwords of all users.
 */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { createCa } from "../support/ca.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { basic } from "../support/push.ts";
import { describeAuthorization, startRecorder } from "../support/recorder.ts";
import { TestServer } from "../support/serve.ts";
import { ALICE } from "../support/token_server.ts";
import { ask, errorMessage, manifestPath, noWorld, startBench } from "./pulling.ts";

const AUTHORIZED = { headers: { authorization: basic(ALICE) } };
const REALM_KEY = "UPSTREAM_DOCKER_REALMS";

/** A server that takes everything down and gives a token to everybody. */
function startThief(): { server: TestServer; requests: URL[] } {
  const requests: URL[] = [];
  const server = new TestServer((request) => {
    requests.push(new URL(request.url));
    return Response.json({ token: "stolen", expires_in: 300 });
  }, { hostname: "127.0.0.2" });
  return { server, requests };
}

/** Answers everything with a challenge that names this realm. */
function challengeWith(realm: string): () => Response {
  return () =>
    new Response(null, {
      status: 401,
      headers: { "www-authenticate": `Bearer realm="${realm}",service="test-registry"` },
    });
}

Deno.test({
  name: "defect 10: a realm on a foreign host is refused, told, and sees nothing",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const thief = startThief();
    await using foreign = thief.server;
    bench.world.hubFront.intercept = challengeWith(`${foreign.url}/token`);
    const answers = [
      await bench.ask("/v2/auth?scope=repository:private/a:pull", AUTHORIZED),
      await bench.ask("/v2/auth", {
        method: "POST",
        body: new URLSearchParams({ grant_type: "password", ...ALICE }),
      }),
      await bench.ask(manifestPath("private/a", "1"), AUTHORIZED),
      await bench.ask(manifestPath("public/a", "1")),
    ];
    for (const answer of answers) {
      assertEquals(answer.status, 502);
      assertStringIncludes(errorMessage(answer), REALM_KEY);
      assertStringIncludes(errorMessage(answer), foreign.host);
    }
    assertEquals(thief.requests.length, 0);
  },
});

Deno.test({
  name: "a realm that is a name for this proxy's own network or is no URL is refused",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const realms = [
      "http://user:pw@127.0.0.1/token",
      "file:///etc/passwd",
      "gopher://127.0.0.1/token",
      "/token",
      "",
      "http://127.0.0.1.evil.test/token",
    ];
    for (const realm of realms) {
      bench.world.hubFront.intercept = challengeWith(realm);
      const answer = await bench.ask("/v2/auth?scope=repository:private/a:pull", AUTHORIZED);
      assertEquals(answer.status, 502, realm);
      assertStringIncludes(errorMessage(answer), REALM_KEY);
      // The challenge that was learnt is asked for again when it is forgotten.
      await bench.product.restart();
    }
  },
});

Deno.test({
  name: "an http realm of an https registry is refused: the password would travel in the clear",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await using ca = await createCa();
    const certificate = await ca.issue("127.0.0.1");
    await using front = startRecorder({ target: bench.world.hub.url, certificate });
    await using product = await startEntrepot({
      caFile: ca.certFile,
      env: { UPSTREAM_DOCKER_URL: front.url },
    });
    const answer = await ask(`${product.url}/v2/auth?scope=repository:private/a:pull`, AUTHORIZED);
    assertEquals(answer.status, 502);
    assertStringIncludes(errorMessage(answer), "must be https");
    assertEquals(bench.world.tokens.requests.length, 0);
  },
});

Deno.test({
  name: "a realm on another host is asked once the operator names it in both keys",
  ignore: noWorld,
  async fn() {
    const thief = startThief();
    await using realm = thief.server;
    await using bench = await startBench({ env: { [REALM_KEY]: "127.0.0.2" } });
    bench.world.hubFront.intercept = challengeWith(`${realm.url}/token?fixed=a%2Fb`);
    const path = "/v2/auth?scope=repository:private/a:pull";
    const refused = await bench.ask(path, AUTHORIZED);
    assertEquals(refused.status, 502);
    assertStringIncludes(errorMessage(refused), "PRIVATE_TARGETS");
    assertEquals(thief.requests.length, 0);

    await bench.product.restart({ PRIVATE_TARGETS: "127.0.0.2" });
    assertEquals((await bench.ask(path, AUTHORIZED)).status, 200);
    const query = thief.requests[0]?.searchParams;
    assertEquals(query?.get("fixed"), "a/b");
    assertEquals(query?.get("scope"), "repository:private/a:pull");
  },
});

Deno.test({
  name: "a realm that redirects is not followed, so that the password stays where it was meant for",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const thief = startThief();
    await using foreign = thief.server;
    await using realm = new TestServer(() =>
      new Response(null, { status: 307, headers: { location: `${foreign.url}/token` } })
    );
    bench.world.hubFront.intercept = challengeWith(`${realm.url}/token`);
    const get = await bench.ask("/v2/auth?scope=repository:private/a:pull", AUTHORIZED);
    assertEquals(get.status, 502);
    const basicPull = await bench.ask(manifestPath("private/a", "1"), AUTHORIZED);
    assertEquals(basicPull.status, 502);
    assertEquals(thief.requests.length, 0);
  },
});

Deno.test({
  name:
    "Basic sent straight to a manifest is exchanged at the realm and never sent to the registry",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("private/a");
    bench.world.clearRecords();
    const right = await bench.ask(manifestPath("private/a", "1"), AUTHORIZED);
    assertEquals(right.status, 200);
    assertEquals(right.headers.get("docker-content-digest"), image.top.digest);
    const wrong = await bench.ask(manifestPath("private/a", "1"), {
      headers: { authorization: basic({ ...ALICE, password: "nope" }) },
    });
    assertEquals(wrong.status, 401);
    assertEquals(bench.world.tokens.requests.map(({ scheme, isRight }) => [scheme, isRight]), [
      ["Basic", true],
      ["Basic", false],
    ]);
    const password = describeAuthorization(basic(ALICE))?.hash;
    const { requests } = bench.world.hubFront;
    assert(requests.every(({ authorization }) => authorization?.hash !== password));
  },
});

Deno.test({
  name: "a registry's own token, sent as it is, is passed on to that registry",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await bench.world.seed("private/a");
    const { realm } = bench.world.tokens;
    const answer = await ask(`${realm}?service=test-registry&scope=repository:private/a:pull`, {
      headers: { authorization: basic(ALICE) },
    });
    const { token }: { token: string } = JSON.parse(answer.text);
    bench.world.clearRecords();
    assertEquals((await bench.ask(manifestPath("private/a", "1"), { token })).status, 200);
    assertEquals(bench.world.tokens.requests.length, 0);
    const own = describeAuthorization(`Bearer ${token}`);
    assert(
      bench.world.hubFront.requests.every(({ authorization }) => authorization?.hash === own?.hash),
    );
  },
});
