/** The proxy at a glance: what it holds, and how its upstreams fare. API and pages tell the same. */
import type { CacheIndex } from "../../cache/index.ts";
import type { Config, Upstream } from "../../config/config.ts";
import type { ConnectionCount } from "../../upstream/connections.ts";
import type { HostHealth } from "../../upstream/health.ts";
import type { Quota } from "../../upstream/quota.ts";
import { VERSION } from "../../version.ts";

/** How the proxy is. */
export interface Status {
  readonly version: string;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  readonly isDraining: boolean;
  readonly activeFills: number;
  readonly cache: {
    readonly enabled: boolean;
    readonly bytes: number;
    readonly maxBytes: number;
    readonly blobs: number;
    readonly manifests: number;
    /** Since the cache was made. */
    readonly counters: Readonly<Record<string, number>>;
  };
}

/** An upstream as it is configured and as it fares. */
export interface UpstreamOverview {
  readonly alias: string;
  readonly registry: string;
  readonly url: string;
  readonly names: readonly string[];
  readonly isDefault: boolean;
  readonly auth: Upstream["auth"]["kind"];
  /** Names of the proxy's accounts, masked. */
  readonly accounts: readonly string[];
  readonly redirect: Upstream["redirect"];
  readonly push: Upstream["push"];
  readonly connections: Pick<ConnectionCount, "active" | "waiting" | "max"> | null;
  /** `unknown`: it was not asked since the start. */
  readonly state: HostHealth["state"] | "unknown";
  readonly hosts: readonly HostHealth[];
  readonly quota: readonly Quota[];
}

/** What is looked at. */
export interface OverviewDeps {
  readonly config: Config;
  readonly index: CacheIndex;
  readonly activeFills: () => number;
  readonly quota: () => readonly Quota[];
  readonly hosts: () => readonly HostHealth[];
  readonly connections: () => readonly ConnectionCount[];
  readonly isDraining: () => boolean;
  readonly startedAt: Date;
  /** In milliseconds since the epoch. */
  readonly now: () => number;
}

/** The views. */
export interface Overview {
  status(): Status;
  upstreams(): readonly UpstreamOverview[];
}

/** Makes the views. */
export function createOverview(deps: OverviewDeps): Overview {
  const { config, index } = deps;

  function status(): Status {
    const { blobs, manifests, bytes } = index.totals();
    return {
      version: VERSION,
      startedAt: deps.startedAt.toISOString(),
      uptimeSeconds: Math.floor((deps.now() - deps.startedAt.getTime()) / 1000),
      isDraining: deps.isDraining(),
      activeFills: deps.activeFills(),
      cache: {
        enabled: config.cache.enabled,
        bytes,
        maxBytes: config.cache.maxBytes,
        blobs,
        manifests,
        counters: Object.fromEntries(index.counters()),
      },
    };
  }

  function upstreams(): readonly UpstreamOverview[] {
    const hosts = Map.groupBy(deps.hosts(), ({ upstream }) => upstream);
    const quota = Map.groupBy(deps.quota(), ({ upstream }) => upstream);
    const connections = new Map(deps.connections().map((count) => [count.upstream, count]));
    const { defaultUpstream } = config;
    const others = config.upstreams.filter((upstream) => upstream !== defaultUpstream);
    const all = defaultUpstream === null ? others : [defaultUpstream, ...others];
    return all.map((upstream) => ({
      ...describeUpstream(upstream, upstream === defaultUpstream),
      connections: countOf(connections.get(upstream.registry)),
      state: stateOf(upstream, hosts.get(upstream.registry) ?? []),
      hosts: hosts.get(upstream.registry) ?? [],
      quota: quota.get(upstream.registry) ?? [],
    }));
  }

  return { status, upstreams };
}

type Configured = Omit<UpstreamOverview, "connections" | "state" | "hosts" | "quota">;

function describeUpstream(upstream: Upstream, isDefault: boolean): Configured {
  const { auth } = upstream;
  const accounts = auth.kind === "account"
    ? [auth.username, ...auth.others.map(({ username }) => username)]
    : [];
  return {
    alias: upstream.alias,
    registry: upstream.registry,
    url: upstream.url.href.replace(/\/$/, ""),
    names: upstream.names,
    isDefault,
    auth: auth.kind,
    accounts: accounts.map(maskName),
    redirect: upstream.redirect,
    push: upstream.push,
  };
}

/** Enough to tell one's own accounts apart. */
export function maskName(name: string): string {
  return name.length < 4 ? `${name.slice(0, 1)}***` : `${name.slice(0, 2)}***${name.slice(-1)}`;
}

function countOf(count: ConnectionCount | undefined): UpstreamOverview["connections"] {
  if (count === undefined) return null;
  return { active: count.active, waiting: count.waiting, max: count.max };
}

/** The registry's own host decides: realm and storage may fail for reasons of their own. */
function stateOf(upstream: Upstream, hosts: readonly HostHealth[]): UpstreamOverview["state"] {
  return hosts.find(({ host }) => host === upstream.url.host)?.state ?? "unknown";
}
