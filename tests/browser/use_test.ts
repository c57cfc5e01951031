import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { has } from "../support/components.ts";
import { startDockerd } from "../support/dockerd.ts";
import { waitFor } from "../support/process.ts";
import { startBench } from "../integration/pulling.ts";
import { noBrowser, startBrowser } from "./browser.ts";
import { fillPages, holdTransfer } from "./scene.ts";

const WIDE = { width: 1280, theme: "light", language: "en" } as const;
const TOKEN = "correct-horse-battery";
const ignore = noBrowser || !has("docker-registry") || !has("openssl");

Deno.test({
  name: "a pull moves its progress bar while the page is open",
  ignore,
  async fn() {
    await using bench = await fillPages();
    await using browser = await startBrowser();
    await using visitor = await browser.visit(WIDE);
    const { page } = visitor;
    await page.goto(`${bench.product.url}/live`);
    assertEquals(await page.locator("progress").count(), 0);
    const held = await holdTransfer(bench, "library/big");
    await page.waitForSelector("progress");
    const value = () => page.locator("progress").first().getAttribute("value").then(Number);
    const half = await value();
    assert(half > held.layer.size * 0.4 && half < held.layer.size * 0.6, `${half}`);
    assertMatch(await page.locator("tbody").textContent() ?? "", /library\/big.*127\.0\.0\.1/s);
    held.advance();
    await waitFor("the bar has moved", async () => await value() > held.layer.size * 0.7);
    await held.finish();
    await page.waitForSelector(".empty");
    visitor.assertQuiet("/live");
  },
});

for (const javaScriptEnabled of [true, false]) {
  Deno.test({
    name: `purge removes an image after a question ${
      javaScriptEnabled ? "" : "without a script "
    }and pin keeps one`,
    ignore,
    async fn() {
      await using bench = await fillPages();
      await using browser = await startBrowser();
      await using visitor = await browser.visit(WIDE, { javaScriptEnabled });
      const { page } = visitor;
      await page.goto(`${bench.product.url}/cache?search=tools`);
      await page.getByRole("link", { name: "Pin: docker.io/library/tools:1" }).click();
      await page.getByRole("button", { name: "Pin" }).click();
      assertMatch(await page.getByRole("status").textContent() ?? "", /^Pinned docker\.io/);
      await page.getByRole("link", { name: "Purge: docker.io/library/tools:1" }).click();
      assertEquals(await page.textContent("h1"), "Purge this image?");
      const before = JSON.parse((await bench.ask("/api/v1/images?search=tools")).text);
      assertEquals([before.total, before.images[0].isPinned], [1, true]);
      await page.getByRole("button", { name: "Purge" }).click();
      assertMatch(await page.getByRole("status").textContent() ?? "", /KiB freed/);
      assertEquals(await page.getByText("library/tools", { exact: false }).count(), 1);
      const after = JSON.parse((await bench.ask("/api/v1/images?search=tools")).text);
      assertEquals(after.total, 0);
    },
  });
}

Deno.test({
  name: "the command that is copied from the start page pulls",
  ignore: ignore || !has("dockerd"),
  async fn() {
    await using bench = await fillPages();
    await using docker = await startDockerd();
    await using browser = await startBrowser();
    await using visitor = await browser.visit(WIDE);
    const { page } = visitor;
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.goto(bench.product.url);
    await page.getByLabel("Docker, by name").check();
    await page.getByLabel("Image").fill("app:1");
    await page.getByLabel("Image").press("Enter");
    await page.getByText("library/app:1").waitFor();
    await page.getByRole("button", { name: /^Copy/ }).first().click();
    await page.getByRole("button", { name: /^Copy/ }).getByText("Copied").waitFor();
    const command: string = await page.evaluate("navigator.clipboard.readText()");
    assertEquals(command, `docker pull ${bench.product.host}/docker.io/library/app:1`);
    const { code, stdout, stderr } = await docker.docker(...command.split(" ").slice(1));
    assertEquals(code, 0, stdout + stderr);
    visitor.assertQuiet("/");
  },
});

Deno.test({
  name: "with a token the pages ask for a login, whose cookie no script reads",
  ignore,
  async fn() {
    await using bench = await startBench({ env: { ADMIN_TOKEN: TOKEN } });
    await using browser = await startBrowser();
    await using visitor = await browser.visit(WIDE);
    const { page } = visitor;
    await page.goto(`${bench.product.url}/cache?search=x`);
    assertEquals(await page.textContent("h1"), "Log in");
    await visitor.assertAccessible("/login");
    await page.getByLabel("Token").fill("not the token at all");
    await page.getByRole("button", { name: "Log in" }).click();
    assertEquals(await page.getByRole("alert").textContent(), "This is not the token.");
    await page.getByLabel("Token").fill(TOKEN);
    await page.getByRole("button", { name: "Log in" }).click();
    assertEquals(page.url(), `${bench.product.url}/cache?search=x`);
    const [cookie] = await page.context().cookies();
    assertEquals([cookie?.httpOnly, cookie?.sameSite], [true, "Strict"]);
    assert(!cookie?.value.includes(TOKEN));
    const isForged: number = await page.evaluate(
      "fetch('/api/v1/images?image=x:1', { method: 'DELETE' }).then(({ status }) => status)",
    );
    assertEquals(isForged, 403);
    await page.getByRole("button", { name: "Log out" }).click();
    await page.goto(`${bench.product.url}/live`);
    assertEquals(await page.textContent("h1"), "Log in");
  },
});
