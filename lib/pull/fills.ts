/** All cache fills under way: one per content and upstream, whatever the number of callers. */
import { createHash } from "node:crypto";
import { type Credential, credentialKey } from "../auth/credential.ts";
import type { CacheIndex } from "../cache/index.ts";
import type { ByteSpan, ContentStore, PartialFile } from "../cache/store.ts";
import { StoreError } from "../cache/store.ts";
import { type Digest, splitDigest } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import type { Transfers } from "../transfers.ts";
import type { Origin } from "../upstream/origin.ts";
import { AbandonTimer } from "./abandon_timer.ts";
import type { AccessProofs } from "./access.ts";
import { type FillEvent, type FillOpening, FillTask } from "./fill.ts";
import { placeOf } from "./request.ts";

/** How a fill began, for those who follow. */
export type FillStart =
  /** Bytes arrive; `size` is undefined where the upstream did not say. */
  | { readonly kind: "filling"; readonly size: number | undefined }
  /** The redirect policy sends the client to the storage itself. */
  | { readonly kind: "pass"; readonly status: number; readonly location: URL }
  /** Nothing is to be stored: each caller streams from upstream for itself. */
  | { readonly kind: "uncached" }
  /** Nothing can be stored now: the same, with all that the disk would have given. */
  | { readonly kind: "roomless" };

/** Why no file is begun. */
type Refusal = "uncached" | "roomless";

