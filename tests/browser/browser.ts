/** A real Chromium before the pages, and what every page is held to. */
import axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { assertEquals } from "../support/assert.ts";
import { findCommand, has } from "../support/components.ts";

/** Whether there is no browser; for `ignore`. */
export const noBrowser = !has("chromium");

/** How a page is looked at. */
export interface View {
  readonly width: 1280 | 390;
  readonly theme: "light" | "dark";
  readonly language: "en" | "zh";
}

/** Every way to look at a page. */
export const VIEWS: readonly View[] = ([1280, 390] as const).flatMap((width) =>
  (["light", "dark"] as const).flatMap((theme) =>
    (["en", "zh"] as const).map((language): View => ({ width, theme, language }))
  )
);

/** A running browser. */
export class TestBrowser implements AsyncDisposable {
  readonly #browser: Browser;

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  /** A visitor with cookies of its own; the caller closes it. */
  async visit(view: View, options: { javaScriptEnabled?: boolean } = {}): Promise<Visitor> {
    const context = await this.#browser.newContext({
      viewport: { width: view.width, height: 860 },
      colorScheme: view.theme,
      locale: view.language === "zh" ? "zh-CN" : "en-GB",
      ...options,
    });
    const page = await context.newPage();
    return new Visitor(context, page);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

/** One visitor's page. */
export class Visitor implements AsyncDisposable {
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #complaints: string[] = [];

  constructor(context: BrowserContext, page: Page) {
    this.page = page;
    this.#context = context;
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        this.#complaints.push(message.text());
      }
    });
    page.on("pageerror", (error) => this.#complaints.push(String(error)));
    page.on("requestfailed", (request) => {
      const isLeft = request.failure()?.errorText === "net::ERR_ABORTED";
      if (!isLeft) this.#complaints.push(`${request.url()}: ${request.failure()?.errorText}`);
    });
  }

  /** Asserts that neither the page nor the browser has complained, and forgets nothing. */
  assertQuiet(where: string): void {
    assertEquals(this.#complaints, [], where);
  }

  /** Asserts that axe-core finds nothing, and that nothing is cut off at the side. */
  async assertAccessible(where: string): Promise<void> {
    // By the debugger's own channel, for the pages' policy lets no foreign script in.
    await this.page.evaluate(axe.source);
    const found: { id: string; nodes: string[] }[] = await this.page.evaluate(
      "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => ({ id, nodes: " +
        "nodes.map(({ html, failureSummary }) => html.slice(0, 160) + ' ' + failureSummary) })))",
    );
    assertEquals(found, [], where);
    const overflow: number = await this.page.evaluate(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    assertEquals(overflow, 0, `${where}: it is wider than the window`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
  }
}

/** Starts the browser. */
export async function startBrowser(): Promise<TestBrowser> {
  const executablePath = findCommand("chromium") ?? "chromium";
  // Its sandbox wants a user that is not root, which containers seldom have.
  const args = Deno.uid() === 0 ? ["--no-sandbox"] : [];
  return new TestBrowser(await chromium.launch({ executablePath, args }));
}
