/** What a fill does when its transfer breaks: callers notice nothing but time. */
import { assert, assertEquals } from "../support/assert.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { noiseImage } from "../support/image.ts";
import { cutAfter } from "../support/recorder.ts";
import { startWorld } from "../support/world.ts";
import { readUntilBroken } from "./pulling.ts";

const MIB = 1 << 20;

async function sha256(url: string): Promise<string> {
  const response = await fetch(url);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `sha256:${hash.toHex()}`;
}

Deno.test("a fill whose transfer breaks goes on by Range with a fresh signed URL", async () => {
  await using world = await startWorld();
  const image = await world.seed("public/resume", noiseImage("resume", [8 * MIB]));
  await using product = await startEntrepot({
    env: { UPSTREAM_REGISTRY_HOST: world.hubFront.url, PRIVATE_TARGETS: "127.0.0.0/8" },
  });
  const digest = image.platforms[0]?.layers.at(-1)?.digest ?? "";
  let cuts = 0;
  world.s3.intercept = async (request, serve) => {
    const response = await serve();
    const isLayer = request.url.includes(`${digest.replace("sha256:", "")}/data`);
    return isLayer && ++cuts <= 3 ? cutAfter(response, MIB) : response;
  };
  assertEquals(await sha256(`${product.url}/v2/public/resume/blobs/${digest}`), digest);
  const reads = world.s3.blobReads();
  assertEquals(reads.map(({ range }) => range), [
    null,
    `bytes=${MIB}-`,
    `bytes=${2 * MIB}-`,
    `bytes=${3 * MIB}-`,
  ]);
});

Deno.test("a partial file of a killed process is resumed by the next", async () => {
  await using world = await startWorld();
  const image = await world.seed("public/killed", noiseImage("killed", [16 * MIB]));
  await using product = await startEntrepot({
    env: { UPSTREAM_REGISTRY_HOST: world.hubFront.url, PRIVATE_TARGETS: "127.0.0.0/8" },
  });
  const digest = image.platforms[0]?.layers.at(-1)?.digest ?? "";
  const url = (): string => `${product.url}/v2/public/killed/blobs/${digest}`;
  const stuck = Promise.withResolvers<void>();
  world.s3.intercept = async (_request, serve) => {
    const response = await serve();
    const reader = response.body?.getReader();
    let sent = 0;
    return new Response(
      new ReadableStream({
        async pull(controller) {
          if (sent >= 4 * MIB) await stuck.promise;
          const { value } = await reader?.read() ?? {};
          if (value === undefined) return controller.close();
          sent += value.length;
          controller.enqueue(value);
        },
        cancel: () => reader?.cancel(),
      }),
      response,
    );
  };
  const first = await fetch(url());
  const reader = first.body?.getReader();
  for (let received = 0; received < 3 * MIB;) {
    received += (await reader?.read())?.value?.length ?? 0;
  }
  product.kill("SIGKILL");
  await product.status;
  await reader?.cancel().catch(() => undefined);
  stuck.resolve();
  world.s3.intercept = undefined;
  world.s3.clear();
  await product.restart();
  assertEquals(await sha256(url()), digest);
  const [read] = world.s3.blobReads();
  const from = Number(/^bytes=(\d+)-$/.exec(read?.range ?? "")?.[1]);
  assert(from >= 3 * MIB, `resumed from ${read?.range}`);
});

Deno.test("a transfer that the cache has no room for goes on where it broke, and is verified", async (t) => {
  await using world = await startWorld();
  const image = await world.seed("public/roomless", noiseImage("roomless", [8 * MIB]));
  await using product = await startEntrepot({
    env: {
      UPSTREAM_REGISTRY_HOST: world.hubFront.url,
      PRIVATE_TARGETS: "127.0.0.0/8",
      CACHE_MAX_SIZE: "4MB",
      PREFETCH: "false",
    },
  });
  const digest = image.platforms[0]?.layers.at(-1)?.digest ?? "";
  const name = image.platforms[0]?.manifest.digest ?? "";
  // The manifest says how large the layer is: there is no room from the start.
  await (await fetch(`${product.url}/v2/public/roomless/manifests/${name}`)).bytes();
  const url = `${product.url}/v2/public/roomless/blobs/${digest}`;
  const isLayer = (request: Request): boolean =>
    request.url.includes(`${digest.replace("sha256:", "")}/data`);
  await t.step("broken twice, it comes whole", async () => {
    let cuts = 0;
    world.s3.intercept = async (request, serve) => {
      const response = await serve();
      return isLayer(request) && ++cuts <= 2 ? cutAfter(response, MIB) : response;
    };
    world.s3.clear();
    const response = await fetch(url);
    assertEquals(response.headers.get("x-cache"), "BYPASS");
    const hash = await crypto.subtle.digest("SHA-256", await response.arrayBuffer());
    assertEquals(`sha256:${new Uint8Array(hash).toHex()}`, digest);
    const ranges = world.s3.blobReads().map(({ range }) => range);
    assertEquals(ranges, [null, `bytes=${MIB}-`, `bytes=${2 * MIB}-`]);
  });
  await t.step("other bytes do not come whole", async () => {
    world.s3.intercept = (request) =>
      isLayer(request)
        ? new Response(new Uint8Array(8 * MIB), { headers: { "content-length": String(8 * MIB) } })
        : undefined;
    const response = await fetch(url);
    const { isBroken, received } = await readUntilBroken(response);
    assert(isBroken && received < 8 * MIB, `${received} bytes came`);
  });
});
