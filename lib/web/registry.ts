/**
 * Everything under `/v2`: a request becomes a route, the route finds its handler, and an error
 * becomes the registry's JSON with the challenge that this client can follow.
 */
import { credentialOf, usesAccount } from "../auth/credential.ts";
import type { Place } from "../cache/index.ts";
import type { Upstream } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import type { ClientOrigin } from "../http.ts";
import type { BlobHandler } from "../pull/blob.ts";
import { type CatalogHandler, type ListingHandler, upstreamQuery } from "../pull/listing.ts";
import type { ManifestHandler } from "../pull/manifest.ts";
import { placeOf, type PullFacts, type PullRequest } from "../pull/request.ts";
import type { PushHandler, PushRoute } from "../push/push.ts";
import type { PushMethod, PushRequest } from "../push/request.ts";
import { type Digest, parseDigest } from "../reference.ts";
import { clientChallenge } from "../relay/challenge.ts";
import { neededScopes } from "../relay/needed_scope.ts";
import type { Ping } from "../relay/ping.ts";
import type { TokenEndpoint } from "../relay/token_endpoint.ts";
import type { Addressing, Route, Target } from "../routing/route.ts";
import type { Router } from "../routing/router.ts";
import type { UpstreamClient } from "../upstream/client.ts";

/** What the request's log line and metrics say beside method, path and status. */
export interface RequestFacts extends Partial<PullFacts> {
  route: Route["kind"] | "web";
  upstream?: string;
  repository?: string;
}

/** A request under `/v2` with what the server knows of it. */
export interface RegistryRequest {
  readonly request: Request;
  readonly url: URL;
  readonly origin: ClientOrigin;
  /** The host that was asked, where {@linkcode origin} may have the one of PUBLIC_URL. */
  readonly host: string;
  /** Resolves when the response has been sent or broken off. */
  readonly finished: Promise<void>;
  /** Filled in on the way. */
  readonly facts: RequestFacts;
  /** Is told of bytes that the client was sent, where they are seen. */
  readonly onSent: (bytes: number) => void;
}

/** Serves `/v2`. Throws nothing but defects. */
export type RegistryHandler = (request: RegistryRequest) => Promise<Response>;

/** What serves each route. */
export interface RegistryDeps {
  readonly router: Router;
  readonly client: UpstreamClient;
  readonly ping: Ping;
  readonly token: TokenEndpoint;
  readonly manifest: ManifestHandler;
  readonly blob: BlobHandler;
  /** Is told of each manifest that is served whole. */
  readonly onManifest: (place: Place, digest: Digest) => void;
  readonly listing: ListingHandler;
  readonly catalog: CatalogHandler;
  readonly push: PushHandler;
}

