/** Real engines push through the product to a registry whose storage is S3, and pull from there. */
import { assert, assertEquals } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startDockerd } from "../support/dockerd.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { pushImage, writeLayout } from "../support/push.ts";
import { startRegistry } from "../support/registry.ts";
import { startWritableS3 } from "../support/s3_writable.ts";
import { startSkopeo } from "../support/skopeo.ts";
import { ALICE, startTokenServer } from "../support/token_server.ts";
import { readUpstreamImage } from "../support/upstream_image.ts";
import { amd64, assertSuccess, layeredImage, noWorld, peakRss } from "./stage.ts";

const MIB = 1 << 20;

Deno.test({
  name: "docker and skopeo push to a registry on S3, and what arrived is theirs to the byte",
  ignore: noWorld || !has("dockerd") || !has("skopeo"),
  async fn(t) {
    await using s3 = await startWritableS3();
    await using tokens = await startTokenServer();
    await using registry = await startRegistry({ storage: s3.storage, auth: tokens.auth() });
    await using proxy = await startEntrepot({ env: { UPSTREAM_DOCKER_URL: registry.url } });
    const arrived = (repository: string) =>
      readUpstreamImage({ registry: registry.url, repository, credentials: ALICE }, "1");

    await t.step("docker, a layer of 300 MiB", async () => {
      const image = layeredImage("for-s3", [300 * MIB, 1000]);
      await using source = await startRegistry();
      await pushImage(image, { registry: source.url, repository: "for-s3", tag: "1" });
      await using docker = await startDockerd();
      await docker.pull(`${source.host}/for-s3:1`);
      const name = `${proxy.host}/alice/docker:1`;
      const { username, password } = ALICE;
      assertSuccess(await docker.docker("login", "-u", username, "-p", password, proxy.host));
      assertSuccess(await docker.docker("tag", `${source.host}/for-s3:1`, name));
      assertSuccess(await docker.docker("push", name));
      const { blobs } = await arrived("alice/docker");
      assert(blobs.includes(amd64(image).config.digest));
      assertEquals(blobs.length, amd64(image).layers.length + 1);
    });

    await t.step("skopeo, every platform, and by way of the product back again", async () => {
      const image = layeredImage("for-skopeo-s3", [20 * MIB, 1000]);
      await using skopeo = await startSkopeo();
      await writeLayout(image, skopeo.path("layout"), "1");
      const name = `docker://${proxy.host}/alice/skopeo:1`;
      const creds = `${ALICE.username}:${ALICE.password}`;
      const push = ["--dest-creds", creds, "--dest-tls-verify=false"];
      assertSuccess(
        await skopeo.skopeo("copy", "-q", "--all", ...push, `oci:${skopeo.path("layout")}:1`, name),
      );
      assertEquals((await arrived("alice/skopeo")).digest, image.top.digest);
      const before = s3.signedReads();
      const pull = ["--src-creds", creds, "--src-tls-verify=false", "--preserve-digests"];
      assertSuccess(
        await skopeo.skopeo("copy", "-q", "--all", ...pull, name, `oci:${skopeo.path("back")}:1`),
      );
      assert(s3.signedReads() > before, "the bytes came by signed URLs");
    });

    assert(await peakRss(proxy) < 200 * MIB, `${await peakRss(proxy)}`);
  },
});
