/** Who may push: what the operator allows, and whose credentials go upstream. */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { basic } from "../support/push.ts";
import { ALICE } from "../support/token_server.ts";
import { errorCodes, noWorld } from "./pulling.ts";
import { digestOf, PushClient, startPushBench, textBytes, withQuery } from "./pushing.ts";

const ignore = noWorld;
const ACCOUNT = {
  UPSTREAM_GHCR_AUTH: "account",
  UPSTREAM_GHCR_USERNAME: ALICE.username,
  UPSTREAM_GHCR_PASSWORD: ALICE.password,
};

Deno.test({
  name: "where pushes are denied nothing reaches the registry",
  ignore,
  async fn(t) {
    const settings: [string, Record<string, string>][] = [
      ["everywhere", { PUSH: "deny" }],
      ["for one upstream", { UPSTREAM_GHCR_PUSH: "deny" }],
      ["by default where the proxy has an account", ACCOUNT],
    ];
    for (const [name, env] of settings) {
      await t.step(name, async () => {
        await using bench = await startPushBench({ env });
        const client = new PushClient(bench.product.port, "default", {
          authorization: basic(ALICE),
        });
        const digest = `sha256:${"0".repeat(64)}`;
        const writes: [string, string, string][] = [
          ["POST", "blobs/uploads/", ""],
          ["PATCH", "blobs/uploads/some-session", ""],
          ["PUT", "blobs/uploads/some-session", ""],
          ["PUT", "manifests/1", "GET, HEAD"],
          ["DELETE", "manifests/1", "GET, HEAD"],
          ["DELETE", `blobs/${digest}`, "GET, HEAD"],
        ];
        for (const [method, rest, allow] of writes) {
          const answer = await client.ask(client.url("alice/x", rest), { method, body: "x" });
          assertEquals([answer.status, errorCodes(answer)], [405, ["UNSUPPORTED"]], method + rest);
          assertEquals(answer.headers.get("allow") ?? "", allow);
        }
        assertEquals(bench.world.registryFront.requests, []);
      });
    }
  },
});

Deno.test({
  name: "with push: account, pushes go out with the proxy's account and need no login",
  ignore,
  async fn() {
    await using bench = await startPushBench({
      env: { ...ACCOUNT, UPSTREAM_GHCR_PUSH: "account" },
    });
    const client = new PushClient(bench.product.port, "default");
    const digest = await client.pushBlob("alice/by-account", textBytes("by account"));
    const head = await client.ask(client.url("alice/by-account", `blobs/${digest}`), {
      method: "HEAD",
    });
    assertEquals(head.status, 200);
    assert(bench.world.tokens.requests.every(({ user }) => user === ALICE.username));
  },
});

Deno.test({
  name: "with push: allow beside an account, reads are the account's and pushes the caller's",
  ignore,
  async fn() {
    await using bench = await startPushBench({ env: { ...ACCOUNT, UPSTREAM_GHCR_PUSH: "allow" } });
    await bench.world.seed("secret/a");
    const nobody = new PushClient(bench.product.port, "default");
    const ping = await nobody.ask(`${nobody.base}/v2/`);
    assertEquals(ping.status, 401);
    assertStringIncludes(ping.headers.get("www-authenticate") ?? "", `${nobody.base}/v2/auth`);
    const read = await nobody.ask(nobody.url("secret/a", "manifests/1"));
    assertEquals(read.status, 200, read.text);
    const refused = await nobody.ask(nobody.url("secret/a", "blobs/uploads/"), { method: "POST" });
    assertEquals(refused.status, 401);
    assertStringIncludes(
      refused.headers.get("www-authenticate") ?? "",
      'scope="repository:secret/a:pull,push"',
    );
    const owner = new PushClient(bench.product.port, "default", { authorization: basic(ALICE) });
    const bytes = textBytes("the caller's");
    const put = await owner.ask(
      withQuery(await owner.start("secret/a"), `digest=${digestOf(bytes)}`),
      { method: "PUT", body: bytes },
    );
    assertEquals(put.status, 201, put.text);
  },
});
