/** The routes of the pages: what each shows and what its forms do. */
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { deleteCookie, setCookie } from "hono/cookie";
import { RegistryError } from "../../errors.ts";
import type { Quota } from "../../upstream/quota.ts";
import type { Router } from "../../routing/router.ts";
import type { Transfers } from "../../transfers.ts";
import type { CachedImages } from "../admin/cached_images.ts";
import { createEventStreams } from "../admin/events.ts";
import type { Admin, Gate, WebEnv } from "../admin/gate.ts";
import { hubQuotaLeft } from "../admin/hub_quota.ts";
import type { Overview } from "../admin/overview.ts";
import { SESSION_COOKIE, SESSION_SECONDS } from "../admin/session.ts";
import { type Period, PERIODS, type TrafficView } from "../admin/traffic_view.ts";
import { isCrossSite } from "../visit.ts";
import { type CacheAction, CachePage, ConfirmPage } from "./cache.tsx";
import { formatSize } from "./format.ts";
import type { PageFrame, View } from "./layout.tsx";
import { LivePage, LiveRows } from "./live.tsx";
import { LoginPage, ProblemPage } from "./login.tsx";
import { keepChoice, preferencesOf } from "./preferences.ts";
import { type RecipeConfig, servedRegistries, type Way, WAYS, writeRecipe } from "./recipe.ts";
import { StartPage } from "./start.tsx";
import { TrafficPage } from "./traffic.tsx";
import { UpstreamsPage } from "./upstreams.tsx";
import { sayIn } from "./words.ts";

const PAGE_SIZE = 50;
const MAX_FORM_BYTES = 16 * 1024;
const MAX_TEXT = 500;

/** What the pages show. */
export interface PageDeps {
  readonly config: RecipeConfig;
  readonly router: Router;
  readonly gate: Gate;
  readonly overview: Overview;
  readonly images: CachedImages;
  readonly traffic: TrafficView;
  readonly transfers: Transfers;
  readonly quota: () => readonly Quota[];
  readonly isDraining: () => boolean;
  /** In milliseconds since the epoch. */
  readonly now: () => number;
}

type PageContext = Context<WebEnv>;

/** Whether a browser asks for a page. */
export function wantsPage(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/html") === true;
}

/** Makes the pages, but for `/`, which is {@linkcode showStart}. */
export function createPages(deps: PageDeps): Hono<WebEnv> {
  const { gate } = deps;
  const app = new Hono<WebEnv>();
  app.use(bodyLimit({ maxSize: MAX_FORM_BYTES }));
  app.use(async (context, next) => {
    const isRead = context.req.method === "GET" || context.req.method === "HEAD";
    const choice = isRead ? keepChoice(context) : null;
    if (choice !== null) return choice;
    await next();
  });
  app.onError((error, context) => showError(error, context, gate));
  addViews(app, deps);
  addCache(app, deps);
  addLogin(app, deps);
  return app;
}

/** The start page, which anybody may see: it says no more than the list of routes does. */
export function showStart(context: PageContext, deps: PageDeps): Response {
  const choice = keepChoice(context);
  if (choice !== null) return choice;
  const { origin } = context.env.visit;
  const registries = servedRegistries(deps.config);
  const asked = context.req.query("registry");
  const wish = {
    way: WAYS.find((way): way is Way => way === context.req.query("engine")) ?? WAYS[1],
    registry: registries.find((name) => name === asked) ?? registries[0] ?? "docker.io",
    image: (context.req.query("image") ?? "").slice(0, MAX_TEXT),
  };
  const base = new URL(`${origin.scheme}://${origin.host}`);
  const recipe = writeRecipe(wish, base, deps.config, deps.router);
  const frame = frameOf(context, deps.gate);
  return page(
    context,
    <StartPage frame={frame} wish={wish} recipe={recipe} registries={registries} />,
  );
}

function addViews(app: Hono<WebEnv>, deps: PageDeps): void {
  const { gate, transfers } = deps;
  const events = createEventStreams({ event: "transfers", isOver: deps.isDraining });

  app.get("/live", (context) => {
    gate.admit(context);
    const frame = frameOf(context, gate);
    return page(context, <LivePage frame={frame} transfers={transfers.snapshot()} />);
  });
  app.get("/live/events", (context) => {
    gate.admit(context);
    const { language } = preferencesOf(context);
    if (context.req.method === "HEAD") return context.body(null);
    return events.open(
      context.env.visit.request.signal,
      () => String(<LiveRows language={language} transfers={transfers.snapshot()} />),
    );
  });
  app.get("/traffic", (context) => {
    gate.admit(context);
    const asked = context.req.query("period");
    const period = Object.keys(PERIODS).find((name): name is Period => name === asked) ?? "hour";
    return page(
      context,
      <TrafficPage
        frame={frameOf(context, gate)}
        period={period}
        traffic={deps.traffic.read(period)}
        quotaLeft={hubQuotaLeft(deps.quota())}
      />,
    );
  });
  app.get("/upstreams", (context) => {
    gate.admit(context);
    const upstreams = deps.overview.upstreams();
    const frame = frameOf(context, gate);
    return page(context, <UpstreamsPage frame={frame} upstreams={upstreams} now={deps.now()} />);
  });
}

