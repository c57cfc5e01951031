/** A proxy that has something to show: images, traffic, an upstream that fails. */
import { noiseImage } from "../support/image.ts";
import { bytesOf, type Content } from "../support/layer.ts";
import { waitFor } from "../support/process.ts";
import {
  type Bench,
  blobPath,
  layerOf,
  manifestPath,
  onBlobRead,
  startBench,
} from "../integration/pulling.ts";
import { pullAll } from "../integration/pull_all.ts";

/** A host that fails: nobody listens there. */
const NOBODY = "http://127.0.0.1:65001";

/** Starts it. Its user closes it. */
export async function fillPages(env: Record<string, string> = {}): Promise<Bench> {
  await using stack = new AsyncDisposableStack();
  const bench = stack.use(await startBench({ env: { UPSTREAM_QUAY_URL: NOBODY, ...env } }));
  await bench.world.seed("library/app", noiseImage("app", [3 << 20, 1 << 20]));
  await pullAll(bench, "library/app");
  await pullAll(bench, "library/app");
  for (
    const [repository, tag] of [["library/app", "2"], ["library/tools", "1"], [
      "library/web",
      "1.27",
    ]]
  ) {
    if (repository === undefined || tag === undefined) continue;
    await bench.world.push(repository, noiseImage(`${repository}${tag}`, [1 << 19]), tag);
    await pullAll(bench, repository, tag);
  }
  await bench.ask("/api/v1/pins?image=library/app:1", { method: "PUT" });
  await bench.ask(`${manifestPath("any/image", "1")}?ns=quay.io`);
  stack.move();
  return bench;
}

/** A pull that has come half way and waits. */
export interface HeldTransfer {
  readonly layer: Content;
  /** Lets more bytes through: from half to three quarters. */
  advance(): void;
  /** Lets it end, and waits for it. */
  finish(): Promise<void>;
}

/** Begins a pull of a large layer that stops at half of it. */
export async function holdTransfer(bench: Bench, repository: string): Promise<HeldTransfer> {
  const image = await bench.world.seed(repository, noiseImage(repository, [8 << 20]));
  const layer = layerOf(image, 1);
  const bytes = bytesOf(layer);
  const gates = [0.5, 0.75].map((share) => ({
    at: Math.floor(bytes.length * share),
    ...Promise.withResolvers<void>(),
  }));
  onBlobRead(bench.world, layer, () => new Response(ReadableStream.from(stopAt(bytes, gates))));
  await bench.ask(manifestPath(repository, image.platforms[0]?.manifest.digest ?? ""));
  const pull = bench.ask(blobPath(repository, layer));
  await waitFor("half of the layer is here", async () => {
    const { transfers }: { transfers: { bytes: number | null }[] } = JSON.parse(
      (await bench.ask("/api/v1/transfers")).text,
    );
    return transfers.some(({ bytes }) => (bytes ?? 0) > layer.size * 0.45);
  });
  return {
    layer,
    advance: () => gates[0]?.resolve(),
    async finish() {
      for (const { resolve } of gates) resolve();
      await pull;
      await bench.settle();
    },
  };
}

async function* stopAt(
  bytes: Uint8Array<ArrayBuffer>,
  gates: readonly { at: number; promise: Promise<void> }[],
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let sent = 0;
  for (const { at, promise } of [...gates, { at: bytes.length, promise: Promise.resolve() }]) {
    while (sent < at) {
      const end = Math.min(at, sent + (64 << 10));
      yield bytes.slice(sent, end);
      sent = end;
    }
    await promise;
  }
}
