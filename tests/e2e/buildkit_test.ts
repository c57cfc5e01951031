/**
 * BuildKit, inside the Docker engine, takes its base images through the product.
 */
import { assertEquals } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startDockerd } from "../support/dockerd.ts";
import { startRecorder } from "../support/recorder.ts";
import { tempDir } from "../support/temp.ts";
import { assertSuccess, blobDigests, noWorld, startStage } from "./stage.ts";

Deno.test({
  name: "buildkit builds on an image from the engine's mirror, and the second time from the cache",
  ignore: noWorld || !has("dockerd"),
  async fn() {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = await world.seed("library/base");
    await using entrance = startRecorder({ target: proxy.url });
    await using context = await tempDir("context");
    await context.write("Dockerfile", "FROM base:1\nCOPY note.txt /\nLABEL made=here\n");
    await context.write("note.txt", "a file of the build\n");
    await using docker = await startDockerd({ mirrors: [entrance.url] });
    const build = (tag: string) =>
      docker.dockerWith({ DOCKER_BUILDKIT: "1" }, "build", "--no-cache", "-t", tag, context.path);

    assertSuccess(await build("first"));
    const hello = await docker.docker("run", "--rm", "--network", "none", "first");
    assertEquals(hello.stdout, "hello from library/base\n", hello.stderr);
    assertEquals(stage.blobsRead(), blobDigests(image));
    assertEquals(new Set(entrance.requests.map(({ query }) => query)), new Set(["?ns=docker.io"]));

    assertSuccess(await docker.docker("rmi", "-f", "first"));
    assertSuccess(await docker.docker("builder", "prune", "-a", "-f"));
    world.clearRecords();
    entrance.clear();
    assertSuccess(await build("second"));
    assertEquals(entrance.matching("GET", /\/blobs\//).length, blobDigests(image).length);
    assertEquals(stage.blobsUpstream(), []);
  },
});
