/** The program as one file: everything that it needs goes into it. */
import { join } from "node:path";
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { PROJECT, startCommand, startEntrepot } from "../support/entrepot.ts";
import { runOk } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";

async function taskWords(name: string): Promise<string[]> {
  const config: { tasks: Record<string, string> } = JSON.parse(
    await Deno.readTextFile(join(PROJECT, "deno.json")),
  );
  const words: string[] = config.tasks[name]?.match(/(?:[^\s']|'[^']*')+/g) ?? [];
  return words.slice(1).map((word) => word.replaceAll("'", ""));
}

Deno.test("the compile task embeds the program, with the permissions of the start task", async () => {
  await using folder = await tempDir("compile");
  const output = folder.join("entrepot");
  const words = await taskWords("compile");
  const args = words.map((word) => word === "entrepot" ? output : word);
  // The runtime that is embedded is fetched elsewhere; this one shows that all else works.
  await runOk(Deno.execPath(), args, {
    cwd: PROJECT,
    env: { DENORT_BIN: Deno.execPath(), HOME: Deno.env.get("HOME") ?? "" },
    timeoutMs: 180_000,
  });
  assert((await Deno.stat(output)).size > 10 << 20);
  const permissions = (all: string[]) => all.filter((word) => /^--(allow|deny|v8)/.test(word));
  assertEquals(permissions(words), permissions(await startCommand()));
});

Deno.test("what is compiled serves: registry, pages with their files, and metrics", async () => {
  await using folder = await tempDir("bundle");
  const bundle = folder.join("entrepot.mjs");
  await runOk(Deno.execPath(), ["bundle", "--platform=deno", "--output", bundle, "main.ts"], {
    cwd: PROJECT,
    env: { HOME: Deno.env.get("HOME") ?? "" },
    timeoutMs: 180_000,
  });
  const [deno, ...args] = (await startCommand()).slice(0, -1);
  assert(deno !== undefined);
  await using product = await startEntrepot({ command: [deno, ...args, bundle] });
  const page = await (await fetch(product.url, { headers: { accept: "text/html" } })).text();
  const [style] = /\/assets\/[\w.-]+\.css/.exec(page) ?? [];
  for (const path of [style ?? "no style", "/metrics", "/readyz", "/v2/"]) {
    const response = await fetch(product.url + path);
    const text = await response.text();
    assert(path === "/v2/" || response.status === 200, `${path}: ${response.status} ${text}`);
    if (path === "/metrics") assertStringIncludes(text, "entrepot_build_info");
  }
});
