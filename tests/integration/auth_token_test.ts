/**
 * The token endpoint: what a caller's credentials are exchanged for, at which realm, and where the
 * tokens may go from there.
 */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { basic } from "../support/push.ts";
import { describeAuthorization } from "../support/recorder.ts";
import { ALICE, BOB } from "../support/token_server.ts";
import {
  type Answer,
  type Bench,
  blobPath,
  errorCodes,
  layerOf,
  manifestPath,
  noWorld,
  startBench,
} from "./pulling.ts";

interface TokenBody {
  token: string;
  access_token: string;
  expires_in: number;
  issued_at: string;
  refresh_token?: string;
}

function tokenOf(answer: Answer): TokenBody {
  assertEquals(answer.status, 200, answer.text);
  const body: TokenBody = JSON.parse(answer.text);
  return body;
}

function post(bench: Bench, form: Record<string, string>): Promise<Answer> {
  return bench.ask("/v2/auth", { method: "POST", body: new URLSearchParams(form) });
}

Deno.test({
  name: "the right password gets a token that pulls, the wrong one a 401",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("private/a");
    bench.world.clearRecords();
    const path = "/v2/auth?service=test-registry&scope=repository:private/a:pull&account=bob";
    const right = await bench.ask(path, { headers: { authorization: basic(BOB) } });
    const body = tokenOf(right);
    assertEquals(body.token, body.access_token);
    assertEquals(body.expires_in, 300);
    assert(Math.abs(Date.parse(body.issued_at) - Date.now()) < 60_000);
    assertEquals(right.headers.get("cache-control"), "no-store");
    assertEquals(bench.world.tokens.requests[0]?.query.get("account"), "bob");
    const manifest = await bench.ask(manifestPath("private/a", "1"), { token: body.token });
    assertEquals(manifest.headers.get("docker-content-digest"), image.top.digest);

    const wrong = await bench.ask(path, {
      headers: { authorization: basic({ username: "bob", password: "nope" }) },
    });
    assertEquals(wrong.status, 401);
    assertEquals(errorCodes(wrong), ["UNAUTHORIZED"]);
    assertEquals(wrong.headers.get("content-type"), "application/json");
  },
});

Deno.test({
  name: "a login without a scope is checked by the default upstream's realm",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const login = (password: string) =>
      bench.ask("/v2/auth?account=alice&client_id=docker&offline_token=true&service=anything", {
        headers: { authorization: basic({ username: "alice", password }) },
      });
    assertEquals((await login("alicepw")).status, 200);
    assertEquals((await login("wrong")).status, 401);
    const [first] = bench.world.tokens.requests;
    assertEquals(first?.query.get("client_id"), "docker");
    // The service is the upstream's own word, never the client's.
    assertEquals(first?.service, "test-registry");
  },
});

Deno.test({
  name: "defect 10: the OAuth2 POST takes a password, and a refresh token that it gave",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ world: { token: { refresh: true } } });
    await bench.world.seed("private/a");
    bench.world.clearRecords();
    const common = { service: "test-registry", scope: "repository:private/a:pull" };
    const login = await post(bench, {
      ...common,
      grant_type: "password",
      username: "bob",
      password: "bobpw",
      access_type: "offline",
      client_id: "containerd-client",
    });
    const { refresh_token: refresh = "", access_token: token } = tokenOf(login);
    assertEquals(bench.world.tokens.requests[0]?.form.get("client_id"), "containerd-client");
    assertEquals((await bench.ask(manifestPath("private/a", "1"), { token })).status, 200);

    const again = tokenOf(
      await post(bench, { ...common, grant_type: "refresh_token", refresh_token: refresh }),
    );
    const { access_token: second } = again;
    assertEquals((await bench.ask(manifestPath("private/a", "1"), { token: second })).status, 200);
    assertEquals(bench.world.tokens.requests.map(({ scheme }) => scheme), [
      "password",
      "refresh_token",
    ]);

    const wrong = { ...common, grant_type: "password", username: "bob", password: "nope" };
    assertEquals((await post(bench, wrong)).status, 401);
    assertEquals((await post(bench, { ...common, grant_type: "device" })).status, 400);
  },
});

Deno.test({
  name: "a realm that knows no POST is seen to know none, so that containerd falls back to GET",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ world: { token: { noPost: true } } });
    await bench.world.seed("private/a");
    for (const name of ["private/a", "ghcr.io/private/a"]) {
      const form = { grant_type: "password", username: "bob", password: "bobpw" };
      const scope = `repository:${name}:pull`;
      assertEquals((await post(bench, { ...form, scope })).status, 405);
      const token = await bench.token(BOB, name);
      assertEquals((await bench.ask(manifestPath(name, "1"), { token })).status, 200);
    }
  },
});

