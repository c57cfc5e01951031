/** A configuration that changes while the proxy runs: as a whole or not at all, and nobody's pull breaks. */
import { assert, assertEquals, assertFalse, assertStringIncludes } from "../support/assert.ts";
import { noiseImage } from "../support/image.ts";
import { bytesOf } from "../support/layer.ts";
import { waitFor } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { ALICE } from "../support/token_server.ts";
import {
  assertContent,
  type Bench,
  blobPath,
  gate,
  layerOf,
  manifestPath,
  noWorld,
  onBlobRead,
  startBench,
  transfers,
} from "./pulling.ts";

const MIB = 1 << 20;

interface Stage extends AsyncDisposable {
  readonly bench: Bench;
  readonly folder: TempDir;
  readonly file: string;
}

/** The product with a file as its configuration. */
async function startStage(text: string): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir("config"));
  const file = await folder.write("entrepot.yaml", text);
  const bench = stack.use(await startBench({ env: { CONFIG_FILE: file } }));
  const resources = stack.move();
  return { bench, folder, file, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** Waits for the log to tell so many times that the configuration was read again. */
async function waitForReload({ bench }: { bench: Bench }, times = 1): Promise<void> {
  await waitFor("the configuration was read again", async () => {
    const lines = await bench.product.log();
    return lines.filter(({ logger }) => logger === "entrepot.config").length >= times;
  });
}

async function configLines({ bench }: Stage): Promise<string[]> {
  const lines = await bench.product.log();
  return lines.filter(({ logger }) => logger === "entrepot.config").map(({ message }) =>
    String(message)
  );
}

async function inEffect({ bench }: Stage): Promise<Record<string, unknown>> {
  return JSON.parse((await bench.ask("/api/v1/config")).text);
}

Deno.test({
  name: "a changed file is in effect for the next request: other upstreams, times and bounds",
  ignore: noWorld,
  async fn() {
    await using stage = await startStage("cacheMaxSize: 1GiB\n");
    const { bench, folder } = stage;
    const image = await bench.world.seed("public/reloaded");
    const path = `/v2/corp.example/public/reloaded/manifests/1`;
    assertEquals((await bench.ask(path)).status, 404);
    const corp = `upstreams:\n  corp:\n    url: ${bench.world.registryFront.url}\n` +
      "    registry: corp.example\n";
    await folder.write("entrepot.yaml", `cacheMaxSize: 64MiB\ntagTtl: latest=5m\n${corp}`);
    await waitForReload(stage);
    assertEquals(
      (await bench.ask(path)).headers.get("docker-content-digest"),
      image.top.digest,
    );
    const config = await inEffect(stage);
    assertEquals([config["cacheMaxSize"], config["tagTtl"]], ["64MiB", ["latest=5m"]]);
    const metrics = (await bench.ask("/metrics")).text;
    assertStringIncludes(metrics, `entrepot_cache_limit_bytes ${64 * MIB}\n`);
    assertStringIncludes(metrics, 'entrepot_config_reloads_total{result="applied"} 1\n');
    const [line] = await configLines(stage);
    assertStringIncludes(line ?? "", "cacheMaxSize, tagTtl, upstreams.corp");
  },
});

Deno.test({
  name: "smaller bounds make room at once",
  ignore: noWorld,
  async fn() {
    await using stage = await startStage("cacheMaxSize: 1GiB\n");
    const { bench, file } = stage;
    const layer = layerOf(await bench.world.seed("public/big", noiseImage("big", [16 * MIB])), 1);
    assertContent(await bench.ask(blobPath("public/big", layer)), layer);
    await bench.settle();
    await Deno.writeTextFile(file, "cacheMaxSize: 8MiB\n");
    await waitForReload(stage);
    const blobs = await Array.fromAsync(Deno.readDir(`${bench.product.cacheDir}/blobs/sha256`));
    assertFalse(blobs.some(({ name }) => layer.digest.endsWith(name)));
  },
});

Deno.test({
  name: "a file that is replaced, or reached by a link that points elsewhere now, is read again",
  ignore: noWorld,
  async fn() {
    await using stage = await startStage("tagTtl: latest=1m\n");
    const { folder, file } = stage;
    await Deno.rename(await folder.write("new.yaml", "tagTtl: latest=2m\n"), file);
    await waitForReload(stage, 1);
    assertEquals((await inEffect(stage))["tagTtl"], ["latest=2m"]);
    const next = await folder.write("elsewhere.yaml", "tagTtl: latest=3m\n");
    await Deno.symlink(next, folder.join("link"));
    await Deno.rename(folder.join("link"), file);
    await waitForReload(stage, 2);
    assertEquals((await inEffect(stage))["tagTtl"], ["latest=3m"]);
  },
});

Deno.test({
  name: "SIGHUP has files of secrets read again, which the log does not tell",
  ignore: noWorld,
  async fn() {
    await using folder = await tempDir("secrets");
    const password = await folder.write("password", "wrong-canary-1");
    await using bench = await startBench({
      env: (world) => ({
        UPSTREAM_CORP_URL: world.registryFront.url,
        UPSTREAM_CORP_REGISTRY: "corp.example",
        UPSTREAM_CORP_AUTH: "account",
        UPSTREAM_CORP_USERNAME: "alice",
        UPSTREAM_CORP_PASSWORD_FILE: password,
      }),
    });
    await bench.world.seed("alice/secret");
    const path = manifestPath("corp.example/alice/secret", "1");
    assertEquals((await bench.ask(path)).status, 403);
    await folder.write("password", ALICE.password);
    bench.product.kill("SIGHUP");
    await waitFor("the account works", async () => (await bench.ask(path)).status === 200);
    await waitForReload({ bench });
    const output = await bench.output();
    assertStringIncludes(output, "SIGHUP: the configuration was read again");
    assertFalse(output.includes("wrong-canary-1"));
    assertFalse(output.includes(ALICE.password));
  },
});

Deno.test({
  name: "what is wrong or needs a restart is refused as a whole, with every fault, and all goes on",
  ignore: noWorld,
  async fn() {
    await using stage = await startStage("tagTtl: latest=1m\n");
    const { bench, file } = stage;
    await Deno.writeTextFile(file, "tagTtl: latest=2m\ncacheMaxSize: much\nredirectMode: maybe\n");
    await waitForReload(stage, 1);
    await Deno.writeTextFile(file, "tagTtl: latest=3m\nhost: 127.0.0.2\n");
    // The environment wins, so that this is no change of HOST.
    await waitForReload(stage, 2);
    assertEquals((await inEffect(stage))["tagTtl"], ["latest=3m"]);
    await Deno.writeTextFile(file, "tagTtl: latest=4m\ncacheEnabled: false\n");
    await waitForReload(stage, 3);
    assertEquals((await inEffect(stage))["tagTtl"], ["latest=3m"]);
    await Deno.remove(file);
    bench.product.kill("SIGHUP");
    await waitForReload(stage, 4);
    const [wrong = "", , restart = "", gone = ""] = await configLines(stage);
    assertStringIncludes(wrong, "cacheMaxSize");
    assertStringIncludes(wrong, "redirectMode");
    assertStringIncludes(restart, "CACHE_ENABLED: got false; restart to change it");
    assertStringIncludes(gone, "CONFIG_FILE");
    assertEquals((await inEffect(stage))["tagTtl"], ["latest=3m"]);
    const metrics = (await bench.ask("/metrics")).text;
    assertStringIncludes(metrics, 'entrepot_config_reloads_total{result="refused"} 3\n');
    assertStringIncludes(metrics, "entrepot_config_refused 1\n");
  },
});

Deno.test({
  name: "pulls under way go on, and those that come after a change share their transfer",
  ignore: noWorld,
  async fn() {
    await using stage = await startStage("tagTtl: latest=1m\n");
    const { bench, file } = stage;
    const layer = layerOf(await bench.world.seed("public/held", noiseImage("held", [2 * MIB])), 1);
    const held = gate(bytesOf(layer), MIB);
    onBlobRead(
      bench.world,
      layer,
      () => new Response(held.body, { headers: { "content-length": String(layer.size) } }),
    );
    const path = blobPath("public/held", layer);
    const before = await bench.open(path);
    assertEquals(before.status, 200);
    await Deno.writeTextFile(file, "tagTtl: latest=2m\n");
    await waitForReload(stage);
    const after = await bench.open(path);
    held.open();
    for (const response of [before, after]) {
      const digest = new Uint8Array(
        await crypto.subtle.digest("SHA-256", await response.bytes()),
      );
      assertEquals(`sha256:${digest.toHex()}`, layer.digest);
    }
    assertEquals(transfers(bench.world, layer).length, 1);
    await bench.settle();
    const again = await bench.ask(path);
    assertContent(again, layer);
    assert(again.headers.get("x-cache") === "HIT");
  },
});
