/**
 * Follows a registry's redirect to where the bytes are, as a clean request: what was meant for the
 * registry (Authorization, cookies) never reaches a storage host, and nothing is added to a signed
 * URL. Source: distribution-spec "API"; RFC 9110 section 15.4.
 */
import type { Upstream } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import type { Outbound, OutboundRequest } from "../outbound.ts";
import type { TargetGuard } from "../target_guard.ts";
import { isRedirect } from "./decide.ts";

/** Go's HTTP client, and with it every container engine, gives up after as many. */
const MAX_HOPS = 10;

/** What is needed to go on from a redirect. */
export interface FollowRequest {
  readonly upstream: Upstream;
  /** The redirect; its body is cancelled. */
  readonly response: Response;
  /** The URL that answered with it. */
  readonly from: URL;
  /** Sent on every hop: Range, If-Range, and Accept for manifests; nothing else passes. */
  readonly headers: Headers;
  /** Where a blob's bytes are wanted. */
  readonly transfer?: OutboundRequest["transfer"];
  readonly signal: AbortSignal;
  /** Asks the upstream itself, with its authentication, for hops that stay on its origin. */
  readonly askUpstream: (url: URL) => Promise<Response>;
  /** Told of every hop, for the debug log. */
  readonly onHop?: (url: URL, status: number) => void;
}

/** Headers that may accompany a signed URL; Accept matters for manifests only. */
const CLEAN_HEADERS = ["range", "if-range", "accept"];

/** Follows redirects with GET. */
export type Follow = (request: FollowRequest) => Promise<Response>;

/** Makes the follower. */
export function createFollower(outbound: Outbound, guard: TargetGuard): Follow {
  return async function follow(request) {
    const headers = new Headers();
    for (const name of CLEAN_HEADERS) {
      const value = request.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    const seen = new Set([request.from.href]);
    let from = request.from;
    let response = request.response;
    while (isRedirect(response)) {
      await response.body?.cancel();
      const next = nextHop(response, from, seen, request.upstream);
      const address = await guard.check(next, request.upstream);
      response = next.origin === request.upstream.url.origin
        ? await request.askUpstream(next)
        : await outbound({
          url: next,
          headers,
          signal: request.signal,
          peer: request.upstream.registry,
          address,
          ...(request.transfer === undefined ? {} : { transfer: request.transfer }),
        });
      request.onHop?.(next, response.status);
      from = next;
    }
    return response;
  };
}

/** The absolute URL of a redirect's Location. A relative one is resolved (RFC 9110 section 10.2.2). */
export function locationOf(response: Response, from: URL): URL | undefined {
  const location = response.headers.get("location");
  return location === null || !URL.canParse(location, from) ? undefined : new URL(location, from);
}

function nextHop(response: Response, from: URL, seen: Set<string>, upstream: Upstream): URL {
  const next = locationOf(response, from);
  if (next === undefined) throw broken(upstream, "with a Location that is not a URL");
  if (from.protocol === "https:" && next.protocol === "http:") {
    throw broken(upstream, `from https to http (${next.host}), which would expose the transfer`);
  }
  if (seen.has(next.href)) throw broken(upstream, `in a loop (at ${next.host})`);
  if (seen.size > MAX_HOPS) throw broken(upstream, `more than ${MAX_HOPS} times`);
  seen.add(next.href);
  return next;
}

function broken(upstream: Upstream, how: string): RegistryError {
  return new RegistryError("UNAVAILABLE", `${upstream.registry} redirects ${how}`, {
    status: 502,
    detail: { upstream: upstream.registry },
    isFinal: true,
  });
}
