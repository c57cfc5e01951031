/**
 * Content at its origin: asks the registry, and goes on to the storage host where it is redirected
 * and the policy says to stream.
 */
import { getLogger } from "@logtape/logtape";
import type { Credential } from "../auth/credential.ts";
import type { RedirectRule } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import type { OutboundRequest } from "../outbound.ts";
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
  /** Where a blob's bytes are wanted. */
  readonly transfer?: OutboundRequest["transfer"];
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
  /**
   * Always follows on the server. A redirected HEAD becomes a GET, whose body is the caller's.
   *
   * @throws {RegistryError} where nothing can be reached, or a storage host refuses the redirect's URL.
   */
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
    const { from, response } = await askRegistry(request);
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
    const { from, response } = await askRegistry(request);
    return isRedirect(response) ? await goOn(request, response, from) : response;
  }

  async function askRegistry(request: OriginRequest): Promise<{ from: URL; response: Response }> {
    const { upstream, repository } = request.target;
    const from = upstreamUrl(upstream, `/v2/${repository}/${request.path}`);
    const response = await send(request, request.method, from);
    noteHop(request.method, from, response.status);
    return { from, response };
  }

  function send(
    request: OriginRequest,
    method: OriginRequest["method"],
    url: URL,
  ): Promise<Response> {
    return client.send({
      upstream: request.target.upstream,
      method,
      url,
      scope: pullScope(request.target.repository),
      credential: request.credential,
      signal: request.signal,
      ...(request.headers === undefined ? {} : { headers: request.headers }),
      ...(request.transfer === undefined ? {} : { transfer: request.transfer }),
    });
  }

  async function goOn(request: OriginRequest, redirect: Response, from: URL): Promise<Response> {
    const { upstream } = request.target;
    let last = from;
    const response = await options.follow({
      upstream,
      response: redirect,
      from,
      headers: new Headers(request.headers),
      signal: request.signal,
      ...(request.transfer === undefined ? {} : { transfer: request.transfer }),
      askUpstream: (url) => send(request, "GET", url),
      onHop: (url, status) => {
        last = url;
        noteHop("GET", url, status);
      },
    });
    if (last.origin === upstream.url.origin || !isUrlRefused(response)) return response;
    await response.body?.cancel();
    // The URL may have been signed for the method that the registry was asked with.
    if (request.method === "HEAD") return await fetch({ ...request, method: "GET" });
    throw new RegistryError(
      "UNAVAILABLE",
      `${upstream.registry} redirects to a storage host that answered ${response.status}`,
      { status: 502, detail: { upstream: upstream.registry, host: last.host } },
    );
  }

  return { ask, fetch };
}

/** Whether a storage host refuses the URL: it knows no callers whose rights could be lacking. */
function isUrlRefused({ status }: Response): boolean {
  return status === 400 || status === 401 || status === 403;
}

function noteHop(method: string, url: URL, status: number): void {
  log.debug("{method} {url} answered {status}", () => ({ method, url: redactUrl(url), status }));
}
