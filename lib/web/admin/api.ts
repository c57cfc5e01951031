/** `/api/v1`: what the proxy does, knows and holds, as JSON, for its admin. */
import { Hono } from "hono";
import type { Inventory } from "../../cache/inventory.ts";
import type { Explanation } from "../../explain/explain.ts";
import type { Probe } from "../../explain/probe.ts";
import { RegistryError } from "../../errors.ts";
import { splitImageName } from "../../image_name.ts";
import { isRecord } from "../../json.ts";
import { type Digest, parseDigest } from "../../reference.ts";
import type { Transfers } from "../../transfers.ts";
import type { WarmJobs, WarmOrder } from "../../warm/jobs.ts";
import { isCrossSite } from "../visit.ts";
import { invalid, missing } from "./api_error.ts";
import type { Imports } from "./imports.ts";
import type { CachedImages } from "./cached_images.ts";
import { createEventStreams } from "./events.ts";
import type { Gate, WebEnv } from "./gate.ts";
import type { Overview } from "./overview.ts";
import { type Period, PERIODS, type TrafficView } from "./traffic_view.ts";

const MAX_BODY_BYTES = 64 * 1024;
const MAX_WARM_IMAGES = 200;

/** What the API tells of. */
export interface ApiDeps {
  readonly gate: Gate;
  readonly overview: Overview;
  readonly transfers: Transfers;
  readonly warm: WarmJobs;
  /** The configuration in effect, without secrets. */
  readonly images: CachedImages;
  readonly imports: Imports;
  readonly inventory: Pick<Inventory, "blobs">;
  readonly traffic: TrafficView;
  readonly config: Readonly<Record<string, unknown>>;
  readonly explain: (image: string) => Explanation;
  /** Asks the upstream; null where the name leads nowhere. */
  readonly probe: (image: string, signal: AbortSignal) => Promise<Probe | null>;
  readonly isDraining: () => boolean;
}

/** Makes the API. Errors are thrown as {@linkcode RegistryError}. */
export function createApi(deps: ApiDeps): Hono<WebEnv> {
  const { gate, overview, transfers, warm } = deps;
  const app = new Hono<WebEnv>();
  const events = createEventStreams({ event: "transfers", isOver: deps.isDraining });

  app.use(async (context, next) => {
    const { method } = context.req;
    if (method === "GET" || method === "HEAD") {
      gate.admit(context);
      // A foreign page cannot read what is answered, but should not even ask.
      if (isCrossSite(context.env.visit)) throw new RegistryError("DENIED", "ask from here");
    } else gate.admitChange(context);
    await next();
  });

  app.get("/status", (context) => context.json(overview.status()));
  app.get("/upstreams", (context) => context.json({ upstreams: overview.upstreams() }));
  app.get("/transfers", (context) => context.json({ transfers: transfers.snapshot() }));
  app.get("/events", (context) => {
    // HEAD runs through here as well, and nobody would end its stream.
    if (context.req.method === "HEAD") return context.body(null);
    return events.open(context.env.visit.request.signal, transfers.snapshot);
  });
  app.get("/config", (context) => context.json(deps.config));

  app.get("/traffic", (context) => {
    const asked = context.req.query("period") ?? "hour";
    const period = Object.keys(PERIODS).find((name): name is Period => name === asked);
    if (period === undefined) throw invalid(`period is ${Object.keys(PERIODS).join(", ")}`);
    return context.json({ period, ...deps.traffic.read(period) });
  });
  addImages(app, deps);
  addImports(app, deps);

  app.get("/explain", async (context) => {
    const image = context.req.query("image") ?? "";
    if (image === "") throw invalid("name the image: /api/v1/explain?image=ghcr.io/org/app:1.2");
    const explanation = deps.explain(image);
    if (context.req.query("probe") !== "true") return context.json(explanation);
    const probe = await deps.probe(image, context.env.visit.request.signal);
    return context.json({ ...explanation, probe });
  });

  app.get("/warm", (context) => context.json({ jobs: warm.list(), plan: warm.plan() }));
  app.post("/warm", async (context) => {
    const order = readOrder(await readJson(context.req.raw));
    return context.json(warm.submit(order), 202);
  });
  app.get("/warm/:id", (context) => {
    const job = warm.list().find(({ id }) => id === context.req.param("id"));
    if (job === undefined) throw missing("there is no such job; jobs that ended are forgotten");
    return context.json(job);
  });

  app.all("*", () => {
    throw missing("there is no such resource; see the README's list of the API");
  });
  return app;
}

