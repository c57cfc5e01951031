/**
 * `/v2/auth`: the token realm that clients see. A caller's credential goes on to the realms of the
 * upstreams that its scopes name, and to no other; what comes back is bound to those upstreams. A
 * caller without one gets a token that stands for nobody: the proxy asks for anonymous tokens itself.
 * So does, for a pull, a caller whose credential cannot be checked because the realm is down.
 * Source: distribution "Token Authentication Specification" and "OAuth2 Token Authentication".
 */
import { getLogger } from "@logtape/logtape";
import {
  type TokensByUpstream,
  unwrapTokens,
  usesAccount,
  wrapTokens,
} from "../auth/credential.ts";
import { parseScope, splitScopes } from "../auth/scope.ts";
import { MIN_TOKEN_SECONDS } from "../auth/tokens.ts";
import type { Upstream } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import { readBounded } from "../http_body.ts";
import type { Base, Router } from "../routing/router.ts";
import type { RealmExchange, RealmGrant } from "./realm_exchange.ts";

const log = getLogger(["entrepot", "token"]);
const MAX_FORM_BYTES = 64 * 1024;
const ANONYMOUS_TOKEN_SECONDS = 300;

/** A client's token request, whichever way it came. */
export interface TokenQuestion {
  /** Parameters of the query (GET) or the form (POST). */
  readonly params: URLSearchParams;
  /** How the credential came. */
  readonly grant: RealmGrant | { readonly kind: "anonymous" };
}

/** Serves `/v2/auth`. */
export type TokenEndpoint = (
  request: Request,
  base: Base,
  signal: AbortSignal,
) => Promise<Response>;

/** Makes the endpoint. */
export function createTokenEndpoint(
  options: { router: Router; exchange: RealmExchange },
): TokenEndpoint {
  return async function handleToken(request, base, signal) {
    const question = await readQuestion(request);
    const groups = groupScopes(options.router, base, question.params);
    const isForPush = groups.some(({ isForPush }) => isForPush);
    if (question.grant.kind === "anonymous") return tokenResponse({}, ANONYMOUS_TOKEN_SECONDS);

    const tokens: Record<string, string> = {};
    const refreshTokens: Record<string, string> = {};
    let lifeSeconds = Number.POSITIVE_INFINITY;
    for (const { upstream, scopes, isPrefixed } of groups) {
      const grant = grantFor(question.grant, upstream);
      if (grant === undefined) continue;
      const answer = await options.exchange({
        upstream,
        scopes,
        grant,
        params: question.params,
        signal,
      });
      if (answer.kind === "open") continue;
      if (answer.kind === "unreachable") {
        if (scopes.length === 0 || !scopes.every(isPull)) throw answer.error;
        noteUnchecked(upstream, answer.error);
        continue;
      }
      if (answer.kind === "refused") {
        // One login on this host serves many registries; a public image of another one needs none.
        // A refused POST is told: clients try it first and fall back to GET on any refusal.
        if (isPrefixed && grant.kind === "basic" && isAboutCredential(answer.error)) continue;
        throw answer.error;
      }
      tokens[upstream.alias] = answer.token;
      if (answer.refreshToken !== null) refreshTokens[upstream.alias] = answer.refreshToken;
      lifeSeconds = Math.min(lifeSeconds, answer.lifeSeconds);
    }
    log.debug("token for {upstreams}", { upstreams: Object.keys(tokens) });
    return tokenResponse(
      tokens,
      Number.isFinite(lifeSeconds) ? lifeSeconds : MIN_TOKEN_SECONDS,
      { refreshTokens, isForPush },
    );
  };
}

/**
 * A credential that cannot be checked gives no right and is not called right: a login fails, and so
 * does a push. A pull goes on as if nobody had logged in, for what anybody may read is served from
 * the cache, and with an error here the engine would not even ask for it.
 */
function noteUnchecked(upstream: Upstream, error: RegistryError): void {
  log.warn("a login cannot be checked, its pull goes on as anybody's: {cause}", {
    upstream: upstream.registry,
    cause: error.message,
  });
}

function isPull(text: string): boolean {
  const scope = parseScope(text);
  return scope?.type === "repository" && scope.actions.every((action) => action === "pull");
}

/** Whether a realm refused the credential, rather than failed or asked for patience. */
function isAboutCredential({ status }: RegistryError): boolean {
  return status >= 400 && status < 500 && status !== 429;
}

/** The scopes of one upstream, in its own words. */
interface ScopeGroup {
  readonly upstream: Upstream;
  readonly scopes: string[];
  /** Whether the upstream was named by the prefix of a name only. */
  readonly isPrefixed: boolean;
  /** Whether a scope asks for more than to read. */
  isForPush: boolean;
}

