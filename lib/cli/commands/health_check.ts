/**
 * `health-check`: asks the server of the same configuration whether it is alive.
 */
import type { Config } from "../../config/config.ts";
import { ownUrl } from "../../config/own_url.ts";
import { describeCause } from "../../log.ts";
import {
  type CliDependencies,
  type Command,
  EXIT,
  parseCommandLine,
  readConfig,
} from "../command.ts";

const TIMEOUT_MS = 5000;

/** Asks the running server. */
export const healthCheckCommand: Command = {
  name: "health-check",
  aliases: ["-health-check", "--health-check"],
  summary: "ask the running server for its health; for HEALTHCHECK in containers",
  options: {},
  details: "Exit codes: 0, or 1 where it is not healthy.",
  run(args, dependencies) {
    parseCommandLine(args, {}, { least: 0, most: 0 });
    return checkHealth(readConfig(dependencies).config.listen, dependencies);
  },
};

/** Resolves with 0 where the server at this address answers that it is healthy, else with 1. */
async function checkHealth(
  listen: Config["listen"],
  { fetch, stdout, stderr }: CliDependencies,
): Promise<number> {
  const url = new URL("/healthz", ownUrl(listen)).href;
  let reason: string;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    await response.body?.cancel();
    if (response.ok) {
      stdout("healthy\n");
      return EXIT.ok;
    }
    reason = `answered ${response.status}`;
  } catch (error) {
    reason = describeCause(error);
  }
  stderr(`entrepot: not healthy: ${url}: ${reason}\n`);
  return EXIT.failure;
}
