import { createTransfers } from "../../lib/transfers.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("a transfer's speed is that of the last moments, and it is told until it ends", () => {
  let now = 0;
  let bytes: number | null = 0;
  const transfers = createTransfers(() => now);
  const transfer = transfers.begin({
    kind: "fill",
    client: null,
    upstream: "docker.io",
    repository: "library/a",
    digest: "sha256:0",
    cache: null,
    bytes: () => bytes,
    total: () => 10_000,
  });
  const look = () => transfers.snapshot().map((state) => [state.bytes, state.bytesPerSecond]);
  assertEquals(look(), [[0, 0]]);
  [now, bytes] = [1000, 5000];
  assertEquals(look(), [[5000, 5000]]);
  [now, bytes] = [2000, 6000];
  assertEquals(look(), [[6000, 1000]]);
  now = 4000;
  assertEquals(look(), [[6000, 0]]);
  bytes = null;
  assertEquals(look(), [[null, null]]);
  transfer[Symbol.dispose]();
  assertEquals(look(), []);
});
