/**
 * Which upstream a host, an `ns` or a path prefix names. The tables are made once; a lookup at a
 * request costs one or two reads of a map.
 */
import type { Config, Upstream } from "../config/config.ts";

/** The part of the configuration that routing reads. */
export type RoutingConfig = Pick<Config, "upstreams" | "defaultUpstream" | "customDomain">;

/** The upstreams of a configuration, by what they may be called. */
export interface UpstreamTable {
  readonly defaultUpstream: Upstream | null;
  /** The upstream whose alias host this is. The host may hold a port, capitals and a final dot. */
  byHost(host: string): Upstream | undefined;
  /**
   * The upstream with this registry name, with or without port. Where several bear it (two accounts
   * of one registry), `preferred` is chosen if it is among them, else the default upstream, else the
   * first that is configured.
   */
  byRegistry(name: string, preferred?: Upstream | null): Upstream | undefined;
}

/** Docker Hub's names in references, in configuration files and on the wire. */
const DOCKER_HUB = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/** Makes the tables. */
export function createUpstreamTable(config: RoutingConfig): UpstreamTable {
  const registries = mapRegistries(config);
  const hosts = new Map<string, Upstream>();
  if (config.customDomain !== null) {
    for (const upstream of config.upstreams) {
      const host = `${upstream.alias}.${config.customDomain}`.toLowerCase();
      if (!hosts.has(host)) hosts.set(host, upstream);
    }
  }
  return {
    defaultUpstream: config.defaultUpstream,
    byHost: (host) => hosts.size === 0 ? undefined : hosts.get(bareHost(host)),
    byRegistry(name, preferred = null) {
      const bearers = registries.get(registryKey(name));
      if (bearers === undefined) return undefined;
      return preferred !== null && bearers.includes(preferred) ? preferred : bearers[0];
    },
  };
}

function mapRegistries(config: RoutingConfig): ReadonlyMap<string, readonly Upstream[]> {
  const registries = new Map<string, Upstream[]>();
  const all = config.defaultUpstream === null
    ? config.upstreams
    : [config.defaultUpstream, ...config.upstreams];
  for (const upstream of all) {
    for (const name of namesOf(upstream)) {
      const bearers = registries.get(name);
      if (bearers === undefined) registries.set(name, [upstream]);
      else if (!bearers.includes(upstream)) bearers.push(upstream);
    }
  }
  return registries;
}

function namesOf(upstream: Upstream): ReadonlySet<string> {
  const names = new Set(upstream.names.map(registryKey));
  if (DOCKER_HUB.some((name) => names.has(name))) DOCKER_HUB.forEach((name) => names.add(name));
  return names;
}

/** Host names know no case, and `:443` says nothing where no scheme is written. */
function registryKey(name: string): string {
  return name.toLowerCase().replace(/:443$/, "").replace(/\.(?=:\d+$|$)/, "");
}

/** The host without port and final dot, in lower case. */
function bareHost(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

/**
 * Whether a first component names a registry rather than a repository's part. This is the rule by
 * which Docker reads image references: a dot, a colon, or `localhost`.
 */
export function isRegistryLike(component: string): boolean {
  return component.includes(".") || component.includes(":") || component === "localhost";
}
