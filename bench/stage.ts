/** Everything that is compared, over the same content: an origin registry, its peers, the product. */
import { join } from "node:path";
import { type Entrepot, startEntrepot } from "../tests/support/entrepot.ts";
import { noiseImage } from "../tests/support/image.ts";
import type { Content } from "../tests/support/layer.ts";
import { freePort, isListening } from "../tests/support/ports.ts";
import { type Process, startProcess } from "../tests/support/process.ts";
import { pushImage } from "../tests/support/push.ts";
import { type Registry, startRegistry } from "../tests/support/registry.ts";
import { tempDir } from "../tests/support/temp.ts";

const MIB = 1 << 20;
export const REPOSITORY = "library/bench";

/** A server that is measured. */
export interface Subject {
  readonly name: string;
  readonly pid: number;
  /** Where it gives a blob. */
  blob(content: { digest: string }): string;
}

/** A server that gives one answer for whatever is asked. */
export interface Bare extends Subject {
  readonly url: string;
}

/** What cases draw on. */
export interface BenchStage extends AsyncDisposable {
  readonly origin: Registry;
  readonly product: Entrepot & Subject;
  readonly uncached: Entrepot & Subject;
  /** docker-registry with its own storage. */
  readonly registry: Subject & { readonly url: string };
  /** docker-registry as a cache of the origin. */
  readonly pullThrough: Subject & { readonly url: string };
  /** Serves the origin's files. */
  readonly nginx: Subject & { readonly url: string };
  /** Passes the origin's answers on. */
  readonly nginxProxy: Subject;
  /** The runtime's own server with one constant answer: as long as the manifest, and a blob's. */
  readonly bare: { readonly manifest: Bare; readonly mib1: Bare };
  readonly manifest: Content;
  readonly blobs: { readonly mib1: Content; readonly mib64: Content; readonly large: Content };
  /** Blobs that no cache has yet; each is taken once. */
  readonly cold: readonly Content[];
  /** Where nginx serves content. */
  fileUrl(content: { digest: string }): string;
}

/** How much is seeded. */
export interface StageSizes {
  readonly largeMib: number;
  readonly coldMib: number;
  readonly coldBlobs: number;
}

/** Starts it all and seeds the origin. */
export async function startBenchStage(sizes: StageSizes): Promise<BenchStage> {
  await using stack = new AsyncDisposableStack();
  const origin = stack.use(await startRegistry({ accessLog: false }));
  const { registry, repository } = { registry: origin.url, repository: REPOSITORY };
  const image = noiseImage("bench", [MIB, 64 * MIB, sizes.largeMib * MIB]);
  await pushImage(image, { registry, repository, tag: "1" });
  const coldSizes = Array<number>(sizes.coldBlobs).fill(sizes.coldMib * MIB);
  const coldImage = noiseImage("cold", coldSizes);
  await pushImage(coldImage, { registry, repository, tag: "cold" });
  const [mib1, mib64, large] = layersOf(image);
  const [manifest] = image.manifests;
  if (!mib1 || !mib64 || !large || !manifest) throw new Error("the image lacks layers");

  const own = stack.use(
    await startRegistry({ storage: { kind: "filesystem", root: origin.root } }),
  );
  const through = stack.use(await startRegistry({ proxy: { remoteUrl: origin.url } }));
  const files = await startNginx(origin, stack);
  const bare = {
    manifest: await startBare(manifest.size, stack),
    mib1: await startBare(mib1.size, stack),
  };
  const env = {
    UPSTREAM_DOCKER_URL: origin.url,
    UPSTREAM_DOCKER_LIBRARY: "true",
    LOG_FORMAT: "json",
    PREFETCH: "false",
    CACHE_MAX_SIZE: "50GiB",
  };
  const product = stack.use(await startEntrepot({ env }));
  const uncached = stack.use(await startEntrepot({ env: { ...env, CACHE_ENABLED: "false" } }));
  const parts = {
    origin,
    product: Object.assign(product, subject("entrepot", product.url)),
    uncached: Object.assign(uncached, subject("entrepot", uncached.url)),
    registry: { ...subject("docker-registry", own.url), url: own.url, pid: own.process.pid },
    pullThrough: {
      ...subject("docker-registry", through.url),
      url: through.url,
      pid: through.process.pid,
    },
    nginx: {
      name: "nginx sendfile",
      url: files.staticUrl,
      pid: files.process.pid,
      blob: (content: { digest: string }) => files.staticUrl + filePath(content),
    },
    nginxProxy: { ...subject("nginx unbuffered", files.proxyUrl), pid: files.process.pid },
    bare,
    manifest,
    blobs: { mib1, mib64, large },
    cold: layersOf(coldImage),
    fileUrl: (content: { digest: string }) => files.staticUrl + filePath(content),
  };
  const resources = stack.move();
  return Object.assign(parts, { [Symbol.asyncDispose]: () => resources.disposeAsync() });
}

function layersOf(image: ReturnType<typeof noiseImage>): Content[] {
  return image.platforms[0]?.layers.slice(1) ?? [];
}

function subject(name: string, url: string): Pick<Subject, "name" | "blob"> {
  return { name, blob: ({ digest }) => `${url}/v2/${REPOSITORY}/blobs/${digest}` };
}

/** Where docker-registry keeps content. */
function filePath({ digest }: { digest: string }): string {
  const hex = digest.slice("sha256:".length);
  return `/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
}

async function startBare(bytes: number, stack: AsyncDisposableStack): Promise<Bare> {
  const port = freePort();
  const script = join(import.meta.dirname ?? ".", "bare.ts");
  const process = stack.use(
    await startProcess("bare", Deno.execPath(), {
      args: ["run", "--no-config", "--allow-net", script, String(port), String(bytes)],
      isReady: () => isListening(port),
    }),
  );
  const url = `http://127.0.0.1:${port}/`;
  return { name: "Deno.serve, bare", url, pid: process.pid, blob: () => url };
}

async function startNginx(
  origin: Registry,
  stack: AsyncDisposableStack,
): Promise<{ process: Process; staticUrl: string; proxyUrl: string }> {
  const folder = stack.use(await tempDir("nginx"));
  const [staticPort, proxyPort] = [freePort(), freePort()];
  const config = await folder.write(
    "nginx.conf",
    `worker_processes 1;
pid ${folder.join("pid")};
error_log ${folder.join("error.log")};
${Deno.uid() === 0 ? "user root;" : ""}
events { worker_connections 1024; }
http {
  access_log ${folder.join("access.log")};
  sendfile on; tcp_nopush on; keepalive_requests 1000000;
  default_type application/octet-stream;
  client_body_temp_path ${folder.join("a")}; proxy_temp_path ${folder.join("b")};
  fastcgi_temp_path ${folder.join("c")}; uwsgi_temp_path ${folder.join("d")};
  scgi_temp_path ${folder.join("e")};
  server { listen 127.0.0.1:${staticPort}; root ${origin.root}; }
  server {
    listen 127.0.0.1:${proxyPort};
    location / { proxy_pass ${origin.url}; proxy_buffering off; proxy_http_version 1.1; }
  }
}
`,
  );
  const process = stack.use(
    await startProcess("nginx", "nginx", {
      args: ["-c", config, "-p", join(folder.path, "/"), "-g", "daemon off;"],
      isReady: () => isListening(proxyPort),
    }),
  );
  return {
    process,
    staticUrl: `http://127.0.0.1:${staticPort}`,
    proxyUrl: `http://127.0.0.1:${proxyPort}`,
  };
}
