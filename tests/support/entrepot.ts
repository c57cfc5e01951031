/**
 * The product as a child process, with the permissions that its own `start` task gives it.
 */
import { join } from "node:path";
import { freePort } from "./ports.ts";
import { namespaced } from "./namespace.ts";
import { type Output, type Process, run, startProcess } from "./process.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** How the product is started. */
export interface EntrepotOptions {
  /** Its configuration; `PORT`, `HOST` and `CACHE_DIR` have values of the test's unless given. */
  env?: Record<string, string>;
  /** Names that resolve to these addresses for this process alone. Takes root. */
  hosts?: Record<string, string>;
  /** A certificate file to trust beside the built-in ones. */
  caFile?: string;
  /** Arguments after `main.ts`. */
  args?: string[];
  /** What to run in place of `deno run … main.ts`: a bundle or a compiled program. */
  command?: [string, ...string[]];
  /** How long it may take until `/healthz` answers. Default 20 s. */
  timeoutMs?: number;
}

/** One line of the log: the JSON object, or the text as `message` where it is none. */
export type LogLine = Record<string, unknown>;

/** The project's own folder. */
export const PROJECT = join(import.meta.dirname ?? ".", "..", "..");

/** A running product. */
export class Entrepot implements AsyncDisposable {
  readonly #options: EntrepotOptions;
  readonly #folder: TempDir;
  readonly #env: Record<string, string>;
  #process: Process;

  constructor(
    options: EntrepotOptions,
    folder: TempDir,
    env: Record<string, string>,
    process: Process,
  ) {
    this.#options = options;
    this.#folder = folder;
    this.#env = env;
    this.#process = process;
  }

  get port(): number {
    return Number(this.#env["PORT"]);
  }

  /** Address and port, as image names begin. */
  get host(): string {
    const hostname = this.#env["HOST"] ?? "127.0.0.1";
    return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${this.port}`;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  get cacheDir(): string {
    return this.#env["CACHE_DIR"] ?? "";
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Resolves when it has ended. */
  get status(): Promise<Deno.CommandStatus> {
    return this.#process.status;
  }

  /** Resident memory in bytes. */
  rss(): Promise<number> {
    return this.#process.rss();
  }

  stdout(): Promise<string> {
    return this.#process.stdout();
  }

  stderr(): Promise<string> {
    return this.#process.stderr();
  }

  /** The lines of both outputs since the last start. */
  async log(): Promise<LogLine[]> {
    const lines = (await this.#process.log()).split("\n").filter((line) => line !== "");
    return lines.map(parseLine);
  }

  /** Sends a signal and does not wait. */
  kill(signal: Deno.Signal = "SIGKILL"): void {
    this.#process.kill(signal);
  }

  /** Ends it, asking first; the cache stays. */
  stop(): Promise<void> {
    return this.#process.stop();
  }

  /** Starts it again on the same port and cache, after a kill or in place of the running one. */
  async restart(env: Record<string, string> = {}): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    Object.assign(this.#env, env);
    this.#process = await launch(this.#options, this.#env);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Starts the product and waits until it is healthy. */
export async function startEntrepot(options: EntrepotOptions = {}): Promise<Entrepot> {
  const folder = await tempDir("entrepot");
  const env = {
    PORT: String(freePort()),
    HOST: "127.0.0.1",
    CACHE_DIR: folder.join("cache"),
    ...(options.caFile === undefined ? {} : { DENO_CERT: options.caFile }),
    ...options.env,
  };
  try {
    return new Entrepot(options, folder, env, await launch(options, env));
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** Runs one of the product's commands to its end: `runEntrepot(["check"], { env })`. */
export async function runEntrepot(
  args: string[],
  options: { env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<Output> {
  const [command, ...first] = await startCommand();
  return await run(command, [...first, ...args], { cwd: PROJECT, ...options });
}

async function launch(options: EntrepotOptions, env: Record<string, string>): Promise<Process> {
  const [program, ...first] = options.command ?? await startCommand();
  const all = [...first, ...(options.args ?? [])];
  const { command, args } = namespaced({ hosts: options.hosts ?? {} }, program, all);
  const hostname = env["HOST"] === "0.0.0.0" ? "127.0.0.1" : env["HOST"] ?? "127.0.0.1";
  const address = hostname.includes(":") ? `[${hostname}]` : hostname;
  return await startProcess("entrepot", command, {
    args,
    env: { DENO_NO_UPDATE_CHECK: "1", ...env },
    cwd: PROJECT,
    timeoutMs: options.timeoutMs ?? 20_000,
    isReady: () => isHealthy(`http://${address}:${env["PORT"]}/healthz`),
  });
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    // Not listening yet; the caller's time limit decides when that is too long.
    return false;
  }
}

/** The command of the `start` task: this `deno`, `run`, its flags, and `main.ts`. */
export async function startCommand(): Promise<[string, ...string[]]> {
  const config: { tasks?: Record<string, string | { command: string }> } = JSON.parse(
    await Deno.readTextFile(join(PROJECT, "deno.json")),
  );
  const task = config.tasks?.["start"];
  const command = typeof task === "string" ? task : task?.command;
  if (command === undefined) throw new Error('deno.json has no task "start"');
  const words: string[] = command.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  const args = words.slice(words.indexOf("deno") + 1).map((word) => word.replace(/["']/g, ""));
  return [Deno.execPath(), ...args];
}

function parseLine(line: string): LogLine {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null) return { ...value };
  } catch {
    // A line of text.
  }
  return { message: line };
}
