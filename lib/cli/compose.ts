/**
 * Wires the parts of a proxy from a configuration; what each may know it is given here. What has to
 * outlive the configuration comes from outside.
 */
import { lookup } from "node:dns/promises";
import { createTokenSource } from "../auth/tokens.ts";
import type { Config } from "../config/config.ts";
import { createExplainer } from "../explain/explainer.ts";
import { measureOutbound } from "../metrics/upstream_requests.ts";
import { createOutbound, refuseOffline } from "../outbound.ts";
import { createAccessProofs } from "../pull/access.ts";
import { createBlobHandler } from "../pull/blob.ts";
import { createFills, type Fills } from "../pull/fills.ts";
import { createCatalogHandler, createListingHandler } from "../pull/listing.ts";
import { createManifestHandler } from "../pull/manifest.ts";
import { createManifestCache } from "../pull/manifest_cache.ts";
import { createManifestSource } from "../pull/manifest_source.ts";
import { createPrefetch } from "../pull/prefetch.ts";
import { createPush } from "../push/create.ts";
import { withBlobPresence, withManifestPresence } from "../push/presence.ts";
import { createFollower } from "../redirect/follow.ts";
import { createPing } from "../relay/ping.ts";
import { createRealmExchange } from "../relay/realm_exchange.ts";
import { createTokenEndpoint } from "../relay/token_endpoint.ts";
import { createRouter } from "../routing/router.ts";
import { createTargetGuard } from "../target_guard.ts";
import { createUpstreamClient } from "../upstream/client.ts";
import { createConnectionLimit } from "../upstream/connections.ts";
import { createHealthWatch, type HostHealth } from "../upstream/health.ts";
import { createOrigin } from "../upstream/origin.ts";
import { createWebApp } from "../web/app.ts";
import { createRegistryHandler } from "../web/registry.ts";
import { createServer } from "../web/server.ts";
import { configValues } from "./describe_config.ts";
import type { Lasting } from "./lasting.ts";

/** A proxy by one configuration. */
export interface Composition {
  readonly handler: ReturnType<typeof createServer>;
  readonly fills: Fills;
  readonly hosts: () => readonly HostHealth[];
}

/** Makes the request handler. `lifetime` ends whatever belongs to no single request. */
export function compose(config: Config, lasting: Lasting, lifetime: AbortSignal): Composition {
  const { changes, index, metrics, now, quota, tracing, transfers, warm } = lasting;
  const { store, room, inventory, traffic } = lasting.cache;
  const hasHttpProxy = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]
    .some((name) => Deno.env.has(name));
  const { offline } = config.cache;
  const hostClient = Deno.createHttpClient({ allowHost: true });
  lifetime.addEventListener("abort", () => hostClient.close(), { once: true });
  const health = createHealthWatch({
    outbound: tracing.traceOutbound(measureOutbound(
      createOutbound({
        fetch: (input, init) => fetch(input, init),
        fetchAsHost: (input, init) => fetch(input, { ...init, client: hostClient }),
        hasHttpProxy,
        headersTimeoutSeconds: config.timeouts.upstreamHeadersSeconds,
      }),
      metrics.observeUpstream,
    )),
    now,
    lifetime,
  });
  const connections = createConnectionLimit({
    outbound: health.outbound,
    idleSeconds: config.timeouts.upstreamIdleSeconds,
    max: new Map(
      config.upstreams.map(({ registry, maxConnections }) => [registry, maxConnections]),
    ),
  });
  const outbound = offline ? refuseOffline : connections.outbound;
  const guard = createTargetGuard({
    privateTargets: config.privateTargets,
    lookup: async (hostname) =>
      (await lookup(hostname, { all: true })).map(({ address }) => address),
    resolvesElsewhere: hasHttpProxy,
  });
  const tokens = createTokenSource({ outbound, guard, now, lifetime });
  const client = createUpstreamClient({ outbound, tokens, quota, now });
  const follow = createFollower(outbound, guard);
  const origin = createOrigin({ client, follow, policy: config.redirect });
  const proofs = createAccessProofs({
    index,
    origin,
    // What was public when the network was left stays so.
    staleIfErrorSeconds: offline ? Infinity : config.cache.staleIfErrorSeconds,
    onProof: metrics.countProof,
    now,
    lifetime,
  });
  const onFetched = (fetchedBytes: number): void => {
    traffic.add({ fetchedBytes });
    metrics.addFetched(fetchedBytes);
  };
  const idleSeconds = config.timeouts.upstreamIdleSeconds;
  const fills = createFills({
    underWay: lasting.fillsUnderWay,
    store,
    index,
    origin,
    proofs,
    idleSeconds,
    abandonSeconds: config.timeouts.fillAbandonSeconds,
    onEvent: (event) => {
      if (event === "resume") index.count("resumes");
      if (event === "mismatch") index.count("mismatches");
      if (event === "detach") index.count("degraded");
    },
    onFetched,
    transfers,
    lifetime,
  });
  const router = createRouter(config);
  const exchange = createRealmExchange({ client, outbound, guard });
  const cache = createManifestCache({ index, store, now });
  const { negativeTtlSeconds } = config.cache;
  const source = createManifestSource({
    origin,
    proofs,
    negativeTtlSeconds,
    now,
    onFetched,
    lifetime,
  });
  const maxFills = offline ? 0 : config.cache.prefetchFills;
  const prefetch = createPrefetch({ fills, store, maxFills, now, lifetime });
  const { rangeMiss } = config.cache;
  const registry = createRegistryHandler({
    router,
    client,
    ping: createPing({ client, now, lifetime }),
    token: createTokenEndpoint({ router, exchange }),
    manifest: withManifestPresence(
      createManifestHandler({
        index,
        cache,
        source,
        proofs,
        prefetch,
        freshness: config.cache,
        ttlFactor: quota.ttlFactor,
        offline,
        now,
      }),
      { source, cache },
    ),
    blob: withBlobPresence(
      createBlobHandler({ index, store, origin, proofs, fills, rangeMiss, idleSeconds }),
      { origin, index, client },
    ),
    onManifest: inventory.notePull,
    listing: createListingHandler(origin),
    catalog: createCatalogHandler(client),
    push: createPush({
      config: { ...config.push, secretKey: config.push.secretKey ?? lasting.secretKey },
      router,
      client,
      outbound,
      guard,
      changes: {
        note(place, change) {
          changes.note(place, change);
          source.forget(place);
        },
      },
      // What is kept is sent by a client that knows no HTTP proxy.
      kept: config.cache.pushes && !hasHttpProxy
        ? { blobs: lasting.pushKeeper, manifests: cache }
        : undefined,
      now,
    }),
  });
  const web = createWebApp({
    config,
    configValues: configValues(config),
    router,
    index,
    store,
    fills,
    quota: quota.snapshot,
    hosts: health.snapshot,
    connections: connections.snapshot,
    lastEvictionAt: () => room?.lastEvictionAt ?? null,
    isDraining: () => lasting.readiness.isDraining,
    startedAt: lasting.startedAt,
    now,
    transfers,
    warm,
    inventory,
    traffic,
    metrics,
    ...createExplainer({
      router,
      index,
      childrenOf: inventory.childrenOf,
      config,
      ttlFactor: quota.ttlFactor,
      client,
      now,
    }),
  });
  const handler = createServer({
    registry,
    web,
    transfers,
    traffic,
    metrics,
    tracing,
    publicUrl: config.publicUrl,
    trustedProxies: config.trustedProxies,
  });
  return { handler, fills, hosts: health.snapshot };
}
