/** Where a proxy mirrors Docker Hub. */
import type { Config } from "../config/config.ts";

/**
 * Docker asks a mirror for Docker Hub's names at its root: the default upstream's host, or Docker
 * Hub's alias host; null where neither is.
 */
export function hubMirrorOf(
  { defaultUpstream, upstreams, customDomain }: Pick<
    Config,
    "defaultUpstream" | "upstreams" | "customDomain"
  >,
  base: URL,
): URL | null {
  if (defaultUpstream?.registry === "docker.io") return base;
  const hub = upstreams.find(({ registry }) => registry === "docker.io");
  if (hub === undefined || customDomain === null) return null;
  const url = new URL(base);
  url.hostname = `${hub.alias}.${customDomain}`;
  return url;
}
