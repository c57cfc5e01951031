/**
 * One log record as a line: for a person (time, level, message, and the properties that the message
 * does not tell) or as JSON.
 */
import type { LogRecord } from "@logtape/logtape";

const LEVELS: Record<LogRecord["level"], { label: string; color: number }> = {
  trace: { label: "TRACE", color: 90 },
  debug: { label: "DEBUG", color: 34 },
  info: { label: "INFO ", color: 32 },
  warning: { label: "WARN ", color: 33 },
  error: { label: "ERROR", color: 31 },
  fatal: { label: "FATAL", color: 35 },
};

/** Returns the line with its final line feed. Control characters of values are escaped. */
export function formatTextLine(record: LogRecord, hasColor: boolean): string {
  const paint = (text: string, code: number) => hasColor ? `\x1b[${code}m${text}\x1b[0m` : text;
  const time = new Date(record.timestamp).toISOString().replace("T", " ").replace("Z", "");
  const { label, color } = LEVELS[record.level];
  const message = renderMessage(record);
  const extras = Object.entries(record.properties)
    .filter(([key, value]) => value !== undefined && !isInTemplate(record, key))
    .map(([key, value]) => `${key}=${quoteIfNeeded(formatValue(value))}`);
  const line = `${paint(time, 90)} ${paint(label, color)} ${message}`;
  return extras.length === 0 ? `${line}\n` : `${line}  ${paint(extras.join(" "), 90)}\n`;
}

/**
 * Returns the record as one line of JSON: `@timestamp`, `level`, `message`, `logger`, then the
 * properties, which cannot replace those four.
 */
export function formatJsonLine(record: LogRecord): string {
  const own = {
    "@timestamp": new Date(record.timestamp).toISOString(),
    level: LEVELS[record.level].label.trim(),
    message: renderMessage(record),
    logger: record.category.join("."),
  };
  return `${JSON.stringify({ ...own, ...record.properties, ...own }, toJsonValue)}\n`;
}

/** Errors have no enumerable members, so that JSON would show them as `{}`. */
function toJsonValue(_key: string, value: unknown): unknown {
  if (value instanceof Error) return value.stack ?? value.message;
  return typeof value === "bigint" ? String(value) : value;
}

function renderMessage({ message }: LogRecord): string {
  return message
    .map((part, index) => index % 2 === 0 ? escapeControls(String(part)) : formatValue(part))
    .join("");
}

function isInTemplate({ rawMessage }: LogRecord, key: string): boolean {
  return typeof rawMessage === "string" && rawMessage.includes(`{${key}}`);
}

function formatValue(value: unknown): string {
  if (value instanceof Error) return escapeControls(value.stack ?? value.message, "\n");
  if (value instanceof URL) return value.href;
  if (typeof value !== "object" || value === null) return escapeControls(String(value));
  return escapeControls(JSON.stringify(value, toJsonValue) ?? "");
}

function quoteIfNeeded(text: string): string {
  return /[\s"=]/.test(text) && !text.includes("\n") ? JSON.stringify(text) : text;
}

/** A client's text must not move an operator's cursor or forge a second line. */
function escapeControls(text: string, allowed = ""): string {
  return text.replace(
    /\p{Cc}/gu,
    (character) =>
      allowed.includes(character)
        ? character
        : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
