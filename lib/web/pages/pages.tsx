/** The routes of the pages: what each shows and what its forms do. */
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Router } from "../../routing/router.ts";
import type { Transfers } from "../../transfers.ts";
import type { Quota } from "../../upstream/quota.ts";
import { createEventStreams } from "../admin/events.ts";
import type { WebEnv } from "../admin/gate.ts";
import { hubQuotaLeft } from "../admin/hub_quota.ts";
import { type Period, PERIODS, type TrafficView } from "../admin/traffic_view.ts";
import { addCache, type CacheDeps } from "./cache_routes.tsx";
import { LivePage, LiveRows } from "./live.tsx";
import { addLogin } from "./login_routes.tsx";
import { frameOf, MAX_TEXT, page, type PageContext, showError } from "./page_response.tsx";
import { keepChoice, preferencesOf } from "./preferences.ts";
import { type RecipeConfig, servedRegistries, type Way, WAYS, writeRecipe } from "./recipe.ts";
import { StartPage } from "./start.tsx";
import { TrafficPage } from "./traffic.tsx";
import { UpstreamsPage } from "./upstreams.tsx";

const MAX_FORM_BYTES = 16 * 1024;

/** What the pages show. */
export interface PageDeps extends CacheDeps {
  readonly config: RecipeConfig;
  readonly router: Router;
  readonly traffic: TrafficView;
  readonly transfers: Transfers;
  readonly quota: () => readonly Quota[];
  readonly isDraining: () => boolean;
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
  addLogin(app, gate);
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
