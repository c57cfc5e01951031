/**
 * Tokens for each way to name an upstream: the realm that a challenge names leads to a token that
 * opens what was asked for, and nothing at another registry.
 */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { basic, type Credentials } from "../support/push.ts";
import { ALICE, BOB } from "../support/token_server.ts";
import { type Answer, type Bench, manifestPath, noWorld, startBench } from "./pulling.ts";

/** Does what an engine does: asks, follows the challenge to the realm, and asks again. */
async function pull(
  bench: Bench,
  path: string,
  credentials: Credentials,
  host?: string,
): Promise<Answer> {
  const named = host === undefined ? {} : { host };
  const first = await bench.ask(path, named);
  assertEquals(first.status, 401);
  const challenge = first.headers.get("www-authenticate") ?? "";
  const parameter = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1] ?? "";
  const realm = new URL(parameter("realm"));
  realm.searchParams.set("service", parameter("service"));
  realm.searchParams.set("scope", parameter("scope"));
  assertEquals(realm.host, host ?? bench.product.host);
  const answer = await bench.ask(realm.pathname + realm.search, {
    ...named,
    headers: { authorization: basic(credentials) },
  });
  assertEquals(answer.status, 200, answer.text);
  const { token }: { token: string } = JSON.parse(answer.text);
  return await bench.ask(path, { ...named, token });
}

Deno.test({
  name: "the realm of a challenge opens what was asked for, by host, prefix, ns and default",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      env: { CUSTOM_DOMAIN: "example.test", TARGET_UPSTREAM: "docker.io" },
    });
    const { hubFront, registryFront, tokens } = bench.world;
    const image = await bench.world.seed("private/a");
    const path = manifestPath("private/a", "1");
    const { port } = bench.product;
    const ways = [
      { path, front: hubFront },
      { path: manifestPath("docker.io/private/a", "1"), front: hubFront },
      { path: manifestPath("ghcr.io/private/a", "1"), front: registryFront },
      { path: `${path}?ns=ghcr.io`, front: registryFront },
      { path: `${path}?ns=docker.io`, front: hubFront },
      { path, host: `ghcr.example.test:${port}`, front: registryFront },
      { path, host: `docker.example.test:${port}`, front: hubFront },
    ];
    for (const { path, host, front } of ways) {
      bench.world.clearRecords();
      const answer = await pull(bench, path, BOB, host);
      const what = `${host ?? ""} ${path}`;
      assertEquals(answer.status, 200, what);
      assertEquals(answer.headers.get("docker-content-digest"), image.top.digest, what);
      const other = front === hubFront ? registryFront : hubFront;
      assert(front.requests.length > 0, what);
      assertEquals(other.requests.length, 0, what);
      const asked = tokens.requests.filter(({ user }) => user === BOB.username);
      assertEquals(asked.map(({ scopes }) => scopes), [["repository:private/a:pull"]], what);
    }
  },
});

Deno.test({
  name: "one login on this host does not keep its user from public images of other registries",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    await bench.world.seed("public/a");
    await bench.world.seed("private/a");
    const stranger = { username: "alice", password: "the-one-of-another-registry" };
    const token = await bench.token(stranger, "ghcr.io/public/a", "ghcr.io/private/a");
    const manifest = (name: string) => bench.ask(manifestPath(`ghcr.io/${name}`, "1"), { token });
    assertEquals((await manifest("public/a")).status, 200);
    const refused = await manifest("private/a");
    assertEquals(refused.status, 401);
    assertStringIncludes(refused.headers.get("www-authenticate") ?? "", "ghcr.io/private/a");
    // At the registry that the login is for, a wrong password is wrong.
    const login = await bench.ask("/v2/auth?scope=repository:public/a:pull", {
      headers: { authorization: basic(stranger) },
    });
    assertEquals(login.status, 401);
    assertEquals((await bench.token(ALICE, "public/a")).startsWith("entrepot."), true);
  },
});
