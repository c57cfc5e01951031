/** What this machine gives the proxy: a folder to write to, and a port. */
import type { Config } from "../config/config.ts";
import { ownUrl } from "../config/own_url.ts";
import { formatBytes, formatSize } from "../config/units.ts";
import { readBounded } from "../http_body.ts";
import { describeCause } from "../log.ts";
import type { Finding, World } from "./finding.ts";

const MAX_HEALTH_BYTES = 64 * 1024;

/** Whether the cache can be written, and has room. */
export async function checkDisk({ cache }: Config, world: World): Promise<Finding> {
  const about = { code: "disk", subject: cache.dir } as const;
  if (!cache.enabled) {
    return { ...about, kind: "fine", message: "nothing is cached, because CACHE_ENABLED is false" };
  }
  try {
    await world.probeFolder(cache.dir);
  } catch (error) {
    return {
      ...about,
      kind: "fault",
      message: `the cache cannot be written: ${describeCause(error)}`,
      fix: "name a folder in CACHE_DIR that this user can write, on a file system that is not " +
        "mounted read-only",
    };
  }
  const free = world.freeBytes(cache.dir);
  if (free <= cache.minFreeBytes) {
    return {
      ...about,
      kind: "warning",
      message: `${formatBytes(free)} are free, and CACHE_MIN_FREE keeps ${
        formatSize(cache.minFreeBytes)
      }: nothing more is cached`,
      fix: "make room, or lower CACHE_MIN_FREE",
    };
  }
  return { ...about, kind: "fine", message: `it can be written, ${formatBytes(free)} are free` };
}

/** Whether the port is this proxy's, or can be. */
export async function checkPort(config: Config, world: World): Promise<Finding> {
  const { host, port } = config.listen;
  const about = { code: "port", subject: `${host}:${port}` } as const;
  try {
    world.tryToListen({ hostname: host, port });
    return { ...about, kind: "fine", message: "it is free; the proxy is not running" };
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) {
      return {
        ...about,
        kind: "fault",
        message: `nobody can listen there: ${describeCause(error)}`,
        fix: "choose another PORT or HOST; ports below 1024 take a capability or root",
      };
    }
  }
  if (await isProxy(ownUrl(config.listen), world)) {
    return { ...about, kind: "fine", message: "the proxy is running" };
  }
  return {
    ...about,
    kind: "fault",
    message: "the port is taken by another program",
    fix: `stop it (ss -ltnp 'sport = :${port}' names it), or choose another PORT`,
  };
}

/** Whether a proxy of this kind answers at the base. */
export async function isProxy(base: URL, world: World): Promise<boolean> {
  try {
    const response = await world.outbound({
      url: new URL("/healthz", base),
      signal: world.signal,
      peer: base.host,
    });
    const body = await readBounded(response, MAX_HEALTH_BYTES);
    const text = new TextDecoder().decode(body);
    const health: unknown = response.ok && text.startsWith("{") ? JSON.parse(text) : null;
    return typeof health === "object" && health !== null && "uptime" in health &&
      "version" in health;
  } catch {
    // Whatever does not answer, or answers nonsense, is none.
    return false;
  }
}
