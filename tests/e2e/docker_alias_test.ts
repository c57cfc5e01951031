/**
 * The Docker engine pulls from the alias hosts of a domain, over TLS by way of a load balancer.
 */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { createCa } from "../support/ca.ts";
import { has } from "../support/components.ts";
import { startDockerd } from "../support/dockerd.ts";
import { freePort } from "../support/ports.ts";
import { startTlsFront } from "../support/tls_front.ts";
import { ALICE } from "../support/token_server.ts";
import {
  assertDockerHas,
  assertSuccess,
  blobDigests,
  layeredImage,
  noWorld,
  startStage,
} from "./stage.ts";

const MIB = 1 << 20;
const DOMAIN = "mirror.example.test";

Deno.test({
  name:
    "docker pulls from alias hosts over TLS, and trusts only the certificate that it is told to",
  ignore: noWorld || !has("dockerd"),
  async fn(t) {
    await using stage = await startStage({
      env: { CUSTOM_DOMAIN: DOMAIN, TRUSTED_PROXIES: "127.0.0.1/32" },
    });
    const { world, proxy } = stage;
    const image = layeredImage("aliased", [200 * MIB, 1000]);
    await world.push("library/aliased", image);
    const other = await world.seed("public/aliased");
    const own = await world.seed("alice/own");

    const names = [`docker.${DOMAIN}`, `ghcr.${DOMAIN}`];
    await using ca = await createCa();
    const certificate = await ca.issue(...names, "::1");
    // On 127.0.0.0/8 the engine checks no certificate.
    const hostname = "::1";
    const port = freePort(hostname);
    await using _front = startTlsFront({ certificate, target: proxy.url, hostname, port });
    const [hub, ghcr] = names.map((name) => `${name}:${port}`);
    await using docker = await startDockerd({
      hosts: Object.fromEntries(names.map((name) => [name, hostname])),
    });

    await t.step("without trust nothing is pulled", async () => {
      const refused = await docker.docker("pull", `${hub}/aliased:1`);
      assertEquals(refused.code, 1);
      assertMatch(refused.stderr, /unknown authority/);
    });

    await t.step(
      "clients are sent to a realm under https, at the name that they used",
      async () => {
        using client = Deno.createHttpClient({ allowHost: true, caCerts: [ca.cert] });
        const headers = { host: hub ?? "" };
        const response = await fetch(`https://[::1]:${port}/v2/`, { client, headers });
        await response.body?.cancel();
        assertEquals(response.status, 401);
        assertEquals(
          response.headers.get("www-authenticate"),
          `Bearer realm="https://${hub}/v2/auth",service="test-registry"`,
        );
      },
    );

    await t.step("with trust the image is pulled unchanged", async () => {
      await docker.trust(`${hub}`, ca.cert);
      world.clearRecords();
      await docker.pull(`${hub}/aliased:1`);
      await assertDockerHas(docker, `${hub}/aliased:1`, image);
      assertEquals(stage.blobsRead(), blobDigests(image));
      stage.assertOnlyAsked("docker.io");
    });

    await t.step("a second pull takes no blob from upstream", async () => {
      await docker.removeImages();
      world.clearRecords();
      await docker.pull(`${hub}/library/aliased:1`);
      await assertDockerHas(docker, `${hub}/library/aliased:1`, image);
      assertEquals(stage.blobsUpstream(), []);
    });

    await t.step("a login at an alias host is one at its registry", async () => {
      const name = `${hub}/alice/own:1`;
      assertEquals((await docker.docker("pull", name)).code, 1);
      const { username, password } = ALICE;
      assertSuccess(await docker.docker("login", "-u", username, "-p", password, `${hub}`));
      await docker.pull(name);
      await assertDockerHas(docker, name, own);
    });

    await t.step("each alias host is its own registry", async () => {
      await docker.trust(`${ghcr}`, ca.cert);
      world.clearRecords();
      await docker.pull(`${ghcr}/public/aliased:1`);
      await assertDockerHas(docker, `${ghcr}/public/aliased:1`, other);
      assertEquals(world.hubFront.requests, []);
    });
  },
});
