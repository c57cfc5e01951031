/**
 * How a warm-up is shown: on a terminal one bar for each blob under way and one for all, elsewhere
 * plain lines.
 */
import { Writable } from "node:stream";
// @ts-types="./cli_progress.d.ts"
import { MultiBar, type SingleBar } from "cli-progress";
import { formatBytes } from "../config/units.ts";
import type { WarmEvent, WarmResult } from "../warm/warm.ts";

/** Shows events as they come. */
export interface WarmProgress extends Disposable {
  show(event: WarmEvent): void;
}

/** One line for each image and each of its blobs. */
export function createPlainProgress(stdout: (text: string) => void): WarmProgress {
  return {
    show(event) {
      switch (event.kind) {
        case "image":
          return stdout(`${event.name}: ${event.blobs} blobs, ${formatBytes(event.bytes)}\n`);
        case "end":
          return stdout(
            `  ${event.result} ${event.blob.digest} ${formatBytes(event.blob.size)}\n`,
          );
        case "result":
          return stdout(`${resultLine(event.result)}\n`);
        case "begin":
        case "bytes":
          return;
        default:
          event satisfies never;
      }
    },
    [Symbol.dispose]: () => undefined,
  };
}

/** Bars. `columns` is the terminal's width. */
export function createBarProgress(
  stdout: (text: string) => void,
  columns: number,
): WarmProgress {
  const bars = new MultiBar({
    stream: terminalStream(stdout, columns),
    format: "{bar} {percentage}% {done}/{all} {label}",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: Math.max(10, Math.min(30, columns - 60)),
    hideCursor: true,
    clearOnComplete: true,
    // Widths are the terminal's: a line that wraps would stay when the bars are drawn anew.
    linewrap: false,
    fps: 10,
  });
  const total = new CountedBar(bars, 0, "total");
  const blobs = new Map<string, CountedBar>();
  const results: WarmResult[] = [];
  let allBytes = 0;

  function show(event: WarmEvent): void {
    switch (event.kind) {
      case "image":
        allBytes += event.bytes;
        total.setTotal(allBytes);
        break;
      case "begin": {
        const { digest, size } = event.blob;
        const label = `${event.name} ${digest.slice(7, 19)}`;
        blobs.set(digest, new CountedBar(bars, size, label));
        break;
      }
      case "bytes":
        blobs.get(event.blob.digest)?.add(event.count);
        total.add(event.count);
        break;
      case "end":
        blobs.get(event.blob.digest)?.remove();
        blobs.delete(event.blob.digest);
        if (event.result === "cached") total.add(event.blob.size);
        break;
      case "result":
        results.push(event.result);
        break;
      default:
        event satisfies never;
    }
  }

  function end(): void {
    bars.stop();
    for (const result of results) stdout(`${resultLine(result)}\n`);
  }

  return { show, [Symbol.dispose]: end };
}

/** A bar that knows its count, and writes it for people. */
class CountedBar {
  readonly #bars: MultiBar;
  readonly #bar: SingleBar;
  #done = 0;

  constructor(bars: MultiBar, bytes: number, label: string) {
    this.#bars = bars;
    this.#bar = bars.create(bytes, 0, { label, done: formatBytes(0), all: formatBytes(bytes) });
  }

  add(bytes: number): void {
    this.#done += bytes;
    this.#bar.update(this.#done, { done: formatBytes(this.#done) });
  }

  setTotal(bytes: number): void {
    this.#bar.setTotal(bytes);
    this.#bar.update(this.#done, { all: formatBytes(bytes) });
  }

  remove(): void {
    this.#bars.remove(this.#bar);
  }
}

function resultLine(result: WarmResult): string {
  if (result.kind === "failed") return `FAILED ${result.name}: ${result.message}`;
  const { name, blobs, fetchedBytes, cachedBytes } = result;
  return `warm   ${name}: ${blobs} blobs, ${formatBytes(fetchedBytes)} fetched, ` +
    `${formatBytes(cachedBytes)} were here`;
}

/** What the bars take for a terminal: its text goes where all other text goes. */
function terminalStream(stdout: (text: string) => void, columns: number): NodeJS.WritableStream {
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      stdout(String(chunk));
      done();
    },
  });
  return Object.assign(stream, { isTTY: true, columns, rows: 24 });
}
