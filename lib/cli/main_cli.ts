/**
 * The command line: what is asked, and the exit code. Everything that touches the world is handed
 * in, so that `main.ts` only says with what.
 */
import type { Config } from "../config/config.ts";
import { ConfigError, loadConfig, type LoadedConfig } from "../config/load.ts";
import { VERSION } from "../version.ts";
import { describeConfig } from "./describe_config.ts";
import { checkHealth } from "./health_check.ts";

/** Exit codes, those above 1 as in BSD's sysexits. */
export const EXIT = { ok: 0, failure: 1, usage: 64, config: 78 } as const;

/** What the command line works with. */
export interface CliDependencies {
  /** Serves until it is told to end; resolves with the exit code. */
  serve(config: Config, warnings: readonly string[]): Promise<number>;
  readonly env: Readonly<Record<string, string>>;
  /** Reads a whole file; throws as `Deno.readTextFileSync` does. */
  readTextFile(path: string): string;
  /** Write text as it is, without adding a line feed. */
  stdout(text: string): void;
  stderr(text: string): void;
  readonly fetch: (input: string, init: RequestInit) => Promise<Response>;
}

const USAGE = `Entrepôt, a proxy and cache for Docker and OCI registries

Usage: entrepot [COMMAND]

Commands:
  serve         serve until SIGTERM or SIGINT (default)
  check         print the configuration in effect, or everything that is wrong with it
  health-check  ask the running server for its health; for HEALTHCHECK in containers

Options:
  -h, --help     print this
  -V, --version  print the version

The configuration comes from the environment and from the YAML file that CONFIG_FILE names.
`;

/**
 * Runs one command and resolves with its exit code: 0, 1 where it failed, 64 for a command that
 * does not exist, 78 for a configuration with faults.
 */
export async function runCli(args: string[], dependencies: CliDependencies): Promise<number> {
  const [command = "serve", ...rest] = args;
  const run = commandOf(command);
  if (run === undefined || rest.length > 0) {
    const fault = run === undefined
      ? `there is no command ${JSON.stringify(command)}`
      : `${command} takes no arguments, but got ${JSON.stringify(rest.join(" "))}`;
    dependencies.stderr(`entrepot: ${fault}\n\n${USAGE}`);
    return EXIT.usage;
  }
  return await run(dependencies);
}

type Command = (dependencies: CliDependencies) => Promise<number> | number;

function commandOf(name: string): Command | undefined {
  switch (name) {
    case "serve":
      return (dependencies) =>
        withConfig(
          dependencies,
          ({ config, warnings }) => dependencies.serve(config, warnings),
        );
    case "check":
      return (dependencies) =>
        withConfig(
          dependencies,
          (loaded) => printConfig(loaded, dependencies),
        );
    case "health-check":
    case "-health-check":
    case "--health-check":
      return (dependencies) =>
        withConfig(
          dependencies,
          ({ config }) => checkHealth(config.listen, dependencies),
        );
    case "help":
    case "-h":
    case "-help":
    case "--help":
      return ({ stdout }) => print(stdout, USAGE);
    case "version":
    case "-V":
    case "-version":
    case "--version":
      return ({ stdout }) => print(stdout, `${VERSION}\n`);
    default:
      return undefined;
  }
}

function print(stdout: (text: string) => void, text: string): number {
  stdout(text);
  return EXIT.ok;
}

async function withConfig(
  dependencies: CliDependencies,
  use: (loaded: LoadedConfig) => Promise<number> | number,
): Promise<number> {
  let loaded: LoadedConfig;
  try {
    loaded = loadConfig(dependencies.env, (path) => dependencies.readTextFile(path));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    dependencies.stderr(`entrepot: ${error.message}\n`);
    return EXIT.config;
  }
  return await use(loaded);
}

function printConfig({ config, warnings }: LoadedConfig, dependencies: CliDependencies): number {
  dependencies.stdout(describeConfig(config));
  for (const warning of warnings) dependencies.stderr(`warning: ${warning}\n`);
  return EXIT.ok;
}
