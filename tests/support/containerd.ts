/**
 * A containerd of the test's own, and `ctr`.
 */
import { endProcessesIn } from "./engine.ts";
import { inNamespaceOf, namespaced } from "./namespace.ts";
import { type Output, type Process, run, startProcess } from "./process.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** How a containerd is started. */
export interface ContainerdOptions {
  /**
   * The text of `hosts.toml` by registry (`docker.io`, or `_default` for all). Without an entry a
   * registry is asked directly, which `--plain-http` needs.
   */
  registries?: Record<string, string>;
  /** Changes `config.toml` before containerd starts. */
  configure?: (path: string) => Promise<void>;
  /** Names that resolve to these addresses for `ctr`, which is who asks registries. */
  hosts?: Record<string, string>;
}

/** A running containerd. */
export class Containerd implements AsyncDisposable {
  readonly process: Process;
  /** The folder of `hosts.toml` files. */
  readonly hostsDir: string;
  readonly #folder: TempDir;

  constructor(process: Process, folder: TempDir) {
    this.process = process;
    this.#folder = folder;
    this.hostsDir = folder.join("hosts");
  }

  /** Runs `ctr` in a namespace of the tests. */
  ctr(...args: string[]): Promise<Output> {
    const line = inNamespaceOf(this.process.pid, "ctr", [
      ...["--address", this.#folder.join("c.sock"), "--namespace", "test"],
      ...args,
    ]);
    return run(line.command, line.args);
  }

  /** Pulls by way of the hosts folder; `--user name:password` and others may follow. */
  pull(image: string, ...options: string[]): Promise<Output> {
    return this.ctr("images", "pull", "--hosts-dir", this.hostsDir, ...options, image);
  }

  /** Sends pulls of a registry to one host, as a mirror. */
  async useMirror(registry: string, mirror: string): Promise<void> {
    await this.#folder.write(`hosts/${registry}/hosts.toml`, mirrorHosts(registry, mirror));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
    await endProcessesIn(this.#folder.path);
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** A `hosts.toml` that sends pulls to a mirror first. */
export function mirrorHosts(registry: string, mirror: string): string {
  const server = registry === "docker.io" ? "registry-1.docker.io" : registry;
  const first = registry === "_default" ? "" : `server = "https://${server}"\n`;
  return `${first}[host."${mirror}"]\n  capabilities = ["pull", "resolve"]\n`;
}

/** Starts a containerd and waits until `ctr` reaches it. */
export async function startContainerd(options: ContainerdOptions = {}): Promise<Containerd> {
  const folder = await tempDir("containerd");
  const socket = folder.join("c.sock");
  const config = await folder.write(
    "config.toml",
    [
      "version = 2",
      `root = "${folder.join("root")}"`,
      `state = "${folder.join("state")}"`,
      // Kubernetes' plugin wants a network set-up that nobody here uses.
      'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
      "[grpc]",
      `  address = "${socket}"`,
      "[ttrpc]",
      `  address = "${socket}.ttrpc"`,
    ].join("\n"),
  );
  await options.configure?.(config);
  await folder.makeDir("hosts");
  for (const [registry, text] of Object.entries(options.registries ?? {})) {
    await folder.write(`hosts/${registry}/hosts.toml`, text);
  }
  const line = namespaced(
    { hosts: options.hosts ?? {}, run: true },
    "containerd",
    ["--config", config],
  );
  try {
    const process = await startProcess("containerd", line.command, {
      args: line.args,
      isReady: async () => (await run("ctr", ["--address", socket, "version"])).code === 0,
    });
    return new Containerd(process, folder);
  } catch (error) {
    await endProcessesIn(folder.path);
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}
