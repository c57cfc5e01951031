/**
 * From a request's method, URL and host to a Route: pure, and made once from the configuration.
 * Closed-world: only configured upstreams can be reached, and a request that names another is told so.
 */
import type { Upstream } from "../config/config.ts";
import { parseRepository, type Repository } from "../reference.ts";
import { invalid, parsePath, type PathRequest, quote } from "./path.ts";
import type { Addressing, Refusal, Route, Target } from "./route.ts";
import {
  createUpstreamTable,
  isRegistryLike,
  type RoutingConfig,
  type UpstreamTable,
} from "./upstreams.ts";

/** How a request was addressed before its name is read; a ping, token or target has one. */
export interface Base {
  /** What the host or `ns` names, or the default upstream; null where there is none. */
  readonly upstream: Upstream | null;
  readonly addressing: Addressing;
}

/** What a repository's name leads to. */
export type Resolution = { readonly kind: "target"; readonly target: Target } | Refusal;

/** What routing reads of a request. */
export interface RouteInput {
  readonly method: string;
  readonly url: URL;
  /** The client's host, Forwarded headers already resolved; port, case and final dot are ignored. */
  readonly host: string;
}

/** The registries that are served, as the JSON body of a 404 tells them. */
export interface RouteList {
  readonly message: string;
  readonly routes: Readonly<Record<string, string>>;
}

/** Routes requests of one configuration. */
export interface Router {
  /**
   * The route of a request under `/v2`. The upstream is, in this order:
   *
   * 1. `?ns=`, as containerd sends it; an unknown one is refused, whatever else the request names.
   *    A name whose first component is a configured registry keeps its say: the mirror URL's path is
   *    the operator's explicit wish. Where it is the registry of `ns` it is only taken off; where it
   *    is another, it wins over `ns`.
   * 2. The host `<alias>.{CUSTOM_DOMAIN}`. The whole name is the repository's.
   * 3. The first component of the name, where it is a configured registry and more follows.
   * 4. The default upstream. A first component that Docker would read as a registry is refused
   *    there: it names one that is not configured.
   */
  route(input: RouteInput): Route;
  /**
   * Maps a name by the rules of `route`, given how the request was addressed: for the names in a
   * token's scopes and in a mount's `from`.
   */
  resolve(name: string, base: Base): Resolution;
  /** What is served, for those who asked for something else. */
  readonly routes: RouteList;
}

/** Makes the router. */
export function createRouter(config: RoutingConfig): Router {
  const table = createUpstreamTable(config);

  function route(input: RouteInput): Route {
    const base = findBase(table, input);
    if ("kind" in base) return base;
    const request = parsePath(input.method, input.url.pathname);
    switch (request.kind) {
      case "invalid":
        // On a host that serves nothing, a stray path is best answered by what is served.
        return request.status === 404 && base.upstream === null
          ? { kind: "unknown_upstream", requested: input.host }
          : request;
      case "token":
        return { kind: "token", ...base };
      case "ping":
      case "catalog":
        return base.upstream === null
          ? { kind: "unknown_upstream", requested: input.host }
          : { kind: request.kind, upstream: base.upstream, addressing: base.addressing };
      default: {
        const resolution = resolveName(table, request.name, base, input.host);
        return resolution.kind === "target" ? withTarget(request, resolution.target) : resolution;
      }
    }
  }

  return {
    route,
    resolve: (name, base) => resolveName(table, name, base, name),
    routes: listRoutes(config),
  };
}

function findBase(table: UpstreamTable, input: RouteInput): Base | Refusal {
  const hosted = table.byHost(input.host);
  // Asked of a URL without query, searchParams would be made at every request for nothing.
  const ns = input.url.search === "" ? null : input.url.searchParams.get("ns");
  if (ns !== null && ns !== "") {
    const upstream = table.byRegistry(ns, hosted ?? null);
    if (upstream === undefined) return { kind: "unknown_upstream", requested: ns };
    return { upstream, addressing: { kind: "ns", ns } };
  }
  if (hosted !== undefined) return { upstream: hosted, addressing: { kind: "host" } };
  return { upstream: table.defaultUpstream, addressing: { kind: "default" } };
}

function resolveName(
  table: UpstreamTable,
  name: string,
  base: Base,
  requested: string,
): Resolution {
  if (base.addressing.kind === "host") return makeTarget(base, name, name);
  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  const prefixed = first === "" ? undefined : table.byRegistry(first, base.upstream);
  if (prefixed !== undefined) {
    const addressing: Addressing = base.addressing.kind === "ns" && prefixed === base.upstream
      ? base.addressing
      : { kind: "prefix", prefix: first };
    return makeTarget({ upstream: prefixed, addressing }, name, name.slice(slash + 1));
  }
  if (base.addressing.kind === "ns") return makeTarget(base, name, name);
  if (isRegistryLike(first)) return { kind: "unknown_upstream", requested: first };
  // A name without prefix is the default upstream's, even beside one that had a prefix.
  const upstream = table.defaultUpstream;
  if (upstream === null) return { kind: "unknown_upstream", requested };
  return makeTarget({ upstream, addressing: { kind: "default" } }, name, name);
}

function makeTarget({ upstream, addressing }: Base, clientName: string, name: string): Resolution {
  if (upstream === null) return { kind: "unknown_upstream", requested: clientName };
  const repository = mapRepository(upstream, name);
  if (repository === undefined) {
    return invalid(
      "NAME_INVALID",
      `${
        quote(clientName)
      } is not a repository name: at most 255 characters, in components parted ` +
        'by "/", of lower-case letters and digits with ".", "_", "__" or dashes between them',
    );
  }
  return { kind: "target", target: { upstream, addressing, repository, clientName } };
}

function mapRepository(upstream: Upstream, name: string): Repository | undefined {
  const isOfficial = upstream.hasLibrary && !name.includes("/");
  return parseRepository(isOfficial ? `library/${name}` : name);
}

function withTarget(request: Extract<PathRequest, { name: string }>, target: Target): Route {
  switch (request.kind) {
    case "manifest":
      return { kind: "manifest", target, reference: request.reference };
    case "blob":
    case "referrers":
      return { kind: request.kind, target, digest: request.digest };
    case "tags":
      return { kind: "tags", target };
    case "upload":
      return { kind: "upload", target, session: request.session };
    default: {
      const unreachable: never = request;
      return unreachable;
    }
  }
}

/**
 * The registries that a configuration serves: by alias host, or where there is no custom domain by
 * the name that a path prefix has.
 */
export function listRoutes(config: RoutingConfig): RouteList {
  const { customDomain, defaultUpstream, upstreams } = config;
  const routes = new Map<string, string>();
  const all = customDomain === null && defaultUpstream !== null
    ? [defaultUpstream, ...upstreams]
    : upstreams;
  for (const upstream of all) {
    const key = customDomain === null ? upstream.registry : `${upstream.alias}.${customDomain}`;
    if (!routes.has(key)) routes.set(key, baseText(upstream.url));
  }
  return { message: "Available registry routes", routes: Object.fromEntries(routes) };
}

/** The URL without credentials, query and final slash. */
function baseText(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`.replace(/\/$/, "");
}
