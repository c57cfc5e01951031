/**
 * Real engines push through the product to a registry that asks for tokens; what arrived is read from
 * there without the product.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startContainerd } from "../support/containerd.ts";
import { startDockerd } from "../support/dockerd.ts";
import type { Image } from "../support/image.ts";
import { startPodman } from "../support/podman.ts";
import { writeLayout } from "../support/push.ts";
import { startSkopeo } from "../support/skopeo.ts";
import { ALICE } from "../support/token_server.ts";
import { readUpstreamImage, type UpstreamImage } from "../support/upstream_image.ts";
import {
  amd64,
  assertSuccess,
  layeredImage,
  noWorld,
  peakRss,
  type Stage,
  startStage,
} from "./stage.ts";

const MIB = 1 << 20;
/** What the product may ever have resident, whatever passes through it. */
const MAX_RSS = 200 * MIB;
const CREDENTIALS = `${ALICE.username}:${ALICE.password}`;

/** The image as the registry has it, read past the product. */
function arrived(stage: Stage, repository: string, tag = "1"): Promise<UpstreamImage> {
  const registry = stage.world.registry.url;
  return readUpstreamImage({ registry, repository, credentials: ALICE }, tag);
}

/** Bytes of blobs that reached the registry, and the methods that brought them. */
function uploads(stage: Stage): { bodies: number; mounts: number } {
  const { requests } = stage.world.registryFront;
  const ours = requests.filter(({ path }) => path.includes("/blobs/uploads/"));
  return {
    bodies:
      ours.filter(({ method, headers }) =>
        method === "PATCH" || (method === "PUT" && headers.get("content-length") !== "0")
      ).length,
    mounts:
      ours.filter(({ method, query, status }) =>
        method === "POST" && query.includes("mount=") && status === 201
      ).length,
  };
}

function bigImage(name: string): Image {
  return layeredImage(name, [300 * MIB, 1000]);
}

Deno.test({
  name: "docker pushes a layer of 300 MiB, and mounts what the registry has already",
  ignore: noWorld || !has("dockerd"),
  async fn(t) {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = bigImage("for-docker");
    await world.push("public/for-docker", image);
    await using docker = await startDockerd();
    const source = `${world.registry.host}/public/for-docker:1`;
    await docker.pull(source);
    const login = (host: string) =>
      docker.docker("login", "-u", ALICE.username, "-p", ALICE.password, host);
    assertSuccess(await login(proxy.host));
    const pushed = `${proxy.host}/ghcr.io/alice/pushed:1`;

    await t.step("without a login at the registry nothing is pushed", async () => {
      assertSuccess(await docker.docker("logout", proxy.host));
      assertSuccess(await docker.docker("tag", source, pushed));
      assertEquals((await docker.docker("push", pushed)).code, 1);
      assertSuccess(await login(proxy.host));
    });

    await t.step("the image arrives whole", async () => {
      world.clearRecords();
      const output = await docker.docker("push", pushed);
      assertSuccess(output);
      const { digest, blobs } = await arrived(stage, "alice/pushed");
      assert(output.stdout.includes(digest), output.stdout);
      assertEquals(blobs.length, amd64(image).layers.length + 1);
      assert(blobs.includes(amd64(image).config.digest));
      assertEquals(uploads(stage).mounts, 0);
      assert(await peakRss(proxy) < MAX_RSS, `${await peakRss(proxy)}`);
    });

    await t.step("a second repository gets its blobs by mounts, without their bytes", async () => {
      const second = `${proxy.host}/ghcr.io/alice/second:1`;
      assertSuccess(await docker.docker("tag", source, second));
      world.clearRecords();
      assertSuccess(await docker.docker("push", second));
      const layers = amd64(image).layers.length;
      assertEquals(uploads(stage), { bodies: 1, mounts: layers }, "only the config is sent");
      assertEquals(
        (await arrived(stage, "alice/second")).digest,
        (await arrived(stage, "alice/pushed")).digest,
      );
    });

    await t.step("a moved tag is what the next pull through the product gets", async () => {
      const other = await world.seed("public/tiny");
      const name = `${world.registry.host}/public/tiny:1`;
      await docker.pull(pushed);
      await docker.pull(name);
      assertSuccess(await docker.docker("tag", name, pushed));
      assertSuccess(await docker.docker("push", pushed));
      assertSuccess(await docker.docker("rmi", pushed, name));
      await docker.pull(pushed);
      const inspect = await docker.docker("image", "inspect", "-f", "{{.Id}}", pushed);
      assertEquals(inspect.stdout.trim(), amd64(other).config.digest);
    });
  },
});

