/** `entrepot serve`: serves by a configuration and its changes, and drains on a signal. */
import { getLogger } from "@logtape/logtape";
import { type Cache, openCache } from "../cache/open_cache.ts";
import type { Config } from "../config/config.ts";
import type { LoadedConfig } from "../config/load.ts";
import { configureLog, describeCause, flushLog } from "../log.ts";
import { createTracing, NO_TRACING, type Tracing } from "../tracing.ts";
import { VERSION } from "../version.ts";
import { listen, type Listener } from "../web/listener.ts";
import { compose } from "./compose.ts";
import { createGenerations, type Generation, type Generations } from "./generations.ts";
import { createLasting, type Lasting } from "./lasting.ts";
import { createReload } from "./reload.ts";
import { watchFile } from "./watch_file.ts";

const log = getLogger(["entrepot"]);

/** Where a configuration comes from. */
export interface ConfigSource {
  /** Reads it. @throws {ConfigError} with all faults. */
  load(): LoadedConfig;
  /** The file that is part of it, or null. */
  readonly file: string | null;
}

/**
 * Serves until SIGTERM or SIGINT, lets transfers finish for the grace time, and resolves with the
 * process's exit code. SIGHUP, and a change of the file, have the configuration read again.
 */
export async function serve(
  { config, warnings }: LoadedConfig,
  source: ConfigSource,
): Promise<number> {
  configureLog(config.log);
  for (const warning of warnings) log.warn("{warning}", { warning });
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
  const lifetime = new AbortController();
  const lasting = createLasting({
    listen: config.listen,
    cache,
    hosts: () => generations.current.hosts(),
    tracing: await openTracing(),
    lifetime: lifetime.signal,
  });
  const generations = createGenerations(generationOf(config, lasting));

  let server: Listener;
  try {
    server = startListening(config, generations);
  } catch (error) {
    log.error("cannot listen on {host}:{port}: {cause}; choose another PORT or HOST", {
      ...config.listen,
      cause: describeCause(error),
    });
    await flushLog();
    return 1;
  }
  lasting.warm.schedule(config.warm);
  let { shutdownGraceSeconds } = config.timeouts;
  const reload = createReload({
    config,
    load: source.load,
    apply(next) {
      generations.replace(generationOf(next, lasting));
      cache.configure(next.cache);
      configureLog(next.log);
      lasting.warm.schedule(next.warm);
      ({ shutdownGraceSeconds } = next.timeouts);
    },
    onResult: lasting.metrics.noteReload,
  });
  if (source.file !== null) {
    const { file } = source;
    watchFile(file, () => reload(`${file} has changed`), lifetime.signal);
  }
  Deno.addSignalListener("SIGHUP", () => reload("SIGHUP"));

  await signalled();
  lasting.readiness.isDraining = true;
  await drain(server, generations, shutdownGraceSeconds);
  lifetime.abort(new Error("the proxy is shutting down"));
  await flushLog();
  return 0;
}

/** Loads what spans are made with only where somebody collects them. */
async function openTracing(): Promise<Tracing> {
  if (Deno.env.get("OTEL_DENO") !== "true") return NO_TRACING;
  const { trace } = await import("@opentelemetry/api");
  return createTracing(trace);
}

function generationOf(config: Config, lasting: Lasting): Generation {
  const lifetime = new AbortController();
  return { composition: compose(config, lasting, lifetime.signal), lifetime };
}

/** @throws where it cannot listen. */
function startListening(config: Config, { handler }: Generations): Listener {
  return listen({
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
  generations: Generations,
  graceSeconds: number,
): Promise<void> {
  log.info("draining: {fills} fills under way, up to {graceSeconds} s", {
    fills: generations.current.fills.active,
    graceSeconds,
  });
  const finished = server.shutdown().then(() => generations.idle());
  const grace = Promise.withResolvers<"late">();
  const timer = setTimeout(() => grace.resolve("late"), graceSeconds * 1000);
  const outcome = await Promise.race([finished.then(() => "finished" as const), grace.promise]);
  clearTimeout(timer);
  generations.end(new Error("the proxy is shutting down"));
  if (outcome === "late") log.warn("transfers were cut by the end of SHUTDOWN_GRACE");
  log.info("ended");
}
