/** The cache page, and what its forms do. */
import type { Hono } from "hono";
import { RegistryError } from "../../errors.ts";
import type { CachedImages } from "../admin/cached_images.ts";
import type { Gate, WebEnv } from "../admin/gate.ts";
import type { Overview } from "../admin/overview.ts";
import { type CacheAction, CachePage, ConfirmPage } from "./cache.tsx";
import { formatSize } from "./format.ts";
import { frameOf, MAX_TEXT, page, type PageContext, readForm } from "./page_response.tsx";
import { preferencesOf } from "./preferences.ts";
import { sayIn } from "./words.ts";

const PAGE_SIZE = 50;

/** What the cache page needs. */
export interface CacheDeps {
  readonly gate: Gate;
  readonly overview: Overview;
  readonly images: CachedImages;
  /** In milliseconds since the epoch. */
  readonly now: () => number;
}

/** Adds the routes. */
export function addCache(app: Hono<WebEnv>, deps: CacheDeps): void {
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
