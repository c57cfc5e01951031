/** Images leave a cache as files that other tools read, and come to one from what others wrote. */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startContainerd } from "../support/containerd.ts";
import { startDockerd } from "../support/dockerd.ts";
import { runEntrepot, startEntrepot } from "../support/entrepot.ts";
import { noiseImage } from "../support/image.ts";
import { run } from "../support/process.ts";
import { writeLayout } from "../support/push.ts";
import { startRegistry } from "../support/registry.ts";
import { type Skopeo, startSkopeo } from "../support/skopeo.ts";
import { tempDir } from "../support/temp.ts";
import { readUpstreamImage } from "../support/upstream_image.ts";
import { assertDockerHas, assertSuccess, layeredImage, noWorld, startStage } from "./stage.ts";

const MIB = 1 << 20;
const ignore = noWorld || !has("skopeo");

function addressed(port: number): Record<string, string> {
  return { PORT: String(port), HOST: "127.0.0.1" };
}

async function skopeoCopy(skopeo: Skopeo, ...args: string[]): Promise<void> {
  assertSuccess(await skopeo.skopeo("copy", "--dest-tls-verify=false", ...args));
}

Deno.test({
  name: "an image that is exported reaches another registry by skopeo with the digests it had",
  ignore,
  async fn() {
    await using stage = await startStage();
    const image = layeredImage("portable", [3 * MIB, 1000]);
    await stage.world.push("library/portable", image);
    await using folder = await tempDir("export");
    await using other = await startRegistry();
    await using skopeo = await startSkopeo();
    const env = addressed(stage.proxy.port);
    const tar = folder.join("portable.tar");
    const dir = folder.join("layout");
    assertSuccess(
      await runEntrepot(["export", "portable:1", tar, "--platform", "all"], { env }),
    );
    assertSuccess(
      await runEntrepot(["export", "portable:1", dir, "--platform", "all"], { env }),
    );
    for (const [repository, source] of [["a", `oci-archive:${tar}:1`], ["b", `oci:${dir}:1`]]) {
      await skopeoCopy(skopeo, "--all", source ?? "", `docker://${other.host}/${repository}:1`);
      const copied = await readUpstreamImage(
        { registry: other.url, repository: repository ?? "" },
        "1",
      );
      assertEquals(copied.digest, image.top.digest);
    }
    const again = await runEntrepot(["export", "portable:1", tar], { env });
    assertEquals(again.code, 1);
    assertStringIncludes(again.stderr, "is there already");
    assertEquals((await Array.fromAsync(Deno.readDir(folder.path))).length, 2);
  },
});

Deno.test({
  name: "containerd imports what was exported for one platform under the image's full name",
  ignore: ignore || !has("containerd"),
  async fn() {
    await using stage = await startStage();
    const image = layeredImage("single", [1000]);
    await stage.world.push("library/single", image);
    await using folder = await tempDir("export");
    const tar = folder.join("single.tar");
    const env = addressed(stage.proxy.port);
    assertSuccess(
      await runEntrepot(["export", "single:1", tar, "--platform", "linux/amd64"], { env }),
    );
    await using containerd = await startContainerd();
    assertSuccess(await containerd.ctr("images", "import", tar));
    const listed = await containerd.ctr("images", "list");
    assertStringIncludes(listed.stdout, "docker.io/library/single:1");
    assertStringIncludes(listed.stdout, image.top.digest);
  },
});

