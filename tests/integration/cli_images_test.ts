/** The commands that look at the cache and change what it keeps. */
import { assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { runEntrepot } from "../support/entrepot.ts";
import type { Output } from "../support/process.ts";
import { type Bench, blobPath, manifestPath, noWorld, startBench } from "./pulling.ts";

const TOKEN = "a-token-of-at-least-sixteen-characters";

function commandOf(bench: Bench, more: Record<string, string> = {}) {
  const env = { PORT: String(bench.product.port), HOST: "127.0.0.1", ...more };
  return (...args: string[]): Promise<Output> => runEntrepot(args, { env });
}

Deno.test({
  name: "list, pin, purge and explain tell of the running proxy's cache, and change it",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench();
    const image = await bench.world.seed("public/a");
    await bench.ask(manifestPath("public/a", "1"));
    for (const { digest } of image.manifests) await bench.ask(manifestPath("public/a", digest));
    for (const blob of image.blobs) await bench.ask(blobPath("public/a", blob));
    await bench.settle();
    const entrepot = commandOf(bench);

    const before = await entrepot("explain", "public/a:1");
    assertEquals(before.code, 0, before.stderr);
    assertMatch(before.stdout, /cache +fresh/);
    assertMatch(before.stdout, /proof +public/);
    assertEquals((await entrepot("explain", "unknown.example/a")).code, 1);

    assertEquals((await entrepot("pin", "public/a:1")).stdout, "pinned public/a:1\n");
    const listed = await entrepot("list", "public/a");
    assertMatch(listed.stdout, /docker\.io\/public\/a:1 {2}\(pinned\)\n/);
    assertEquals((await entrepot("unpin", "public/a:1")).code, 0);
    assertEquals((await entrepot("list", "nothing like it")).stdout, "");

    assertStringIncludes((await entrepot("purge", "public/a:1")).stdout, "purged public/a:1, ");
    assertEquals(JSON.parse((await entrepot("list", "--json", "public/a")).stdout), []);
    const gone = await entrepot("purge", "public/a:1");
    assertEquals([gone.code, gone.stdout], [1, ""]);
    assertMatch(gone.stderr, /^entrepot: .+\n$/);
  },
});

Deno.test({
  name: "the commands need the ADMIN_TOKEN where the proxy has one",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { ADMIN_TOKEN: TOKEN } });
    const refused = await commandOf(bench)("list");
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stderr, "ADMIN_TOKEN");
    assertEquals((await commandOf(bench, { ADMIN_TOKEN: TOKEN })("list")).code, 0);
  },
});
