/** What a load balancer is told: whether requests can be served, as it is now. */
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { waitFor } from "../support/process.ts";
import { mountSmallDisk } from "./small_disk.ts";

const MIB = 1 << 20;

interface Told {
  readonly ready: number;
  readonly health: number;
  readonly reasons: string;
}

async function told(url: string): Promise<Told> {
  const ready = await fetch(`${url}/readyz`);
  const health = await fetch(`${url}/healthz`);
  await health.body?.cancel();
  return { ready: ready.status, health: health.status, reasons: await ready.text() };
}

Deno.test({
  name: "a cache that cannot be written makes a proxy not ready, yet healthy, until it can again",
  ignore: !has("disk"),
  async fn() {
    await using disk = await mountSmallDisk("memory", 16 * MIB);
    await using product = await startEntrepot({
      env: { CACHE_DIR: `${disk.path}/cache`, CACHE_MIN_FREE: "0" },
    });
    assertEquals((await told(product.url)).ready, 200);
    await disk.fill();
    const full = await told(product.url);
    assertEquals([full.ready, full.health], [503, 200]);
    assertStringIncludes(full.reasons, "the cache cannot be written");
    await disk.empty();
    await waitFor("it is ready again", async () => (await told(product.url)).ready === 200);
  },
});

Deno.test({
  name: "a disk that has failed makes a proxy not ready",
  ignore: !has("disk"),
  async fn() {
    await using disk = await mountSmallDisk("file", 32 * MIB);
    await using product = await startEntrepot({
      env: { CACHE_DIR: `${disk.path}/cache`, CACHE_MIN_FREE: "0" },
    });
    assertEquals((await told(product.url)).ready, 200);
    await disk.failWrites();
    const failed = await told(product.url);
    assertEquals([failed.ready, failed.health], [503, 200]);
  },
});
