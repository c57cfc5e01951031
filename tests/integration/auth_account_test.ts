/**
 * Upstreams with an account of the proxy's own: its credentials serve every caller, and the callers'
 * own go nowhere.
 */
import { assert, assertEquals, assertFalse, assertStringIncludes } from "../support/assert.ts";
import { basic } from "../support/push.ts";
import { describeAuthorization } from "../support/recorder.ts";
import { ALICE, BOB } from "../support/token_server.ts";
import type { World } from "../support/world.ts";
import { blobPath, errorCodes, layerOf, manifestPath, noWorld, startBench } from "./pulling.ts";

const ACCOUNT = {
  UPSTREAM_DOCKER_AUTH: "account",
  UPSTREAM_DOCKER_USERNAME: ALICE.username,
  UPSTREAM_DOCKER_PASSWORD: ALICE.password,
};

Deno.test({
  name: "with an account /v2/ is open and private images are served to callers without credentials",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: ACCOUNT });
    const image = await bench.world.seed("private/a");
    bench.world.clearRecords();
    assertEquals((await bench.ask("/v2/")).status, 200);
    const manifest = await bench.ask(manifestPath("private/a", "1"));
    assertEquals(manifest.headers.get("docker-content-digest"), image.top.digest);
    const layer = layerOf(image);
    assertEquals((await bench.ask(blobPath("private/a", layer))).bytes.length, layer.size);
    assertEquals(
      bench.world.tokens.requests.map(({ scheme, user, isRight }) => [scheme, user, isRight]),
      [["Basic", "alice", true]],
    );
  },
});

Deno.test({
  name: "with an account a caller's own Authorization never goes upstream, nor to the realm",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: ACCOUNT });
    await bench.world.seed("private/a");
    bench.world.clearRecords();
    const callers = [basic(BOB), "Bearer some.raw.token", "Bearer entrepot.e30"];
    for (const authorization of callers) {
      const headers = { authorization };
      assertEquals((await bench.ask("/v2/", { headers })).status, 200);
      assertEquals((await bench.ask(manifestPath("private/a", "1"), { headers })).status, 200);
      assertEquals((await bench.ask("/v2/private/a/tags/list", { headers })).status, 200);
    }
    assertEquals(
      (await bench.ask("/v2/auth", { headers: { authorization: basic(BOB) } })).status,
      200,
    );
    const sent = new Set(callers.map((caller) => describeAuthorization(caller)?.hash));
    const { requests } = bench.world.hubFront;
    assert(requests.length > 0);
    assertFalse(requests.some(({ authorization }) => sent.has(authorization?.hash)));
    assertFalse(bench.world.tokens.requests.some(({ user }) => user === BOB.username));
  },
});

Deno.test({
  name: "an account that may not read something is a refusal that no login can heal",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({
      env: { ...ACCOUNT, UPSTREAM_DOCKER_PASSWORD: "wrong-password" },
    });
    await bench.world.seed("private/a");
    const answer = await bench.ask(manifestPath("private/a", "1"));
    assertEquals(answer.status, 403);
    assertEquals(errorCodes(answer), ["DENIED"]);
    assertEquals(answer.headers.get("www-authenticate"), null);
    assertFalse((await bench.output()).includes("wrong-password"));
  },
});

Deno.test({
  name: "an account's password may come from a file",
  ignore: noWorld,
  async fn() {
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(file, `${ALICE.password}\n`);
      const { UPSTREAM_DOCKER_PASSWORD: _, ...rest } = ACCOUNT;
      await using bench = await startBench({
        env: { ...rest, UPSTREAM_DOCKER_PASSWORD_FILE: file },
      });
      await bench.world.seed("private/a");
      assertEquals((await bench.ask(manifestPath("private/a", "1"))).status, 200);
    } finally {
      await Deno.remove(file);
    }
  },
});

/** The same registry twice: `docker.io` for everybody's own credentials, `team.test` by account. */
const TWICE = ({ hubFront }: World) => ({
  UPSTREAM_TEAM_URL: hubFront.url,
  UPSTREAM_TEAM_REGISTRY: "team.test",
  UPSTREAM_TEAM_AUTH: "account",
  UPSTREAM_TEAM_USERNAME: ALICE.username,
  UPSTREAM_TEAM_PASSWORD: ALICE.password,
});

Deno.test({
  name: "defect 2: what an account opened stays closed where callers bring their own credentials",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: TWICE });
    const image = await bench.world.seed("private/a");
    const layer = layerOf(image);
    assertEquals((await bench.ask(manifestPath("team.test/private/a", "1"))).status, 200);
    assertEquals((await bench.ask(blobPath("team.test/private/a", layer))).status, 200);
    for (
      const path of [
        manifestPath("private/a", "1"),
        manifestPath("private/a", image.top.digest),
        blobPath("private/a", layer),
      ]
    ) {
      for (const method of ["GET", "HEAD"]) {
        const answer = await bench.ask(path, { method });
        assertEquals(answer.status, 401, `${method} ${path}`);
        assertStringIncludes(answer.headers.get("www-authenticate") ?? "", "/v2/auth");
      }
    }
  },
});

Deno.test({
  name: "defect 2: what an account opened is not served stale as if it had been public",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: TWICE });
    const image = await bench.world.seed("private/a");
    assertEquals((await bench.ask(manifestPath("team.test/private/a", "1"))).status, 200);
    bench.world.hubFront.intercept = () => new Response(null, { status: 503 });
    const answer = await bench.ask(manifestPath("private/a", image.top.digest));
    assertEquals(answer.status, 503);
  },
});