/**
 * Maps the client's scopes to upstreams and their names. Without a scope, as at `docker login`, it
 * is about the upstream that the host names.
 *
 * Beside others a scope that leads nowhere is left out: containerd asks for the repository that an
 * image came from too, and a token with fewer grants than asked is none the worse.
 *
 * @throws {RegistryError} NAME_INVALID or NAME_UNKNOWN where no scope leads anywhere.
 */
function groupScopes(router: Router, base: Base, params: URLSearchParams): ScopeGroup[] {
  const groups = new Map<string, ScopeGroup>();
  let lost: RegistryError | undefined;
  const add = (upstream: Upstream, scope: string | null, isPrefixed: boolean) => {
    const group = groups.get(upstream.alias) ??
      { upstream, scopes: [], isPrefixed, isForPush: false };
    groups.set(upstream.alias, group);
    if (scope !== null) group.scopes.push(scope);
    group.isForPush ||= parseScope(scope ?? "")?.actions.some((action) => action !== "pull") ??
      false;
  };
  for (const text of splitScopes(params.getAll("scope"))) {
    const scope = parseScope(text);
    if (scope?.type !== "repository") {
      if (base.upstream !== null) add(base.upstream, text, false);
      continue;
    }
    const resolution = router.resolve(scope.name, base);
    switch (resolution.kind) {
      case "target": {
        const { upstream, repository, addressing } = resolution.target;
        add(
          upstream,
          `repository:${repository}:${scope.actions.join(",")}`,
          addressing.kind === "prefix" && upstream !== base.upstream,
        );
        break;
      }
      case "invalid":
        lost ??= new RegistryError(resolution.code, resolution.message, {
          status: resolution.status,
        });
        break;
      case "unknown_upstream":
        lost ??= new RegistryError("NAME_UNKNOWN", `${resolution.requested} is not served here`);
        break;
      default:
        resolution satisfies never;
    }
  }
  if (groups.size === 0 && lost !== undefined) throw lost;
  if (groups.size === 0 && base.upstream !== null) add(base.upstream, null, false);
  return [...groups.values()];
}

/** Reads the credential: Basic (GET), or password or refresh token (OAuth2 POST). */
async function readQuestion(request: Request): Promise<TokenQuestion> {
  const url = new URL(request.url);
  const [, basic] = /^basic\s+(\S+)\s*$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  if (request.method !== "POST") {
    return {
      params: url.searchParams,
      grant: basic === undefined ? { kind: "anonymous" } : { kind: "basic", value: basic },
    };
  }
  const body = await readBounded(request, MAX_FORM_BYTES);
  if (body === undefined) {
    throw new RegistryError("UNSUPPORTED", "the token request is too large", { status: 413 });
  }
  const params = new URLSearchParams(new TextDecoder().decode(body));
  const refreshToken = params.get("refresh_token");
  const username = params.get("username");
  const password = params.get("password");
  switch (params.get("grant_type")) {
    case "refresh_token":
      if (refreshToken === null) break;
      return { params, grant: { kind: "refresh", refreshToken } };
    case "password":
      if (username === null || password === null) break;
      return { params, grant: { kind: "password", username, password } };
  }
  throw new RegistryError(
    "UNSUPPORTED",
    "grant_type must be password with username and password, or refresh_token with refresh_token",
    { status: 400 },
  );
}

/** The grant for one upstream: a refresh token that we gave out is bound to its own. */
function grantFor(
  grant: RealmGrant,
  upstream: Upstream,
): RealmGrant | undefined {
  // Where pushes are the callers' own right, so are their tokens.
  if (usesAccount(upstream, "read") && upstream.push !== "allow") return undefined;
  if (grant.kind !== "refresh") return grant;
  const bound = unwrapTokens(grant.refreshToken);
  if (bound === undefined) return grant;
  const refreshToken = bound[upstream.alias];
  return refreshToken === undefined ? undefined : { kind: "refresh", refreshToken };
}

function tokenResponse(
  tokens: TokensByUpstream,
  lifeSeconds: number,
  options: { refreshTokens?: TokensByUpstream; isForPush?: boolean } = {},
): Response {
  const { refreshTokens = {}, isForPush = false } = options;
  const token = wrapTokens(tokens, isForPush);
  const body = {
    token,
    access_token: token,
    expires_in: lifeSeconds,
    issued_at: new Date().toISOString(),
    ...(Object.keys(refreshTokens).length === 0
      ? {}
      : { refresh_token: wrapTokens(refreshTokens) }),
  };
  return Response.json(body, { headers: { "cache-control": "no-store" } });
}
