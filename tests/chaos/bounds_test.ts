/**
 * The cache's bound under a workload of many times its size: the folder never exceeds it, and little
 * is fetched that a cache with perfect memory of use would have had.
 */
import { join } from "node:path";
import { assert, assertEquals, assertGreater, assertLessOrEqual } from "../support/assert.ts";
import type { Content } from "../support/layer.ts";
import { noArena, settled, startArena } from "./arena.ts";
import { chanceFor, isLong, say } from "./chance.ts";
import { pullBlob, pullManifest } from "./client.ts";

const MB = 1_000_000;
const LIMIT_BYTES = isLong ? 500 * MB : 50 * MB;
const WORKLOAD_BYTES = isLong ? 5_000 * MB : 500 * MB;
const IMAGES = 48;
/** Of the images together, three times the limit. */
const IMAGE_BYTES = (3 * LIMIT_BYTES) / IMAGES;
const LAYER_SHARES = [0.5, 0.25, 0.15, 0.07, 0.03];
const CLIENTS = 4;
const REPOSITORY = "public/bounded";

interface Pullable {
  readonly manifest: Content;
  readonly blobs: readonly Content[];
}

Deno.test({
  name: "the folder never exceeds its bound, and what is kept is what was used last",
  ignore: noArena,
  async fn() {
    const chance = chanceFor("bounds");
    await using arena = await startArena();
    const images: Pullable[] = [];
    for (let i = 0; i < IMAGES; i++) {
      const sizes = LAYER_SHARES.map((share) => Math.round(IMAGE_BYTES * share));
      const { manifests: [manifest], blobs } = await arena.pushNoise(REPOSITORY, sizes, `i-${i}`);
      assert(manifest !== undefined);
      images.push({ manifest, blobs });
    }
    await using product = await arena.startProduct({
      env: { CACHE_MAX_SIZE: String(LIMIT_BYTES), CACHE_MIN_FREE: "0" },
    });
    using sampler = new Sampler(product.cacheDir);
    const trace: Pullable[] = [];
    let requested = 0;
    const client = async (): Promise<void> => {
      while (requested < WORKLOAD_BYTES) {
        const image = images[zipf(chance.next(), IMAGES)];
        assert(image !== undefined);
        trace.push(image);
        requested += image.blobs.reduce((sum, { size }) => sum + size, 0);
        const base = `${product.url}/v2/${REPOSITORY}`;
        const { digest } = image.manifest;
        assertEquals((await pullManifest(`${base}/manifests/${digest}`)).status, 200);
        for (const blob of image.blobs) {
          const pull = await pullBlob(`${base}/blobs/${blob.digest}`, blob.digest);
          assertEquals(pull.end, "right");
        }
      }
    };
    arena.s3.clear();
    await Promise.all(Array.from({ length: CLIENTS }, client));
    await settled(product);
    const fetched = arena.s3.blobReads().filter(({ isPresigned }) => isPresigned)
      .map(({ digest }) => sizeOf(images, digest)).reduce((sum, size) => sum + size, 0);
    const hitRatio = 1 - fetched / requested;
    const ideal = idealHitRatio(trace, LIMIT_BYTES - sampler.largestIndex);
    say(
      `bounds: ${Math.round(requested / MB)} MB asked of ${Math.round(LIMIT_BYTES / MB)} MB; ` +
        `largest folder ${(sampler.largest / MB).toFixed(1)} MB in ${sampler.samples} samples ` +
        `(index files ${(sampler.largestIndex / MB).toFixed(1)} MB of it); ` +
        `hit ratio ${(hitRatio * 100).toFixed(1)} % of bytes, ideal ${(ideal * 100).toFixed(1)} %`,
    );
    assertGreater(sampler.samples, 50);
    assertLessOrEqual(sampler.largest, LIMIT_BYTES);
    assertGreater(hitRatio, ideal - 0.05);
  },
});

/** Popularity falls with rank, as that of images does. */
function zipf(random: number, count: number): number {
  const weights = Array.from({ length: count }, (_, rank) => 1 / (rank + 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let left = random * total;
  return Math.max(0, weights.findIndex((weight) => (left -= weight) <= 0));
}

function sizeOf(images: readonly Pullable[], digest: string | null): number {
  for (const { blobs } of images) {
    const blob = blobs.find((candidate) => candidate.digest === digest);
    if (blob !== undefined) return blob.size;
  }
  return 0;
}

/** The share of bytes that a cache would have had that drops what was used longest ago. */
function idealHitRatio(trace: readonly Pullable[], limitBytes: number): number {
  const kept = new Map<string, number>();
  let used = 0;
  let hits = 0;
  let all = 0;
  for (const { digest, size } of trace.flatMap(({ blobs }) => blobs)) {
    all += size;
    if (kept.delete(digest)) hits += size;
    else used += size;
    kept.set(digest, size);
    for (const [oldest, bytes] of kept) {
      if (used <= limitBytes) break;
      kept.delete(oldest);
      used -= bytes;
    }
  }
  return hits / all;
}

/** Measures the folder every few milliseconds. */
class Sampler implements Disposable {
  largest = 0;
  largestIndex = 0;
  samples = 0;
  readonly #dir: string;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(dir: string) {
    this.#dir = dir;
    this.#timer = setInterval(() => this.#sample(), 20);
  }

  #sample(): void {
    const index = this.#bytesIn(".", /^index\./);
    const content = this.#bytesIn("blobs/sha256") + this.#bytesIn("partial");
    this.largestIndex = Math.max(this.largestIndex, index);
    this.largest = Math.max(this.largest, index + content);
    this.samples++;
  }

  #bytesIn(folder: string, pattern = /./): number {
    let bytes = 0;
    for (const { name, isFile } of Deno.readDirSync(join(this.#dir, folder))) {
      if (!isFile || !pattern.test(name)) continue;
      try {
        const { blocks, size } = Deno.statSync(join(this.#dir, folder, name));
        // What it takes of the disk, where the disk says so.
        bytes += blocks === null ? size : blocks * 512;
      } catch (error) {
        // Evicted between the list and the look.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    return bytes;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
