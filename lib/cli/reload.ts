/**
 * A new configuration for a proxy that runs: read and checked first, then in effect as a whole or not
 * at all.
 */
import { getLogger } from "@logtape/logtape";
import type { Config } from "../config/config.ts";
import { ConfigError, type LoadedConfig } from "../config/load.ts";
import { describeCause } from "../log.ts";
import { configValues } from "./describe_config.ts";

const log = getLogger(["entrepot", "config"]);

/** What a reload works with. */
export interface ReloadOptions {
  /** The configuration in effect at the start. */
  readonly config: Config;
  /** Reads environment and files again. @throws {ConfigError} with all faults. */
  readonly load: () => LoadedConfig;
  /** Puts it into effect. @throws where it cannot be, and then nothing has changed. */
  readonly apply: (config: Config) => void;
  readonly onResult: (result: "applied" | "refused") => void;
}

/** Reads the configuration again, for a reason that the log tells. Never throws. */
export type Reload = (reason: string) => void;

/** Makes the reload. */
export function createReload(options: ReloadOptions): Reload {
  let { config } = options;

  return function reload(reason) {
    let loaded: LoadedConfig;
    try {
      loaded = options.load();
      refuseWhatNeedsRestart(config, loaded.config);
      options.apply(loaded.config);
    } catch (error) {
      options.onResult("refused");
      log.error("{reason}: the configuration stays as it was: {cause}", {
        reason,
        cause: error instanceof ConfigError ? error.message : describeCause(error),
      });
      return;
    }
    const changed = changedKeys(configValues(config), configValues(loaded.config));
    config = loaded.config;
    options.onResult("applied");
    for (const warning of loaded.warnings) log.warn("{warning}", { warning });
    log.info("{reason}: the configuration was read again, changed: {changed}", {
      reason,
      changed: changed.join(", ") || "nothing but secrets, if anything",
    });
  };
}

/** @throws {ConfigError} for what a process that runs cannot change. */
function refuseWhatNeedsRestart(before: Config, after: Config): void {
  const fixed = (config: Config): Record<string, unknown> => ({
    HOST: config.listen.host,
    PORT: config.listen.port,
    CACHE_ENABLED: config.cache.enabled,
    CACHE_DIR: config.cache.dir,
  });
  const now = fixed(before);
  const faults = Object.entries(fixed(after))
    .filter(([key, value]) => value !== now[key])
    .map(([key, value]) => ({
      key,
      received: JSON.stringify(value),
      advice: `restart to change it, or write ${JSON.stringify(now[key])} again`,
    }));
  if (faults.length > 0) throw new ConfigError(faults);
}

/** The keys whose values differ, those of upstreams as `upstreams.docker.tagTtl`. */
function changedKeys(before: unknown, after: unknown, path = ""): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (!isRecord(before) || !isRecord(after)) return [path];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
    changedKeys(before[key], after[key], path === "" ? key : `${path}.${key}`)
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
