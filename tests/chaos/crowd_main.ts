/** Many clients of one blob, in a process of their own so that hashing costs the test nothing. */
import { type Pull, pullBlob } from "./client.ts";

/** What the crowd is told, as JSON in its first argument. */
export interface CrowdOrder {
  readonly url: string;
  readonly digest: string;
  readonly clients: number;
  /** One client more takes no more than this until the others are done. */
  readonly slowBytesPerSecond?: number;
}

/** What the crowd says, as JSON on its output. */
export interface CrowdReport {
  readonly pulls: Pull[];
  readonly slow: Pull | null;
  /** What the slow one had when the others were done. */
  readonly slowBytes: number;
}

async function run(order: CrowdOrder): Promise<CrowdReport> {
  const { url, digest, slowBytesPerSecond } = order;
  const others = new AbortController();
  let slowBytes = 0;
  const slow = slowBytesPerSecond === undefined ? null : pullBlob(url, digest, {
    bytesPerSecond: slowBytesPerSecond,
    hurry: others.signal,
    onBytes: (bytes) => {
      if (!others.signal.aborted) slowBytes = bytes;
    },
  });
  const pulls = await Promise.all(
    Array.from({ length: order.clients }, () => pullBlob(url, digest)),
  );
  others.abort();
  return { pulls, slow: await slow, slowBytes };
}

if (import.meta.main) {
  const report = await run(JSON.parse(Deno.args[0] ?? ""));
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(report)));
}