/** A transfer under way. */
export interface Fill {
  /** Names the caller that began it: its right to read is proven by the upstream's answer. */
  readonly openedBy: string;
  /** Settles with the upstream's answer. @throws {RegistryError} its refusal or failure. */
  readonly started: Promise<FillStart>;
  /** Notes that a caller who may read follows, whose credential may serve to go on. */
  join(credential: Credential): void;
  /** Bytes that are here. */
  readonly written: number;
  /** Resolves when it has ended, in whatever way. */
  readonly ended: Promise<void>;
  /** Follows the bytes, and tells how many were read. Only after `started` said `filling`. */
  stream(
    span: ByteSpan | undefined,
    onSent?: (bytes: number) => void,
  ): ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** All transfers under way. */
export interface Fills {
  /** The fill of this content from this upstream, if one is under way. */
  find(target: Target, digest: Digest): Fill | undefined;
  /** Begins one; there must be none. */
  start(target: Target, digest: Digest, credential: Credential): Fill;
  /** How many are under way, whoever began them. */
  readonly active: number;
  /** Resolves when none that was begun here is under way. */
  idle(): Promise<void>;
}

/** What fills are made from. */
export interface FillsOptions {
  /** All that are under way, those included that were begun under an earlier configuration. */
  readonly underWay: Map<string, Fill>;
  readonly store: ContentStore;
  readonly index: CacheIndex;
  readonly origin: Origin;
  readonly proofs: AccessProofs;
  /** The longest silence inside a transfer. */
  readonly idleSeconds: number;
  /** How long a fill goes on after its last caller left, or null: to its end. */
  readonly abandonSeconds: number | null;
  readonly onEvent: (event: FillEvent) => void;
  /** Is told of the bytes that upstreams sent. */
  readonly onFetched: (bytes: number) => void;
  readonly transfers: Transfers;
  /** Ends them all. */
  readonly lifetime: AbortSignal;
}

/** Names a caller in a repository, without holding its credential. */
export function callerKey(target: Target, credential: Credential): string {
  return `${target.repository} ${credentialKey(credential)}`;
}

/** Makes the fills. */
export function createFills(options: FillsOptions): Fills {
  const { store, index, underWay } = options;
  const own = new Set<Fill>();

  function start(target: Target, digest: Digest, credential: Credential): Fill {
    const key = fillKey(target, digest);
    const begin = (): PartialFile | Refusal =>
      beginFile(store, key, index.childSize(placeOf(target), digest));
    const file = begin();
    const running = typeof file === "string"
      ? uncachedFill(file, target, credential)
      : cachedFill(options, { first: file, again: begin }, target, digest, credential);
    underWay.set(key, running);
    own.add(running);
    running.ended.finally(() => {
      underWay.delete(key);
      own.delete(running);
    });
    return running;
  }

  return {
    find: (target, digest) => underWay.get(fillKey(target, digest)),
    start(target, digest, credential) {
      index.count("fills");
      return start(target, digest, credential);
    },
    get active() {
      return underWay.size;
    },
    async idle() {
      while (own.size > 0) await Promise.all([...own].map(({ ended }) => ended));
    },
  };
}

function cachedFill(
  options: FillsOptions,
  files: {
    readonly first: PartialFile;
    /** Another, where what an earlier process left in the first is wrong. */
    readonly again: () => PartialFile | Refusal;
  },
  target: Target,
  digest: Digest,
  credential: Credential,
): Fill {
  const { index, proofs } = options;
  const abandoned = new AbandonTimer(options.abandonSeconds);
  const taskOf = (file: PartialFile, credential: Credential): FillTask =>
    new FillTask({
      target,
      digest,
      file,
      origin: options.origin,
      idleSeconds: options.idleSeconds,
      expectedSize: index.childSize(placeOf(target), digest),
      onReaders: (count) => abandoned.onReaders(count),
      onEvent: options.onEvent,
      onFetched: options.onFetched,
      signal: AbortSignal.any([options.lifetime, abandoned.signal]),
    }, credential);
  let file = files.first;
  let task = taskOf(file, credential);

  async function open(): Promise<
    Exclude<FillOpening, { kind: "spoilt" }> | { readonly kind: Refusal }
  > {
    try {
      let opening = await task.open();
      if (opening.kind === "spoilt") {
        const next = files.again();
        if (typeof next === "string") return { kind: next };
        file = next;
        task = taskOf(file, task.credential);
        opening = await task.open();
        // Even empty: the disk does not let go of it.
        if (opening.kind === "spoilt") return { kind: "roomless" };
      }
      proofs.remember(target, credential);
      if (opening.kind === "filling") index.putLink(placeOf(target), digest, null);
      else file.keep();
      return opening;
    } catch (error) {
      file.keep();
      throw error;
    }
  }

  async function run(): Promise<void> {
    using _timer = abandoned;
    const opening = await opened;
    if (opening.kind !== "filling") return;
    using _transfer = options.transfers.begin({
      kind: "fill",
      client: null,
      upstream: target.upstream.registry,
      repository: target.repository,
      digest,
      cache: null,
      bytes: () => task.spool.written,
      total: () => task.size ?? null,
    });
    await task.run(opening.transfer);
  }

  const opened = open();
  const fill: Fill = {
    openedBy: callerKey(target, credential),
    started: opened.then((opening) =>
      opening.kind === "filling" ? { kind: "filling", size: opening.size } : opening
    ),
    join(joining) {
      task.credential = joining;
    },
    get written() {
      return task.spool.written;
    },
    ended: run().catch(() => undefined),
    stream: (span, onSent) => task.spool.stream(span, onSent),
  };
  // `started` carries a failure to whoever waits; nobody may be waiting.
  fill.started.catch(() => undefined);
  return fill;
}

/** What stands for a fill where nothing is stored. */
function uncachedFill(
  kind: Refusal,
  target: Target,
  credential: Credential,
): Fill {
  return {
    openedBy: callerKey(target, credential),
    started: Promise.resolve({ kind }),
    join: () => undefined,
    written: 0,
    ended: Promise.resolve(),
    stream: () => {
      throw new Error("nothing is stored that could be followed");
    },
  };
}

function beginFile(
  store: ContentStore,
  key: string,
  expectedBytes: number | undefined,
): PartialFile | Refusal {
  try {
    return store.begin(key, expectedBytes) ?? "uncached";
  } catch (error) {
    if (error instanceof StoreError) return "roomless";
    throw error;
  }
}

/** A name for the partial file that another upstream cannot spoil. */
function fillKey(target: Target, digest: Digest): string {
  const registry = createHash("sha256").update(placeOf(target).registry).digest("hex");
  const { algorithm, hex } = splitDigest(digest);
  return `${registry.slice(0, 16)}-${algorithm}-${hex}`;
}
