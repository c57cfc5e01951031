/**
 * One authenticated way to ask a registry. Knows tokens: a request goes out with what is known of
 * the upstream's challenge, and once more where a 401 teaches better. Redirects are the caller's.
 */
import type { Upstream } from "../config/config.ts";
import { readBounded } from "../http_body.ts";
import type { Repository } from "../reference.ts";
import type { Outbound, OutboundRequest } from "../outbound.ts";
import { type Challenge, parseChallenges } from "../auth/challenge.ts";
import type { Credential, Purpose } from "../auth/credential.ts";
import { sendAsAllowed } from "./accounts.ts";
import { upstreamError } from "./failure.ts";
import type { QuotaGovernor } from "./quota.ts";
import type { TokenRequest, TokenSource } from "../auth/tokens.ts";

/** A request to a registry. */
export interface UpstreamRequest {
  readonly upstream: Upstream;
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE";
  /** At the upstream's origin: what is sent along is meant for nobody else. */
  readonly url: URL;
  readonly headers?: HeadersInit;
  /** The scope that the request needs, such as `repository:library/nginx:pull`, or none. */
  readonly scope: string | null;
  /** Scopes beside it, such as that of the repository that a blob is mounted from. */
  readonly furtherScopes?: readonly string[];
  readonly credential: Credential;
  /** Default: a read. */
  readonly purpose?: Purpose;
  /** A stream can be sent once only, so that it goes out with the token that it needs. */
  readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
  /** The length of a stream, where it is known. */
  readonly bodyLength?: number;
  readonly patience?: OutboundRequest["patience"];
  readonly transfer?: OutboundRequest["transfer"];
  readonly signal: AbortSignal;
}

/** How an upstream wants to be authenticated, as far as it has said. */
export type KnownChallenge =
  | { readonly kind: "unknown" }
  | { readonly kind: "none" }
  | { readonly kind: "bearer"; readonly challenge: Challenge }
  | { readonly kind: "basic"; readonly challenge: Challenge };

/** Asks registries. */
export interface UpstreamClient {
  /**
   * Resolves with whatever the registry answered; no status is an error here.
   *
   * @throws {RegistryError} where it or its realm cannot be reached, and 429 where it is not asked
   * because whoever could ask has been limited.
   */
  send(request: UpstreamRequest): Promise<Response>;
  /** What the upstream's last 401 said; a 200 on `/v2/` without credentials says none. */
  challengeOf(upstream: Upstream): KnownChallenge;
  /**
   * Asks `/v2/` without credentials.
   *
   * @throws {RegistryError} where the upstream cannot be reached or answers neither 200 nor 401.
   */
  learnChallenge(upstream: Upstream, signal: AbortSignal): Promise<KnownChallenge>;
}

/** The scope for writing to a repository. */
export function pushScope(repository: Repository): string {
  return `repository:${repository}:pull,push`;
}

/** The scope for reading a repository. */
export function pullScope(repository: Repository): string {
  return `repository:${repository}:pull`;
}

/** The URL of a path under an upstream, keeping the upstream's own path prefix and the query. */
export function upstreamUrl(upstream: Upstream, path: string): URL {
  const base = upstream.url.href.replace(/\/$/, "");
  return new URL(base + path);
}

/** What is read of a 401: registries say little there. */
const MAX_REFUSAL_BYTES = 64 * 1024;

