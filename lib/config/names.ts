/**
 * Who bears which registry name. A prefix or an `ns` must mean one upstream, whatever the order in
 * which upstreams are configured.
 */
import type { ConfigFault } from "./fault.ts";

/** An upstream that asks for names. */
export interface NameRequest {
  readonly alias: string;
  readonly url: URL;
  readonly registry: string;
  /** Names beside `registry`. */
  readonly names: readonly string[];
  readonly isBuiltin: boolean;
  /** The key that a fault about the names is reported under. */
  readonly label: string;
}

/**
 * Returns the names of each alias. What is said explicitly goes before the URL's host, which two
 * upstreams may share and then neither is called by. Names that are claimed twice are faults.
 */
export function claimNames(
  requests: readonly NameRequest[],
  faults: ConfigFault[],
): Map<string, readonly string[]> {
  const owners = new Map<string, NameRequest>();
  const names = new Map<string, string[]>();
  for (const request of requests) {
    const own: string[] = [];
    names.set(request.alias, own);
    for (const name of new Set([request.registry, ...request.names])) {
      // A built-in's name that is no host is for logs only.
      if (request.isBuiltin && name === request.alias) continue;
      const owner = owners.get(nameKey(name));
      if (owner === undefined) {
        owners.set(nameKey(name), request);
        own.push(name);
      } else if (owner !== request) faults.push(conflict(name, request, owner));
    }
  }
  const hosts = Map.groupBy(requests, ({ url }) => nameKey(url.host));
  for (const [host, bearers] of hosts) {
    const named = bearers.filter(({ alias }) => (names.get(alias)?.length ?? 0) > 0);
    const [bearer] = named;
    if (bearer === undefined || named.length > 1 || owners.has(host)) continue;
    names.get(bearer.alias)?.push(host);
  }
  return names;
}

function conflict(name: string, request: NameRequest, owner: NameRequest): ConfigFault {
  const advice = owner.isBuiltin
    ? `this name is the built-in upstream ${owner.alias}'s; change that one with UPSTREAM_${
      owner.alias.toUpperCase().replaceAll("-", "_")
    }_URL, or give this one a name of its own (REGISTRY)`
    : `this name is also the upstream ${owner.alias}'s; give each a name of its own (REGISTRY)`;
  return { key: request.label, received: JSON.stringify(name), advice };
}

/** Names are compared as hosts: without case and without the port that https has anyway. */
function nameKey(name: string): string {
  return name.toLowerCase().replace(/:443$/, "");
}
