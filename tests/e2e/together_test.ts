/**
 * Many engines that pull one image at the same time cost the upstream one pull.
 */
import { assertEquals } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { mirrorHosts, startContainerd } from "../support/containerd.ts";
import { startDockerd } from "../support/dockerd.ts";
import { startSkopeo } from "../support/skopeo.ts";
import {
  assertDockerHas,
  assertSuccess,
  blobDigests,
  layeredImage,
  noWorld,
  startStage,
} from "./stage.ts";

Deno.test({
  name: "engines that pull the same image at the same time share one transfer of each blob",
  ignore: noWorld || !has("dockerd") || !has("containerd") || !has("skopeo"),
  async fn() {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = layeredImage("shared", [64 << 20, 1 << 20]);
    await world.push("library/shared", image);
    await using docker = await startDockerd({ mirrors: [proxy.url] });
    await using containerd = await startContainerd({
      registries: { "docker.io": mirrorHosts("docker.io", proxy.url) },
    });
    await using skopeo = await startSkopeo();
    const copies = ["first", "second"].map((name) =>
      skopeo.skopeo(
        ...["copy", "-q", "--src-tls-verify=false", "--override-arch", "amd64"],
        ...[`docker://${proxy.host}/library/shared:1`, `dir:${skopeo.path(name)}`],
      )
    );
    const outputs = await Promise.all([
      docker.docker("pull", "shared:1"),
      containerd.pull("docker.io/library/shared:1"),
      ...copies,
    ]);
    for (const output of outputs) assertSuccess(output);
    await assertDockerHas(docker, "shared:1", image);
    assertEquals(stage.blobsRead(), blobDigests(image));
  },
});
