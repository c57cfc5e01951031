/** A start with a large cache: index and folder are compared before the first request is served. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { openDiskStore } from "../../lib/cache/disk_store.ts";
import { openSqliteIndex } from "../../lib/cache/sqlite_index.ts";
import { parseDigest } from "../../lib/reference.ts";
import { assert, assertEquals, assertLess } from "../support/assert.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { tempDir } from "../support/temp.ts";
import { isLong, say } from "./chance.ts";
import { findOrphans } from "./folder.ts";

const CONTENTS = isLong ? 100_000 : 10_000;
/** Files without a row, and rows without a file, as kills leave them. */
const ODD = 100;
const MOST_MS = 5_000;

Deno.test("a start with a large cache takes seconds, and leaves no orphan", async () => {
  await using folder = await tempDir("large");
  const cacheDir = folder.join("cache");
  fill(cacheDir);
  const startedAt = performance.now();
  await using product = await startEntrepot({ env: { CACHE_DIR: cacheDir } });
  const tookMs = performance.now() - startedAt;
  say(`startup: ${CONTENTS} contents, ready after ${Math.round(tookMs)} ms`);
  const response = await fetch(`${product.url}/stats`);
  const { cache }: { cache: { blob: { count: number } } } = await response.json();
  assertEquals(cache.blob.count, CONTENTS);
  assertLess(tookMs, MOST_MS);
  await product.stop();
  assertEquals(findOrphans(cacheDir), { files: [], rows: [] });
});

/** Content with rows, but for some of the first and the last. */
function fill(cacheDir: string): void {
  openDiskStore(cacheDir);
  using index = openSqliteIndex(join(cacheDir, "index.sqlite"));
  for (let i = 0; i < CONTENTS + ODD; i++) {
    const text = `content ${i}`;
    const hex = createHash("sha256").update(text).digest("hex");
    const digest = parseDigest(`sha256:${hex}`);
    assert(digest !== undefined);
    if (i < CONTENTS) Deno.writeTextFileSync(join(cacheDir, "blobs", "sha256", hex), text);
    if (i >= ODD) index.putContent(digest, text.length);
  }
}
