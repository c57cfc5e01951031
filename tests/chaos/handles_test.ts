/** More connections than the process may have file handles. */
import { join } from "node:path";
import { assert, assertGreater } from "../support/assert.ts";
import { freePort } from "../support/ports.ts";
import { startProcess, waitFor } from "../support/process.ts";
import { say } from "./chance.ts";

const HANDLES = 200;
const CLIENTS = 300;

async function isAnswered(url: string): Promise<boolean> {
  try {
    return await (await fetch(url)).text() === "here";
  } catch {
    // Refused or cut; the caller decides what that means.
    return false;
  }
}

Deno.test("running out of file handles does not end listening", async () => {
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const program = join(import.meta.dirname ?? ".", "handles_main.ts");
  const flags = ["run", "--no-prompt", "--allow-net", "--allow-read", "--allow-env"];
  await using _server = await startProcess("listener", "sh", {
    args: [
      "-c",
      `ulimit -n ${HANDLES}; exec "$@"`,
      "sh",
      Deno.execPath(),
      ...flags,
      program,
      `${port}`,
    ],
    isReady: () => isAnswered(url),
  });
  const crowd = await Promise.all(
    Array.from({ length: CLIENTS }, () => isAnswered(`${url}/slow`)),
  );
  const answered = crowd.filter(Boolean).length;
  assert(answered < CLIENTS, `${HANDLES} handles were enough`);
  assertGreater(answered, 0);
  say(`${HANDLES} handles: ${answered} of ${CLIENTS} clients at once were answered`);
  await waitFor("it is listening again", () => isAnswered(url), 30_000);
});
