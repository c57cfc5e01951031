/** `entrepot setup`: what an engine needs in its files to pull through this proxy. */
import type { Config } from "../../config/config.ts";
import { ownUrl } from "../../config/own_url.ts";
import { describeCause } from "../../log.ts";
import { ENGINES, type EngineSetup, type ProxyAddress, SetupError } from "../../setup/engine.ts";
import { hubMirrorOf } from "../../setup/hub_mirror.ts";
import { setUpEngine } from "../../setup/setup.ts";
import { parseOrigin } from "../address_option.ts";
import {
  type CliDependencies,
  type Command,
  type CommandLine,
  EXIT,
  parseCommandLine,
  readConfig,
  UsageError,
} from "../command.ts";
import { replaceFile } from "../replace_file.ts";

const OPTIONS = {
  write: { type: "boolean", short: "w", help: "merge into the files, and keep a backup of each" },
  address: {
    type: "string",
    short: "a",
    placeholder: "HOST:PORT|URL",
    help: "how the engine reaches this proxy (default: PUBLIC_URL, or this machine)",
  },
  registry: {
    type: "string",
    short: "r",
    multiple: true,
    placeholder: "NAME",
    help: "only this registry, such as ghcr.io; may be repeated (default: all that are served)",
  },
  file: { type: "string", placeholder: "PATH", help: "the engine's file, where it is elsewhere" },
  json: { type: "boolean", help: "print the files as JSON" },
} as const;

/** Prints or writes the configuration of an engine. */
export const setupCommand: Command = {
  name: "setup",
  summary: "configure an engine to pull through this proxy",
  operands: "docker|containerd|podman|buildkit|k3s",
  operandChoices: ENGINES,
  options: OPTIONS,
  details: `Without --write the files are printed as they would be, with what they hold now.
podman is also Buildah, Skopeo and CRI-O; k3s is also RKE2 (--file).

Exit codes: 0, 1 where a file cannot be merged or written, 64, 78 for a bad configuration.`,
  async run(args, dependencies) {
    const commandLine = parseCommandLine(args, OPTIONS, { least: 1, most: 1 });
    const { values, positionals: [name] } = commandLine;
    const engine = ENGINES.find((candidate) => candidate === name);
    if (engine === undefined) {
      throw new UsageError(`there is no engine ${JSON.stringify(name)}: ${ENGINES.join(", ")}`);
    }
    const proxy = proxyAddress(readConfig(dependencies).config, commandLine);
    try {
      const setup = setUpEngine(engine, proxy, readerOf(dependencies), values.file);
      if (values.write !== true) print(setup, values.json === true, dependencies);
      else await write(setup, values.json === true, dependencies);
      return EXIT.ok;
    } catch (error) {
      const isExpected = error instanceof SetupError ||
        error instanceof Deno.errors.PermissionDenied;
      if (!isExpected) throw error;
      dependencies.stderr(`entrepot: setup: ${describeCause(error)}\n`);
      return EXIT.failure;
    }
  },
};

function print(setup: EngineSetup, isJson: boolean, { stdout }: CliDependencies): void {
  if (isJson) return stdout(`${JSON.stringify(setup, null, 2)}\n`);
  for (const { path, text } of setup.files) stdout(`# ${path}\n${text.trimEnd()}\n\n`);
  stdout(`# then: ${setup.next}\n# try:  ${setup.example}\n`);
}

async function write(
  setup: EngineSetup,
  isJson: boolean,
  dependencies: CliDependencies,
): Promise<void> {
  const read = readerOf(dependencies);
  const written: { path: string; backup: string | null }[] = [];
  for (const { path, text } of setup.files) {
    if (read(path) === text) continue;
    written.push({ path, backup: await replaceFile(path, text) ?? null });
  }
  const { stdout } = dependencies;
  if (isJson) return stdout(`${JSON.stringify({ written, next: setup.next }, null, 2)}\n`);
  for (const { path, backup } of written) {
    stdout(`wrote ${path}${backup === null ? "" : `, kept ${backup}`}\n`);
  }
  if (written.length === 0) stdout("nothing to do: it is set up already\n");
  else stdout(`then: ${setup.next}\ntry:  ${setup.example}\n`);
}

function readerOf({ readTextFile }: CliDependencies): (path: string) => string | undefined {
  return (path) => {
    try {
      return readTextFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  };
}

function proxyAddress(config: Config, { values }: CommandLine<typeof OPTIONS>): ProxyAddress {
  const base = values.address === undefined
    ? ownAddress(config)
    : parseOrigin("address", values.address);
  const served = [...new Set(config.upstreams.map(({ registry }) => registry))];
  const registries = values.registry ?? served;
  const unknown = registries.find((registry) => !served.includes(registry));
  if (unknown !== undefined) {
    throw new UsageError(`${unknown} is not served here; these are: ${served.join(", ")}`);
  }
  return { base, registries, hubMirror: hubMirrorOf(config, base) };
}

function ownAddress({ publicUrl, listen }: Config): URL {
  return publicUrl ?? ownUrl(listen);
}
