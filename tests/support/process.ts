/**
 * Child processes that are started surely, can be read, and are gone when their owner is.
 * Output goes to files: a chatty daemon costs the test nothing and no stream is left open.
 */
import { delimiter, join } from "node:path";
import { type TempDir, tempDir } from "./temp.ts";

/** What a finished command left. */
export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

/** How a one-shot command is run. */
export interface RunOptions {
  /** Added to the clean environment of {@linkcode cleanEnv}. */
  env?: Record<string, string>;
  cwd?: string;
  /** After this long it is killed and its code is 137. Default 120 s. */
  timeoutMs?: number;
}

/** How a long-running process is started. */
export interface StartOptions {
  args?: string[];
  env?: Record<string, string>;
  cwd?: string;
  /** Asked every few milliseconds until it says yes. */
  isReady?: (process: Process) => boolean | Promise<boolean>;
  /** How long it may take to be ready. Default 20 s. */
  timeoutMs?: number;
  /** How long it may take to end on SIGTERM before it is killed. Default 10 s. */
  graceMs?: number;
}

const KEPT = ["HOME", "LANG", "TMPDIR", "DENO_DIR"];
const SYSTEM_PATHS = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
];

/**
 * The environment of every child: a few variables of ours and nothing else.
 * Strays are not harmless: `REGISTRY_*` overrides docker-registry's configuration,
 * `AWS_CA_BUNDLE` makes its S3 driver panic, and a proxy variable would bend every request.
 */
export function cleanEnv(extra: Record<string, string> = {}): Record<string, string> {
  const env: Record<string, string> = { NO_COLOR: "1" };
  for (const name of KEPT) {
    const value = Deno.env.get(name);
    if (value !== undefined) env[name] = value;
  }
  const paths = (Deno.env.get("PATH") ?? "").split(delimiter).filter((path) => path !== "");
  env["PATH"] = [...new Set([...paths, ...SYSTEM_PATHS])].join(delimiter);
  return { ...env, ...extra };
}

/** Runs a command to its end. A non-zero code is an answer, not an error. */
export async function run(
  command: string,
  args: string[],
  options: RunOptions = {},
): Promise<Output> {
  const output = await new Deno.Command(command, {
    args,
    env: cleanEnv(options.env),
    clearEnv: true,
    stdin: "null",
    signal: AbortSignal.timeout(options.timeoutMs ?? 120_000),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  }).output();
  const decoder = new TextDecoder();
  return {
    code: output.code,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
}

/** Runs a command that has to succeed and gives its standard output. */
export async function runOk(
  command: string,
  args: string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options);
  if (code !== 0) {
    throw new Error(`${command} ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`);
  }
  return stdout;
}

/** Waits; the clock of tests that watch real processes. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks again and again until the answer is yes; the error names what did not come. */
export async function waitFor(
  what: string,
  check: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(15);
  }
}

/** A running child, leader of its own process group. */
export class Process implements AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the child has ended. */
  readonly status: Promise<Deno.CommandStatus>;
  readonly #logs: TempDir;
  readonly #graceMs: number;
  #ended = false;

  constructor(name: string, child: Deno.ChildProcess, logs: TempDir, graceMs: number) {
    this.name = name;
    this.pid = child.pid;
    this.#logs = logs;
    this.#graceMs = graceMs;
    this.status = child.status.then((status) => {
      this.#ended = true;
      // Children of its own that stayed in its group go with it.
      signalProcess(-this.pid, "SIGKILL");
      return status;
    });
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Everything written to standard output so far. */
  stdout(): Promise<string> {
    return Deno.readTextFile(this.#logs.join("stdout"));
  }

  /** Everything written to standard error so far. */
  stderr(): Promise<string> {
    return Deno.readTextFile(this.#logs.join("stderr"));
  }

  /** Both outputs, for messages. */
  async log(): Promise<string> {
    return await this.stdout() + await this.stderr();
  }

  /** Resident memory in bytes, without children. */
  async rss(): Promise<number> {
    // The runtime lets nobody but a program with all permissions open /proc; `cat` may.
    const status = await runOk("cat", [`/proc/${this.pid}/status`]);
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(status);
    if (match === null) throw new Error(`${this.name}: no VmRSS for ${this.pid}`);
    return Number(match[1]) * 1024;
  }

  /** Sends a signal to the child alone. */
  kill(signal: Deno.Signal = "SIGKILL"): void {
    if (!this.#ended) signalProcess(this.pid, signal);
  }

  /** Ends the child: asked first, made to after the grace. */
  async stop(): Promise<void> {
    this.kill("SIGTERM");
    if (!await this.#endsWithin(this.#graceMs)) this.kill("SIGKILL");
    await this.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#logs[Symbol.asyncDispose]();
  }

  async #endsWithin(ms: number): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), ms);
    const inTime = await Promise.race([this.status.then(() => true), late]);
    clearTimeout(timer);
    return inTime;
  }
}

/** Sends a signal; whoever is gone already needs none. */
export function signalProcess(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    // ESRCH reaches us as a TypeError for process groups.
    if (error instanceof TypeError) return;
    throw error;
  }
}

/** Starts a command and waits until it is ready; what does not get ready is stopped and quoted. */
export async function startProcess(
  name: string,
  command: string,
  options: StartOptions = {},
): Promise<Process> {
  const logs = await tempDir(`log-${name}`);
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      'out=$1 err=$2; shift 2; exec "$@" >"$out" 2>"$err"',
      "sh",
      join(logs.path, "stdout"),
      join(logs.path, "stderr"),
      command,
      ...(options.args ?? []),
    ],
    env: cleanEnv(options.env),
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  }).spawn();
  const process = new Process(name, child, logs, options.graceMs ?? 10_000);
  try {
    await waitFor(`${name} is ready`, async () => {
      if (process.hasEnded) throw new Error(`${name} ended before it was ready`);
      return await options.isReady?.(process) ?? true;
    }, options.timeoutMs ?? 20_000);
    return process;
  } catch (cause) {
    const log = await process.log().catch(() => "");
    await process[Symbol.asyncDispose]();
    throw new Error(`${name} did not start\n${log.slice(-4000)}`, { cause });
  }
}