Deno.test({
  name: "what was imported is pulled where no registry can be asked, if it was said to be public",
  ignore: ignore || !has("dockerd"),
  async fn() {
    await using stage = await startStage();
    const image = layeredImage("carried", [3 * MIB, 1000]);
    await stage.world.push("library/carried", image);
    await using folder = await tempDir("import");
    const tar = folder.join("carried.tar");
    assertSuccess(
      await runEntrepot(["export", "carried:1", tar, "--platform", "linux/amd64"], {
        env: addressed(stage.proxy.port),
      }),
    );
    await using island = await startEntrepot({ env: { OFFLINE: "true" } });
    const env = addressed(island.port);
    assertSuccess(await runEntrepot(["import", tar], { env }));
    await using docker = await startDockerd({ mirrors: [island.url] });
    const refused = await docker.docker("pull", `${island.host}/library/carried:1`);
    assertEquals(refused.code, 1);
    const imported = await runEntrepot(["import", tar, "--public"], { env });
    assertSuccess(imported);
    assertStringIncludes(imported.stdout, "docker.io/library/carried:1 is cached");
    await docker.pull(`${island.host}/library/carried:1`);
    await assertDockerHas(docker, `${island.host}/library/carried:1`, image);
  },
});

Deno.test({
  name: "a layout of skopeo's is imported under a name, before the proxy runs",
  ignore,
  async fn() {
    await using folder = await tempDir("import");
    const image = noiseImage("foreign", [2 * MIB, 1000]);
    const layout = folder.join("layout");
    await writeLayout(image, layout, "1");
    await using skopeo = await startSkopeo();
    const tar = folder.join("foreign.tar");
    assertSuccess(await skopeo.skopeo("copy", "--all", `oci:${layout}:1`, `oci-archive:${tar}:1`));
    const cacheDir = folder.join("cache");
    await using island = await startEntrepot({ env: { OFFLINE: "true", CACHE_DIR: cacheDir } });
    await island.stop();
    const env = { ...addressed(island.port), OFFLINE: "true", CACHE_DIR: cacheDir };
    const nameless = await runEntrepot(["import", tar, "--public"], { env });
    assertEquals(nameless.code, 1);
    assertStringIncludes(nameless.stderr, "name it");
    assertSuccess(
      await runEntrepot(["import", tar, "ghcr.io/org/foreign:2", "--public"], { env }),
    );
    await island.restart();
    const pulled = await skopeo.skopeo(
      ...["copy", "--all", "--src-tls-verify=false"],
      ...[`docker://${island.host}/ghcr.io/org/foreign:2`, `dir:${folder.join("pulled")}`],
    );
    assertSuccess(pulled);
    const manifest = await Deno.readFile(folder.join("pulled/manifest.json"));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", manifest));
    assertEquals(`sha256:${digest.toHex()}`, image.top.digest);
  },
});

Deno.test({
  name: "a layout with a wrong or a missing layer leaves nothing to be seen",
  async fn() {
    await using island = await startEntrepot({ env: { OFFLINE: "true" } });
    const env = addressed(island.port);
    await using folder = await tempDir("import");
    const image = noiseImage("broken", [20_000, 1000]);
    const layer = image.platforms[0]?.layers[1];
    assert(layer !== undefined);
    const layout = folder.join("layout");
    await writeLayout(image, layout, "1");
    const file = `${layout}/blobs/${layer.digest.replace(":", "/")}`;
    const bytes = await Deno.readFile(file);
    await Deno.writeFile(file, bytes.map((byte, i) => i === 5000 ? byte ^ 1 : byte));
    const bring = () =>
      runEntrepot(["import", layout, "ghcr.io/org/broken:1", "--public"], { env });
    const wrong = await bring();
    assertEquals(wrong.code, 1);
    assertStringIncludes(wrong.stderr, `the bytes sent for ${layer.digest} are sha256:`);
    await Deno.remove(file);
    const lacking = await bring();
    assertEquals(lacking.code, 1);
    assertStringIncludes(lacking.stderr, `refers to what was not brought: ${layer.digest}`);
    assertEquals(JSON.parse((await runEntrepot(["list", "--json"], { env })).stdout), []);
    const partial = await Array.fromAsync(Deno.readDir(`${island.cacheDir}/partial`));
    assertEquals(partial, []);
    await Deno.writeFile(file, bytes);
    assertSuccess(await bring());
    const { stdout } = await run("curl", [
      "-s",
      `${island.url}/v2/ghcr.io/org/broken/manifests/1`,
      "-o/dev/null",
      "-w%{http_code}",
    ]);
    assertEquals(stdout, "200");
  },
});