Deno.test({
  name: "containerd pushes every platform, by prefix and by alias host",
  ignore: noWorld || !has("containerd"),
  async fn(t) {
    const domain = "mirror.example.test";
    await using stage = await startStage({ env: { CUSTOM_DOMAIN: domain } });
    const { world, proxy } = stage;
    const image = bigImage("for-containerd");
    await world.push("public/for-containerd", image);
    await using containerd = await startContainerd({ hosts: { [`ghcr.${domain}`]: "127.0.0.1" } });
    const options = ["--plain-http", "--user", CREDENTIALS];
    const local = `${world.registry.host}/public/for-containerd:1`;
    const pull = ["images", "pull", "--plain-http", "--all-platforms", local];
    assertSuccess(await containerd.ctr(...pull));

    const names = {
      prefixed: `${proxy.host}/ghcr.io/alice/prefixed:1`,
      hosted: `ghcr.${domain}:${proxy.port}/alice/hosted:1`,
    };
    for (const [way, name] of Object.entries(names)) {
      await t.step(way, async () => {
        world.clearRecords();
        assertSuccess(await containerd.ctr("images", "push", ...options, name, local));
        const { digest, manifests } = await arrived(stage, `alice/${way}`);
        assertEquals([digest, manifests.length], [image.top.digest, image.manifests.length]);
        const layers = world.registryFront.matching("PUT", /\/blobs\/uploads\//);
        assert(layers.some(({ headers }) => Number(headers.get("content-length")) > 300 * MIB));
        assert(await peakRss(proxy) < MAX_RSS, `${await peakRss(proxy)}`);
      });
    }
  },
});

Deno.test({
  name: "podman and buildah push an image for several platforms",
  ignore: noWorld || !has("podman") || !has("buildah"),
  async fn(t) {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = bigImage("for-podman");
    await world.push("public/for-podman", image);
    await using podman = await startPodman({
      registries: [
        { prefix: proxy.host, insecure: true },
        { prefix: world.registry.host, insecure: true },
      ],
    });
    const options = ["--creds", CREDENTIALS, "--tls-verify=false"];
    const source = `${world.registry.host}/public/for-podman:1`;
    assertSuccess(await podman.podman("pull", "-q", source));

    await t.step("podman", async () => {
      const name = `${proxy.host}/ghcr.io/alice/podman:1`;
      assertSuccess(await podman.podman("push", ...options, source, name));
      const { blobs } = await arrived(stage, "alice/podman");
      assertEquals(blobs.length, amd64(image).layers.length + 1);
      assert(await peakRss(proxy) < MAX_RSS, `${await peakRss(proxy)}`);
    });

    await t.step("buildah, every platform", async () => {
      assertSuccess(await podman.buildah("manifest", "create", "list"));
      const add = ["--all", "--tls-verify=false", "list", `docker://${source}`];
      assertSuccess(await podman.buildah("manifest", "add", ...add));
      const name = `docker://${proxy.host}/ghcr.io/alice/buildah:1`;
      const push = ["manifest", "push", "--all", "--format", "oci", ...options, "list", name];
      assertSuccess(await podman.buildah(...push));
      const { manifests } = await arrived(stage, "alice/buildah");
      assertEquals(manifests.length, image.platforms.length + 1);
      assert(await peakRss(proxy) < MAX_RSS, `${await peakRss(proxy)}`);
    });
  },
});

Deno.test({
  name: "skopeo pushes, mounts between repositories, and deletes",
  ignore: noWorld || !has("skopeo"),
  async fn(t) {
    await using stage = await startStage();
    const { world, proxy } = stage;
    const image = bigImage("for-skopeo");
    await using skopeo = await startSkopeo();
    await writeLayout(image, skopeo.path("layout"), "1");
    const options = ["--dest-creds", CREDENTIALS, "--dest-tls-verify=false"];
    const name = `docker://${proxy.host}/ghcr.io/alice/skopeo`;

    await t.step("every platform arrives unchanged", async () => {
      const from = `oci:${skopeo.path("layout")}:1`;
      assertSuccess(await skopeo.skopeo("copy", "-q", "--all", ...options, from, `${name}:1`));
      assertEquals((await arrived(stage, "alice/skopeo")).digest, image.top.digest);
      assert(await peakRss(proxy) < MAX_RSS, `${await peakRss(proxy)}`);
    });

    await t.step("to another repository by mounts", async () => {
      world.clearRecords();
      const sources = ["--src-creds", CREDENTIALS, "--src-tls-verify=false"];
      const to = `docker://${proxy.host}/ghcr.io/alice/mounted:1`;
      const copy = ["copy", "-q", "--all", ...sources, ...options, `${name}:1`, to];
      assertSuccess(await skopeo.skopeo(...copy));
      assertEquals((await arrived(stage, "alice/mounted")).digest, image.top.digest);
      const layers = new Set(image.platforms.flatMap(({ layers }) => layers.map((l) => l.digest)));
      const { mounts, bodies } = uploads(stage);
      assert(mounts >= layers.size, `${mounts} mounts, ${layers.size} layers`);
      assert(bodies <= image.platforms.length, "configs alone are sent");
    });

    await t.step("what is deleted is gone, upstream and here", async () => {
      const creds = ["--creds", CREDENTIALS, "--tls-verify=false"];
      assertSuccess(await skopeo.skopeo("inspect", ...creds, `${name}:1`));
      assertSuccess(await skopeo.skopeo("delete", ...creds, `${name}:1`));
      assertEquals((await skopeo.skopeo("inspect", ...creds, `${name}:1`)).code, 1);
    });
  },
});
