/**
 * What was pulled once can be pulled again while its registry is down, by every engine.
 */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startDockerd } from "../support/dockerd.ts";
import { startPodman } from "../support/podman.ts";
import { ALICE } from "../support/token_server.ts";
import { assertDockerHas, assertSuccess, layeredImage, noWorld, startStage } from "./stage.ts";

Deno.test({
  name: "an outage of the registry stops no engine from pulling what is cached",
  ignore: noWorld || !has("dockerd") || !has("podman"),
  async fn(t) {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = layeredImage("kept", [1 << 20, 1000]);
    await world.push("library/kept", image);
    await using docker = await startDockerd({ mirrors: [proxy.url] });
    await using podman = await startPodman({
      registries: [{ prefix: "docker.io", mirror: `${proxy.host}/docker.io`, insecure: true }],
    });
    await docker.pull("kept:1");
    // From here on the engine sends this login with every pull that names the proxy.
    const { username, password } = ALICE;
    const login = ["login", "-u", username, "-p", password, proxy.host];
    assertSuccess(await docker.docker(...login));
    const byHost = `${proxy.host}/library/kept:1`;

    const pullAll = async () => {
      await docker.removeImages();
      await docker.pull("kept:1");
      await assertDockerHas(docker, "kept:1", image);
      await docker.removeImages();
      await docker.pull(byHost);
      await assertDockerHas(docker, byHost, image);
      assertSuccess(await podman.podman("rmi", "--all", "--force"));
      assertSuccess(await podman.podman("pull", "-q", "docker.io/library/kept:1"));
    };
    world.hubFront.intercept = () => new Response("down\n", { status: 503 });
    world.clearRecords();
    await t.step("while the proxy runs", pullAll);

    await t.step("after a restart of the proxy", async () => {
      await proxy.restart();
      await pullAll();
    });

    await t.step(
      "but nobody is told to be logged in whose password could not be checked",
      async () => {
        const refused = await docker.docker(...login);
        assertEquals(refused.code, 1, refused.stdout);
        assertMatch(refused.stderr, /503 Service Unavailable/);
      },
    );

    await t.step("told to stay offline, without any question to the registry", async () => {
      await proxy.restart({ OFFLINE: "true" });
      world.clearRecords();
      await pullAll();
      assertEquals(world.hubFront.requests.map(({ path }) => path), []);
    });
  },
});