Deno.test({
  name: "defect 10: scopes are mapped to the upstream's names, all of them, in one token request",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await bench.token(ALICE, "nginx", "docker.io/redis", "private/a", "index.docker.io/team/b");
    const [only, ...more] = bench.world.tokens.requests;
    assertEquals(more, []);
    assertEquals(only?.scopes, [
      "repository:library/nginx:pull",
      "repository:library/redis:pull",
      "repository:private/a:pull",
      "repository:team/b:pull",
    ]);
    const spaced = "/v2/auth?scope=repository:nginx:pull%20repository:x/y:pull,push";
    await bench.ask(spaced, { headers: { authorization: basic(ALICE) } });
    assertEquals(bench.world.tokens.requests[1]?.scopes, [
      "repository:library/nginx:pull",
      "repository:x/y:pull,push",
    ]);
  },
});

Deno.test({
  name: "one token request for two registries gives one token that holds each one's own",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await bench.world.seed("private/a");
    await bench.world.seed("private/b");
    bench.world.clearRecords();
    const token = await bench.token(BOB, "private/a", "ghcr.io/private/b");
    assertEquals(bench.world.tokens.requests.map(({ scopes }) => scopes), [
      ["repository:private/a:pull"],
      ["repository:private/b:pull"],
    ]);
    assertEquals((await bench.ask(manifestPath("private/a", "1"), { token })).status, 200);
    assertEquals((await bench.ask(manifestPath("ghcr.io/private/b", "1"), { token })).status, 200);
    const seen = (requests: typeof bench.world.hubFront.requests) =>
      new Set(requests.flatMap(({ authorization }) => authorization?.hash ?? []));
    const atHub = seen(bench.world.hubFront.requests);
    const atGhcr = seen(bench.world.registryFront.requests);
    assertEquals([atHub.size, atGhcr.size], [1, 1]);
    assertEquals(atHub.intersection(atGhcr).size, 0);
  },
});

Deno.test({
  name: "a token given for one registry never reaches another",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("private/a");
    const token = await bench.token(ALICE, "private/a");
    assertEquals((await bench.ask(manifestPath("private/a", "1"), { token })).status, 200);
    const secrets = new Set(
      bench.world.hubFront.requests.flatMap(({ authorization }) => authorization?.hash ?? []),
    );
    secrets.add(describeAuthorization(`Bearer ${token}`)?.hash ?? "");

    const elsewhere = await bench.ask(manifestPath("ghcr.io/private/a", "1"), { token });
    assertEquals(elsewhere.status, 401);
    const blob = blobPath("ghcr.io/private/a", layerOf(image));
    assertEquals((await bench.ask(blob, { token })).status, 401);
    const { requests } = bench.world.registryFront;
    assert(requests.length > 0);
    assert(requests.every(({ authorization }) => !secrets.has(authorization?.hash ?? "none")));
  },
});

Deno.test({
  name: "callers without credentials share one anonymous token, which the proxy fetches once",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    bench.world.clearRecords();
    await Promise.all([
      ...Array.from({ length: 6 }, () => bench.ask(manifestPath("public/a", "1"))),
      ...image.blobs.map((blob) => bench.ask(blobPath("public/a", blob))),
    ]);
    for (const blob of image.blobs) await bench.ask(blobPath("public/a", blob));
    const token = await bench.token(null, "public/a");
    assertEquals((await bench.ask(manifestPath("public/a", "1"), { token })).status, 200);
    assertEquals(bench.world.tokens.requests.map(({ scheme, scopes }) => [scheme, scopes]), [
      [null, ["repository:public/a:pull"]],
    ]);
  },
});

Deno.test({
  name: "a token that is too weak is answered with what it lacks",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await bench.world.seed("secret/a");
    const token = await bench.token(BOB, "secret/a");
    const answer = await bench.ask(manifestPath("secret/a", "1"), { token });
    assertEquals(answer.status, 401);
    const challenge = answer.headers.get("www-authenticate") ?? "";
    assertStringIncludes(challenge, 'scope="repository:secret/a:pull"');
    assertStringIncludes(challenge, 'error="insufficient_scope"');
    const stale = await bench.ask(manifestPath("secret/a", "1"), { token: "eyJh.bm90.YQ" });
    assertStringIncludes(stale.headers.get("www-authenticate") ?? "", 'error="invalid_token"');
  },
});

Deno.test({
  name: "a scope of a registry that is not served is refused before any password moves",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const answer = await bench.ask("/v2/auth?scope=repository:unknown.test/a/b:pull", {
      headers: { authorization: basic(ALICE) },
    });
    assertEquals(answer.status, 404);
    assertEquals(errorCodes(answer), ["NAME_UNKNOWN"]);
    assertEquals(bench.world.tokens.requests.length, 0);
  },
});
