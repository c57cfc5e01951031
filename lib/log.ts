/**
 * Logs: text for a person at a terminal, JSON lines for machines. Lines are collected and written
 * together, because one write per request costs more than the request's own work.
 */
import { configureSync, type LogRecord } from "@logtape/logtape";
import type { Config } from "./config/config.ts";
import { formatJsonLine, formatTextLine } from "./log_lines.ts";
import { redactUrls } from "./redact.ts";

export { describeCause } from "./cause.ts";
export { redactUrl, redactUrls } from "./redact.ts";

/** Receives whole lines, each with its final line feed. */
export type LogSink = (lines: string) => void;

const FLUSH_MS = 100;
/** A reader that stalls must not cost the memory of everything that is logged meanwhile. */
const MAX_PENDING_CHARACTERS = 4 * 1024 * 1024;

const encoder = new TextEncoder();

/** Collects lines and writes them to standard output together. */
class StdoutBuffer {
  #lines: string[] = [];
  #characters = 0;
  #dropped = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | undefined;

  add(line: string): void {
    if (this.#characters + line.length > MAX_PENDING_CHARACTERS) {
      this.#dropped += 1;
      return;
    }
    this.#lines.push(line);
    this.#characters += line.length;
    if (this.#timer !== undefined) return;
    const timer = setTimeout(() => void this.flush(), FLUSH_MS);
    // The log alone keeps no process alive; its end calls `writeRest`.
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  /** Resolves when all lines that were added so far are written. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#writing;
    // A caller that waited beside this one may have begun the next write.
    if (this.#writing !== undefined) return await this.flush();
    if (this.#lines.length === 0) return;
    this.#writing = writeAll(encoder.encode(this.#take()));
    await this.#writing;
    this.#writing = undefined;
  }

  /** Writes what is left, at the process's end, where nothing can be awaited. */
  writeRest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let bytes = encoder.encode(this.#take());
    try {
      while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
    } catch {
      // The reader has gone, and there is nobody else to tell.
    }
  }

  #take(): string {
    const notice = this.#dropped === 0 ? "" : `${this.#dropped} log lines were dropped\n`;
    const text = this.#lines.join("") + notice;
    this.#lines = [];
    this.#characters = 0;
    this.#dropped = 0;
    return text;
  }
}

async function writeAll(bytes: Uint8Array): Promise<void> {
  try {
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(await Deno.stdout.write(rest));
  } catch {
    // The reader of the log has gone: serving goes on without one.
  }
}

const stdout = new StdoutBuffer();
let isUnloadWatched = false;

/**
 * Sets up the logs of the whole process; may be called again. `DEBUG` lowers the level to `debug`.
 * Lines go to `sink` at once if one is given, else to standard output within 100 ms. URLs inside
 * lines lose their queries, whoever logged them.
 */
export function configureLog(options: Config["log"], sink?: LogSink): void {
  const isTerminal = sink === undefined && Deno.stdout.isTerminal();
  const isText = options.format === "text" || (options.format === "auto" && isTerminal);
  const hasColor = isTerminal && !Deno.noColor;
  const format = isText ? (record: LogRecord) => formatTextLine(record, hasColor) : formatJsonLine;
  const write = sink ?? ((line: string) => stdout.add(line));
  if (sink === undefined) watchUnload();
  configureSync({
    reset: true,
    sinks: { lines: (record: LogRecord) => write(redactUrls(format(record))) },
    loggers: [
      { category: [], sinks: ["lines"], lowestLevel: options.debug ? "debug" : options.level },
      { category: ["logtape", "meta"], sinks: ["lines"], lowestLevel: "warning" },
    ],
  });
}

/** Resolves when everything that was logged so far is written. Never rejects. */
export function flushLog(): Promise<void> {
  return stdout.flush();
}

function watchUnload(): void {
  if (isUnloadWatched) return;
  isUnloadWatched = true;
  addEventListener("unload", () => stdout.writeRest());
}
