/**
 * The real engines of the tests: each pulls from the test upstream itself, without the product,
 * and leaves nothing.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { createCa } from "../support/ca.ts";
import { has } from "../support/components.ts";
import { startContainerd } from "../support/containerd.ts";
import { startDockerd } from "../support/dockerd.ts";
import { noiseImage, tinyImage } from "../support/image.ts";
import { startPodman } from "../support/podman.ts";
import { run } from "../support/process.ts";
import { pushImage, writeLayout } from "../support/push.ts";
import { startRegistry } from "../support/registry.ts";
import { startSkopeo } from "../support/skopeo.ts";
import { tempDir } from "../support/temp.ts";
import { startTlsFront } from "../support/tls_front.ts";
import { ALICE } from "../support/token_server.ts";
import { startWorld } from "../support/world.ts";

const noRegistry = !has("docker-registry") || !has("openssl");

/** What components leave on the machine while they run: files, mounts and processes. */
async function traces(): Promise<string[]> {
  const files = [];
  for await (const { name } of Deno.readDir(Deno.env.get("TMPDIR") ?? "/tmp")) {
    if (/^entrepot-(dockerd|containerd|podman)-/.test(name)) files.push(name);
  }
  const pattern = "entrepot-(dockerd|containerd|podman)-";
  const mounts = await run("grep", ["-E", pattern, "/proc/mounts"]);
  const processes = await run("pgrep", ["-f", "-a", pattern]);
  return [...files, mounts.stdout, processes.stdout].filter((trace) => trace !== "");
}

Deno.test({
  name: "docker pulls and runs images, by tag and by mirror, and leaves nothing",
  ignore: noRegistry || !has("dockerd"),
  async fn() {
    {
      await using world = await startWorld();
      await world.seed("library/tiny");
      await world.push("public/noise", noiseImage("noise", [8 << 20, 1000]));
      await using docker = await startDockerd({
        mirrors: [world.hubFront.url],
        hosts: { "hub.example.test": "127.0.0.1" },
      });
      await docker.pull("tiny:1");
      await docker.pull(`hub.example.test:${world.registryFront.port}/public/noise:1`);
      const hello = await docker.docker("run", "--rm", "--network", "host", "tiny:1");
      assertEquals(hello.stdout, "hello from library/tiny\n", hello.stderr);
      assertEquals(
        world.registryFront.matching("GET", /\/manifests\//)[0]?.host.slice(0, 16),
        "hub.example.test",
      );
      await docker.docker("run", "-d", "--network", "host", "tiny:1");
    }
    assertEquals(await traces(), []);
  },
});

Deno.test({
  name: "docker trusts a certificate only where it is told to",
  ignore: noRegistry || !has("dockerd"),
  async fn() {
    await using ca = await createCa();
    await using registry = await startRegistry();
    await pushImage(tinyImage(), { registry: registry.url, repository: "tiny", tag: "1" });
    const certificate = await ca.issue("tls.example.test");
    await using front = startTlsFront({ certificate, target: registry.url, hostname: "::1" });
    const name = `tls.example.test:${front.port}`;
    await using docker = await startDockerd({ hosts: { "tls.example.test": "::1" } });
    const refused = await docker.docker("pull", `${name}/tiny:1`);
    assertMatch(refused.stderr, /unknown authority/);
    await docker.trust(name, ca.cert);
    await docker.pull(`${name}/tiny:1`);
  },
});

Deno.test({
  name: "containerd pulls through a hosts.toml and leaves nothing",
  ignore: noRegistry || !has("containerd"),
  async fn() {
    {
      await using world = await startWorld();
      await world.seed("library/tiny");
      await world.seed("private/tiny");
      await using containerd = await startContainerd();
      await containerd.useMirror("docker.io", world.hubFront.url);
      const mirrored = await containerd.pull("docker.io/library/tiny:1");
      assertEquals(mirrored.code, 0, mirrored.stderr);
      assertStringIncludes(world.hubFront.requests[0]?.query ?? "", "ns=docker.io");
      const image = `${world.hub.host}/private/tiny:1`;
      const user = `${ALICE.username}:${ALICE.password}`;
      const direct = await containerd.ctr("images", "pull", "--plain-http", "--user", user, image);
      assertEquals(direct.code, 0, direct.stderr);
      const hello = await containerd.ctr("run", "--rm", "docker.io/library/tiny:1", "hello");
      assertEquals(hello.stdout, "hello from library/tiny\n", hello.stderr);
    }
    assertEquals(await traces(), []);
  },
});

Deno.test({
  name: "podman and buildah pull by way of a mirror and leave nothing",
  ignore: noRegistry || !has("podman"),
  async fn() {
    {
      await using world = await startWorld();
      await world.seed("library/tiny");
      await using podman = await startPodman({
        registries: [{ prefix: "docker.io", mirror: world.hubFront.host, insecure: true }],
      });
      const pulled = await podman.podman("pull", "-q", "docker.io/library/tiny:1");
      assertEquals(pulled.code, 0, pulled.stderr);
      const images = await podman.podman("images", "-q");
      assertMatch(images.stdout, /^[0-9a-f]+\n$/);
      const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"];
      const hello = await podman.podman(
        ...["run", "--rm", "--network", "host", ...limits, "docker.io/library/tiny:1"],
      );
      assertEquals(hello.stdout, "hello from library/tiny\n", hello.stderr);
      if (has("buildah")) {
        const from = await podman.buildah("from", "docker.io/library/tiny:1");
        assertEquals(from.code, 0, from.stderr);
      }
    }
    assertEquals(await traces(), []);
  },
});

Deno.test({
  name: "skopeo inspects, and copies an image layout with credentials",
  ignore: noRegistry || !has("skopeo"),
  async fn() {
    await using world = await startWorld();
    await using folder = await tempDir("layout");
    await using skopeo = await startSkopeo();
    const image = tinyImage("layout");
    await writeLayout(image, folder.path, "1");
    const target = `${world.registry.host}/alice/tiny:1`;
    const creds = `${ALICE.username}:${ALICE.password}`;
    const copy = await skopeo.skopeo(
      ...["copy", "-q", "--all", "--dest-tls-verify=false", "--dest-creds", creds],
      ...[`oci:${folder.path}:1`, `docker://${target}`],
    );
    assertEquals(copy.code, 0, copy.stderr);
    assertEquals((await skopeo.inspect(target, "--creds", creds))?.Digest, image.top.digest);
    assertEquals(await skopeo.inspect(target, "--no-creds"), null);
  },
});
