/**
 * What `setup --write` writes is what the engines read: they pull through the product then, and all
 * else in their files is as it was.
 */
import { dirname, join } from "node:path";
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startContainerd } from "../support/containerd.ts";
import { startDockerd } from "../support/dockerd.ts";
import { runEntrepot } from "../support/entrepot.ts";
import { assertDockerHas, assertSuccess, layeredImage, noWorld, startStage } from "./stage.ts";

Deno.test({
  name: "docker pulls through the proxy once setup has written its file, and keeps what it held",
  ignore: noWorld || !has("dockerd"),
  async fn() {
    await using stage = await startStage();
    const image = layeredImage("configured", [1000]);
    await stage.world.push("library/configured", image);
    let before: Record<string, unknown> = {};
    let after: Record<string, unknown> = {};
    await using docker = await startDockerd({
      async configure(path) {
        const other = { labels: ["rack=7"], ...JSON.parse(await Deno.readTextFile(path)) };
        await Deno.writeTextFile(path, JSON.stringify(other, null, 4));
        before = JSON.parse(await Deno.readTextFile(path));
        const written = await runEntrepot([
          ...["setup", "docker", "--write", "--address", stage.proxy.host, "--file", path],
        ]);
        assertSuccess(written);
        assertStringIncludes(written.stdout, `wrote ${path}, kept ${path}.`);
        after = JSON.parse(await Deno.readTextFile(path));
        const again = await runEntrepot([
          ...["setup", "docker", "--write", "--address", stage.proxy.host, "--file", path],
        ]);
        assertStringIncludes(again.stdout, "nothing to do");
        const files = [...Deno.readDirSync(dirname(path))].map(({ name }) => name);
        const backup = files.find((name) => name.endsWith(".bak")) ?? "";
        assertEquals(JSON.parse(await Deno.readTextFile(join(dirname(path), backup))), before);
      },
    });
    assertEquals(after, { ...before, "registry-mirrors": [stage.proxy.url] });
    await docker.pull("configured:1");
    await assertDockerHas(docker, "configured:1", image);
    stage.assertOnlyAsked("docker.io");
  },
});

Deno.test({
  name: "containerd pulls through the proxy by the folders that setup has written",
  ignore: noWorld || !has("containerd"),
  async fn() {
    await using stage = await startStage();
    const image = layeredImage("configured", [1000]);
    await stage.world.push("library/configured", image);
    await stage.world.push("public/configured", image);
    let hostsDir = "";
    await using containerd = await startContainerd({
      async configure(path) {
        const before = await Deno.readTextFile(path);
        const written = await runEntrepot([
          ...["setup", "containerd", "--write", "--address", stage.proxy.url, "--file", path],
        ]);
        assertSuccess(written);
        const after = await Deno.readTextFile(path);
        assertEquals(after.slice(0, before.length), before);
        hostsDir = join(dirname(path), "certs.d");
        assertStringIncludes(after.slice(before.length), `config_path = "${hostsDir}"`);
      },
    });
    for (const name of ["docker.io/library/configured:1", "ghcr.io/public/configured:1"]) {
      assertSuccess(await containerd.ctr("images", "pull", "--hosts-dir", hostsDir, name));
      const images = await containerd.ctr("images", "ls", `name==${name}`);
      assertStringIncludes(images.stdout, image.top.digest);
    }
  },
});