/** Makes the client. */
export function createUpstreamClient(
  options: { outbound: Outbound; tokens: TokenSource; quota: QuotaGovernor; now: () => number },
): UpstreamClient {
  const { outbound, tokens } = options;
  const challenges = new Map<string, KnownChallenge>();

  function send(request: UpstreamRequest): Promise<Response> {
    return sendAsAllowed(request, (credential) => sendAs(request, credential), options);
  }

  async function sendAs(request: UpstreamRequest, credential: Credential): Promise<Response> {
    if (credential.kind === "bearer") {
      const response = await sendOnce(request, `Bearer ${credential.token}`);
      noteChallenge(request.upstream, response);
      return response;
    }
    const isOnce = request.body instanceof ReadableStream;
    let known = challengeOf(request.upstream);
    if (isOnce && known.kind === "unknown") {
      known = await learnChallenge(request.upstream, request.signal);
    }
    const sent = await authorization(request, credential, known);
    const answer = await sendOnce(request, sent);
    if (answer.status !== 401) return answer;
    // Read to its end: nothing may be held while a token is waited for.
    const refusal = await readBounded(answer, MAX_REFUSAL_BYTES);
    const first = new Response(refusal ?? null, answer);

    const learned = noteChallenge(request.upstream, first);
    if (!teachesMore(known, learned, sent)) return first;
    if (known.kind === "bearer") {
      tokens.forget(tokenRequest(request, credential, known.challenge));
    }
    const retry = isOnce ? null : await authorization(request, credential, learned);
    if (retry === null) return first;
    return await sendOnce(request, retry);
  }

  function sendOnce(request: UpstreamRequest, authorization: string | null): Promise<Response> {
    const headers = new Headers(request.headers);
    if (authorization !== null) headers.set("authorization", authorization);
    return outbound({
      url: request.url,
      method: request.method,
      headers,
      signal: request.signal,
      peer: request.upstream.registry,
      ...(request.body === undefined ? {} : { body: request.body }),
      ...(request.bodyLength === undefined ? {} : { bodyLength: request.bodyLength }),
      ...(request.patience === undefined ? {} : { patience: request.patience }),
      ...(request.transfer === undefined ? {} : { transfer: request.transfer }),
    });
  }

  /** The Authorization value for what is known, or null where there is none to send. */
  async function authorization(
    request: UpstreamRequest,
    credential: Exclude<Credential, { kind: "bearer" }>,
    known: KnownChallenge,
  ): Promise<string | null> {
    switch (known.kind) {
      case "unknown":
      case "none":
        return null;
      case "basic":
        return credential.kind === "basic" ? `Basic ${credential.value}` : null;
      case "bearer": {
        const answer = await tokens.get(tokenRequest(request, credential, known.challenge));
        return answer.kind === "token" ? `Bearer ${answer.token}` : null;
      }
      default:
        return known satisfies never;
    }
  }

  function challengeOf(upstream: Upstream): KnownChallenge {
    return challenges.get(upstream.alias) ?? { kind: "unknown" };
  }

  /** Remembers a 401's challenge. Bearer is preferred where both are offered. */
  function noteChallenge(upstream: Upstream, response: Response): KnownChallenge {
    if (response.status !== 401) return challengeOf(upstream);
    const offered = parseChallenges(response.headers.get("www-authenticate") ?? "");
    const bearer = offered.find(({ scheme }) => scheme === "bearer");
    const basic = offered.find(({ scheme }) => scheme === "basic");
    const known: KnownChallenge = bearer !== undefined
      ? { kind: "bearer", challenge: bearer }
      : basic !== undefined
      ? { kind: "basic", challenge: basic }
      : challengeOf(upstream);
    challenges.set(upstream.alias, known);
    return known;
  }

  async function learnChallenge(
    upstream: Upstream,
    signal: AbortSignal,
  ): Promise<KnownChallenge> {
    const response = await outbound({
      url: upstreamUrl(upstream, "/v2/"),
      signal,
      peer: upstream.registry,
    });
    if (!response.ok && response.status !== 401) {
      throw await upstreamError(response, upstream, "repository");
    }
    await response.body?.cancel();
    if (response.ok) challenges.set(upstream.alias, { kind: "none" });
    return noteChallenge(upstream, response);
  }

  return { send, challengeOf, learnChallenge };
}

/**
 * Whether asking again can help: not where the realm has just refused this credential, nor where a
 * fresh token was found too weak (RFC 6750 section 3.1).
 */
function teachesMore(
  known: KnownChallenge,
  learned: KnownChallenge,
  sent: string | null,
): boolean {
  if (known.kind !== "bearer" || learned.kind !== "bearer") return true;
  const isSame = ["realm", "service"].every((name) =>
    known.challenge.params.get(name) === learned.challenge.params.get(name)
  );
  if (!isSame) return true;
  return sent !== null && learned.challenge.params.get("error") !== "insufficient_scope";
}

function tokenRequest(
  request: UpstreamRequest,
  credential: TokenRequest["credential"],
  challenge: Challenge,
): TokenRequest {
  const { upstream, scope, furtherScopes = [] } = request;
  const scopes = scope === null ? furtherScopes : [scope, ...furtherScopes];
  return { upstream, challenge, scopes, credential };
}
