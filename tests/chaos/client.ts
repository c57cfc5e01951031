/** A client that hashes what it gets and believes nothing else. */
import { createHash } from "node:crypto";
import { sleep } from "../support/process.ts";

/** How a pull of a blob ended. */
export type PullEnd =
  /** Complete, and the bytes that the digest names. */
  | "right"
  /** Complete to all appearance, and other bytes or fewer: this must never be. */
  | "wrong"
  /** The transfer broke. */
  | "broken"
  /** An error in place of the bytes. */
  | "refused";

/** What came of a pull. */
export interface Pull {
  readonly end: PullEnd;
  /** 0 where no answer came. */
  readonly status: number;
  readonly bytes: number;
  /** Until the first byte of the body, in milliseconds. */
  readonly firstByteMs: number;
  readonly totalMs: number;
  readonly cache: string | null;
}

/** How a client pulls. */
export interface PullOptions {
  readonly headers?: Record<string, string>;
  /** Takes no more than this. */
  readonly bytesPerSecond?: number;
  /** From here on it takes all that it can. */
  readonly hurry?: AbortSignal;
  /** Told how many bytes came so far. */
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Pulls a blob and hashes it as it comes. Never throws. */
export async function pullBlob(
  url: string,
  digest: string,
  options: PullOptions = {},
): Promise<Pull> {
  const start = performance.now();
  const hash = createHash("sha256");
  let [status, bytes, firstByteMs] = [0, 0, 0];
  let cache: string | null = null;
  const pull = (end: PullEnd): Pull => ({
    end,
    status,
    bytes,
    firstByteMs,
    totalMs: performance.now() - start,
    cache,
  });
  try {
    const response = await fetch(url, {
      headers: options.headers ?? {},
      redirect: "manual",
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    status = response.status;
    cache = response.headers.get("x-cache");
    if (status !== 200) {
      await response.body?.cancel();
      return pull("refused");
    }
    for await (const chunk of response.body ?? []) {
      if (bytes === 0) firstByteMs = performance.now() - start;
      bytes += chunk.length;
      hash.update(chunk);
      options.onBytes?.(bytes);
      if (options.bytesPerSecond !== undefined && !options.hurry?.aborted) {
        await sleep((chunk.length / options.bytesPerSecond) * 1000);
      }
    }
    return pull(`sha256:${hash.digest("hex")}` === digest ? "right" : "wrong");
  } catch {
    // How the runtime words a transfer that broke is not the product's.
    return pull(status === 0 ? "refused" : "broken");
  }
}

/** Reads a manifest; its status and text. */
export async function pullManifest(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; text: string }> {
  const response = await fetch(url, { headers: { accept: ACCEPT, ...headers } });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** What engines accept. */
export const ACCEPT = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");
