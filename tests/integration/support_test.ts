/**
 * The test components themselves: each starts, serves what it should, and leaves nothing.
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { createCa } from "../support/ca.ts";
import { has } from "../support/components.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { buildArtifact, noiseImage, tinyImage } from "../support/image.ts";
import { contentOf } from "../support/layer.ts";
import { basic, pushImage } from "../support/push.ts";
import { cutAfter, startRecorder } from "../support/recorder.ts";
import { startRegistry } from "../support/registry.ts";
import { S3_KEYS, startS3, startS3Registry } from "../support/s3.ts";
import { presign } from "../support/s3_signature.ts";
import { tempDir } from "../support/temp.ts";
import { startTlsFront } from "../support/tls_front.ts";
import { BOB, startTokenServer } from "../support/token_server.ts";
import { startWorld } from "../support/world.ts";

const noRegistry = !has("docker-registry") || !has("openssl");

/** A stand-in for the product in the test of its starter: counts its starts in its cache. */
const STUB = `
  const env = Deno.env.toObject();
  Deno.mkdirSync(env.CACHE_DIR, { recursive: true });
  Deno.writeTextFileSync(env.CACHE_DIR + "/starts", "x", { append: true });
  const starts = Deno.statSync(env.CACHE_DIR + "/starts").size;
  Deno.stdout.writeSync(new TextEncoder().encode(
    JSON.stringify({ greeting: env.GREETING, starts }) + "\\n"));
  Deno.stderr.writeSync(Deno.readFileSync("/etc/hosts"));
  Deno.serve({ port: Number(env.PORT), hostname: env.HOST, onListen() {} }, () => new Response());
`;

async function token(realm: string, repository: string): Promise<string> {
  const scope = `repository:${repository}:pull`;
  const response = await fetch(`${realm}?service=test-registry&scope=${scope}`);
  const { token }: { token: string } = await response.json();
  return token;
}

Deno.test({
  name: "the world answers a blob of the hub with a redirect to a presigned URL",
  ignore: noRegistry,
  async fn() {
    await using world = await startWorld();
    const image = await world.seed("public/tiny");
    const blob = image.blobs[0];
    assert(blob !== undefined);
    const bearer = `Bearer ${await token(world.tokens.realm, "public/tiny")}`;
    const redirect = await fetch(`${world.hubFront.url}/v2/public/tiny/blobs/${blob.digest}`, {
      headers: { authorization: bearer },
      redirect: "manual",
    });
    await redirect.body?.cancel();
    assertEquals(redirect.status, 307);
    const location = redirect.headers.get("location") ?? "";
    assertStringIncludes(location, "X-Amz-Signature=");

    const clean = await fetch(location);
    assertEquals((await clean.bytes()).length, blob.size);
    const head = await fetch(location, { method: "HEAD" });
    assertEquals(head.status, 403);
    const relayed = await fetch(location, { headers: { authorization: bearer } });
    assertEquals(relayed.status, 400);
    assertStringIncludes(await relayed.text(), "Missing x-amz-content-sha256");

    assertEquals(world.s3.blobReads().map(({ status }) => status), [200, 400]);
    assertEquals(world.hubFront.requests.map(({ status }) => status), [307]);
    assertEquals(await world.hub.count("GET", /\/blobs\//), 1);
    assertEquals(world.tokens.requests.at(-1)?.scheme, null);
  },
});

Deno.test({
  name: "the storage refuses what is expired, tampered with or unsigned, and serves ranges",
  ignore: noRegistry,
  async fn() {
    await using registry = await startRegistry();
    await using s3 = startS3({ root: registry.root, flavour: "s3" });
    const image = tinyImage();
    await pushImage(image, { registry: registry.url, repository: "tiny", tag: "1" });
    const url = s3.blobUrl(image.blobs[0]?.digest ?? "");
    const signed = presign({ ...S3_KEYS, url });
    const statusOf = async (url: string, init: RequestInit = {}) => {
      const response = await fetch(url, init);
      await response.body?.cancel();
      return response.status;
    };
    assertEquals(await statusOf(signed, { headers: { range: "bytes=5-9" } }), 206);
    assertEquals(await statusOf(signed, { headers: { range: "bytes=99999999-" } }), 416);
    assertEquals(await statusOf(url), 403);
    assertEquals(await statusOf(`${signed}0`), 403);
    assertEquals(await statusOf(`${signed}&more=1`), 403);
    assertEquals(await statusOf(presign({ ...S3_KEYS, url, date: new Date(0) })), 403);
    assertEquals(await statusOf(presign({ ...S3_KEYS, url, method: "HEAD" })), 403);
  },
});

Deno.test({
  name: "the token server grants by user, and remembers whether a password was right",
  ignore: !has("openssl"),
  async fn() {
    await using tokens = await startTokenServer({ refresh: true, field: "access_token" });
    const scope = "repository:private/a:pull,push";
    const query = `service=x&scope=${scope}&offline_token=true`;
    const ask = async (authorization: string) =>
      await fetch(`${tokens.realm}?${query}`, { headers: { authorization } });
    const bob: Record<string, string> = await (await ask(basic(BOB))).json();
    assert(bob["refresh_token"] !== undefined && !("token" in bob));
    const payload = JSON.parse(atob(bob["access_token"]?.split(".")[1] ?? ""));
    assertEquals(payload.access, [{ type: "repository", name: "private/a", actions: ["pull"] }]);
    const wrong = await ask(basic({ username: "bob", password: "x" }));
    await wrong.body?.cancel();
    assertEquals(wrong.status, 401);
    const refreshed = await fetch(tokens.realm, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "refresh_token",
        refresh_token: bob["refresh_token"],
        service: "x",
        scope,
      }),
    });
    await refreshed.body?.cancel();
    assertEquals(refreshed.status, 200);
    assertEquals(tokens.requests.map(({ user, isRight }) => [user, isRight]), [
      ["bob", true],
      ["bob", false],
      ["bob", true],
    ]);
  },
});

