/**
 * Pushes that are cut at random points, by the end of the client, of the registry and of the product:
 * no tag is half made, nothing wrong is cached, and the push succeeds when it is made again.
 * `CUT_POINTS` says how many cuts; the task `cuts` makes more than a hundred.
 */
import { createHash } from "node:crypto";
import { assert, assertEquals } from "../support/assert.ts";
import { type Entrepot, startEntrepot } from "../support/entrepot.ts";
import { type Image, noiseImage } from "../support/image.ts";
import { bytesOf, type Content } from "../support/layer.ts";
import { freePort } from "../support/ports.ts";
import { sleep } from "../support/process.ts";
import { basic } from "../support/push.ts";
import { type Registry, startRegistry } from "../support/registry.ts";
import { tempDir } from "../support/temp.ts";
import { ALICE, startTokenServer } from "../support/token_server.ts";
import { readUpstreamImage, upstreamStatus } from "../support/upstream_image.ts";
import { noWorld } from "./pulling.ts";
import { digestOf, textBytes } from "./pushing.ts";

const CUTS = Number(Deno.env.get("CUT_POINTS") ?? 9);
const CUT_BY = ["client", "registry", "product"] as const;
const LAYER_BYTES = 6 << 20;
const PIECE_BYTES = 64 << 10;
const AUTHORIZATION = basic(ALICE);

/** A blob, sent so slowly that a cut finds it on its way. */
function slowly(content: Content): ReadableStream<Uint8Array<ArrayBuffer>> {
  const bytes = bytesOf(content);
  let sent = 0;
  return new ReadableStream({
    async pull(controller) {
      if (sent > 0) await sleep(2);
      const piece = bytes.slice(sent, sent + PIECE_BYTES);
      sent += piece.length;
      if (piece.length > 0) controller.enqueue(piece);
      else controller.close();
    },
  }, { highWaterMark: 0 });
}

/** Pushes an image as Docker does. @throws where anything fails, or when the signal says so. */
async function push(base: string, image: Image, signal?: AbortSignal): Promise<void> {
  const ask = async (url: string, wanted: number, init: RequestInit = {}): Promise<Response> => {
    const response = await fetch(url, {
      ...init,
      headers: { authorization: AUTHORIZATION, ...init.headers },
      ...(signal === undefined ? {} : { signal }),
    });
    await response.body?.cancel();
    if (response.status !== wanted) throw new Error(`${url} answered ${response.status}`);
    return response;
  };
  const next = (response: Response) => response.headers.get("location") ?? "";
  for (const blob of image.blobs) {
    const started = await ask(`${base}/blobs/uploads/`, 202, { method: "POST" });
    const body = slowly(blob);
    const patched = await ask(next(started), 202, { method: "PATCH", body });
    await ask(`${next(patched)}&digest=${blob.digest}`, 201, { method: "PUT" });
  }
  for (const manifest of image.manifests) {
    const headers = { "content-type": manifest.mediaType };
    const put = { method: "PUT", headers, body: bytesOf(manifest) };
    const reference = manifest === image.top ? "1" : manifest.digest;
    await ask(`${base}/manifests/${reference}`, 201, put);
  }
}

/** What a pull through the product gives for the image's layers, by digest. */
async function pullDigests(base: string, image: Image): Promise<string[]> {
  const digests: string[] = [];
  for (const { digest } of image.blobs) {
    const response = await fetch(`${base}/blobs/${digest}`, {
      headers: { authorization: AUTHORIZATION },
    });
    const hash = createHash("sha256").update(await response.bytes()).digest("hex");
    digests.push(`sha256:${hash}`);
  }
  return digests;
}

/** A registry that can be killed and started again over the same content. */
class Mortal implements AsyncDisposable {
  readonly port = freePort();
  #registry: Registry | undefined;
  readonly #start: () => Promise<Registry>;

  constructor(start: (port: number) => Promise<Registry>) {
    this.#start = () => start(this.port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    this.#registry = await this.#start();
  }

  async restart(): Promise<void> {
    this.#registry?.process.kill("SIGKILL");
    await this[Symbol.asyncDispose]();
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#registry?.[Symbol.asyncDispose]();
  }
}

