/**
 * containerd pulls through the product by way of a hosts.toml, as Kubernetes nodes do.
 */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { type Containerd, mirrorHosts, startContainerd } from "../support/containerd.ts";
import type { Image } from "../support/image.ts";
import { waitFor } from "../support/process.ts";
import { startRecorder } from "../support/recorder.ts";
import {
  assertSuccess,
  blobDigests,
  layeredImage,
  noWorld,
  type RegistryName,
  startStage,
} from "./stage.ts";

const ignore = noWorld || !has("containerd");
const MIB = 1 << 20;

/** Checks that containerd holds the image's own bytes under a name. */
async function assertHolds(containerd: Containerd, name: string, image: Image): Promise<void> {
  const images = await containerd.ctr("images", "ls", `name==${name}`);
  assertStringIncludes(images.stdout, image.top.digest, images.stderr);
  const content = await containerd.ctr("content", "ls", "-q");
  // It refuses to keep bytes of another digest.
  for (const digest of blobDigests(image)) assertStringIncludes(content.stdout, digest);
}

/** Removes an image with its content, so that the next pull asks for everything. */
async function forget(containerd: Containerd, name: string): Promise<void> {
  assertSuccess(await containerd.ctr("images", "rm", "--sync", name));
  await waitFor("the content is removed", async () => {
    return (await containerd.ctr("content", "ls", "-q")).stdout.trim() === "";
  });
}

Deno.test({
  name:
    "containerd pulls from every registry by way of one mirror, and the second time from the cache",
  ignore,
  async fn(t) {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = layeredImage("mirrored", [40 * MIB, 3 * MIB, 1000]);
    await world.push("library/mirrored", image);
    const other = layeredImage("other", [10 * MIB, 1000]);
    await world.push("public/other", other);
    await using entrance = startRecorder({ target: proxy.url });
    await using containerd = await startContainerd({
      registries: {
        "docker.io": mirrorHosts("docker.io", entrance.url),
        "ghcr.io": mirrorHosts("ghcr.io", entrance.url),
      },
    });
    const cases: { name: string; ns: RegistryName; image: Image }[] = [
      { name: "docker.io/library/mirrored:1", ns: "docker.io", image },
      { name: "ghcr.io/public/other:1", ns: "ghcr.io", image: other },
    ];
    for (const { name, ns, image } of cases) {
      await t.step(`${ns}: unchanged, each request with ns`, async () => {
        entrance.clear();
        world.clearRecords();
        assertSuccess(await containerd.pull(name));
        await assertHolds(containerd, name, image);
        stage.assertOnlyAsked(ns);
        assert(entrance.requests.length > 4);
        assertEquals(
          new Set(entrance.requests.map(({ query }) => query)),
          new Set([`?ns=${ns}`]),
        );
        assertEquals(new Set(entrance.requests.map(({ status }) => status)), new Set([200]));
      });

      await t.step(`${ns}: what was pulled runs`, async () => {
        const hello = await containerd.ctr("run", "--rm", name, "hello");
        assertEquals(hello.stdout, `hello from ${image.name}\n`, hello.stderr);
      });

      await t.step(`${ns}: the second time no blob comes from upstream`, async () => {
        await forget(containerd, name);
        world.clearRecords();
        assertSuccess(await containerd.pull(name));
        await assertHolds(containerd, name, image);
        assertEquals(stage.blobsUpstream(), []);
        await forget(containerd, name);
      });
    }
  },
});

Deno.test({
  name: "containerd pulls by a mirror whose path names the registry",
  ignore,
  async fn() {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = layeredImage("prefixed", [4 * MIB, 1000]);
    await world.push("public/prefixed", image);
    await using entrance = startRecorder({ target: proxy.url });
    await using containerd = await startContainerd({
      registries: {
        "ghcr.io": [
          'server = "https://ghcr.io"',
          `[host."${entrance.url}/v2/ghcr.io"]`,
          '  capabilities = ["pull", "resolve"]',
          "  override_path = true",
        ].join("\n"),
      },
    });
    const name = "ghcr.io/public/prefixed:1";

    assertSuccess(await containerd.pull(name));
    await assertHolds(containerd, name, image);
    stage.assertOnlyAsked("ghcr.io");
    for (const { path } of entrance.requests) {
      assertStringIncludes(path, "/v2/ghcr.io/public/prefixed/");
    }
    await forget(containerd, name);
    world.clearRecords();
    assertSuccess(await containerd.pull(name));
    await assertHolds(containerd, name, image);
    assertEquals(stage.blobsUpstream(), []);
  },
});
