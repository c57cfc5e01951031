/** Registry, storage and token server are gone, or the whole network is: what is cached is served. */
import { join } from "node:path";
import { assert, assertEquals } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startDockerd } from "../support/dockerd.ts";
import { startCommand } from "../support/entrepot.ts";
import { noiseImage } from "../support/image.ts";
import { freePort } from "../support/ports.ts";
import { run, runOk, sleep, startProcess } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";
import { noArena, settled, startArena } from "./arena.ts";
import { type EnginePull, pullAsEngine } from "./engine_pull.ts";

const MIB = 1 << 20;
const NAME = "library/kept";
const TTL = { CACHE_MANIFEST_TTL: "1s" };
const PAST_TTL_MS = 1200;

/** Program, two layers and config of the image. */
const ALL_HIT = Array.from({ length: 4 }, () => "right HIT");

function assertServed(pull: EnginePull, digest: string): void {
  // Podman and others take any other answer for a registry that is not there.
  assert([200, 401].includes(pull.ping), `/v2/ answered ${pull.ping}`);
  assertEquals(pull.tag, 200, JSON.stringify(pull));
  assertEquals(pull.digest, digest);
  assertEquals(pull.blobs, ALL_HIT, JSON.stringify(pull));
}

Deno.test({
  name: "an outage is seen by nobody but for a warning, and is over when it is over",
  ignore: noArena,
  async fn(t) {
    await using arena = await startArena();
    const image = await arena.push(NAME, noiseImage("kept", [4 * MIB, MIB]));
    await using product = await arena.startProduct({ env: TTL });
    const pull = () => pullAsEngine(product.url, NAME, "1");
    assertEquals((await pull()).blobs.length, ALL_HIT.length);
    await settled(product);

    await t.step("everything is down: a tag past its time is served with a warning", async () => {
      await arena.down();
      await sleep(PAST_TTL_MS);
      const stale = await pull();
      assertServed(stale, image.top.digest);
      assertEquals(stale.warning, `110 - "Response is Stale"`);
    });

    await t.step("a proxy started while everything is down serves what it has", async () => {
      await product.restart();
      await sleep(PAST_TTL_MS);
      const stale = await pull();
      assertServed(stale, image.top.digest);
      assertEquals(stale.warning, `110 - "Response is Stale"`);
    });

    await t.step("everything is back: a moved tag is seen, without a warning", async () => {
      await arena.up();
      const moved = await arena.push(NAME, noiseImage("moved", [MIB, MIB]));
      await sleep(PAST_TTL_MS);
      const fresh = await pull();
      assertEquals(fresh.warning, null);
      assertEquals(fresh.digest, moved.top.digest);
      assertEquals(fresh.blobs.filter((blob) => !blob.startsWith("right ")), []);
    });
  },
});

Deno.test({
  name: "a proxy without any network serves what it has, as its engine asks for it",
  ignore: noArena || !has("network"),
  async fn() {
    await using arena = await startArena();
    const image = await arena.push(NAME, noiseImage("kept", [4 * MIB, MIB]));
    await using folder = await tempDir("chaos-cut");
    const env = { ...arena.env, ...TTL, CACHE_DIR: folder.join("cache") };
    {
      await using product = await arena.startProduct({ env });
      await pullAsEngine(product.url, NAME, "1");
      await settled(product);
    }
    const port = freePort();
    const [deno, ...args] = await startCommand();
    const script = 'ip link set lo up && exec "$@"';
    await using product = await startProcess("entrepot-cut", "unshare", {
      args: ["-n", "sh", "-c", script, "sh", deno, ...args],
      env: { ...env, HOST: "127.0.0.1", PORT: String(port) },
      // Nobody out here can ask whether it is healthy.
      isReady: async (process) => (await process.log().catch(() => "")).includes("listens on"),
    });
    await sleep(PAST_TTL_MS);
    const client = join(import.meta.dirname ?? "", "engine_pull.ts");
    const url = `http://127.0.0.1:${port}`;
    const inside = ["-t", String(product.pid), "-n", "--", deno, "run", "--no-prompt"];
    const elsewhere = await run("nsenter", [...inside.slice(0, 4), "ip", "route"]);
    assertEquals(elsewhere.stdout, "", "there is a way out");
    const pull: EnginePull = JSON.parse(
      await runOk("nsenter", [...inside, "--allow-net", client, url, NAME, "1"]),
    );
    assertServed(pull, image.top.digest);
    assert(pull.warning !== null, "the tag is stale");
  },
});

Deno.test({
  name: "the Docker engine pulls during an outage what the proxy has",
  ignore: noArena || !has("dockerd"),
  async fn(t) {
    await using arena = await startArena();
    const image = await arena.push(NAME, noiseImage("kept", [4 * MIB, MIB]));
    await using product = await arena.startProduct({ env: TTL });
    await using docker = await startDockerd({ mirrors: [product.url] });
    const assertPulls = async (): Promise<void> => {
      await docker.removeImages();
      await docker.pull("kept:1");
      const { stdout } = await docker.docker("image", "inspect", "-f", "{{.Id}}", "kept:1");
      assertEquals(stdout.trim(), image.platforms[0]?.config.digest ?? "");
    };
    await assertPulls();
    await settled(product);
    await arena.down();
    await sleep(PAST_TTL_MS);
    await t.step("while the proxy runs", assertPulls);
    await product.restart();
    await t.step("after a restart of the proxy", assertPulls);
  },
});
