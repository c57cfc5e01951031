/**
 * Podman, Buildah and Skopeo pull through the product; they name a registry by a prefix of the path.
 */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { type Podman, startPodman } from "../support/podman.ts";
import type { Image } from "../support/image.ts";
import { startRecorder } from "../support/recorder.ts";
import { startSkopeo } from "../support/skopeo.ts";
import {
  amd64,
  assertSuccess,
  blobDigests,
  layeredImage,
  noWorld,
  type RegistryName,
  startStage,
} from "./stage.ts";

const MIB = 1 << 20;

/** Checks that podman holds the image's own bytes under a name. */
async function assertHolds(podman: Podman, name: string, image: Image): Promise<void> {
  const output = await podman.podman("image", "inspect", name);
  assertSuccess(output);
  const [found]: { Id: string; RepoDigests: string[] }[] = JSON.parse(output.stdout);
  assertEquals(`sha256:${found?.Id}`, amd64(image).config.digest);
  const digests = found?.RepoDigests.map((entry) => entry.split("@")[1]) ?? [];
  assertEquals(digests.sort(), [image.top.digest, amd64(image).manifest.digest].sort());
}

Deno.test({
  name: "podman pulls by a mirror with a path and by prefix, and the second time from the cache",
  ignore: noWorld || !has("podman"),
  async fn(t) {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = layeredImage("mirrored", [20 * MIB, 1000]);
    await world.push("library/mirrored", image);
    const other = layeredImage("other", [4 * MIB, 1000]);
    await world.push("public/other", other);
    await using entrance = startRecorder({ target: proxy.url });
    await using podman = await startPodman({
      registries: [
        { prefix: "docker.io", mirror: `${entrance.host}/docker.io`, insecure: true },
        { prefix: entrance.host, insecure: true },
      ],
    });

    const cases: { name: string; registry: RegistryName; image: Image }[] = [
      { name: "docker.io/library/mirrored:1", registry: "docker.io", image },
      { name: `${entrance.host}/ghcr.io/public/other:1`, registry: "ghcr.io", image: other },
    ];
    for (const { name, registry, image } of cases) {
      await t.step(`${name.replace(entrance.host, "host:port")} is pulled unchanged`, async () => {
        world.clearRecords();
        assertSuccess(await podman.podman("pull", "-q", name));
        await assertHolds(podman, name, image);
        stage.assertOnlyAsked(registry);
      });

      await t.step("the second time no blob comes from upstream", async () => {
        assertSuccess(await podman.podman("rmi", "--all", "--force"));
        world.clearRecords();
        assertSuccess(await podman.podman("pull", "-q", name));
        await assertHolds(podman, name, image);
        assertEquals(stage.blobsUpstream(), []);
      });
    }

    await t.step("the prefix was part of every path", () => {
      const paths = entrance.requests.map(({ path }) => path).filter((path) => path !== "/v2/");
      assert(paths.length > 10);
      for (const path of paths) {
        if (path.startsWith("/v2/auth")) continue;
        assert(/^\/v2\/(docker\.io\/library\/mirrored|ghcr\.io\/public\/other)\//.test(path), path);
      }
    });

    await t.step("what was pulled runs", async () => {
      const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"];
      const name = `${entrance.host}/ghcr.io/public/other:1`;
      const args = ["run", "--rm", "--network", "host", ...limits, name];
      const hello = await podman.podman(...args);
      assertEquals(hello.stdout, "hello from other\n", hello.stderr);
    });
  },
});

Deno.test({
  name: "buildah builds on an image that it pulls through the proxy",
  ignore: noWorld || !has("buildah"),
  async fn() {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = await world.seed("library/base");
    await using buildah = await startPodman({
      registries: [{ prefix: "docker.io", mirror: `${proxy.host}/docker.io`, insecure: true }],
    });
    const from = await buildah.buildah("from", "--name", "work", "docker.io/library/base:1");
    assertSuccess(from);
    const inspected = await buildah.buildah("inspect", "--format", "{{.FromImageID}}", "work");
    assertEquals(`sha256:${inspected.stdout.trim()}`, amd64(image).config.digest);
    assertEquals(stage.blobsRead(), blobDigests(image));
  },
});

Deno.test({
  name: "skopeo copies every platform unchanged, by mirror and by prefix",
  ignore: noWorld || !has("skopeo"),
  async fn() {
    await using stage = await startStage({ env: { PREFETCH: "false" } });
    const { world, proxy } = stage;
    const image = layeredImage("copied", [4 * MIB, 1000]);
    await world.push("library/copied", image);
    const other = await world.seed("public/other");
    await using skopeo = await startSkopeo({
      registries: [{ prefix: "docker.io", mirror: `${proxy.host}/docker.io`, insecure: true }],
    });

    const mirrored = "docker.io/library/copied:1";
    const prefixed = `${proxy.host}/ghcr.io/public/other:1`;
    // It would ask for tags at the registry itself, never at its mirror.
    assertEquals((await skopeo.inspect(mirrored, "--no-tags"))?.Digest, image.top.digest);
    stage.assertOnlyAsked("docker.io");
    world.clearRecords();
    assertEquals((await skopeo.inspect(prefixed))?.Digest, other.top.digest);
    stage.assertOnlyAsked("ghcr.io");

    const copy = (target: string) => {
      const from = `docker://${mirrored}`;
      const to = `oci:${skopeo.path(target)}:1`;
      return skopeo.skopeo("copy", "-q", "--all", "--preserve-digests", from, to);
    };
    assertSuccess(await copy("first"));
    const index = await Deno.readTextFile(skopeo.path("first/index.json"));
    assertStringIncludes(index, image.top.digest);
    // Skopeo itself refuses bytes of another digest; here is that it has asked for all of them.
    const names = [];
    for await (const { name } of Deno.readDir(skopeo.path("first/blobs/sha256"))) names.push(name);
    const expected = [...image.blobs, ...image.manifests].map(({ digest }) => digest.slice(7));
    assertEquals(names.sort(), expected.sort());

    world.clearRecords();
    assertSuccess(await copy("second"));
    assertEquals(stage.blobsUpstream(), []);
  },
});
