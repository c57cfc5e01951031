import { assert, assertEquals } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { noBrowser, startBrowser, VIEWS } from "./browser.ts";
import { fillPages } from "./scene.ts";

const PAGES = [
  "/",
  "/?engine=containerd&registry=docker.io&image=nginx",
  "/?engine=podman&registry=ghcr.io&image=owner/app:1",
  "/?engine=docker-mirror&image=NOT%20AN%20IMAGE",
  "/live",
  "/cache",
  "/cache?search=nothing-is-called-so",
  "/cache/confirm?action=purge&image=docker.io%2Flibrary%2Fapp%3A1",
  "/traffic",
  "/traffic?period=week",
  "/upstreams",
];
const ignore = noBrowser || !has("docker-registry") || !has("openssl");

for (const view of VIEWS) {
  Deno.test({
    name: `every page is whole and accessible at ${view.width} px, ${view.theme}, ${view.language}`,
    ignore,
    async fn() {
      await using bench = await fillPages();
      await using browser = await startBrowser();
      await using visitor = await browser.visit(view);
      const { page } = visitor;
      for (const path of PAGES) {
        const response = await page.goto(bench.product.url + path);
        assertEquals(response?.status(), 200, path);
        if (path.startsWith("/traffic")) await page.waitForSelector(".chart canvas");
        assertEquals(await page.getAttribute("html", "lang"), view.language);
        assert((await page.textContent("h1"))?.trim() !== "");
        await visitor.assertAccessible(path);
        visitor.assertQuiet(path);
      }
    },
  });
}

Deno.test({
  name: "language and colours are chosen by links and kept, without a script too",
  ignore,
  async fn() {
    await using bench = await fillPages();
    await using browser = await startBrowser();
    const view = { width: 1280, theme: "light", language: "en" } as const;
    await using visitor = await browser.visit(view, { javaScriptEnabled: false });
    const { page } = visitor;
    await page.goto(`${bench.product.url}/cache?search=app`);
    await page.getByRole("link", { name: "中文" }).click();
    assertEquals(await page.getAttribute("html", "lang"), "zh");
    assert(page.url().endsWith("/cache?search=app"), page.url());
    await page.getByRole("link", { name: "深色" }).click();
    assertEquals(await page.getAttribute("html", "data-theme"), "dark");
    await page.goto(`${bench.product.url}/`);
    assertEquals(await page.getAttribute("html", "lang"), "zh");
    assertEquals(await page.getAttribute("html", "data-theme"), "dark");
  },
});

Deno.test({
  name: "the first page is less than 100 KB with all its files",
  ignore,
  async fn() {
    await using bench = await fillPages();
    await using browser = await startBrowser();
    await using visitor = await browser.visit({ width: 1280, theme: "light", language: "en" });
    const asked = new Set<string>();
    visitor.page.on("request", (request) => asked.add(new URL(request.url()).pathname));
    await visitor.page.goto(bench.product.url, { waitUntil: "networkidle" });
    assert(asked.size >= 4, [...asked].join());
    // Asked again: the browser does not keep every body for who looks on.
    let bytes = 0;
    for (const path of asked) {
      bytes += (await bench.ask(path, { headers: { accept: "text/html" } })).bytes.length;
    }
    assert(bytes > 5_000 && bytes < 100_000, `${bytes} bytes`);
  },
});