Deno.test({
  name: `a push that is cut at any of ${CUTS} points leaves nothing half made`,
  ignore: noWorld,
  async fn() {
    await using tokens = await startTokenServer();
    await using folder = await tempDir("cut");
    await using registry = new Mortal((port) =>
      startRegistry({
        auth: tokens.auth(),
        port,
        storage: { kind: "filesystem", root: folder.path },
      })
    );
    await registry.start();
    await using product = await startEntrepot({ env: { UPSTREAM_GHCR_URL: registry.url } });
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    const began = performance.now();
    await push(`${product.url}/v2/ghcr.io/alice/whole`, noiseImage(`${seed}-whole`, [LAYER_BYTES]));
    const wholeMs = performance.now() - began;

    const outcomes = new Map<string, number>();
    for (let i = 0; i < CUTS; i++) {
      const by = CUT_BY[i % CUT_BY.length] ?? "client";
      const name = `alice/cut-${i}`;
      const base = `${product.url}/v2/ghcr.io/${name}`;
      const image = noiseImage(`${seed}-${i}`, [LAYER_BYTES]);
      // Evenly over the whole push, and a little past its end.
      const point = ((i + (seed % 100) / 100) / CUTS) * wholeMs * 1.05;
      const label = `seed ${seed}, cut ${i} by the ${by} after ${Math.round(point)} ms`;
      const isDone = await pushAndCut(base, image, by, point, { registry, product });

      const place = { registry: registry.url, repository: name, credentials: ALICE };
      const status = await upstreamStatus(place, "1");
      if (status === 200) {
        assertEquals((await readUpstreamImage(place, "1")).digest, image.top.digest, label);
      } else assertEquals(status, 404, label);
      if (isDone) assertEquals(status, 200, label);
      await push(base, image);
      assertEquals((await readUpstreamImage(place, "1")).digest, image.top.digest, label);
      assertEquals(await pullDigests(base, image), image.blobs.map(({ digest }) => digest), label);
      const pulled = await fetch(`${base}/manifests/1`, {
        headers: { authorization: AUTHORIZATION },
      });
      await pulled.body?.cancel();
      assertEquals(pulled.headers.get("docker-content-digest"), image.top.digest, label);
      const outcome = `${by}: ${isDone ? "done before" : status === 200 ? "tagged" : "untagged"}`;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    assert([...outcomes].some(([outcome]) => outcome.endsWith("untagged")), "nothing was cut");
    const told = [...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(", ");
    Deno.stdout.writeSync(new TextEncoder().encode(`${CUTS} cuts: ${told}\n`));
  },
});

/** Pushes, ends one of the three after a time, and starts it again. Says whether the push was done. */
async function pushAndCut(
  base: string,
  image: Image,
  by: typeof CUT_BY[number],
  afterMs: number,
  { registry, product }: { registry: Mortal; product: Entrepot },
): Promise<boolean> {
  const client = new AbortController();
  const pushed = push(base, image, client.signal).then(() => true, () => false);
  await Promise.race([sleep(afterMs), pushed]);
  switch (by) {
    case "client":
      client.abort();
      break;
    case "registry":
      await registry.restart();
      break;
    case "product":
      product.kill("SIGKILL");
      await product.status;
      await product.restart();
  }
  const isDone = await pushed;
  client.abort();
  return isDone;
}

Deno.test({
  name: "a chunked upload goes on from where GET says, after the product was killed",
  ignore: noWorld,
  async fn() {
    await using tokens = await startTokenServer();
    await using registry = await startRegistry({ auth: tokens.auth() });
    await using product = await startEntrepot({ env: { UPSTREAM_GHCR_URL: registry.url } });
    const headers = { authorization: AUTHORIZATION };
    const ask = async (url: string, init: RequestInit = {}): Promise<Response> => {
      const response = await fetch(url, { ...init, headers: { ...headers, ...init.headers } });
      await response.body?.cancel();
      return response;
    };
    const next = (response: Response) => response.headers.get("location") ?? "";
    const before = textBytes("before the end, ");
    const after = textBytes("and after it");
    const digest = digestOf(textBytes("before the end, and after it"));

    const base = `${product.url}/v2/ghcr.io/alice/resumed/blobs`;
    const started = await ask(`${base}/uploads/`, { method: "POST" });
    const patched = await ask(next(started), {
      method: "PATCH",
      headers: { "content-range": `0-${before.length - 1}` },
      body: before,
    });
    assertEquals(patched.status, 202);
    product.kill("SIGKILL");
    await product.status;
    await product.restart();
    const status = await ask(next(patched));
    assertEquals(status.status, 204);
    const offset = Number(status.headers.get("range")?.split("-")[1]) + 1;
    assertEquals(offset, before.length);
    const more = await ask(next(status), {
      method: "PATCH",
      headers: { "content-range": `${offset}-${offset + after.length - 1}` },
      body: after,
    });
    const put = await ask(`${next(more)}&digest=${digest}`, { method: "PUT" });
    assertEquals(put.status, 201);
    assertEquals((await ask(`${base}/${digest}`, { method: "HEAD" })).status, 200);
  },
});
