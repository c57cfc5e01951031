/** What is measured, beside whom, and what is wanted. */
import { type Entrepot, startEntrepot } from "../tests/support/entrepot.ts";
import type { Content } from "../tests/support/layer.ts";
import { calm, measureMany, measureTransfer, type Sample } from "./load.ts";
import { type BenchStage, REPOSITORY, type Subject } from "./stage.ts";

/** One comparison. */
export interface BenchCase {
  readonly name: string;
  readonly unit: "MiB/s" | "req/s" | "ms";
  /** The ratio to the first peer that is wanted, where one is. */
  readonly goal: number | null;
  /** What bounds the product's figure. */
  readonly bound: string;
  /** The product first. Each is asked in turn, round by round. */
  readonly subjects: readonly {
    readonly name: string;
    /** Once before the rounds, so that caches are warm. */
    warm?(): Promise<unknown>;
    /** Before each measurement, in its own time. */
    prepare?(): Promise<unknown>;
    measure(round: number): Promise<Sample>;
  }[];
}

/** All cases over a stage. `seconds` is how long those by time take. */
export function casesOf(stage: BenchStage, seconds: number): BenchCase[] {
  const { product, registry, nginx, bare, blobs } = stage;
  const coldBytes = stage.cold[0]?.size ?? 0;
  return [
    hot(stage, "hot 64 MiB, 8 connections", blobs.mib64, 8, seconds, {
      goal: 0.8,
      peers: [nginx, registry],
      bound: "one thread hop for each 64 KiB read from the file",
    }),
    hot(stage, "hot 1 MiB, 4 connections", blobs.mib1, 4, seconds, {
      goal: 3,
      peers: [registry, nginx, bare.mib1],
      bound: "opening the file and one response in JavaScript for each request",
    }),
    {
      name: "hot, one stream of a large blob",
      unit: "MiB/s",
      goal: null,
      bound: "the latency of one read after the other",
      subjects: [product, nginx, registry].map((each) => ({
        name: each.name,
        warm: () => measureTransfer(each.pid, each.blob(blobs.large), blobs.large.size),
        measure: () => measureTransfer(each.pid, each.blob(blobs.large), blobs.large.size),
      })),
    },
    manifests(stage, seconds),
    {
      name: "cold, stored and verified, one client",
      unit: "MiB/s",
      goal: 0.6,
      bound: "reading, hashing and writing in one thread",
      subjects: [product, stage.pullThrough].map((each) => ({
        name: each.name,
        prepare: () => calm([product.pid, stage.pullThrough.pid], coldBytes),
        measure: (round) => cold(each, stage.cold[round]),
      })),
    },
    {
      name: "cold, 50 clients of one blob",
      unit: "MiB/s",
      goal: null,
      bound: "50 copies through one process",
      subjects: [{
        name: product.name,
        prepare: () => calm([product.pid], coldBytes),
        measure: (round) => cold(product, stage.cold[stage.cold.length - 1 - round], 50),
      }],
    },
    {
      name: "pass-through, nothing stored",
      unit: "MiB/s",
      goal: 1.5,
      bound: "the runtime's own copy from socket to socket",
      subjects: [stage.uncached, stage.nginxProxy].map((each) => ({
        name: each.name,
        warm: () => measureTransfer(each.pid, each.blob(blobs.mib64), blobs.mib64.size),
        measure: () => measureTransfer(each.pid, each.blob(blobs.large), blobs.large.size),
      })),
    },
    {
      name: "start until healthy",
      unit: "ms",
      goal: null,
      bound: "loading the runtime and the modules",
      subjects: [{ name: product.name, measure: start }],
    },
  ];
}

function hot(
  { product }: BenchStage,
  name: string,
  content: Content,
  connections: number,
  seconds: number,
  rest: { goal: number; peers: readonly Subject[]; bound: string },
): BenchCase {
  return {
    name,
    unit: "MiB/s",
    goal: rest.goal,
    bound: rest.bound,
    subjects: [product, ...rest.peers].map((each) => ({
      name: each.name,
      warm: () => measureTransfer(each.pid, each.blob(content), content.size),
      measure: () =>
        measureMany(each.pid, each.blob(content), { connections, seconds, unit: "MiB/s" }),
    })),
  };
}

function manifests(stage: BenchStage, seconds: number): BenchCase {
  const { product, registry, nginx, bare, manifest } = stage;
  const path = `/v2/${REPOSITORY}/manifests/1`;
  const urls = [
    { ...registryLike(product), url: product.url + path },
    { ...registryLike(registry), url: registry.url + path },
    { ...registryLike(nginx), url: stage.fileUrl(manifest) },
    bare.manifest,
  ];
  const headers = [`Accept: ${manifest.mediaType}, application/vnd.oci.image.index.v1+json`];
  return {
    name: "manifests by tag, 64 connections, with a log",
    unit: "req/s",
    goal: 20,
    bound: "one JavaScript thread: routing, proof, headers and a log line for each request",
    subjects: urls.map(({ name, pid, url }) => ({
      name,
      warm: () => measureMany(pid, url, { connections: 2, seconds: 1, unit: "req/s", headers }),
      measure: () => measureMany(pid, url, { connections: 64, seconds, unit: "req/s", headers }),
    })),
  };
}

function registryLike({ name, pid }: Subject): Pick<Subject, "name" | "pid"> {
  return { name, pid };
}

function cold(subject: Subject, content: Content | undefined, clients = 1): Promise<Sample> {
  if (content === undefined) throw new RangeError("there are fewer cold blobs than rounds");
  return measureTransfer(subject.pid, subject.blob(content), content.size, clients);
}

async function start(): Promise<Sample> {
  const begun = performance.now();
  await using _: Entrepot = await startEntrepot();
  return { value: performance.now() - begun, cpuSeconds: 0, bytes: 0 };
}
