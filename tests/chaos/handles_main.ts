/** A program that listens as the product does, and takes its time to answer: `handles_main.ts PORT`. */
import { listen } from "../../lib/web/listener.ts";
import { sleep } from "../support/process.ts";

// As the product does; the runtime needs handles for its first signal.
Deno.addSignalListener("SIGTERM", () => Deno.exit());
listen({ hostname: "127.0.0.1", port: Number(Deno.args[0]) }, async ({ url }) => {
  if (url.endsWith("/slow")) await sleep(2000);
  return new Response("here");
});
