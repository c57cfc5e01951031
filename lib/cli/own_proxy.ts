/**
 * The proxy of a configuration, for commands that go through it: the one that is running, or else
 * one of this process alone, on a port that nobody knows.
 */
import { openCache } from "../cache/open_cache.ts";
import type { Config } from "../config/config.ts";
import { ownUrl } from "../config/own_url.ts";
import { NO_TRACING } from "../tracing.ts";
import type { CliDependencies } from "./command.ts";
import { compose } from "./compose.ts";
import { createLasting } from "./lasting.ts";

/** Lends the base URL of a proxy to `use`, and ends what it began. */
export async function withProxy<Result>(
  config: Config,
  { fetch }: CliDependencies,
  use: (base: URL) => Promise<Result>,
): Promise<Result> {
  const base = ownUrl(config.listen);
  if (await answers(new URL("/healthz", base), fetch)) return await use(base);
  using cache = openCache(config.cache);
  const lifetime = new AbortController();
  const lasting = createLasting({
    listen: config.listen,
    cache,
    hosts: () => [],
    tracing: NO_TRACING,
    lifetime: lifetime.signal,
  });
  const { handler, fills } = compose(config, lasting, lifetime.signal);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  try {
    return await use(new URL(`http://127.0.0.1:${server.addr.port}`));
  } finally {
    await fills.idle();
    lifetime.abort(new Error("the command has ended"));
    await server.shutdown();
  }
}

async function answers(url: URL, fetch: CliDependencies["fetch"]): Promise<boolean> {
  try {
    const response = await fetch(url.href, { signal: AbortSignal.timeout(2000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    // Nobody listens: then this process does.
    return false;
  }
}
