/**
 * Private images and the Docker engine: every login is the upstream's, and what one user has brought
 * into the cache is nobody else's.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { type Dockerd, startDockerd } from "../support/dockerd.ts";
import type { Output } from "../support/process.ts";
import type { Credentials } from "../support/push.ts";
import { ALICE, BOB } from "../support/token_server.ts";
import { assertDockerHas, assertSuccess, noWorld, startStage } from "./stage.ts";

const ignore = noWorld || !has("dockerd");

function login(docker: Dockerd, host: string, credentials: Credentials): Promise<Output> {
  return docker.docker("login", "-u", credentials.username, "-p", credentials.password, host);
}

/** Checks that a pull is refused in the words that the engine has for a missing right. */
async function assertDenied(docker: Dockerd, name: string): Promise<void> {
  const refused = await docker.docker("pull", name);
  assertEquals(refused.code, 1, refused.stdout);
  assertMatch(refused.stderr, /pull access denied|unauthorized|denied: /);
}

Deno.test({
  name: "docker logs in at the upstream, and each user pulls what the upstream lets this user pull",
  ignore,
  async fn(t) {
    await using stage = await startStage({ env: { DEBUG: "true" } });
    const { world, proxy } = stage;
    const { host } = proxy;
    const shared = await world.seed("private/shared");
    const own = await world.seed("alice/own");
    await using docker = await startDockerd();
    const names = {
      own: `${host}/alice/own:1`,
      shared: `${host}/private/shared:1`,
      otherOwn: `${host}/ghcr.io/alice/own:1`,
      otherShared: `${host}/ghcr.io/private/shared:1`,
    };

    await t.step("a wrong password is refused in the upstream's words", async () => {
      const refused = await login(docker, host, { ...ALICE, password: "wrong" });
      assertEquals(refused.code, 1);
      assertStringIncludes(refused.stderr, "unauthorized: incorrect username or password");
    });

    await t.step("nobody pulls a private image without a login", async () => {
      for (const name of Object.values(names)) await assertDenied(docker, name);
    });

    await t.step("with the right password the owner pulls, from each registry", async () => {
      const output = await login(docker, host, ALICE);
      assertSuccess(output);
      assertStringIncludes(output.stdout, "Login Succeeded");
      for (const name of Object.values(names)) await docker.pull(name);
      await assertDockerHas(docker, names.own, own);
      await assertDockerHas(docker, names.otherShared, shared);
    });

    await t.step("another user is refused what is cached for its owner", async () => {
      await docker.removeImages();
      assertSuccess(await login(docker, host, BOB));
      world.clearRecords();
      await assertDenied(docker, names.own);
      await assertDenied(docker, names.otherOwn);
    });

    await t.step("another user with the right gets it from the cache", async () => {
      await docker.pull(names.shared);
      await assertDockerHas(docker, names.shared, shared);
      assertEquals(stage.blobsUpstream(), []);
      assert(world.tokens.requests.some(({ user }) => user === BOB.username));
    });

    await t.step("after the logout nothing private is pulled any more", async () => {
      await docker.removeImages();
      assertSuccess(await docker.docker("logout", host));
      for (const name of Object.values(names)) await assertDenied(docker, name);
    });

    await t.step("no password, token or signature is in the log of every hop", async () => {
      const output = await proxy.stdout() + await proxy.stderr();
      assertStringIncludes(output, world.s3.host);
      for (const { username, password } of [ALICE, BOB]) {
        assert(!output.includes(password));
        assert(!output.includes(btoa(`${username}:${password}`)));
      }
      // How the JSON of a token begins, and what makes a URL a secret.
      assert(!/eyJ|X-Amz-Signature=[0-9a-f]/.test(output));
    });
  },
});

Deno.test({
  name: "docker pulls with the identity token that an upstream gave at the login",
  ignore,
  async fn() {
    await using stage = await startStage({ world: { token: { refresh: true } } });
    const { world, proxy } = stage;
    const image = await world.seed("alice/own");
    await using docker = await startDockerd();
    assertSuccess(await login(docker, proxy.host, ALICE));
    world.clearRecords();

    const name = `${proxy.host}/alice/own:1`;
    await docker.pull(name);
    await assertDockerHas(docker, name, image);
    const asked = world.tokens.requests.filter(({ scheme }) => scheme !== null);
    assertEquals(new Set(asked.map(({ method }) => method)), new Set(["POST"]));
    assertEquals(new Set(asked.map(({ scheme }) => scheme)), new Set(["refresh_token"]));
    assertEquals(new Set(asked.map(({ user }) => user)), new Set([ALICE.username]));
  },
});
