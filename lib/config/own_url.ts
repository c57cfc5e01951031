/** Where a process on the same machine reaches the proxy of a configuration. */
import type { Config } from "./config.ts";

/** "All addresses" is nothing that can be asked; the loopback address is one of them. */
const LOOPBACK: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** The base URL. */
export function ownUrl({ host, port }: Config["listen"]): URL {
  const hostname = LOOPBACK[host] ?? host;
  return new URL(`http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`);
}
