/** How pages are answered: with a frame, as a form's result, or with what went wrong. */
import type { Context } from "hono";
import { RegistryError } from "../../errors.ts";
import type { Gate, WebEnv } from "../admin/gate.ts";
import type { PageFrame, View } from "./layout.tsx";
import { ProblemPage } from "./login.tsx";
import { preferencesOf } from "./preferences.ts";

/** A request for a page. */
export type PageContext = Context<WebEnv>;

/** The most of a visitor's text that a page looks at. */
export const MAX_TEXT = 500;

/** Whether a browser asks for a page. */
export function wantsPage(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/html") === true;
}

/** The answer with a page. */
export function page(
  context: PageContext,
  element: View,
  status: 200 | 400 | 401 | 403 | 404 | 429 = 200,
): Response {
  context.header("vary", "Accept, Accept-Language, Cookie");
  return context.html(`<!DOCTYPE html>${element}`, status);
}

/** What a page is shown with. */
export function frameOf(context: PageContext, gate: Gate): PageFrame {
  const { url } = context.env.visit;
  const admin = gate.find(context);
  return {
    ...preferencesOf(context),
    here: context.req.method === "POST" ? "/" : url.pathname + url.search,
    logOutToken: admin?.kind === "session" ? gate.formToken(admin) : null,
  };
}

/**
 * Who may not look is led to the login; any other refusal is told on a page.
 *
 * @throws what is no refusal.
 */
export function showError(error: Error, context: PageContext, gate: Gate): Response {
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

/** The texts of a form. */
export async function readForm(context: PageContext): Promise<Map<string, string>> {
  const entries = Object.entries(await context.req.parseBody());
  return new Map(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
