/**
 * Edits of TOML that leave every other byte as it was: tables and keys are put into the text, and
 * the result is read by a parser to see that nothing but what was meant has changed.
 */
import { parse } from "smol-toml";
import { SetupError } from "./engine.ts";

/** A value that is written here. */
export type TomlValue = string | boolean | readonly string[];

/**
 * Sets a key of a table, which is made at the end of the text where it is not there.
 *
 * @throws {SetupError} where the text is no TOML or is written in a way that cannot be edited.
 */
export function setTomlKey(
  text: string,
  table: readonly string[],
  [key, value]: readonly [string, TomlValue],
  path: string,
): string {
  const before = readToml(text, path);
  if (isEqual(valueAt(before, [...table, key]), value)) return text;
  const wanted = withValue(before, [...table, key], value);
  const line = `${key} = ${formatToml(value)}`;
  const candidates = [
    () => replaceKey(text, table, key, line),
    () => insertKey(text, table, line),
    () => `${withFinalLine(text)}${text.trim() === "" ? "" : "\n"}[${tableName(table)}]\n${line}\n`,
  ];
  for (const make of candidates) {
    const edited = make();
    if (edited !== undefined && isEqual(tryParse(edited), wanted)) return edited;
  }
  throw new SetupError(
    `${path} cannot be edited by a program; write under [${tableName(table)}]: ${line}`,
  );
}

/** The value under these keys, or undefined. @throws {SetupError} where the text is no TOML. */
export function getTomlValue(text: string, keys: readonly string[], path: string): unknown {
  return valueAt(readToml(text, path), keys);
}

/** A header's name, each part quoted that has to be. */
export function tableName(table: readonly string[]): string {
  return table.map((part) => /^[\w-]+$/.test(part) ? part : JSON.stringify(part)).join(".");
}

function replaceKey(
  text: string,
  table: readonly string[],
  key: string,
  line: string,
): string | undefined {
  const section = findSection(text, table);
  if (section === undefined) return undefined;
  const body = text.slice(section.start, section.end);
  const found = new RegExp(`^([ \\t]*)${key}[ \\t]*=.*$`, "m").exec(body);
  if (found === null) return undefined;
  const at = section.start + found.index;
  const kept = /[ \t]+#[^"'\]]*$/.exec(found[0])?.[0] ?? "";
  return `${text.slice(0, at)}${found[1]}${line}${kept}${text.slice(at + found[0].length)}`;
}

function insertKey(text: string, table: readonly string[], line: string): string | undefined {
  const section = findSection(text, table);
  if (section === undefined) return undefined;
  return `${withFinalLine(text.slice(0, section.start))}${section.indent}${line}\n${
    text.slice(section.start)
  }`;
}

interface Section {
  /** After the header's line. */
  readonly start: number;
  /** Before the next header, or the end. */
  readonly end: number;
  /** How the header is indented. */
  readonly indent: string;
}

function findSection(text: string, table: readonly string[]): Section | undefined {
  const name = tableName(table).replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const header = new RegExp(`^([ \\t]*)\\[[ \\t]*${name}[ \\t]*\\][ \\t]*(?:#.*)?(?:\\n|$)`, "m");
  const found = header.exec(text);
  if (found === null) return undefined;
  const start = found.index + found[0].length;
  const next = /^[ \t]*\[/m.exec(text.slice(start));
  return { start, end: next === null ? text.length : start + next.index, indent: found[1] ?? "" };
}

function formatToml(value: TomlValue): string {
  return typeof value === "object"
    ? `[${value.map((entry) => JSON.stringify(entry)).join(", ")}]`
    : JSON.stringify(value);
}

function withFinalLine(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

function readToml(text: string, path: string): unknown {
  const value = tryParse(text);
  if (value === undefined) throw new SetupError(`${path} is no TOML; mend it first`);
  return value;
}

function tryParse(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

function valueAt(value: unknown, keys: readonly string[]): unknown {
  const [key, ...rest] = keys;
  if (key === undefined) return value;
  return isRecord(value) ? valueAt(value[key], rest) : undefined;
}

/** A copy in which this value stands under these keys. */
function withValue(value: unknown, keys: readonly string[], leaf: TomlValue): unknown {
  const [key, ...rest] = keys;
  if (key === undefined) return leaf;
  const record = isRecord(value) ? value : {};
  return { ...record, [key]: withValue(record[key], rest, leaf) };
}

/** Deep equality, whatever the order of keys. */
function isEqual(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((entry, i) => isEqual(entry, other[i]));
  }
  if (one instanceof Date && other instanceof Date) return one.getTime() === other.getTime();
  if (!isRecord(one) || !isRecord(other)) return Object.is(one, other);
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length &&
    keys.every((key) => isEqual(one[key], other[key]));
}
