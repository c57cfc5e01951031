/**
 * The real docker-registry, configured per test.
 * Its own access log tells what it was asked.
 */
import type { Certificate } from "./ca.ts";
import { namespaced } from "./namespace.ts";
import { freePort, isListening } from "./ports.ts";
import { type Process, sleep, startProcess } from "./process.ts";
import { removeAll, type TempDir, tempDir } from "./temp.ts";

/** How a registry reaches S3. */
export interface S3Storage {
  kind: "s3";
  /** The endpoint, `http://127.0.0.1:9000`. */
  endpoint: string;
  bucket: string;
  accessKey: string;
  secretKey: string;
}

/** A registry's own tree; without a root it gets a temporary one. */
export interface FilesystemStorage {
  kind: "filesystem";
  root?: string;
}

/** The token server that a registry sends its clients to. */
export interface TokenAuth {
  realm: string;
  service: string;
  issuer: string;
  /** File with the certificates that may sign tokens. */
  bundle: string;
}

/** How a registry is started. */
export interface RegistryOptions {
  /** Default: a filesystem tree of its own. */
  storage?: FilesystemStorage | S3Storage;
  auth?: TokenAuth;
  tls?: Certificate;
  /** Refuses pushes. */
  readonly?: boolean;
  /** Answers blobs with a redirect to the storage, where that can sign. Default true. */
  redirect?: boolean;
  /** Makes it a pull-through cache of another registry. */
  proxy?: { remoteUrl: string };
  /** Whether it writes down its requests. Default true. */
  accessLog?: boolean;
  /** A certificate file to trust, for storage or a proxied registry under TLS. */
  caFile?: string;
  /** Names that resolve to these addresses for the registry. Takes root. */
  hosts?: Record<string, string>;
  hostname?: string;
  port?: number;
}

/** One line of the access log. */
export interface AccessLogEntry {
  method: string;
  /** Without the query. */
  path: string;
  query: string;
  status: number;
  /** Of the body. */
  bytes: number;
  userAgent: string;
}

/** A running registry. */
export class Registry implements AsyncDisposable {
  /** Scheme, address and port. */
  readonly url: string;
  /** Address and port, as image names begin. */
  readonly host: string;
  /** The tree of a registry on a filesystem, for a second one over the same content. */
  readonly root: string;
  readonly process: Process;
  readonly #folder: TempDir;

  constructor(url: string, root: string, process: Process, folder: TempDir) {
    this.url = url;
    this.host = new URL(url).host;
    this.root = root;
    this.process = process;
    this.#folder = folder;
  }

  /** What it was asked so far, in the order in which it had answered. */
  async requests(): Promise<AccessLogEntry[]> {
    // A line is written after its answer is on the way: wait until none comes any more.
    let log = await this.process.stdout();
    for (;;) {
      await sleep(40);
      const later = await this.process.stdout();
      if (later.length === log.length) return parseAccessLog(later);
      log = later;
    }
  }

  /** How many times it was asked for something. */
  async count(method: string, path: RegExp | string): Promise<number> {
    const matches = (entry: AccessLogEntry) =>
      entry.method === method &&
      (typeof path === "string" ? entry.path === path : path.test(entry.path));
    return (await this.requests()).filter(matches).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }

  /** Removes the stored tree, as if the storage were lost. */
  async wipe(): Promise<void> {
    await removeAll(`${this.root}/docker`);
  }
}

/** Starts a registry. */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const folder = await tempDir("registry");
  const hostname = options.hostname ?? "127.0.0.1";
  const port = options.port ?? freePort(hostname);
  const storage = options.storage ?? { kind: "filesystem" };
  const root = storage.kind === "filesystem" ? storage.root ?? folder.join("tree") : "";
  const address = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  // YAML reads JSON.
  const config = await folder.write(
    "config.yml",
    JSON.stringify(configuration(options, storage, root, address)),
  );
  try {
    const line = namespaced({ hosts: options.hosts ?? {} }, "docker-registry", ["serve", config]);
    const process = await startProcess("registry", line.command, {
      args: line.args,
      env: options.caFile === undefined ? {} : { SSL_CERT_FILE: options.caFile },
      graceMs: 3000,
      isReady: () => isListening(port, hostname),
    });
    const scheme = options.tls === undefined ? "http" : "https";
    return new Registry(`${scheme}://${address}`, root, process, folder);
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

function configuration(
  options: RegistryOptions,
  storage: FilesystemStorage | S3Storage,
  root: string,
  address: string,
): Record<string, unknown> {
  const { auth, tls, proxy } = options;
  return {
    version: 0.1,
    log: { level: "info", accesslog: { disabled: options.accessLog === false } },
    storage: {
      ...(storage.kind === "filesystem" ? { filesystem: { rootdirectory: root } } : {
        s3: {
          accesskey: storage.accessKey,
          secretkey: storage.secretKey,
          region: "us-east-1",
          regionendpoint: storage.endpoint,
          bucket: storage.bucket,
          encrypt: false,
          secure: storage.endpoint.startsWith("https:"),
          v4auth: true,
          chunksize: 5 << 20,
        },
      }),
      redirect: { disable: options.redirect === false },
      delete: { enabled: true },
      maintenance: {
        readonly: { enabled: options.readonly === true },
        uploadpurging: { enabled: false },
      },
    },
    http: {
      addr: address,
      secret: "test",
      ...(tls === undefined ? {} : { tls: { certificate: tls.certFile, key: tls.keyFile } }),
    },
    ...(auth === undefined ? {} : {
      auth: {
        token: {
          realm: auth.realm,
          service: auth.service,
          issuer: auth.issuer,
          rootcertbundle: auth.bundle,
        },
      },
    }),
    ...(proxy === undefined ? {} : { proxy: { remoteurl: proxy.remoteUrl } }),
  };
}

/** Reads lines of Apache's combined format; others are skipped. */
function parseAccessLog(log: string): AccessLogEntry[] {
  const line = /"([A-Z]+) (\S+) HTTP\/[\d.]+" (\d+) (\d+) "[^"]*" "([^"]*)"$/;
  return log.split("\n").flatMap((text) => {
    const match = line.exec(text);
    if (match === null) return [];
    const [, method = "", target = "", status, bytes, userAgent = ""] = match;
    const [path = "", ...query] = target.split("?");
    return [{
      method,
      path,
      query: query.join("?"),
      status: Number(status),
      bytes: Number(bytes),
      userAgent,
    }];
  });
}
