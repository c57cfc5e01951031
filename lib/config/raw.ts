/**
 * A configuration before it is understood: texts by key, each with the name under which its author
 * wrote it. Environment and file make one each; the environment's wins key by key.
 */
import { type ConfigFault, isSecretKey, suggestName } from "./fault.ts";
import { SETTING_KEYS, UPSTREAM_FIELD_NAMES } from "./schema.ts";

/** One value as it was written. */
export interface RawValue {
  readonly text: string;
  /** The key in its author's words, such as `upstreams.ghcr.url`. */
  readonly label: string;
}

/** The values of one source. */
export interface RawConfig {
  readonly settings: Map<string, RawValue>;
  /** By alias, then by field name such as `URL`. */
  readonly upstreams: Map<string, Map<string, RawValue>>;
  /** The entries of the list `warm`, each by field name such as `IMAGES`. */
  readonly warm: Map<string, RawValue>[];
  readonly faults: ConfigFault[];
}

/** What a key in upper case stands for. */
export type KeyMeaning =
  | { readonly kind: "setting" }
  | { readonly kind: "upstream"; readonly alias: string; readonly field: string }
  /** Nothing that is known; `suggestion` is a known key that looks like it. */
  | { readonly kind: "unknown"; readonly suggestion: string | undefined };

/** Returns an empty configuration. */
export function createRawConfig(): RawConfig {
  return { settings: new Map(), upstreams: new Map(), warm: [], faults: [] };
}

/** Tells what a key in upper case stands for. */
export function readKey(key: string): KeyMeaning {
  if (SETTING_KEYS.has(key)) return { kind: "setting" };
  for (const field of UPSTREAM_FIELD_NAMES) {
    const alias = key.startsWith("UPSTREAM_") && key.endsWith(`_${field}`)
      ? toAlias(key.slice("UPSTREAM_".length, -field.length - 1))
      : undefined;
    if (alias !== undefined) return { kind: "upstream", alias, field };
  }
  return { kind: "unknown", suggestion: suggestKey(key) };
}

/** Returns `k8s-gcr` for `K8S_GCR` or `k8s-gcr`; undefined where it cannot be a host's label. */
export function toAlias(text: string): string | undefined {
  const alias = text.toLowerCase().replaceAll("_", "-");
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(alias) ? alias : undefined;
}

/** Returns the environment variable of an upstream's field. */
export function upstreamKey(alias: string, field: string): string {
  return `UPSTREAM_${alias.toUpperCase().replaceAll("-", "_")}_${field}`;
}

/**
 * Adds a value under what its key stands for. Space around it is dropped, except around secrets;
 * an empty value is as if it were not there.
 */
export function addValue(
  config: RawConfig,
  meaning: KeyMeaning,
  key: string,
  written: RawValue,
): void {
  const text = isSecretKey(key) ? written.text : written.text.trim();
  if (text === "" || meaning.kind === "unknown") return;
  const value = { text, label: written.label };
  const isUpstream = meaning.kind === "upstream";
  const values = isUpstream ? fieldsOf(config, meaning.alias) : config.settings;
  const name = isUpstream ? meaning.field : key;
  const earlier = values.get(name);
  if (earlier === undefined) values.set(name, value);
  else {
    const advice = `says the same as ${earlier.label}; keep one of them`;
    config.faults.push({ key: value.label, received: null, advice });
  }
}

/** Returns the alias's fields, making them where there are none. */
export function fieldsOf(config: RawConfig, alias: string): Map<string, RawValue> {
  const fields = config.upstreams.get(alias) ?? new Map<string, RawValue>();
  config.upstreams.set(alias, fields);
  return fields;
}

/** Joins two sources; where both have a key, `winner` decides. */
export function mergeRawConfigs(loser: RawConfig, winner: RawConfig): RawConfig {
  const merged = createRawConfig();
  merged.faults.push(...loser.faults, ...winner.faults);
  merged.warm.push(...loser.warm, ...winner.warm);
  for (const config of [loser, winner]) {
    for (const [key, value] of config.settings) merged.settings.set(key, value);
  }
  for (const alias of new Set([...loser.upstreams.keys(), ...winner.upstreams.keys()])) {
    const winning = winner.upstreams.get(alias);
    const fields = fieldsOf(merged, alias);
    for (const [field, value] of loser.upstreams.get(alias) ?? []) fields.set(field, value);
    // A password and a password file are two ways to say one thing.
    if (winning?.has("PASSWORD") || winning?.has("PASSWORD_FILE")) {
      fields.delete("PASSWORD");
      fields.delete("PASSWORD_FILE");
    }
    for (const [field, value] of winning ?? []) fields.set(field, value);
  }
  return merged;
}

function suggestKey(key: string): string | undefined {
  const setting = suggestName(key, SETTING_KEYS);
  if (setting !== undefined) return setting;
  // UPSTREAM_<ALIAS>_<FIELD>: the alias is free, so only the field can be compared.
  const words = key.startsWith("UPSTREAM_") ? key.slice("UPSTREAM_".length).split("_") : [];
  for (let fieldWords = 1; fieldWords <= 2 && fieldWords < words.length; fieldWords++) {
    const alias = words.slice(0, -fieldWords).join("_");
    const field = suggestName(words.slice(-fieldWords).join("_"), UPSTREAM_FIELD_NAMES);
    if (field !== undefined) return `UPSTREAM_${alias}_${field}`;
  }
  return undefined;
}
