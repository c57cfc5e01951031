/** What every page has around its content. */
import type { Child } from "hono/jsx";
import type { HtmlEscapedString } from "hono/utils/html";
import { VERSION } from "../../version.ts";
import type { Preferences } from "./preferences.ts";
import { sayIn, type Word } from "./words.ts";

/** Rendered HTML. */
export type View = HtmlEscapedString | Promise<HtmlEscapedString>;

/** A page of the navigation, or one beside it. */
export type PageName = "start" | "live" | "cache" | "traffic" | "upstreams" | "other";

/** What a page is shown with. */
export interface PageFrame extends Preferences {
  /** Path and query, for the links that choose language and colours. */
  readonly here: string;
  /** What a form that logs out has to show, or null where nobody is logged in. */
  readonly logOutToken: string | null;
}

const PAGES: readonly (readonly [Exclude<PageName, "other">, string])[] = [
  ["start", "/"],
  ["live", "/live"],
  ["cache", "/cache"],
  ["traffic", "/traffic"],
  ["upstreams", "/upstreams"],
];

/** The whole document. */
export function Layout(
  { frame, page, title, styles = [], scripts = [], children }: {
    frame: PageFrame;
    page: PageName;
    title: Word;
    styles?: readonly string[];
    scripts?: readonly string[];
    children: Child;
  },
): View {
  const say = sayIn(frame.language);
  return (
    <html lang={frame.language} {...(frame.theme === null ? {} : { "data-theme": frame.theme })}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${say(title)} · Entrepôt`}</title>
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        {[...styles, "/assets/app.css"].map((href) => <link rel="stylesheet" href={href} />)}
        {["/assets/app.js", ...scripts].map((src) => <script type="module" src={src}></script>)}
      </head>
      <body>
        <a class="skip" href="#content">{say("skip")}</a>
        <header class="bar">
          <a class="brand" href="/">
            <img src="/assets/icon.svg" alt="" width="24" height="24" />Entrepôt
          </a>
          <nav aria-label={say("pages")}>
            {PAGES.map(([name, href]) => (
              <a href={href} {...(name === page ? { "aria-current": "page" } : {})}>{say(name)}</a>
            ))}
          </nav>
          <Settings frame={frame} />
        </header>
        <main id="content" tabindex={-1}>{children}</main>
        <footer>{`Entrepôt ${VERSION} · ${say("footer")}`}</footer>
      </body>
    </html>
  );
}

function Settings({ frame }: { frame: PageFrame }) {
  const say = sayIn(frame.language);
  const other = frame.language === "en" ? "zh" : "en";
  return (
    <div class="settings" role="group" aria-label={say("settings")}>
      <a href={withQuery(frame.here, "lang", other)} lang={other} hreflang={other}>
        {sayIn(other)("languageName")}
      </a>
      {frame.theme !== "dark" && (
        <a
          class={frame.theme === null ? "in-light" : ""}
          href={withQuery(frame.here, "theme", "dark")}
        >
          {say("dark")}
        </a>
      )}
      {frame.theme !== "light" && (
        <a
          class={frame.theme === null ? "in-dark" : ""}
          href={withQuery(frame.here, "theme", "light")}
        >
          {say("light")}
        </a>
      )}
      {frame.logOutToken !== null && (
        <form method="post" action="/logout">
          <input type="hidden" name="csrf" value={frame.logOutToken} />
          <button class="plain" type="submit">{say("logOut")}</button>
        </form>
      )}
    </div>
  );
}

function withQuery(here: string, name: string, value: string): string {
  const url = new URL(here, "http://proxy");
  url.searchParams.set(name, value);
  return url.pathname + url.search;
}

/** What a page shows where there is nothing to show. */
export function Empty({ title, hint }: { title: string; hint: string }): View {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      <p>{hint}</p>
    </div>
  );
}

/** A number with what it is. */
export function Tile({ name, value, id }: { name: string; value: string; id?: string }): View {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd {...(id === undefined ? {} : { id })}>{value}</dd>
    </div>
  );
}
