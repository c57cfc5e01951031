/**
 * Without configuration the product is a mirror of Docker Hub by its real names, over TLS. Here those
 * names lead, for the product's process alone, to stand-ins on loopback addresses.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { createCa } from "../support/ca.ts";
import { has } from "../support/components.ts";
import { startDockerd } from "../support/dockerd.ts";
import { type Entrepot, startEntrepot } from "../support/entrepot.ts";
import type { Image } from "../support/image.ts";
import { pushImage } from "../support/push.ts";
import { type Recorder, startRecorder } from "../support/recorder.ts";
import { startRegistry } from "../support/registry.ts";
import { type S3, startS3, startS3Registry } from "../support/s3.ts";
import { startTokenServer, type TokenServer } from "../support/token_server.ts";
import { assertDockerHas, assertSuccess, blobDigests, layeredImage, noWorld } from "./stage.ts";

const HUB = "registry-1.docker.io";
const REALM = "auth.docker.io";
const STORAGE = "production.cloudfront.docker.com";

/** Docker Hub in small, and a product that knows nothing of where it is. */
interface HubStage extends AsyncDisposable {
  readonly proxy: Entrepot;
  readonly hub: Recorder;
  readonly tokens: TokenServer;
  readonly storage: S3;
}

/** Starts everything, with an image at `library/official:1`. */
async function startHubStage(image: Image): Promise<HubStage> {
  await using stack = new AsyncDisposableStack();
  // All on port 443, so on addresses that no other run of this test has.
  const network = `127.77.${1 + Math.floor(Math.random() * 254)}`;
  const hosts = { [HUB]: `${network}.1`, [REALM]: `${network}.2`, [STORAGE]: `${network}.3` };
  const ca = stack.use(await createCa());
  const at = async (name: keyof typeof hosts) => ({
    hostname: hosts[name] ?? "",
    port: 443,
    certificate: await ca.issue(name),
  });

  const seed = stack.use(await startRegistry());
  await pushImage(image, { registry: seed.url, repository: "library/official", tag: "1" });
  const tokens = stack.use(
    await startTokenServer({ ...await at(REALM), service: "registry.docker.io" }),
  );
  const storage = stack.use(startS3({ ...await at(STORAGE), root: seed.root }));
  const registry = stack.use(
    await startS3Registry(storage, {
      auth: tokens.auth(`https://${REALM}/token`),
      endpoint: `https://${STORAGE}`,
      hosts,
      caFile: ca.certFile,
    }),
  );
  const hub = stack.use(startRecorder({ ...await at(HUB), target: registry.url }));
  const proxy = stack.use(
    await startEntrepot({ hosts, caFile: ca.certFile, env: { PRIVATE_TARGETS: "127.77.0.0/16" } }),
  );
  const owned = stack.move();
  return {
    proxy,
    hub,
    tokens,
    storage,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test({
  name: "without configuration docker pulls Docker Hub's images by mirror and by host and port",
  ignore: noWorld || !has("namespace") || !has("dockerd"),
  async fn(t) {
    const image = layeredImage("official", [8 << 20, 1000]);
    await using stage = await startHubStage(image);
    const { proxy, hub, tokens, storage } = stage;
    const reads = () => storage.blobReads().filter(({ isPresigned }) => isPresigned);
    await using docker = await startDockerd({ mirrors: [proxy.url] });

    await t.step("by mirror, from the storage that Docker Hub redirects to", async () => {
      await docker.pull("official:1");
      await assertDockerHas(docker, "official:1", image);
      const read = reads();
      assertEquals(read.map(({ digest }) => digest ?? "").sort(), blobDigests(image));
      assertEquals(new Set(read.map(({ host }) => host)), new Set([STORAGE]));
      assert(read.every(({ hasAuthorization }) => !hasAuthorization));
    });

    await t.step("with one anonymous token of the real realm and scope", () => {
      assertEquals(tokens.requests.length, 1);
      const scopes = tokens.requests.flatMap(({ scopes }) => scopes);
      assertEquals(new Set(scopes), new Set(["repository:library/official:pull"]));
      assertEquals(new Set(tokens.requests.map(({ user }) => user)), new Set([null]));
      assertEquals(
        new Set(tokens.requests.map(({ service }) => service)),
        new Set(["registry.docker.io"]),
      );
    });

    for (const name of [`${proxy.host}/library/official:1`, `${proxy.host}/official:1`]) {
      await t.step(`as ${name.replace(proxy.host, "host:port")} from the cache`, async () => {
        await docker.removeImages();
        const before = reads().length;
        hub.clear();
        await docker.pull(name);
        await assertDockerHas(docker, name, image);
        assertEquals(reads().length, before);
        assertEquals(hub.matching("GET", /\/blobs\//), []);
        assertSuccess(await docker.docker("run", "--rm", "--network", "none", name));
      });
    }
  },
});
