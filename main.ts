/** The program: the command line, given the world. */
import { runCli } from "./lib/cli/main_cli.ts";
import { serve } from "./lib/cli/serve.ts";

const encoder = new TextEncoder();

if (import.meta.main) {
  const code = await runCli(Deno.args, {
    serve,
    env: Deno.env.toObject(),
    readTextFile: (path) => Deno.readTextFileSync(path),
    stdout: (text) => void Deno.stdout.writeSync(encoder.encode(text)),
    stderr: (text) => void Deno.stderr.writeSync(encoder.encode(text)),
    fetch: (input, init) => fetch(input, init),
  });
  // At once: connections that clients keep open would keep the process.
  Deno.exit(code);
}
