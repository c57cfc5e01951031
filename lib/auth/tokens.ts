/**
 * Tokens that this proxy asks for itself: anonymous ones, those of its own account, and those for a
 * caller that sent Basic. Source: distribution "Token Authentication Specification".
 */
import type { Upstream } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import { readBounded } from "../http_body.ts";
import { LruMap } from "../lru.ts";
import type { Outbound } from "../outbound.ts";
import { SingleFlight } from "../single_flight.ts";
import type { TargetGuard } from "../target_guard.ts";
import type { Challenge } from "./challenge.ts";
import { type Credential, credentialKey } from "./credential.ts";
import { parseRealm } from "./realm.ts";

/** Clients raise a shorter life to this, and so does the specification. */
export const MIN_TOKEN_SECONDS = 60;
const MAX_TOKEN_BODY_BYTES = 1 << 20;
const MAX_CACHED_TOKENS = 10_000;
/** A token is not used in its last seconds: it could expire on its way. */
const EXPIRY_MARGIN_MS = 10_000;

/** What a token is wanted for. */
export interface TokenRequest {
  readonly upstream: Upstream;
  /** The upstream's Bearer challenge. */
  readonly challenge: Challenge;
  readonly scopes: readonly string[];
  /** Basic of the caller or of the proxy's account, or anonymous. */
  readonly credential: Exclude<Credential, { kind: "bearer" }>;
}

/** The outcome of asking a realm: refusals are values, for the caller knows what they mean. */
export type TokenAnswer =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "refused"; readonly status: number };

interface CachedToken {
  readonly token: string;
  readonly expiresAt: number;
}

/** Where upstream tokens come from; keeps them until they expire. */
export interface TokenSource {
  /**
   * @throws {RegistryError} where the realm is not allowed, not reachable, limits the rate (429),
   * or answers what is no token.
   */
  get(request: TokenRequest): Promise<TokenAnswer>;
  /** Forgets a token that the registry did not take. */
  forget(request: TokenRequest): void;
}

/** Makes the source. `lifetime` ends its requests: they are shared and belong to no caller. */
export function createTokenSource(
  options: { outbound: Outbound; guard: TargetGuard; now: () => number; lifetime: AbortSignal },
): TokenSource {
  const cache = new LruMap<string, CachedToken>(MAX_CACHED_TOKENS);
  const flights = new SingleFlight<TokenAnswer>();

  function get(request: TokenRequest): Promise<TokenAnswer> {
    const key = cacheKey(request);
    const cached = cache.get(key);
    if (cached !== undefined && cached.expiresAt > options.now()) {
      return Promise.resolve({ kind: "token", token: cached.token });
    }
    return flights.run(key, () => fetchToken(request, key));
  }

  async function fetchToken(request: TokenRequest, key: string): Promise<TokenAnswer> {
    const { realm, address } = await checkedRealm(
      request.challenge,
      request.upstream,
      options.guard,
    );
    const url = tokenUrl(realm, request.challenge, request.scopes);
    const headers = new Headers({ accept: "application/json" });
    if (request.credential.kind === "basic") {
      headers.set("authorization", `Basic ${request.credential.value}`);
    }
    const response = await options.outbound({
      url,
      headers,
      signal: options.lifetime,
      peer: request.upstream.registry,
      address,
    });
    if (response.status !== 200) return await refusal(response, request.upstream, realm);
    const { token, lifeSeconds } = await readToken(response, request.upstream, realm);
    const expiresAt = options.now() + lifeSeconds * 1000 - EXPIRY_MARGIN_MS;
    cache.set(key, { token, expiresAt });
    return { kind: "token", token };
  }

  return { get, forget: (request) => cache.delete(cacheKey(request)) };
}

/** A realm that may be asked. */
export interface CheckedRealm {
  readonly realm: URL;
  /** As of {@linkcode TargetGuard.check}. */
  readonly address: string | undefined;
}

/**
 * The realm of a challenge, after both guards.
 *
 * @throws {RegistryError} where it may not be asked.
 */
export async function checkedRealm(
  challenge: Challenge,
  upstream: Upstream,
  guard: TargetGuard,
): Promise<CheckedRealm> {
  const realm = parseRealm(challenge.params.get("realm") ?? "", upstream);
  return { realm, address: await guard.check(realm, upstream) };
}

/** The realm's URL for a GET, keeping the query that it already has. */
export function tokenUrl(realm: URL, challenge: Challenge, scopes: readonly string[]): URL {
  const url = new URL(realm);
  const service = challenge.params.get("service");
  if (service !== undefined) url.searchParams.append("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  return url;
}

function cacheKey({ upstream, challenge, scopes, credential }: TokenRequest): string {
  return JSON.stringify([
    upstream.alias,
    challenge.params.get("realm"),
    challenge.params.get("service"),
    scopes,
    credentialKey(credential),
  ]);
}

async function refusal(response: Response, upstream: Upstream, realm: URL): Promise<TokenAnswer> {
  await response.body?.cancel();
  const { status } = response;
  if (status === 400 || status === 401 || status === 403 || status === 404) {
    return { kind: "refused", status };
  }
  const retryAfter = response.headers.get("retry-after");
  throw new RegistryError(
    status === 429 ? "TOOMANYREQUESTS" : "UNAVAILABLE",
    `the token realm ${realm.host} of ${upstream.registry} answered ${status}`,
    {
      status: status === 429 ? 429 : 502,
      detail: { upstream: upstream.registry, realm: realm.origin },
      ...(retryAfter === null ? {} : { headers: { "retry-after": retryAfter } }),
    },
  );
}

async function readToken(
  response: Response,
  upstream: Upstream,
  realm: URL,
): Promise<TokenBody> {
  const body = await readBounded(response, MAX_TOKEN_BODY_BYTES);
  const answer = body === undefined ? undefined : parseTokenBody(new TextDecoder().decode(body));
  if (answer !== undefined) return answer;
  throw new RegistryError(
    "UNAVAILABLE",
    `the token realm ${realm.host} of ${upstream.registry} answered without a token`,
    { status: 502, detail: { upstream: upstream.registry, realm: realm.origin } },
  );
}

/** A realm's answer. */
export interface TokenBody {
  readonly token: string;
  readonly lifeSeconds: number;
  readonly refreshToken: string | null;
}

/** Reads a realm's JSON: `token` and `access_token` are the same; undefined where there is none. */
export function parseTokenBody(text: string): TokenBody | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(value));
  const token = fields.get("token") ?? fields.get("access_token");
  if (typeof token !== "string" || token === "") return undefined;
  const expiresIn = fields.get("expires_in");
  const lifeSeconds = typeof expiresIn === "number" && expiresIn > MIN_TOKEN_SECONDS
    ? expiresIn
    : MIN_TOKEN_SECONDS;
  const refreshToken = fields.get("refresh_token");
  return {
    token,
    lifeSeconds,
    refreshToken: typeof refreshToken === "string" ? refreshToken : null,
  };
}
