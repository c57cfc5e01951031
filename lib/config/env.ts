/**
 * The environment as a source of configuration. Most variables of a process are not ours, so an
 * unknown one is a fault only where it looks like a key that was mistyped.
 */
import { addValue, createRawConfig, type RawConfig, readKey } from "./raw.ts";

const OUR_PREFIXES = ["UPSTREAM_", "CACHE_", "REDIRECT_", "LOG_"];

/** Reads the variables that are keys, and tells of those that nearly are. */
export function readEnvironment(env: Readonly<Record<string, string>>): RawConfig {
  const config = createRawConfig();
  for (const [key, value] of Object.entries(env)) {
    const meaning = readKey(key);
    if (meaning.kind !== "unknown") {
      addValue(config, meaning, key, { text: value, label: key });
    } else if (
      meaning.suggestion !== undefined && OUR_PREFIXES.some((prefix) => key.startsWith(prefix))
    ) {
      const advice = `there is no such key; did you mean ${meaning.suggestion}?`;
      config.faults.push({ key, received: null, advice });
    }
  }
  return config;
}