/** What is cached, purged and pinned. */
function addImages(app: Hono<WebEnv>, { images, inventory }: ApiDeps): void {
  app.get("/images", (context) =>
    context.json(images.list({
      search: context.req.query("search") ?? "",
      registry: context.req.query("registry") ?? null,
      ...pageOf(context.req.query()),
    })));
  app.get(
    "/blobs",
    (context) => context.json({ blobs: inventory.blobs(pageOf(context.req.query())) }),
  );
  app.delete("/images", (context) => {
    const { image, repository } = context.req.query();
    if (image !== undefined) return context.json({ freedBytes: images.purge(image) });
    if (repository === undefined) throw invalid("name an image or a repository");
    return context.json({ freedBytes: images.purgeRepository(repository) });
  });
  app.on(["PUT", "DELETE"], "/pins", (context) => {
    const image = context.req.query("image");
    if (image === undefined) throw invalid("name the image: /api/v1/pins?image=nginx:latest");
    const isPinned = context.req.method === "PUT";
    images.setPinned(image, isPinned);
    return context.json({ image, isPinned });
  });
}

/** Content that is brought, and the names that it gets. */
function addImports(app: Hono<WebEnv>, { imports }: ApiDeps): void {
  app.get("/contents/:digest", (context) => {
    if (!imports.has(readDigest(context.req.param("digest")))) throw missing("it is not here");
    return context.json({});
  });
  app.put("/contents/:digest", async (context) => {
    const digest = readDigest(context.req.param("digest"));
    const { body, headers } = context.req.raw;
    const length = headers.get("content-length");
    await imports.put(
      digest,
      body ?? new Blob([]).stream(),
      length === null ? undefined : Number(length),
    );
    return context.json({ digest }, 201);
  });
  app.put("/images", async (context) => {
    const image = context.req.query("image");
    if (image === undefined) throw invalid("name the image: /api/v1/images?image=nginx:1.27");
    const body = await readJson(context.req.raw);
    const digest = readDigest(isRecord(body) ? String(body["digest"]) : "");
    const isPublic = isRecord(body) && body["isPublic"] === true;
    return context.json({ image, ...imports.name(image, digest, isPublic) });
  });
}

/** @throws {RegistryError} where it is none. */
function readDigest(text: string): Digest {
  const digest = parseDigest(text);
  if (digest !== undefined) return digest;
  throw new RegistryError("DIGEST_INVALID", `${JSON.stringify(text)} is no digest`);
}

/** @throws {RegistryError} where the page is none. */
function pageOf({ offset = "0", limit = "50" }: Record<string, string>): {
  offset: number;
  limit: number;
} {
  const page = { offset: Number(offset), limit: Number(limit) };
  const isPage = /^\d{1,9}$/.test(offset) && /^\d{1,3}$/.test(limit) && page.limit > 0;
  if (!isPage) throw invalid("offset is a number, limit one from 1 to 999");
  return page;
}

async function readJson(request: Request): Promise<unknown> {
  const length = Number(request.headers.get("content-length") ?? Infinity);
  if (length > MAX_BODY_BYTES) throw invalid(`send JSON of at most ${MAX_BODY_BYTES} bytes`);
  try {
    return await request.json();
  } catch (error) {
    if (error instanceof SyntaxError) throw invalid(`the body is no JSON: ${error.message}`);
    throw error;
  }
}

function readOrder(body: unknown): WarmOrder {
  const images = listOf(body, "images");
  const platforms = listOf(body, "platforms") ?? ["linux/amd64"];
  if (images === undefined || images.length === 0) {
    throw invalid('name images: {"images": ["nginx:latest"], "platforms": ["linux/amd64"]}');
  }
  if (images.length > MAX_WARM_IMAGES) throw invalid(`at most ${MAX_WARM_IMAGES} images at once`);
  const wrong = images.find((image) => splitImageName(image) === undefined);
  if (wrong !== undefined) throw invalid(`${JSON.stringify(wrong)} is no image name`);
  return { images, platforms: platforms.includes("all") ? "all" : platforms };
}

function listOf(body: unknown, key: string): string[] | undefined {
  const entries = typeof body === "object" && body !== null ? Object.entries(body) : [];
  const value: unknown = entries.find(([name]) => name === key)?.[1];
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw invalid(`${key} is a list of texts`);
}
