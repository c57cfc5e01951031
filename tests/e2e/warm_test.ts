/** What was warmed is pulled without asking any upstream for a blob. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startDockerd } from "../support/dockerd.ts";
import { PROJECT, runEntrepot, startCommand } from "../support/entrepot.ts";
import { freePort } from "../support/ports.ts";
import { run } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";
import { ALICE } from "../support/token_server.ts";
import { assertDockerHas, assertSuccess, layeredImage, noWorld, startStage } from "./stage.ts";

const MIB = 1 << 20;

Deno.test({
  name: "docker pulls a warmed list of images without a question for a blob",
  ignore: noWorld || !has("dockerd"),
  async fn() {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const images = ["one", "two", "three"].map((name) => layeredImage(name, [3 * MIB, 1000]));
    const [one, two, three] = images;
    assert(one !== undefined && two !== undefined && three !== undefined);
    await world.push("library/one", one);
    await world.push("library/two", two, "1.2");
    await world.push("library/two", one, "2.0");
    await world.push("public/three", three);
    await using folder = await tempDir("warm");
    const list = await folder.write(
      "images.txt",
      "# ours\none:1\n\ntwo:1.*   # not 2\nghcr.io/public/three:1\n",
    );
    const env = { PORT: String(proxy.port), HOST: "127.0.0.1" };
    const warmed = await runEntrepot(["warm", "-f", list, "--platform", "linux/amd64"], { env });
    assertSuccess(warmed);
    assertStringIncludes(warmed.stdout, "warm   two:1.2: ");
    assertEquals(warmed.stdout.includes("two:2.0"), false);

    world.clearRecords();
    await using docker = await startDockerd({ mirrors: [proxy.url] });
    await docker.pull("one:1");
    await docker.pull("two:1.2");
    await docker.pull(`${proxy.host}/ghcr.io/public/three:1`);
    assertEquals(stage.blobsUpstream(), []);
    await assertDockerHas(docker, "one:1", one);

    const again = await runEntrepot(["warm", "--json", "one:1"], { env });
    const [result] = JSON.parse(again.stdout);
    assertEquals([result.kind, result.fetchedBytes, result.digest], ["warm", 0, one.top.digest]);
  },
});

Deno.test({
  name: "what cannot be warmed is named with its reason, and the others are warmed",
  ignore: noWorld,
  async fn() {
    await using stage = await startStage();
    await stage.world.seed("library/there");
    await stage.world.seed("alice/private");
    const env = { PORT: String(stage.proxy.port), HOST: "127.0.0.1" };
    const names = ["gone:1", "not a name", "there:1", "there:9*", "alice/private:1"];
    const { code, stdout } = await runEntrepot(["warm", "--platform", "all", ...names], { env });
    assertEquals(code, 1);
    assertMatch(stdout, /^FAILED gone:1: .+$/m);
    assertStringIncludes(stdout, "FAILED not a name: this is no image's name\n");
    assertMatch(stdout, /^warm {3}there:1: /m);
    assertStringIncludes(stdout, "FAILED there:9*: no tag matches\n");
    assertMatch(stdout, /^FAILED alice\/private:1: /m);

    await using folder = await tempDir("warm");
    const password = await folder.write("password", `${ALICE.password}\n`);
    const hers = await runEntrepot([
      ...["warm", "--platform", "all", "--username", ALICE.username],
      ...["--password-file", password, "alice/private:1"],
    ], { env });
    assertSuccess(hers);
    assertEquals(hers.stdout.includes(ALICE.password), false);
  },
});

Deno.test({
  name: "without a running proxy a warm-up fills the cache that the next start serves from",
  ignore: noWorld,
  async fn() {
    await using stage = await startStage();
    const image = await stage.world.seed("library/early");
    await using folder = await tempDir("warm");
    const env = {
      PORT: String(freePort()),
      HOST: "127.0.0.1",
      CACHE_DIR: folder.join("cache"),
      UPSTREAM_DOCKER_URL: stage.world.hubFront.url,
    };
    assertSuccess(await runEntrepot(["warm", "--platform", "all", "early:1"], { env }));
    await stage.proxy.restart({ CACHE_DIR: folder.join("cache") });
    stage.world.clearRecords();
    for (const { layers } of image.platforms) {
      for (const { digest } of layers) {
        const response = await fetch(`${stage.proxy.url}/v2/library/early/blobs/${digest}`);
        assertEquals(response.headers.get("x-cache"), "HIT");
        await response.body?.cancel();
      }
    }
    assertEquals(stage.blobsUpstream(), []);
  },
});

Deno.test({
  name: "on a terminal a warm-up has a bar for each blob under way and one for all",
  ignore: noWorld,
  async fn() {
    await using stage = await startStage();
    await stage.world.push("library/shown", layeredImage("shown", [20 * MIB, 5 * MIB]));
    const [deno, ...args] = await startCommand();
    const line = [deno, ...args, "warm", "--platform", "linux/amd64", "shown:1"]
      .map((word) => `'${word}'`).join(" ");
    const { code, stdout } = await run("script", ["-qec", `stty cols 120; ${line}`, "/dev/null"], {
      cwd: PROJECT,
      env: { PORT: String(stage.proxy.port), HOST: "127.0.0.1", TERM: "xterm" },
    });
    assertEquals(code, 0, stdout);
    assertMatch(stdout, /[█░]+ \d+% .* total/);
    assertMatch(stdout, /[█░]+ \d+% .* shown:1 [0-9a-f]{12}/);
    assertMatch(stdout, /warm {3}shown:1: \d+ blobs, 25\.\d\d MB fetched/);
    // The cursor is moved up to draw anew, and shown again at the end.
    assert(stdout.includes("\x1b[?25l") && stdout.lastIndexOf("\x1b[?25h") > 0);
  },
});
