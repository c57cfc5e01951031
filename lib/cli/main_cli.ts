/**
 * The command line: what is asked, and the exit code. Everything that touches the world is handed
 * in, so that `main.ts` only says with what.
 */
import { ConfigError } from "../config/load.ts";
import { VERSION } from "../version.ts";
import {
  type CliDependencies,
  type Command,
  commandHelp,
  commandUsage,
  EXIT,
  formatRows,
  UsageError,
} from "./command.ts";
import { checkCommand } from "./commands/check.ts";
import { createCompletionCommand } from "./commands/completion.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { explainCommand } from "./commands/explain.ts";
import { exportCommand } from "./commands/export.ts";
import { healthCheckCommand } from "./commands/health_check.ts";
import { importCommand } from "./commands/import.ts";
import { listCommand, pinCommand, purgeCommand, unpinCommand } from "./commands/images.ts";
import { serveCommand } from "./commands/serve.ts";
import { setupCommand } from "./commands/setup.ts";
import { verifyCommand } from "./commands/verify.ts";
import { warmCommand } from "./commands/warm.ts";

export { type CliDependencies, EXIT } from "./command.ts";

/** In the order in which the help lists them. */
const OWN_COMMANDS: readonly Command[] = [
  serveCommand,
  checkCommand,
  doctorCommand,
  explainCommand,
  setupCommand,
  warmCommand,
  listCommand,
  purgeCommand,
  pinCommand,
  unpinCommand,
  verifyCommand,
  exportCommand,
  importCommand,
  healthCheckCommand,
];
const COMMANDS = [...OWN_COMMANDS, createCompletionCommand(OWN_COMMANDS)];

const HELP = ["help", "-h", "-help", "--help"];
const PRINT_VERSION = ["version", "-V", "-version", "--version"];

/**
 * Runs one command and resolves with its exit code: 0, 1 where it failed, 64 for a command line
 * that makes no sense, 78 for a configuration with faults.
 */
export async function runCli(args: string[], dependencies: CliDependencies): Promise<number> {
  const [name = "serve", ...rest] = args;
  const isHelp = HELP.includes(name);
  const command = findCommand(isHelp ? rest[0] : name);
  if (isHelp && rest.length === 0) return print(dependencies, usage());
  if (PRINT_VERSION.includes(name)) return print(dependencies, `${VERSION}\n`);
  if (command === undefined) {
    return refuse(dependencies, `there is no command ${JSON.stringify(isHelp ? rest[0] : name)}`);
  }
  if (isHelp || rest.some((arg) => arg === "-h" || arg === "--help")) {
    return print(dependencies, commandHelp(command));
  }
  try {
    return await command.run(rest, dependencies);
  } catch (error) {
    if (error instanceof UsageError) {
      return refuse(dependencies, `${command.name}: ${error.message}`, command);
    }
    if (!(error instanceof ConfigError)) throw error;
    dependencies.stderr(`entrepot: ${error.message}\n`);
    return EXIT.config;
  }
}

function findCommand(name: string | undefined): Command | undefined {
  if (name === undefined) return undefined;
  return COMMANDS.find((command) =>
    command.name === name || command.aliases?.includes(name) === true
  );
}

function print({ stdout }: CliDependencies, text: string): number {
  stdout(text);
  return EXIT.ok;
}

function refuse({ stderr }: CliDependencies, fault: string, command?: Command): number {
  const help = command === undefined
    ? usage()
    : `${commandUsage(command)}\nFor more: entrepot ${command.name} --help\n`;
  stderr(`entrepot: ${fault}\n\n${help}`);
  return EXIT.usage;
}

function usage(): string {
  return `Entrepôt, a proxy and cache for Docker and OCI registries

Usage: entrepot [COMMAND]

Commands:
${formatRows(COMMANDS.map(({ name, summary }) => [name, summary]))}

Options:
  -h, --help     print this, or the help of the command before it
  -V, --version  print the version

The configuration comes from the environment and from the YAML file that CONFIG_FILE names.
`;
}