function addCache(app: Hono<WebEnv>, deps: PageDeps): void {
  const { gate, images } = deps;

  app.get("/cache", (context) => {
    gate.admit(context);
    const { search = "", registry = "", offset = "0" } = context.req.query();
    const query = {
      search: search.slice(0, MAX_TEXT),
      registry: registry === "" ? null : registry,
      offset: /^\d{1,9}$/.test(offset) ? Number(offset) : 0,
      limit: PAGE_SIZE,
    };
    return page(
      context,
      <CachePage
        frame={frameOf(context, gate)}
        status={deps.overview.status()}
        query={query}
        page={images.list(query)}
        registries={images.registries()}
        done={doneOf(context)}
        now={deps.now()}
      />,
    );
  });

  app.get("/cache/confirm", (context) => {
    const admin = gate.admit(context);
    const { image = "" } = context.req.query();
    const action = readAction(context.req.query("action"));
    return page(
      context,
      <ConfirmPage
        frame={frameOf(context, gate)}
        action={action}
        image={image.slice(0, MAX_TEXT)}
        formToken={gate.formToken(admin)}
      />,
    );
  });

  app.post("/cache/change", async (context) => {
    const form = await readForm(context);
    gate.admitChange(context, form.get("csrf") ?? "");
    const image = form.get("image") ?? "";
    const action = readAction(form.get("action"));
    const done = new URLSearchParams({ done: action, image });
    if (action === "purge") done.set("freed", String(images.purge(image)));
    else images.setPinned(image, action === "pin");
    return context.redirect(`/cache?${done}`, 303);
  });
}

function addLogin(app: Hono<WebEnv>, { gate }: PageDeps): void {
  app.get("/login", (context) => {
    const next = pathOf(context.req.query("next"));
    if (gate.find(context) !== null) return context.redirect(next, 303);
    return showLogin(context, gate, next, null);
  });

  app.post("/login", async (context) => {
    const { visit } = context.env;
    if (isCrossSite(visit)) throw new RegistryError("DENIED", "log in from this proxy's own page");
    const form = await readForm(context);
    const next = pathOf(form.get("next") ?? undefined);
    const say = sayIn(preferencesOf(context).language);
    try {
      const session = gate.logIn(visit, form.get("token") ?? "");
      if (session === null) return showLogin(context, gate, next, say("wrongToken"));
      setCookie(context, SESSION_COOKIE, session, {
        path: "/",
        httpOnly: true,
        sameSite: "Strict",
        secure: visit.origin.scheme === "https",
        maxAge: SESSION_SECONDS,
      });
      return context.redirect(next, 303);
    } catch (error) {
      if (!(error instanceof RegistryError) || error.status !== 429) throw error;
      const seconds = error.headers.get("retry-after") ?? "60";
      return showLogin(context, gate, next, say("tooManyTries", { seconds }), 429);
    }
  });

  app.post("/logout", async (context) => {
    const form = await readForm(context);
    gate.admitChange(context, form.get("csrf") ?? "");
    deleteCookie(context, SESSION_COOKIE, { path: "/" });
    return context.redirect("/", 303);
  });
}

function showLogin(
  context: PageContext,
  gate: Gate,
  next: string,
  wrong: string | null,
  status: 401 | 429 = 401,
): Response {
  const frame = frameOf(context, gate);
  return page(
    context,
    <LoginPage frame={frame} hasToken={gate.hasToken} next={next} wrong={wrong} />,
    wrong === null ? (gate.hasToken ? 200 : 403) : status,
  );
}

/** Who may not look is led to the login; any other refusal is told on a page. */
function showError(error: Error, context: PageContext, gate: Gate): Response {
  if (!(error instanceof RegistryError)) throw error;
  const { url, request } = context.env.visit;
  if (!wantsPage(request)) return error.toResponse(request.method);
  if (error.status === 401) {
    const next = request.method === "GET" ? url.pathname + url.search : "/";
    return context.redirect(`/login?${new URLSearchParams({ next })}`, 303);
  }
  const frame = frameOf(context, gate);
  const status = error.status === 403 || error.status === 404 || error.status === 429
    ? error.status
    : 400;
  return page(context, <ProblemPage frame={frame} message={error.message} />, status);
}

function page(
  context: PageContext,
  element: View,
  status: 200 | 400 | 401 | 403 | 404 | 429 = 200,
): Response {
  context.header("vary", "Accept, Accept-Language, Cookie");
  return context.html(`<!DOCTYPE html>${element}`, status);
}

function frameOf(context: PageContext, gate: Gate): PageFrame {
  const { url } = context.env.visit;
  const admin: Admin | null = gate.find(context);
  return {
    ...preferencesOf(context),
    here: context.req.method === "POST" ? "/" : url.pathname + url.search,
    logOutToken: admin?.kind === "session" ? gate.formToken(admin) : null,
  };
}

async function readForm(context: PageContext): Promise<Map<string, string>> {
  const entries = Object.entries(await context.req.parseBody());
  return new Map(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function readAction(text: string | undefined): CacheAction {
  const action = (["purge", "pin", "unpin"] as const).find((known) => known === text);
  if (action !== undefined) return action;
  throw new RegistryError("UNSUPPORTED", "an image is purged, pinned or unpinned", {
    status: 400,
  });
}

/** What the change before has done, in words. */
function doneOf(context: PageContext): string | null {
  const say = sayIn(preferencesOf(context).language);
  const { done, image = "", freed = "0" } = context.req.query();
  const values = { image: image.slice(0, MAX_TEXT), bytes: formatSize(Number(freed) || 0) };
  switch (done) {
    case "purge":
      return say("donePurge", values);
    case "pin":
      return say("donePin", values);
    case "unpin":
      return say("doneUnpin", values);
    default:
      return null;
  }
}

/** A path of this proxy; anything else could lead away from it. */
function pathOf(text: string | undefined): string {
  return text !== undefined && /^\/(?![/\\])[^\\\s]*$/.test(text) ? text : "/";
}
