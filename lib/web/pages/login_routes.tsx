/** Logging in and out. */
import type { Hono } from "hono";
import { deleteCookie, setCookie } from "hono/cookie";
import { RegistryError } from "../../errors.ts";
import type { Gate, WebEnv } from "../admin/gate.ts";
import { SESSION_COOKIE, SESSION_SECONDS } from "../admin/session.ts";
import { isCrossSite } from "../visit.ts";
import { LoginPage } from "./login.tsx";
import { frameOf, page, type PageContext, readForm } from "./page_response.tsx";
import { preferencesOf } from "./preferences.ts";
import { sayIn } from "./words.ts";

/** Adds the routes. */
export function addLogin(app: Hono<WebEnv>, gate: Gate): void {
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

/** A path of this proxy; anything else could lead away from it. */
function pathOf(text: string | undefined): string {
  return text !== undefined && /^\/(?![/\\])[^\\\s]*$/.test(text) ? text : "/";
}
