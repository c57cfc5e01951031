/**
 * A Docker engine of the test's own, and the client that talks to it.
 * It has no network of its own (`docker run --network host`) and touches nothing of the machine's.
 */
import { findCommand } from "./components.ts";
import { endProcessesIn } from "./engine.ts";
import { inNamespaceOf, namespaced } from "./namespace.ts";
import { type Output, type Process, run, startProcess } from "./process.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** How an engine is started. */
export interface DockerdOptions {
  /** Mirrors of Docker Hub, `http://127.0.0.1:5000`; a mirror may not have a path. */
  mirrors?: string[];
  /** Registries without TLS. Names on 127.0.0.0/8 need not be listed. */
  insecureRegistries?: string[];
  /**
   * Names that resolve to these addresses for the engine and its client. On 127.0.0.0/8 the
   * engine does not check certificates; to test trust, take `::1`.
   */
  hosts?: Record<string, string>;
  /** By `name` or `name:port`, the certificate that the engine trusts there. */
  certs?: Record<string, string>;
  /** Changes `daemon.json` before the engine starts. */
  configure?: (path: string) => Promise<void>;
}

/** A running engine. */
export class Dockerd implements AsyncDisposable {
  readonly process: Process;
  /** The `DOCKER_HOST` of this engine. */
  readonly socket: string;
  readonly #folder: TempDir;
  readonly #cli: string;

  constructor(process: Process, folder: TempDir) {
    this.process = process;
    this.socket = `unix://${folder.join("docker.sock")}`;
    this.#folder = folder;
    // The distribution's client builds with BuildKit without a plugin; it may not be first.
    this.#cli = findCommand("docker", "/usr/bin") ?? "docker";
  }

  /** Runs the client. It sees the engine's hosts and certificates; paths have to be absolute. */
  docker(...args: string[]): Promise<Output> {
    return this.dockerWith({}, ...args);
  }

  /** The same with more environment, such as `DOCKER_BUILDKIT`. */
  dockerWith(env: Record<string, string>, ...args: string[]): Promise<Output> {
    const { command, args: all } = inNamespaceOf(this.process.pid, this.#cli, args);
    return run(command, all, {
      env: {
        DOCKER_HOST: this.socket,
        DOCKER_CONFIG: this.#folder.join("client"),
        ...env,
      },
    });
  }

  /** Pulls an image; fails with what the client said. */
  async pull(image: string): Promise<void> {
    const { code, stdout, stderr } = await this.docker("pull", image);
    if (code !== 0) throw new Error(`docker pull ${image}: ${stdout}${stderr}`);
  }

  /** Forgets all images, so that the next pull asks for everything. */
  async removeImages(): Promise<void> {
    await this.docker("image", "prune", "-a", "-f");
  }

  /** Trusts a certificate at `name` or `name:port` from now on. */
  async trust(name: string, cert: string): Promise<void> {
    await this.#folder.write(`etc/certs.d/${name}/ca.crt`, cert);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
    await endProcessesIn(this.#folder.path);
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Starts an engine and waits until it answers. */
export async function startDockerd(options: DockerdOptions = {}): Promise<Dockerd> {
  const folder = await tempDir("dockerd");
  const socket = folder.join("docker.sock");
  const config = await folder.write(
    "daemon.json",
    JSON.stringify({
      "data-root": folder.join("data"),
      "exec-root": folder.join("exec"),
      pidfile: folder.join("dockerd.pid"),
      hosts: [`unix://${socket}`],
      bridge: "none",
      iptables: false,
      "ip-forward": false,
      "storage-driver": "overlay2",
      "registry-mirrors": options.mirrors ?? [],
      "insecure-registries": options.insecureRegistries ?? [],
    }),
  );
  await options.configure?.(config);
  const etcDocker = await folder.makeDir("etc");
  await folder.makeDir("client");
  for (const [name, cert] of Object.entries(options.certs ?? {})) {
    await folder.write(`etc/certs.d/${name}/ca.crt`, cert);
  }
  const { command, args } = namespaced(
    { hosts: options.hosts ?? {}, etcDocker, run: true },
    "dockerd",
    ["--config-file", config],
  );
  try {
    const process = await startProcess("dockerd", command, {
      args,
      env: { HOME: folder.path },
      isReady: () => answers(socket),
    });
    return new Dockerd(process, folder);
  } catch (error) {
    await endProcessesIn(folder.path);
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether the engine behind the socket says OK. */
async function answers(socket: string): Promise<boolean> {
  try {
    using connection = await Deno.connect({ transport: "unix", path: socket });
    await connection.write(
      new TextEncoder().encode("GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n"),
    );
    const buffer = new Uint8Array(64);
    const count = await connection.read(buffer) ?? 0;
    return new TextDecoder().decode(buffer.subarray(0, count)).includes(" 200 ");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}