Deno.test({
  name: "a TLS front passes on host, body and upload location",
  ignore: noRegistry,
  async fn() {
    await using ca = await createCa();
    await using registry = await startRegistry();
    await using recorder = startRecorder({ target: registry.url });
    const certificate = await ca.issue("docker.example.test", "127.0.0.1");
    await using front = startTlsFront({ certificate, target: recorder.url });
    using client = Deno.createHttpClient({ caCerts: [ca.cert] });
    const upload = await fetch(`${front.url}/v2/a/blobs/uploads/`, { method: "POST", client });
    await upload.body?.cancel();
    assertStringIncludes(upload.headers.get("location") ?? "", `${front.url}/v2/a/`);
    assertEquals(recorder.requests[0]?.headers.get("x-forwarded-proto"), "https");
    assertEquals(recorder.requests[0]?.host, new URL(front.url).host);
  },
});

Deno.test({
  name: "a recorder counts bytes, cuts a transfer and answers in the server's place",
  ignore: noRegistry,
  async fn() {
    await using registry = await startRegistry();
    await using recorder = startRecorder({ target: registry.url });
    const image = noiseImage("cut", [1 << 20]);
    await pushImage(image, { registry: registry.url, repository: "cut", tag: "1" });
    const layer = image.platforms[0]?.layers[1];
    assert(layer !== undefined);
    const url = `${recorder.url}/v2/cut/blobs/${layer.digest}`;
    assertEquals((await (await fetch(url)).bytes()).length, layer.size);
    assertEquals(recorder.requests[0]?.bytes, layer.size);
    recorder.intercept = async (_request, forward) => cutAfter(await forward(), 1000);
    let arrived = 0;
    await assertRejects(async () => {
      const { body } = await fetch(url);
      for await (const chunk of body ?? []) arrived += chunk.length;
    });
    assertEquals(arrived, 1000);
    assertEquals(recorder.requests[1]?.isComplete, false);
    recorder.intercept = () => new Response("slow down", { status: 429 });
    assertEquals(await (await fetch(url)).text(), "slow down");
    assertEquals(await registry.count("GET", /\/blobs\//), 2);
  },
});

Deno.test({
  name: "a registry takes Docker's format, an artifact, and a blob of no bytes",
  ignore: noRegistry,
  async fn() {
    await using registry = await startRegistry();
    await using recorder = startRecorder({ target: registry.url });
    const push = { registry: recorder.url, tag: "1" };
    const docker = tinyImage("tiny", "docker");
    await pushImage(docker, { ...push, repository: "docker" });
    const empty = contentOf("application/octet-stream", new Uint8Array());
    const artifact = buildArtifact({
      name: "note",
      artifactType: "application/vnd.test.note",
      layers: [empty],
      subject: docker.top,
    });
    await pushImage(artifact, { ...push, repository: "docker", tag: "note" });
    const manifest = await fetch(`${registry.url}/v2/docker/manifests/1`, {
      headers: { accept: docker.top.mediaType },
    });
    assertEquals(manifest.headers.get("docker-content-digest"), docker.top.digest);
    await manifest.body?.cancel();
    const blob = await fetch(`${registry.url}/v2/docker/blobs/${empty.digest}`);
    assertEquals((await blob.bytes()).length, 0);
  },
});

Deno.test({
  name: "the product's process is started, read, killed, restarted on its cache, and gone",
  async fn() {
    await using folder = await tempDir("stub");
    const stub = await folder.write("stub.ts", STUB);
    await using product = await startEntrepot({
      command: [Deno.execPath(), "run", "-A", "--no-config", stub],
      env: { GREETING: "one" },
      ...(has("namespace") ? { hosts: { "registry-1.docker.io": "127.77.0.1" } } : {}),
    });
    const first = product.pid;
    assertEquals((await product.log())[0]?.["greeting"], "one");
    if (has("namespace")) {
      assertStringIncludes(await product.stderr(), "127.77.0.1 registry-1.docker.io");
    }
    assertGreater(await product.rss(), 1 << 20);
    product.kill("SIGKILL");
    assertEquals((await product.status).signal, "SIGKILL");
    await product.restart({ GREETING: "two" });
    assertNotEquals(product.pid, first);
    assertEquals((await product.log())[0]?.["greeting"], "two");
    assertEquals((await product.log())[0]?.["starts"], 2);
  },
});

Deno.test({
  name: "a registry hands out URLs of a storage under TLS and a name of its own",
  ignore: noRegistry || !has("namespace"),
  async fn() {
    await using ca = await createCa();
    await using registry = await startRegistry();
    const name = "storage.example.test";
    await using s3 = startS3({ root: registry.root, certificate: await ca.issue(name) });
    await using hub = await startS3Registry(s3, {
      endpoint: `https://${name}:${s3.port}`,
      caFile: ca.certFile,
      hosts: { [name]: s3.hostname },
    });
    const image = tinyImage();
    await pushImage(image, { registry: registry.url, repository: "tiny", tag: "1" });
    const redirect = await fetch(`${hub.url}/v2/tiny/blobs/${image.blobs[0]?.digest}`, {
      redirect: "manual",
    });
    await redirect.body?.cancel();
    assertEquals(redirect.status, 307);
    assertStringIncludes(redirect.headers.get("location") ?? "", `https://${name}:${s3.port}/`);
  },
});
