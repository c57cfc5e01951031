/** `entrepot warm`: pulls images into the cache before anybody needs them. */
import type { ProxyAccess } from "../../warm/source.ts";
import { warmImages } from "../../warm/warm.ts";
import {
  type CliDependencies,
  type Command,
  EXIT,
  parseCommandLine,
  readConfig,
  UsageError,
} from "../command.ts";
import { lendProxy, PULL_OPTIONS, readAuthorization, readPlatforms } from "../pull_options.ts";
import { createBarProgress, createPlainProgress, type WarmProgress } from "../warm_progress.ts";

const DEFAULT_CONCURRENCY = 4;
const MAX_CONCURRENCY = 64;

const OPTIONS = {
  file: {
    type: "string",
    short: "f",
    placeholder: "LIST",
    help: "a file with an image on each line, # for comments; - is standard input",
  },
  concurrency: {
    type: "string",
    short: "c",
    placeholder: "N",
    help: `blobs at the same time (default: ${DEFAULT_CONCURRENCY})`,
  },
  ...PULL_OPTIONS,
  json: { type: "boolean", help: "print the results as JSON, and nothing meanwhile" },
} as const;

/** Warms the cache. */
export const warmCommand: Command = {
  name: "warm",
  summary: "fill the cache with images before they are pulled",
  operands: "IMAGE…",
  options: OPTIONS,
  details: `In a tag, * stands for any characters: ghcr.io/org/app:1.* warms all tags that match.

Exit codes: 0, 1 where an image could not be warmed, 64, 78 for a bad configuration.`,
  async run(args, dependencies) {
    const { values, positionals } = parseCommandLine(args, OPTIONS, { least: 0, most: Infinity });
    const { config } = readConfig(dependencies);
    const names = [...positionals, ...readList(values.file, dependencies)];
    if (names.length === 0) throw new UsageError("name images, or a file of them with --file");
    const platforms = readPlatforms(values.platform);
    const concurrency = readConcurrency(values.concurrency);
    const authorization = readAuthorization(
      values.username,
      values["password-file"],
      dependencies,
    );
    const results = await lendProxy(config, values.address, dependencies, async (base) => {
      using progress = createProgress(values.json === true, dependencies);
      const proxy: ProxyAccess = {
        base,
        ask: (url, init) => dependencies.fetch(url.href, init),
        authorization,
      };
      return await warmImages(names, {
        proxy,
        platforms,
        concurrency,
        onEvent: (event) => progress.show(event),
        signal: new AbortController().signal,
      });
    });
    if (values.json === true) dependencies.stdout(`${JSON.stringify(results, null, 2)}\n`);
    return results.every(({ kind }) => kind === "warm") ? EXIT.ok : EXIT.failure;
  },
};

function createProgress(isJson: boolean, { stdout }: CliDependencies): WarmProgress {
  if (isJson) return { show: () => undefined, [Symbol.dispose]: () => undefined };
  if (!Deno.stdout.isTerminal()) return createPlainProgress(stdout);
  return createBarProgress(stdout, Deno.consoleSize().columns);
}

function readList(file: string | undefined, { readTextFile }: CliDependencies): string[] {
  if (file === undefined) return [];
  const text = readTextFile(file === "-" ? "/dev/stdin" : file);
  return text.split("\n").map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "");
}

function readConcurrency(text: string | undefined): number {
  const value = text === undefined ? DEFAULT_CONCURRENCY : Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= MAX_CONCURRENCY) return value;
  throw new UsageError(`--concurrency is a number from 1 to ${MAX_CONCURRENCY}, not ${text}`);
}
