/**
 * `health-check`: asks the server of the same configuration whether it is alive.
 */
import type { Config } from "../config/config.ts";
import { describeCause } from "../log.ts";

const TIMEOUT_MS = 5000;

/** What the check works with. */
export interface HealthCheckDependencies {
  readonly fetch: (input: string, init: RequestInit) => Promise<Response>;
  stdout(text: string): void;
  stderr(text: string): void;
}

/** Resolves with 0 where the server at this address answers that it is healthy, else with 1. */
export async function checkHealth(
  listen: Config["listen"],
  { fetch, stdout, stderr }: HealthCheckDependencies,
): Promise<number> {
  const url = `http://${hostToAsk(listen.host)}:${listen.port}/healthz`;
  let reason: string;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    await response.body?.cancel();
    if (response.ok) {
      stdout("healthy\n");
      return 0;
    }
    reason = `answered ${response.status}`;
  } catch (error) {
    reason = describeCause(error);
  }
  stderr(`entrepot: not healthy: ${url}: ${reason}\n`);
  return 1;
}

/** "All addresses" is nothing that can be asked; the loopback address is one of them. */
function hostToAsk(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
