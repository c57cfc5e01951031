/** In which language and colours a visitor sees the pages: by choice, else as the browser says. */
import type { Context } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import type { WebEnv } from "../admin/gate.ts";
import { type Language, LANGUAGES } from "./words.ts";

/** A choice of colours; null follows the system. */
export type Theme = "light" | "dark" | null;

/** What a visitor prefers. */
export interface Preferences {
  readonly language: Language;
  readonly theme: Theme;
}

const LANGUAGE_COOKIE = "entrepot_lang";
const THEME_COOKIE = "entrepot_theme";
const YEAR_SECONDS = 365 * 86_400;

/** Reads the preferences of a request. */
export function preferencesOf(context: Context<WebEnv>): Preferences {
  const chosen = findLanguage(getCookie(context, LANGUAGE_COOKIE));
  return {
    language: chosen ?? acceptedLanguage(context.req.header("accept-language") ?? ""),
    theme: findTheme(getCookie(context, THEME_COOKIE)) ?? null,
  };
}

/**
 * Keeps what `?lang=` and `?theme=` choose, and leads back to the page without them; null where
 * nothing is chosen. Without a script a link is all that a choice needs.
 */
export function keepChoice(context: Context<WebEnv>): Response | null {
  const { url, origin } = context.env.visit;
  const language = findLanguage(url.searchParams.get("lang") ?? undefined);
  const theme = findTheme(url.searchParams.get("theme") ?? undefined);
  if (language === undefined && theme === undefined) return null;
  const options = {
    path: "/",
    maxAge: YEAR_SECONDS,
    sameSite: "Lax",
    httpOnly: true,
    secure: origin.scheme === "https",
  } as const;
  if (language !== undefined) setCookie(context, LANGUAGE_COOKIE, language, options);
  if (theme !== undefined) setCookie(context, THEME_COOKIE, theme, options);
  const rest = new URLSearchParams(url.search);
  rest.delete("lang");
  rest.delete("theme");
  // Two slashes would name another host.
  const path = url.pathname.replace(/^\/+/, "/");
  return context.redirect(path + (rest.size === 0 ? "" : `?${rest}`), 303);
}

function findLanguage(text: string | undefined): Language | undefined {
  return LANGUAGES.find((language) => language === text);
}

function findTheme(text: string | undefined): Exclude<Theme, null> | undefined {
  return (["light", "dark"] as const).find((theme) => theme === text);
}

/** The first language of the list that is spoken here. Source: RFC 9110 section 12.5.4. */
function acceptedLanguage(header: string): Language {
  const wanted = header.split(",").map((item) => {
    const [tag = "", quality = ""] = item.split(";").map((part) => part.trim().toLowerCase());
    return { tag, quality: Number(/^q=([\d.]+)$/.exec(quality)?.[1] ?? 1) };
  });
  for (const { tag } of wanted.toSorted((a, b) => b.quality - a.quality)) {
    const language = findLanguage(tag.split("-")[0]);
    if (language !== undefined) return language;
  }
  return "en";
}
