/** `entrepot serve`: composes the parts from a configuration, serves, and drains on a signal. */
import { getLogger } from "@logtape/logtape";
import { type Cache, openCache } from "../cache/open_cache.ts";
import type { Config } from "../config/config.ts";
import { configureLog, describeCause, flushLog } from "../log.ts";
import type { Fills } from "../pull/fills.ts";
import { VERSION } from "../version.ts";
import { listen, type Listener } from "../web/listener.ts";
import { compose } from "./compose.ts";

const log = getLogger(["entrepot"]);

/**
 * Serves until SIGTERM or SIGINT, lets transfers finish for the grace time, and resolves with the
 * process's exit code.
 */
export async function serve(config: Config, warnings: readonly string[]): Promise<number> {
  configureLog(config.log);
  for (const warning of warnings) log.warn("{warning}", { warning });
  const lifetime = new AbortController();
  let opened: Cache;
  try {
    opened = openCache(config.cache);
  } catch (error) {
    log.error("CACHE_DIR {dir} cannot be used: {cause}; name a folder that can be written", {
      dir: config.cache.dir,
      cause: describeCause(error),
    });
    await flushLog();
    return 1;
  }
  using cache = opened;
  const readiness = { isDraining: false };
  const { handler, fills, warm } = compose(config, cache, lifetime.signal, readiness);

  let server: Listener;
  try {
    server = listen({
      hostname: config.listen.host,
      port: config.listen.port,
      onListen: ({ hostname, port }) =>
        log.info("entrepot {version} listens on {hostname}:{port}", {
          version: VERSION,
          hostname,
          port,
          upstream: config.defaultUpstream?.registry ?? null,
          domain: config.customDomain,
        }),
    }, handler);
  } catch (error) {
    log.error("cannot listen on {host}:{port}: {cause}; choose another PORT or HOST", {
      ...config.listen,
      cause: describeCause(error),
    });
    await flushLog();
    return 1;
  }
  warm.begin();
  await signalled();
  readiness.isDraining = true;
  await drain(server, fills, lifetime, config.timeouts.shutdownGraceSeconds);
  await flushLog();
  return 0;
}

/** Resolves at the first signal that asks the process to end. */
function signalled(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const signals: Deno.Signal[] = ["SIGTERM", "SIGINT"];
  const end = (): void => {
    for (const signal of signals) Deno.removeSignalListener(signal, end);
    resolve();
  };
  for (const signal of signals) Deno.addSignalListener(signal, end);
  return promise;
}

/** Takes no more requests, lets transfers finish, and ends what is left after the grace time. */
async function drain(
  server: Listener,
  fills: Fills,
  lifetime: AbortController,
  graceSeconds: number,
): Promise<void> {
  log.info("draining: {fills} fills under way, up to {graceSeconds} s", {
    fills: fills.active,
    graceSeconds,
  });
  const finished = server.shutdown().then(() => fills.idle());
  const grace = Promise.withResolvers<"late">();
  const timer = setTimeout(() => grace.resolve("late"), graceSeconds * 1000);
  const outcome = await Promise.race([finished.then(() => "finished" as const), grace.promise]);
  clearTimeout(timer);
  lifetime.abort(new Error("the proxy is shutting down"));
  if (outcome === "late") log.warn("transfers were cut by the end of SHUTDOWN_GRACE");
  log.info("ended");
}
