/**
 * Content at its origin: asks the registry, and goes on to the storage host where it is redirected
 * and the policy says to stream.
 */
import { getLogger } from "@logtape/logtape";
import type { Credential } from "../auth/credential.ts";
import type { RedirectRule } from "../config/config.ts";
import { redactUrl } from "../log.ts";
import { decideRedirect, isRedirect } from "../redirect/decide.ts";
import { type Follow, locationOf } from "../redirect/follow.ts";
import type { Target } from "../routing/route.ts";
import { pullScope, type UpstreamClient, upstreamUrl } from "./client.ts";

const log = getLogger(["entrepot", "upstream"]);

/** A read of a manifest, a blob or a list. */
export interface OriginRequest {
  readonly target: Target;
  readonly method: "GET" | "HEAD";
  /** What follows `/v2/<repository>/`, with its query. */
  readonly path: string;
  readonly headers?: HeadersInit;
  readonly credential: Credential;
  readonly signal: AbortSignal;
}

/** What the origin gave. The caller owns a response's body. */
export type OriginAnswer =
  | {
    readonly kind: "response";
    readonly response: Response;
    /** Whether it came from where the registry redirected to. */
    readonly isRedirected: boolean;
  }
  /** The client is to go there itself. */
  | { readonly kind: "pass"; readonly status: number; readonly location: URL };

/** Reads from registries and from where they redirect to. */
export interface Origin {
  /** As the redirect policy wants it. @throws {RegistryError} where nothing can be reached. */
  ask(request: OriginRequest): Promise<OriginAnswer>;
  /** Always follows on the server. A redirected HEAD becomes a GET, whose body is the caller's. */
  fetch(request: OriginRequest): Promise<Response>;
}

/** Makes the origin. */
export function createOrigin(
  options: {
    client: UpstreamClient;
    follow: Follow;
    policy: { rules: readonly RedirectRule[]; blockedHosts: readonly string[] };
  },
): Origin {
  const { client } = options;

  async function ask(request: OriginRequest): Promise<OriginAnswer> {
    const { upstream } = request.target;
    const path = pathOf(request);
    const from = upstreamUrl(upstream, path);
    const response = await send(request, path);
    if (!isRedirect(response)) return { kind: "response", response, isRedirected: false };
    const location = locationOf(response, from);
    if (
      location !== undefined &&
      decideRedirect(location, upstream.redirect, options.policy) === "pass"
    ) {
      await response.body?.cancel();
      return { kind: "pass", status: response.status, location };
    }
    const redirected = await goOn(request, response, from);
    return { kind: "response", response: redirected, isRedirected: true };
  }

  async function fetch(request: OriginRequest): Promise<Response> {
    const path = pathOf(request);
    const response = await send(request, path);
    return isRedirect(response)
      ? await goOn(request, response, upstreamUrl(request.target.upstream, path))
      : response;
  }

  async function send(request: OriginRequest, path: string): Promise<Response> {
    const response = await client.send({
      upstream: request.target.upstream,
      method: request.method,
      path,
      scope: pullScope(request.target.repository),
      credential: request.credential,
      signal: request.signal,
      ...(request.headers === undefined ? {} : { headers: request.headers }),
    });
    noteHop(request.method, upstreamUrl(request.target.upstream, path), response.status);
    return response;
  }

  function goOn(request: OriginRequest, response: Response, from: URL): Promise<Response> {
    const { upstream } = request.target;
    return options.follow({
      upstream,
      response,
      from,
      headers: new Headers(request.headers),
      signal: request.signal,
      askUpstream: (url) =>
        client.send({
          upstream,
          method: "GET",
          path: url.href.slice(upstreamUrl(upstream, "").href.replace(/\/$/, "").length),
          scope: pullScope(request.target.repository),
          credential: request.credential,
          signal: request.signal,
          ...(request.headers === undefined ? {} : { headers: request.headers }),
        }),
      onHop: (url, status) => noteHop("GET", url, status),
    });
  }

  return { ask, fetch };
}

function pathOf({ target, path }: OriginRequest): string {
  return `/v2/${target.repository}/${path}`;
}

function noteHop(method: string, url: URL, status: number): void {
  log.debug("{method} {url} answered {status}", () => ({ method, url: redactUrl(url), status }));
}
