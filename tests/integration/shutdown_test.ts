/**
 * The end of a process: transfers finish or are seen to be cut, and operators are told what stands
 * in the way of a start.
 */
import { assert, assertEquals, assertLess, assertStringIncludes } from "../support/assert.ts";
import { runEntrepot, startEntrepot } from "../support/entrepot.ts";
import { noiseImage } from "../support/image.ts";
import { bytesOf, type Content } from "../support/layer.ts";
import { isListening } from "../support/ports.ts";
import { sleep, waitFor } from "../support/process.ts";
import {
  type Bench,
  blobPath,
  type Gate,
  gate,
  layerOf,
  noWorld,
  onBlobRead,
  readUntilBroken,
  startBench,
} from "./pulling.ts";

const MIB = 1 << 20;

async function holdTransfer(bench: Bench): Promise<{ layer: Content; path: string; held: Gate }> {
  const layer = layerOf(await bench.world.seed("public/held", noiseImage("held", [2 * MIB])), 1);
  const held = gate(bytesOf(layer), MIB);
  onBlobRead(
    bench.world,
    layer,
    () => new Response(held.body, { headers: { "content-length": String(layer.size) } }),
  );
  return { layer, path: blobPath("public/held", layer), held };
}

/** Resolves with the exit code; fails where the process goes on. */
async function exitCode(bench: Bench, withinMs: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), withinMs);
  const status = await Promise.race([bench.product.status, promise]);
  clearTimeout(timer);
  assert(status !== null, `the process did not end within ${withinMs} ms`);
  assertEquals(status.signal, null);
  return status.code;
}

Deno.test({
  name: "SIGTERM lets a transfer finish, takes no new connections, and ends with 0",
  ignore: noWorld,
  async fn() {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      await using bench = await startBench();
      const { layer, path, held } = await holdTransfer(bench);
      const response = await bench.open(path);
      assertEquals(response.status, 200);
      bench.product.kill(signal);
      await waitFor(
        "new connections are refused",
        async () => !await isListening(bench.product.port),
      );
      await sleep(200);
      held.open();
      const bytes = await response.bytes();
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      assertEquals(`sha256:${digest.toHex()}`, layer.digest);
      assertEquals(await exitCode(bench, 5000), 0);
      // What was fetched on the way out is there for the next process.
      await bench.product.restart();
      const next = await bench.ask(path);
      assertEquals([next.status, next.headers.get("x-cache")], [200, "HIT"]);
    }
  },
});

Deno.test({
  name: "SHUTDOWN_GRACE bounds the wait: a stuck transfer is cut, and is seen to be",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { SHUTDOWN_GRACE: "1s" } });
    const { layer, path, held } = await holdTransfer(bench);
    const response = await bench.open(path);
    const startedAt = performance.now();
    bench.product.kill("SIGTERM");
    const { isBroken, received } = await readUntilBroken(response);
    assert(isBroken);
    assertLess(received, layer.size);
    await exitCode(bench, 4000);
    assert(performance.now() - startedAt > 900);
    held.open();
    assertStringIncludes(await bench.output(), "SHUTDOWN_GRACE");
  },
});

Deno.test({
  name: "clients that idle or read nothing do not keep the process from ending",
  ignore: noWorld,
  async fn() {
    await using bench = await startBench({ env: { SHUTDOWN_GRACE: "1s" } });
    const image = await bench.world.seed("public/big", noiseImage("big", [32 * MIB]));
    const path = blobPath("public/big", layerOf(image, 1));
    await bench.ask(path);
    await bench.settle();
    const idle = await Deno.connect({ hostname: "127.0.0.1", port: bench.product.port });
    await idle.write(new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"));
    await idle.read(new Uint8Array(4096));
    const stuck = await bench.open(path);
    bench.product.kill("SIGTERM");
    await exitCode(bench, 5000);
    idle.close();
    assert((await readUntilBroken(stuck)).isBroken);
  },
});

Deno.test("a second process on the same port says so and ends with 1", async () => {
  await using product = await startEntrepot();
  const { code, stdout, stderr } = await runEntrepot([], {
    env: {
      PORT: String(product.port),
      HOST: "127.0.0.1",
      CACHE_DIR: `${product.cacheDir}-second`,
    },
    timeoutMs: 10_000,
  });
  await Deno.remove(`${product.cacheDir}-second`, { recursive: true }).catch(() => undefined);
  assertEquals(code, 1);
  assertStringIncludes(stdout + stderr, `127.0.0.1:${product.port}`);
  assertStringIncludes(stdout + stderr, "PORT");
});

Deno.test("a configuration with faults ends with 78 and tells all of them, without secrets", async () => {
  const { code, stdout, stderr } = await runEntrepot([], {
    env: {
      PORT: "none",
      CACHE_MAX_SIZE: "much",
      CACHE_MANIFEST_TTL: "60",
      UPSTREAM_QUAY_URL: "ftp://user:canary-secret@quay.io",
      UPSTREAM_GHCR_AUTH: "account",
      UPSTREAM_GHCR_PASSWORD: "canary-secret",
      REDIRECT_MODES: "pass",
      TRUSTED_PROXIES: "10.0.0.0/99",
    },
    timeoutMs: 10_000,
  });
  assertEquals(code, 78);
  const keys = [
    "PORT",
    "CACHE_MAX_SIZE",
    "CACHE_MANIFEST_TTL",
    "UPSTREAM_QUAY_URL",
    "UPSTREAM_GHCR_AUTH",
    "REDIRECT_MODES",
    "TRUSTED_PROXIES",
  ];
  for (const key of keys) assertStringIncludes(stderr, key);
  assert(!(stdout + stderr).includes("canary-secret"));
});
