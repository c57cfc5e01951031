/**
 * Skopeo with credentials and configuration of the test's own.
 */
import { namespaced } from "./namespace.ts";
import { type PodmanRegistry, registriesConf } from "./podman.ts";
import { type Output, run } from "./process.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** How skopeo is set up. */
export interface SkopeoOptions {
  registries?: PodmanRegistry[];
  /** Names that resolve to these addresses for skopeo. Takes root. */
  hosts?: Record<string, string>;
  /** A certificate file to trust in place of the system's. */
  caFile?: string;
}

/** A set-up of skopeo; nothing runs between calls. */
export class Skopeo implements AsyncDisposable {
  readonly #folder: TempDir;
  readonly #options: SkopeoOptions;

  constructor(folder: TempDir, options: SkopeoOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  /** A path in a folder of its own, for `dir:` and `oci:`. */
  path(name: string): string {
    return this.#folder.join(name);
  }

  /** Runs skopeo. Plain HTTP needs `--tls-verify=false`, `--src-…` or `--dest-…`. */
  skopeo(...args: string[]): Promise<Output> {
    // This version looks at no variable for its registries, only at the option.
    const all = ["--registries-conf", this.#folder.join("registries.conf"), ...args];
    const line = namespaced({ hosts: this.#options.hosts ?? {} }, "skopeo", all);
    const { caFile } = this.#options;
    return run(line.command, line.args, {
      env: {
        HOME: this.#folder.path,
        REGISTRY_AUTH_FILE: this.#folder.join("auth.json"),
        ...(caFile === undefined ? {} : { SSL_CERT_FILE: caFile, SSL_CERT_DIR: "/nonexistent" }),
      },
    });
  }

  /** What `skopeo inspect` tells of an image on a plain registry; null if it fails. */
  async inspect(image: string, ...options: string[]): Promise<{ Digest: string } | null> {
    const { code, stdout } = await this.skopeo(
      "inspect",
      "--tls-verify=false",
      ...options,
      `docker://${image}`,
    );
    return code === 0 ? JSON.parse(stdout) : null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Sets skopeo up; takes no time. */
export async function startSkopeo(options: SkopeoOptions = {}): Promise<Skopeo> {
  const folder = await tempDir("skopeo");
  await folder.write("registries.conf", registriesConf(options.registries ?? []));
  await folder.write("auth.json", "{}");
  return new Skopeo(folder, options);
}
