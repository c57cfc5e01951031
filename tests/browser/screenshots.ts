/** Makes `docs/screenshots/`: every page, wide and light, and as a phone shows it in the dark. */
import { join } from "node:path";
import { PROJECT } from "../support/entrepot.ts";
import { startBrowser, type View } from "./browser.ts";
import { fillPages, holdTransfer } from "./scene.ts";

const FOLDER = join(PROJECT, "docs", "screenshots");
const PAGES = {
  start: "/?engine=containerd&registry=ghcr.io&image=owner/app:1.2",
  live: "/live",
  cache: "/cache",
  traffic: "/traffic",
  upstreams: "/upstreams",
} as const;
const VIEWS: Readonly<Record<string, View>> = {
  wide: { width: 1280, theme: "light", language: "en" },
  phone: { width: 390, theme: "dark", language: "zh" },
};

async function main(): Promise<void> {
  await Deno.mkdir(FOLDER, { recursive: true });
  await using bench = await fillPages();
  await using browser = await startBrowser();
  const held = await holdTransfer(bench, "library/big");
  for (const [viewName, view] of Object.entries(VIEWS)) {
    await using visitor = await browser.visit(view);
    for (const [name, path] of Object.entries(PAGES)) {
      await visitor.page.goto(bench.product.url + path);
      if (name === "traffic") await visitor.page.waitForSelector(".chart canvas");
      if (name === "live") await visitor.page.waitForSelector("progress");
      await visitor.page.screenshot({ path: join(FOLDER, `${name}-${viewName}.png`) });
    }
  }
  await held.finish();
}

if (import.meta.main) await main();
