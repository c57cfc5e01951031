/** One cold blob asked for by many clients at once: one transfer from the storage serves them all. */
import { join } from "node:path";
import { assertEquals, assertLess, assertLessOrEqual } from "../support/assert.ts";
import type { Entrepot } from "../support/entrepot.ts";
import type { Content } from "../support/layer.ts";
import { runOk } from "../support/process.ts";
import { type Arena, noArena, noiseLayers, startArena } from "./arena.ts";
import { isLong, say } from "./chance.ts";
import type { CrowdOrder, CrowdReport } from "./crowd_main.ts";

const MIB = 1 << 20;
const CLIENTS = isLong ? 50 : 20;
const BLOB_BYTES = (isLong ? 256 : 64) * MIB;
const SLOW_BYTES_PER_SECOND = 1e6;

Deno.test({
  name: "many clients of one cold blob cost one transfer, and a slow one among them delays nobody",
  ignore: noArena,
  async fn(t) {
    await using arena = await startArena();
    const image = await arena.pushNoise("public/crowd", [BLOB_BYTES, BLOB_BYTES]);
    const [first, second] = noiseLayers(image);
    if (first === undefined || second === undefined) throw new Error("no layers");
    await using product = await arena.startProduct();
    let alone = 0;

    await t.step("one transfer serves all", async () => {
      const { pulls } = await crowd(arena, product, first, {});
      alone = slowest(pulls.map(({ totalMs }) => totalMs));
      const firstBytes = pulls.map(({ firstByteMs }) => firstByteMs);
      const [earliest, latest] = [Math.min(...firstBytes), slowest(firstBytes)];
      const rss = await peakRss(product);
      const rate = (CLIENTS * first.size) / MIB / (alone / 1000);
      say(
        `${CLIENTS} clients of ${BLOB_BYTES / MIB} MiB in ${(alone / 1000).toFixed(1)} s ` +
          `(${rate.toFixed(0)} MiB/s together); first byte after ${earliest.toFixed(0)} to ` +
          `${latest.toFixed(0)} ms; peak ${(rss / 1e6).toFixed(0)} MB`,
      );
      assertLessOrEqual(latest, Math.max(2 * earliest, earliest + 250));
      assertLess(rss, 250e6);
    });

    await t.step("a client of 1 MB/s delays nobody", async () => {
      const report = await crowd(arena, product, second, {
        slowBytesPerSecond: SLOW_BYTES_PER_SECOND,
      });
      const beside = slowest(report.pulls.map(({ totalMs }) => totalMs));
      say(
        `beside a client of 1 MB/s: ${(beside / 1000).toFixed(1)} s; it had ` +
          `${(report.slowBytes / MIB).toFixed(1)} MiB then; ` +
          `peak ${(await peakRss(product) / 1e6).toFixed(0)} MB`,
      );
      assertEquals(report.slow?.end, "right");
      assertLess(report.slowBytes, second.size / 2);
      assertLess(beside, 1.5 * alone + 1000);
      assertLess(await peakRss(product), 250e6);
    });
  },
});

/** Sends a crowd for a cold blob; all get it, and the storage sent it once. */
async function crowd(
  arena: Arena,
  product: Entrepot,
  { digest, size }: Content,
  options: Pick<CrowdOrder, "slowBytesPerSecond">,
): Promise<CrowdReport> {
  arena.s3.clear();
  const url = `${product.url}/v2/public/crowd/blobs/${digest}`;
  const order: CrowdOrder = { url, digest, clients: CLIENTS, ...options };
  const main = join(import.meta.dirname ?? "", "crowd_main.ts");
  const args = ["run", "--no-prompt", "--allow-net", main, JSON.stringify(order)];
  const report: CrowdReport = JSON.parse(await runOk(Deno.execPath(), args));
  assertEquals(report.pulls.filter(({ end }) => end !== "right"), []);
  assertEquals(arena.storageReads(), { requests: 1, bytes: size });
  return report;
}

/** The most memory that the product ever had resident, in bytes. */
async function peakRss({ pid }: Entrepot): Promise<number> {
  const status = await runOk("cat", [`/proc/${pid}/status`]);
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

function slowest(times: readonly number[]): number {
  return Math.max(...times);
}
