/**
 * The Docker engine pulls through the product, by every way of naming an image that it has.
 */
import { assert, assertEquals, assertLess } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startDockerd } from "../support/dockerd.ts";
import { startRecorder } from "../support/recorder.ts";
import {
  assertDockerHas,
  blobDigests,
  layeredImage,
  noWorld,
  peakRss,
  requestLines,
  startStage,
} from "./stage.ts";

const ignore = noWorld || !has("dockerd");
const MIB = 1 << 20;

Deno.test({
  name:
    "docker gets large images unchanged however they are named, and no blob leaves upstream twice",
  ignore,
  async fn(t) {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = layeredImage("large", [200 * MIB, 3 * MIB, 1000]);
    await world.push("library/large", image);
    await world.push("public/large", image);
    await using docker = await startDockerd({ mirrors: [proxy.url] });

    await t.step("by mirror, every blob comes from upstream once", async () => {
      await docker.pull("large:1");
      await assertDockerHas(docker, "large:1", image);
      assertEquals(stage.blobsRead(), blobDigests(image));
    });

    await t.step("what was pulled runs", async () => {
      const hello = await docker.docker("run", "--rm", "--network", "none", "large:1");
      assertEquals(hello.stdout, "hello from large\n", hello.stderr);
    });

    const names = [
      "large:1",
      `large@${image.top.digest}`,
      `${proxy.host}/library/large:1`,
      `${proxy.host}/large:1`,
      `${proxy.host}/docker.io/large:1`,
    ];
    for (const name of names) {
      await t.step(
        `as ${name.replace(proxy.host, "host:port")}, no blob comes from upstream`,
        async () => {
          await docker.removeImages();
          world.clearRecords();
          await docker.pull(name);
          await assertDockerHas(docker, name, image);
          assertEquals(stage.blobsUpstream(), []);
        },
      );
    }

    await t.step("bytes that another registry brought are not fetched again", async () => {
      await docker.removeImages();
      world.clearRecords();
      const name = `${proxy.host}/ghcr.io/public/large:1`;
      await docker.pull(name);
      await assertDockerHas(docker, name, image);
      const asked = stage.blobsUpstream().map((line) => line.split(" ")[0]);
      assertEquals(new Set(asked), new Set(["HEAD"]));
    });

    await t.step("memory stays bounded", async () => {
      assertLess(await peakRss(proxy), 200e6);
    });
  },
});

Deno.test({
  name: "docker gets images of another registry by its name as prefix",
  ignore,
  async fn() {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = layeredImage("prefixed", [20 * MIB, 1000]);
    await world.push("public/prefixed", image);
    await using docker = await startDockerd();
    const name = `${proxy.host}/ghcr.io/public/prefixed:1`;

    await docker.pull(name);
    await assertDockerHas(docker, name, image);
    const sent = world.registryFront.matching("GET", /\/blobs\//);
    assertEquals(sent.map(({ path }) => path.split("/").at(-1) ?? "").sort(), blobDigests(image));
    stage.assertOnlyAsked("ghcr.io");

    await docker.removeImages();
    world.clearRecords();
    await docker.pull(name);
    await assertDockerHas(docker, name, image);
    assertEquals(stage.blobsUpstream(), []);
  },
});

Deno.test({
  name: "each request of an engine is one line of JSON that says where it went",
  ignore,
  async fn() {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = await world.seed("library/logged");
    await world.seed("public/logged");
    await using entrance = startRecorder({ target: proxy.url });
    await using docker = await startDockerd({ mirrors: [entrance.url] });
    await docker.pull("logged:1");
    await docker.removeImages();
    await docker.pull("logged:1");
    await docker.pull(`${entrance.host}/ghcr.io/public/logged:1`);

    const count = entrance.requests.length;
    assert(count > 20);
    const lines = await requestLines(proxy, count);
    assertEquals(
      lines.map(({ method, path, status }) => `${method} ${path} ${status}`).sort(),
      entrance.requests.map(({ method, path, status }) => `${method} ${path} ${status}`).sort(),
    );
    assertEquals(new Set(lines.map(({ id }) => id)).size, count);

    const blobs = lines.filter(({ route, upstream }) =>
      route === "blob" && upstream === "docker.io"
    );
    assertEquals(new Set(blobs.map(({ repository }) => repository)), new Set(["library/logged"]));
    const results = blobs.map(({ cache, path }) => `${cache} ${String(path).split("/").at(-1)}`);
    const digests = blobDigests(image);
    assertEquals(
      results.sort(),
      [...digests.map((digest) => `HIT ${digest}`), ...digests.map((digest) => `MISS ${digest}`)]
        .sort(),
    );
    const other = lines.filter(({ upstream }) => upstream === "ghcr.io");
    assertEquals(new Set(other.map(({ route }) => route)), new Set(["manifest", "blob"]));
    assertEquals(new Set(other.map(({ repository }) => repository)), new Set(["public/logged"]));
    for (const line of await proxy.log()) assertEquals(typeof line["@timestamp"], "string");
    for (const line of lines) {
      assertEquals(line["outcome"], "completed");
      assertEquals(typeof line["durationMs"], "number");
      assertEquals(typeof line["bytes"], "number");
      if (String(line["path"]).startsWith("/v2/auth") || line["route"] === "ping") continue;
      assert(["HIT", "MISS"].includes(String(line["cache"])), JSON.stringify(line));
    }
  },
});
