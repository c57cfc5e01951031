/** Memory while a large blob streams: it is bounded by buffers, not by the blob. */
import { createHash } from "node:crypto";
import { assert, assertEquals, assertLess } from "../support/assert.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { sleep } from "../support/process.ts";
import { TestServer } from "../support/serve.ts";
import { blobPath, open } from "./pulling.ts";

const MIB = 1 << 20;
const SIZE = 1024 * MIB;
const MAX_RSS = 200 * MIB;
const SLOW_SECONDS = 4;
const SLOW_BYTES_PER_SECOND = 8 * MIB;

/** A piece of noise, which is repeated. */
const PIECE = crypto.getRandomValues(new Uint8Array(65_536));

function* pieces(): Iterable<Uint8Array<ArrayBuffer>> {
  for (let sent = 0; sent < SIZE; sent += PIECE.length) yield PIECE;
}

function digestOfAll(): string {
  const hash = createHash("sha256");
  for (const piece of pieces()) hash.update(piece);
  return `sha256:${hash.digest("hex")}`;
}

/** Reads slowly for a while, then as fast as it can; gives the bytes' digest. */
async function readSlowlyFirst(response: Response): Promise<string> {
  const hash = createHash("sha256");
  const startedAt = performance.now();
  let received = 0;
  for await (const chunk of response.body ?? []) {
    hash.update(chunk);
    received += chunk.length;
    const seconds = (performance.now() - startedAt) / 1000;
    const due = received / SLOW_BYTES_PER_SECOND;
    if (seconds < SLOW_SECONDS && due > seconds) await sleep((due - seconds) * 1000);
  }
  assertEquals(received, SIZE);
  return `sha256:${hash.digest("hex")}`;
}

Deno.test("a gigabyte that streams to a slow client takes a bounded amount of memory", async () => {
  const digest = digestOfAll();
  await using upstream = new TestServer(({ url }) =>
    url.includes("/blobs/")
      ? new Response(ReadableStream.from(pieces()), { headers: { "content-length": `${SIZE}` } })
      : Response.json({})
  );
  await using product = await startEntrepot({ env: { UPSTREAM_DOCKER_URL: upstream.url } });
  const url = product.url + blobPath("team/large", { digest });
  let highest = 0;
  let isDone = false;
  const watch = async () => {
    while (!isDone) {
      highest = Math.max(highest, await product.rss());
      await sleep(200);
    }
  };
  const watching = watch();
  try {
    for (const cache of ["MISS", "HIT"]) {
      const response = await open(url);
      assertEquals([response.status, response.headers.get("x-cache")], [200, cache]);
      if (cache === "MISS") assertEquals(await readSlowlyFirst(response), digest);
      else {
        // Held for a moment and then dropped: what is read ahead of a client is bounded too.
        const reader = response.body?.getReader();
        assert((await reader?.read())?.done === false);
        await sleep(1000);
        await reader?.cancel();
      }
      await sleep(300);
    }
  } finally {
    isDone = true;
    await watching;
  }
  assertLess(highest, MAX_RSS, `${Math.round(highest / MIB)} MiB`);
});
