/**
 * Podman and Buildah with storage and configuration of the test's own.
 */
import { namespaced } from "./namespace.ts";
import { type Output, run } from "./process.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** A registry as `registries.conf` knows it. */
export interface PodmanRegistry {
  /** The registry that images name, `docker.io`. */
  prefix: string;
  /** Asked first: a host, with a path if need be (`127.0.0.1:5000/ghcr.io`). */
  mirror?: string;
  /** No TLS, or none that is checked. */
  insecure?: boolean;
}

/** How podman is set up. */
export interface PodmanOptions {
  registries?: PodmanRegistry[];
  /** Names that resolve to these addresses for podman. */
  hosts?: Record<string, string>;
  /** Default `overlay`; `vfs` works where overlays cannot be mounted. */
  driver?: "overlay" | "vfs";
}

/** A set-up of podman; nothing runs between calls. */
export class Podman implements AsyncDisposable {
  readonly #folder: TempDir;
  readonly #hosts: Record<string, string>;

  constructor(folder: TempDir, hosts: Record<string, string>) {
    this.#folder = folder;
    this.#hosts = hosts;
  }

  /** The file with the credentials of `podman login`. */
  get authFile(): string {
    return this.#folder.join("auth.json");
  }

  /** Runs podman; containers with runc, which takes any arrangement of cgroups. */
  podman(...args: string[]): Promise<Output> {
    return this.#run("podman", ["--runtime", "runc", "--cgroup-manager", "cgroupfs", ...args]);
  }

  /** Runs buildah over the same storage. */
  buildah(...args: string[]): Promise<Output> {
    return this.#run("buildah", args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }

  #run(command: string, args: string[]): Promise<Output> {
    // Mounts of the storage go with the namespace, and so do locks and pid files in /run.
    const line = namespaced({ hosts: this.#hosts, run: true }, command, args);
    return run(line.command, line.args, {
      env: {
        HOME: this.#folder.path,
        CONTAINERS_REGISTRIES_CONF: this.#folder.join("registries.conf"),
        CONTAINERS_STORAGE_CONF: this.#folder.join("storage.conf"),
        REGISTRY_AUTH_FILE: this.authFile,
      },
    });
  }
}

/** Sets podman up; takes no time. */
export async function startPodman(options: PodmanOptions = {}): Promise<Podman> {
  const folder = await tempDir("podman");
  await folder.write("registries.conf", registriesConf(options.registries ?? []));
  await folder.write(
    "storage.conf",
    [
      "[storage]",
      `driver = "${options.driver ?? "overlay"}"`,
      `runroot = "${folder.join("run")}"`,
      `graphroot = "${folder.join("graph")}"`,
      "",
    ].join("\n"),
  );
  // A file that the variable names has to be there before the first pull.
  await folder.write("auth.json", "{}");
  return new Podman(folder, options.hosts ?? {});
}

/** The text of a `registries.conf`; skopeo takes it by `--registries-conf`. */
export function registriesConf(registries: PodmanRegistry[]): string {
  const tables = registries.flatMap(({ prefix, mirror, insecure }) => [
    "[[registry]]",
    `prefix = "${prefix}"`,
    `location = "${prefix}"`,
    ...(mirror === undefined ? [`insecure = ${insecure === true}`] : [
      "[[registry.mirror]]",
      `location = "${mirror}"`,
      `insecure = ${insecure === true}`,
    ]),
  ]);
  return [
    'unqualified-search-registries = ["docker.io"]',
    'short-name-mode = "disabled"',
    ...tables,
    "",
  ].join("\n");
}
