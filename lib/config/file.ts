/**
 * The YAML file as a source of configuration: the environment's keys in `UPPER_SNAKE`,
 * `lower_snake` or `camelCase`, the map `upstreams`, `redirectRules` as a list or map, and the list
 * `warm`.
 */
import { parseDocument } from "yaml";
import { type ConfigFault, suggestName } from "./fault.ts";
import {
  addValue,
  createRawConfig,
  type RawConfig,
  type RawValue,
  readKey,
  toAlias,
} from "./raw.ts";
import { SETTING_KEYS, UPSTREAM_FIELD_NAMES, WARM_FIELD_NAMES } from "./schema.ts";

/** Reads the file's text. What is wrong with it is in `faults`; nothing is thrown. */
export function readConfigFile(path: string, yaml: string): RawConfig {
  const config = createRawConfig();
  // "failsafe" leaves every scalar as it is written: 0123 stays a password, 1e3 stays a name.
  const document = parseDocument(yaml, { schema: "failsafe", prettyErrors: true });
  if (document.errors.length > 0) {
    for (const error of document.errors) {
      // The text after the first line quotes the file, which may hold secrets.
      const [reason = "no valid YAML"] = error.message.split("\n");
      config.faults.push(fault(path, `correct the YAML: ${reason.replace(/:$/, "")}`));
    }
    return config;
  }
  let root: unknown;
  try {
    root = document.toJS({ maxAliasCount: 100 });
  } catch {
    // The one failure left after parsing: aliases that would unfold without bound.
    config.faults.push(fault(path, "use fewer YAML aliases"));
    return config;
  }
  if (root === null || root === "") return config;
  if (!isMap(root)) {
    config.faults.push(fault(path, "write a map of keys and values, such as `port: 8080`"));
    return config;
  }
  for (const [key, value] of Object.entries(root)) {
    if (key === "upstreams") readUpstreams(config, value);
    else if (key === "warm") readWarm(config, value);
    else readSetting(config, key, value);
  }
  return config;
}

function readSetting(config: RawConfig, written: string, value: unknown): void {
  const key = toUpperSnake(written);
  const meaning = readKey(key);
  if (meaning.kind === "unknown") {
    const near = meaning.suggestion === undefined &&
      suggestName(key, ["UPSTREAMS", ...SETTING_KEYS]);
    const suggestion = near || meaning.suggestion;
    config.faults.push(unknownKey(written, suggestion && likeWritten(suggestion, written)));
    return;
  }
  addText(config, meaning, key, written, toText(key, value));
}

function readUpstreams(config: RawConfig, upstreams: unknown): void {
  if (!isMap(upstreams)) {
    config.faults.push(fault("upstreams", "write a map from aliases to their settings"));
    return;
  }
  for (const [written, fields] of Object.entries(upstreams)) {
    const label = `upstreams.${written}`;
    const alias = toAlias(written);
    if (alias === undefined) {
      config.faults.push(fault(label, "write an alias of letters, digits and hyphens"));
    } else if (!isMap(fields)) {
      config.faults.push(fault(label, "write a map with url, registry, auth and so on"));
    } else readFields(config, alias, label, fields);
  }
}

function readFields(
  config: RawConfig,
  alias: string,
  label: string,
  fields: Record<string, unknown>,
): void {
  for (const [written, value] of Object.entries(fields)) {
    const field = toUpperSnake(written);
    const key = `${label}.${written}`;
    if (UPSTREAM_FIELD_NAMES.includes(field)) {
      const text = field === "ACCOUNTS" ? toJson(value) : value;
      addText(config, { kind: "upstream", alias, field }, field, key, text);
    } else {
      const suggestion = suggestName(field, UPSTREAM_FIELD_NAMES);
      config.faults.push(unknownKey(key, suggestion && likeWritten(suggestion, written)));
    }
  }
}

function readWarm(config: RawConfig, entries: unknown): void {
  if (!Array.isArray(entries) || !entries.every(isMap)) {
    config.faults.push(fault("warm", "write a list of maps with images, platforms and at"));
    return;
  }
  for (const [i, entry] of entries.entries()) {
    const fields = new Map<string, RawValue>();
    config.warm.push(fields);
    for (const [written, value] of Object.entries(entry)) {
      const field = toUpperSnake(written);
      const label = `warm[${i}].${written}`;
      const text = textOf(value);
      if (!WARM_FIELD_NAMES.includes(field)) {
        const suggestion = suggestName(field, WARM_FIELD_NAMES);
        config.faults.push(unknownKey(label, suggestion && likeWritten(suggestion, written)));
      } else if (text === undefined) config.faults.push(notText(label));
      else if (text.trim() !== "") fields.set(field, { text: text.trim(), label });
    }
  }
}

function addText(
  config: RawConfig,
  meaning: Parameters<typeof addValue>[1],
  key: string,
  label: string,
  value: unknown,
): void {
  const text = textOf(value);
  if (text === undefined) config.faults.push(notText(label));
  else addValue(config, meaning, key, { text, label });
}

/** One value, or a list of values as the environment would have it; undefined for all else. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const isList = Array.isArray(value) && value.every((entry) => typeof entry === "string");
  return isList ? value.join(",") : undefined;
}

function notText(label: string): ConfigFault {
  return fault(label, "write one value or a list of values");
}

/** What a person would rather write as a list or map, in the form of the environment. */
function toText(key: string, value: unknown): unknown {
  if (key === "REDIRECT_RULES") return toRules(value);
  if (key !== "TAG_TTL" || !isMap(value)) return value;
  return Object.entries(value).map(([pattern, ttl]) => `${pattern}=${String(ttl)}`);
}

/** Rules as a list of `host=mode`, a list of `{host, mode}`, or a map from host to mode. */
function toRules(value: unknown): unknown {
  if (isMap(value)) return Object.entries(value).map(([host, mode]) => `${host}=${String(mode)}`);
  if (!Array.isArray(value)) return value;
  return value.map((rule: unknown) => isMap(rule) ? `${rule["host"]}=${rule["mode"]}` : rule);
}

/** Accounts as a list of maps; as a text they are JSON, as in the environment. */
function toJson(value: unknown): unknown {
  return typeof value === "object" ? JSON.stringify(value) : value;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function toUpperSnake(key: string): string {
  return /[a-z]/.test(key) ? key.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase() : key;
}

/** The known key in the style in which its author writes keys. */
function likeWritten(key: string, written: string): string {
  if (!/[a-z]/.test(written)) return key;
  const lower = key.toLowerCase();
  return written.includes("_")
    ? lower
    : lower.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
}

function unknownKey(key: string, suggestion: string | undefined): ConfigFault {
  const hint = suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
  return fault(key, `there is no such key${hint}`);
}

function fault(key: string, advice: string): ConfigFault {
  return { key, received: null, advice };
}
