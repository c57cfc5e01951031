import { assert, assertEquals } from "../support/assert.ts";
import { startEntrepot } from "../support/entrepot.ts";
import { open } from "./pulling.ts";

Deno.test("who follows the events does not keep the proxy from ending", async () => {
  await using product = await startEntrepot({ env: { SHUTDOWN_GRACE: "60s" } });
  const events = await open(`${product.url}/api/v1/events`);
  const reader = events.body?.getReader();
  assert(reader !== undefined);
  const first = await reader.read();
  assertEquals(new TextDecoder().decode(first.value), "event: transfers\ndata: []\n\n");
  product.kill("SIGTERM");
  assertEquals((await reader.read()).done, true);
  assertEquals((await product.status).code, 0);
  assert((await product.stdout()).includes("draining"));
  assert(!(await product.stdout()).includes("were cut"));
});
