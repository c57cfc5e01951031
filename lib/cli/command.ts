/**
 * What a command of the command line is: its name, what it takes, and what it does. Help and shell
 * completion are made from the same words.
 */
import { parseArgs } from "node:util";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import type { ConfigSource } from "./serve.ts";

/** Exit codes, those above 1 as in BSD's sysexits. */
export const EXIT = { ok: 0, failure: 1, usage: 64, config: 78 } as const;

/** What the command line works with. */
export interface CliDependencies {
  /** Serves until it is told to end; resolves with the exit code. */
  serve(loaded: LoadedConfig, source: ConfigSource): Promise<number>;
  readonly env: Readonly<Record<string, string>>;
  /** Reads a whole file; throws as `Deno.readTextFileSync` does. */
  readTextFile(path: string): string;
  /** Write text as it is, without adding a line feed. */
  stdout(text: string): void;
  stderr(text: string): void;
  readonly fetch: (input: string, init: RequestInit) => Promise<Response>;
}

/** An option of a command. */
export interface CliOption {
  readonly type: "boolean" | "string";
  readonly short?: string;
  readonly multiple?: boolean;
  /** What stands for the value in the help, such as `HOST:PORT`. */
  readonly placeholder?: string;
  /** The values that there are, where they can be counted. */
  readonly choices?: readonly string[];
  readonly help: string;
}

/** Options by their long name. */
export type CliOptions = Readonly<Record<string, CliOption>>;

/** A command. */
export interface Command {
  readonly name: string;
  /** Other spellings, not shown in the help. */
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** What follows the name in the usage, such as `IMAGE…`. */
  readonly operands?: string;
  /** The operands that there are, where they can be counted. */
  readonly operandChoices?: readonly string[];
  readonly options: CliOptions;
  /** What the help says after the options: exit codes, examples. */
  readonly details?: string;
  /**
   * Resolves with the exit code.
   *
   * @throws {UsageError} where the arguments are none of this command's.
   * @throws where the configuration has faults (`ConfigError`).
   */
  run(args: string[], dependencies: CliDependencies): Promise<number> | number;
}

/** Arguments that make no sense: exit code 64. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What a command was given: the options' values by name, and the operands. */
export type CommandLine<Options extends CliOptions> = Pick<
  ReturnType<
    typeof parseArgs<
      { args: string[]; options: Options; allowPositionals: true; strict: true }
    >
  >,
  "values" | "positionals"
>;

/**
 * Reads a command's options and operands.
 *
 * @throws {UsageError} for options that there are not, and for too few or too many operands.
 */
export function parseCommandLine<const Options extends CliOptions>(
  args: string[],
  options: Options,
  operands: { least: number; most: number },
): CommandLine<Options> {
  const parsed = parseOrRefuse(() =>
    parseArgs({ args, options, allowPositionals: true, strict: true })
  );
  const { values, positionals } = parsed;
  if (positionals.length < operands.least) throw new UsageError("an argument is missing");
  if (positionals.length > operands.most) {
    throw new UsageError(`there is no use for ${JSON.stringify(positionals[operands.most])}`);
  }
  for (const [name, { choices }] of Object.entries<CliOption>(options)) {
    const value: unknown = Object.entries(values).find(([key]) => key === name)?.[1];
    if (choices !== undefined && typeof value === "string" && !choices.includes(value)) {
      throw new UsageError(`--${name} is ${choices.join(", ")}, not ${JSON.stringify(value)}`);
    }
  }
  return { values, positionals };
}

function parseOrRefuse<Result>(parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/** The configuration that the environment and the file give. @throws where it has faults. */
export function readConfig({ env, readTextFile }: CliDependencies): LoadedConfig {
  return loadConfig(env, (path) => readTextFile(path));
}

/** How one command is called, in a line without line feed. */
export function commandUsage({ name, operands = "" }: Command): string {
  return `Usage: entrepot ${name} [OPTION…] ${operands}`.trimEnd();
}

/** The help of one command, with a final line feed. */
export function commandHelp(command: Command): string {
  const rows = [...Object.entries(command.options).map(optionRow), ["-h, --help", "print this"]];
  const parts = [
    `${capitalize(command.summary)}`,
    commandUsage(command),
    `Options:\n${formatRows(rows)}`,
    ...(command.details === undefined ? [] : [command.details.trim()]),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** Two columns, the first as wide as it must be. */
export function formatRows(rows: readonly (readonly string[])[]): string {
  const width = Math.max(...rows.map(([first = ""]) => first.length));
  return rows.map(([first = "", second = ""]) => `  ${first.padEnd(width)}  ${second}`).join("\n");
}

function optionRow([name, option]: [string, CliOption]): string[] {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  const value = option.type === "boolean"
    ? ""
    : ` ${option.placeholder ?? option.choices?.join("|") ?? "VALUE"}`;
  return [`${short}--${name}${value}`, option.help];
}

function capitalize(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
