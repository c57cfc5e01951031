/**
 * Fills the cache with images before anybody pulls them, by pulling them through the proxy itself:
 * what makes a pull right makes a warm-up right.
 */
import { describeCause } from "../cause.ts";
import { RegistryError } from "../errors.ts";
import { splitImageName, type SplitName } from "../image_name.ts";
import { type Digest, parseReference } from "../reference.ts";
import { type Descriptor, type Platforms, readImage } from "./image.ts";
import { createWarmSource, type ProxyAccess, type WarmSource } from "./source.ts";

/** A blob is asked for once more where its transfer broke; the proxy has resumed it meanwhile. */
const TRIES = 2;

/** What is to be warmed, and how. */
export interface WarmOptions {
  readonly proxy: ProxyAccess;
  readonly platforms: Platforms;
  /** Blobs under way at the same time. */
  readonly concurrency: number;
  readonly onEvent: (event: WarmEvent) => void;
  readonly signal: AbortSignal;
}

/** What happens meanwhile. */
export type WarmEvent =
  /** An image's manifests are here; its blobs follow. */
  | {
    readonly kind: "image";
    readonly name: string;
    readonly blobs: number;
    readonly bytes: number;
  }
  | { readonly kind: "begin"; readonly name: string; readonly blob: Descriptor }
  /** So many bytes more of a blob have come. */
  | { readonly kind: "bytes"; readonly blob: Descriptor; readonly count: number }
  | { readonly kind: "end"; readonly blob: Descriptor; readonly result: BlobResult }
  | { readonly kind: "result"; readonly result: WarmResult };

/** What became of a blob. */
export type BlobResult = "fetched" | "cached" | "failed";

/** What became of an image. */
export type WarmResult =
  | {
    readonly kind: "warm";
    readonly name: string;
    readonly digest: Digest;
    readonly blobs: number;
    /** Bytes that were not cached before. */
    readonly fetchedBytes: number;
    readonly cachedBytes: number;
  }
  | { readonly kind: "failed"; readonly name: string; readonly message: string };

/**
 * Warms images one after the other, each with its blobs in parallel. In the tag of a name `*` stands
 * for any characters: then all tags that match are warmed. Never throws but for the signal's reason.
 */
export async function warmImages(
  names: readonly string[],
  options: WarmOptions,
): Promise<WarmResult[]> {
  const results: WarmResult[] = [];
  for (const name of names) {
    for (const result of await warmName(name, options)) {
      results.push(result);
      options.onEvent({ kind: "result", result });
    }
  }
  return results;
}

async function warmName(name: string, options: WarmOptions): Promise<WarmResult[]> {
  const split = splitImageName(name);
  if (split === undefined) return [failed(name, "this is no image's name")];
  const source = createWarmSource(options.proxy, split);
  try {
    const references = await referencesOf(split, source, options.signal);
    if (references.length === 0) return [failed(name, "no tag matches")];
    const results: WarmResult[] = [];
    for (const reference of references) {
      results.push(await warmImage(fullName(split, reference), source, reference, options));
    }
    return results;
  } catch (error) {
    return [failed(name, reasonOf(error, options.signal))];
  }
}

async function referencesOf(
  { tag, digest }: SplitName,
  source: WarmSource,
  signal: AbortSignal,
): Promise<string[]> {
  if (digest === null && tag?.includes("*") === true) {
    const pattern = tag.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
    const matches = new RegExp(`^${pattern}$`);
    return (await source.tags(signal)).filter((found) => matches.test(found));
  }
  const text = digest ?? tag ?? "latest";
  if (parseReference(text) === undefined) {
    throw new RegistryError("TAG_INVALID", `${text} is no tag or digest`);
  }
  return [text];
}

function fullName({ registry, repository }: SplitName, reference: string): string {
  const separator = reference.includes(":") ? "@" : ":";
  return `${registry === null ? "" : `${registry}/`}${repository}${separator}${reference}`;
}

async function warmImage(
  name: string,
  source: WarmSource,
  reference: string,
  options: WarmOptions,
): Promise<WarmResult> {
  const { platforms, signal, onEvent, concurrency } = options;
  try {
    const { manifests: [{ digest }], blobs } = await readImage(
      source,
      reference,
      platforms,
      signal,
    );
    const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
    onEvent({ kind: "image", name, blobs: blobs.length, bytes });
    let cachedBytes = 0;
    await forEachLimited(blobs, concurrency, async (blob) => {
      onEvent({ kind: "begin", name, blob });
      if (await warmBlob(source, blob, options) === "cached") cachedBytes += blob.size;
    });
    const fetchedBytes = bytes - cachedBytes;
    return { kind: "warm", name, digest, blobs: blobs.length, fetchedBytes, cachedBytes };
  } catch (error) {
    return failed(name, reasonOf(error, signal));
  }
}

async function warmBlob(
  source: WarmSource,
  blob: Descriptor,
  options: WarmOptions,
): Promise<BlobResult> {
  for (let attempt = 1;; attempt++) {
    let received = 0;
    try {
      const response = await source.ask(`blobs/${blob.digest}`, {}, options.signal);
      const isCached = response.headers.get("x-cache") === "HIT";
      if (isCached) await response.body?.cancel();
      else {
        for await (const chunk of response.body ?? []) {
          received += chunk.length;
          options.onEvent({ kind: "bytes", blob, count: chunk.length });
        }
      }
      const result = isCached ? "cached" : "fetched";
      options.onEvent({ kind: "end", blob, result });
      return result;
    } catch (error) {
      options.onEvent({ kind: "bytes", blob, count: -received });
      // A refusal stands; a broken transfer may be whole the next time.
      if (options.signal.aborted || error instanceof RegistryError || attempt === TRIES) {
        options.onEvent({ kind: "end", blob, result: "failed" });
        throw error;
      }
    }
  }
}

/** Runs tasks, so many at a time; the first failure lets those under way end and is thrown. */
async function forEachLimited<Item>(
  items: readonly Item[],
  limit: number,
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const failures: unknown[] = [];
  await Promise.all(Array.from({ length: Math.max(1, limit) }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        await run(item);
      } catch (error) {
        failures.push(error);
        queue.length = 0;
      }
    }
  }));
  if (failures.length > 0) throw failures[0];
}

function failed(name: string, message: string): WarmResult {
  return { kind: "failed", name, message };
}

function reasonOf(error: unknown, signal: AbortSignal): string {
  signal.throwIfAborted();
  return error instanceof RegistryError ? error.message : describeCause(error);
}