/** Makes the handler. */
export function createRegistryHandler(deps: RegistryDeps): RegistryHandler {
  return async function handleRegistry(input) {
    const { request, url, host, facts } = input;
    const route = deps.router.route({ method: request.method, url, host });
    facts.route = route.kind;
    const subject = subjectOf(route);
    if (subject !== null) facts.upstream = subject.upstream.registry;
    if (subject?.target) facts.repository = subject.target.repository;
    let response: Response;
    try {
      response = await serve(input, route);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      response = withChallenge(error, input, route).toResponse(request.method);
    }
    if (route.kind === "manifest" && request.method === "GET" && response.status === 200) {
      const digest = parseDigest(response.headers.get("docker-content-digest") ?? "");
      if (digest !== undefined) deps.onManifest(placeOf(route.target), digest);
    }
    response.headers.set("docker-distribution-api-version", "registry/2.0");
    if (subject?.addressing.kind === "ns") {
      response.headers.set("oci-namespace", subject.addressing.ns);
    }
    return response;
  };

  function serve(input: RegistryRequest, route: Route): Promise<Response> {
    const { request, url } = input;
    switch (route.kind) {
      case "ping":
        return deps.ping(
          route.upstream,
          credentialOf(request.headers, route.upstream),
          request.signal,
        );
      case "token":
        return deps.token(request, route, request.signal);
      case "manifest":
        return isRead(request.method)
          ? deps.manifest(readOf(input, route.target), route.target, route.reference)
          : deps.push(writeOf(input, route), route);
      case "blob":
        return isRead(request.method)
          ? deps.blob(readOf(input, route.target), route.target, route.digest)
          : deps.push(writeOf(input, route), route);
      case "upload":
        return deps.push(writeOf(input, route), route);
      case "tags":
        return deps.listing(readOf(input, route.target), route.target, "tags/list", url.search);
      case "referrers":
        return deps.listing(
          readOf(input, route.target),
          route.target,
          `referrers/${route.digest}`,
          url.search,
        );
      case "catalog":
        return deps.catalog(readOf(input, route), route, url.search);
      case "unknown_upstream":
        return Promise.resolve(unknownUpstream(route.requested, deps.router));
      case "invalid":
        throw new RegistryError(route.code, route.message, {
          status: route.status,
          ...(route.allow === null ? {} : { headers: { allow: route.allow } }),
        });
      default:
        return route satisfies never;
    }
  }

  /** A read of a repository, or of what a registry holds. */
  function readOf(
    { request, facts, finished, onSent }: RegistryRequest,
    { upstream }: { upstream: Upstream },
  ): PullRequest {
    return {
      method: request.method === "HEAD" ? "HEAD" : "GET",
      headers: request.headers,
      credential: credentialOf(request.headers, upstream),
      signal: request.signal,
      finished,
      note: (noted) => Object.assign(facts, noted),
      onSent,
    };
  }

  /** A write, and everything about uploads: never answered from a cache. */
  function writeOf(input: RegistryRequest, { target }: PushRoute): PushRequest {
    const { request, url, facts } = input;
    const { scheme, host } = seenOrigin(input, target.addressing);
    return {
      method: pushMethod(request.method),
      incoming: request,
      query: upstreamQuery(url.search),
      base: `${scheme}://${host}`,
      credential: credentialOf(request.headers, target.upstream, "write"),
      note: (noted) => Object.assign(facts, noted),
    };
  }

  /** A 401 tells the client where it gets a token: here. */
  function withChallenge(
    error: RegistryError,
    input: RegistryRequest,
    route: Route,
  ): RegistryError {
    const subject = subjectOf(route);
    if (error.status !== 401 || subject === null) return error;
    const { upstream, addressing } = subject;
    const { method } = input.request;
    const purpose = isRead(method) && route.kind !== "upload" ? "read" : "write";
    // Where pushes are the callers' own right, a ping asks for it.
    const isAsked = route.kind === "ping" && upstream.push === "allow";
    if (usesAccount(upstream, purpose) && !isAsked) {
      // The caller has no credential to offer: the proxy's own was not enough.
      return new RegistryError("DENIED", `the account of this proxy may not do this`, {
        detail: error.detail,
      });
    }
    const refusal = error.headers.get("www-authenticate");
    const challenge = clientChallenge({
      known: deps.client.challengeOf(upstream),
      origin: seenOrigin(input, addressing),
      addressing,
      scopes: neededScopes(route, method, input.url.search, refusal),
    });
    error.headers.delete("www-authenticate");
    if (challenge !== undefined) error.headers.set("www-authenticate", challenge);
    return error;
  }
}

function isRead(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

const PUSH_METHODS: readonly PushMethod[] = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"];

/** The method of a route that takes pushes; routing let no other through. */
function pushMethod(method: string): PushMethod {
  const known = PUSH_METHODS.find((candidate) => candidate === method);
  if (known !== undefined) return known;
  throw new RegistryError("UNSUPPORTED", `${method.slice(0, 20)} is no method of pushes`);
}

/** This proxy as addresses for the client name it: an alias host is what names the upstream. */
function seenOrigin(
  { origin, host }: RegistryRequest,
  addressing: Addressing,
): { scheme: string; host: string } {
  return addressing.kind === "host" ? { scheme: origin.scheme, host } : origin;
}

/** What a route is about, where it is about an upstream at all. */
interface Subject {
  readonly upstream: Upstream;
  readonly addressing: Addressing;
  readonly target: Target | null;
}

function subjectOf(route: Route): Subject | null {
  switch (route.kind) {
    case "ping":
    case "catalog":
      return { upstream: route.upstream, addressing: route.addressing, target: null };
    case "token":
      // Its 401 is the realm's own refusal; a challenge would send the client in a circle.
    case "unknown_upstream":
    case "invalid":
      return null;
    default:
      return {
        upstream: route.target.upstream,
        addressing: route.target.addressing,
        target: route.target,
      };
  }
}

/** 404 with what is served instead: in the registry's error JSON, and in the words of the seeds. */
function unknownUpstream(requested: string, router: Router): Response {
  const message = `${requested} is not a registry that is served here`;
  return Response.json({
    errors: [{ code: "NAME_UNKNOWN", message, detail: { requested } }],
    ...router.routes,
  }, { status: 404 });
}
