/** One caller's credential, exchanged at one upstream's own realm for a token. */
import { type CheckedRealm, checkedRealm, parseTokenBody, tokenUrl } from "../auth/tokens.ts";
import type { Challenge } from "../auth/challenge.ts";
import type { Upstream } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import { readBounded } from "../http_body.ts";
import type { Outbound } from "../outbound.ts";
import type { TargetGuard } from "../target_guard.ts";
import type { UpstreamClient } from "../upstream/client.ts";
import { upstreamError } from "../upstream/failure.ts";

/** How a credential is presented to a realm. */
export type RealmGrant =
  | { readonly kind: "basic"; readonly value: string }
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  | { readonly kind: "refresh"; readonly refreshToken: string };

/** A question for one realm. */
export interface RealmQuestion {
  readonly upstream: Upstream;
  /** In the upstream's words. */
  readonly scopes: readonly string[];
  readonly grant: RealmGrant;
  /** The client's parameters, of which those that concern the realm go along. */
  readonly params: URLSearchParams;
  readonly signal: AbortSignal;
}

/** What came of it. */
export type RealmAnswer =
  | {
    readonly kind: "token";
    readonly token: string;
    readonly lifeSeconds: number;
    readonly refreshToken: string | null;
  }
  /** The upstream wants no token. */
  | { readonly kind: "open" }
  | { readonly kind: "refused"; readonly error: RegistryError }
  /** The upstream or its realm is down: nothing is known of the credential. */
  | { readonly kind: "unreachable"; readonly error: RegistryError };

/** Exchanges credentials. @throws {RegistryError} where the realm may not be asked or is none. */
export type RealmExchange = (question: RealmQuestion) => Promise<RealmAnswer>;

const MAX_TOKEN_BODY_BYTES = 1 << 20;
/** Client parameters that a realm may want to see. */
const PASSED_PARAMS = ["account", "client_id", "offline_token", "access_type"];

/** Makes the exchange. */
export function createRealmExchange(
  options: { client: UpstreamClient; outbound: Outbound; guard: TargetGuard },
): RealmExchange {
  return async function exchange(question) {
    const { upstream, signal } = question;
    let known = options.client.challengeOf(upstream);
    if (known.kind === "unknown") {
      const learned = await reach(() => options.client.learnChallenge(upstream, signal));
      if (learned.kind === "unreachable") return learned;
      known = learned.value;
    }
    if (known.kind !== "bearer") return { kind: "open" };

    const { challenge } = known;
    const { grant } = question;
    const checked = await checkedRealm(challenge, upstream, options.guard);
    const reached = await reach(() =>
      grant.kind === "basic"
        ? get(question, checked, challenge, grant.value)
        : post(question, checked, challenge, grant)
    );
    if (reached.kind === "unreachable") return reached;
    const response = reached.value;
    if (response.status !== 200) {
      const kind = response.status >= 500 ? "unreachable" : "refused";
      return { kind, error: await upstreamError(response, upstream, "repository") };
    }
    const body = await readBounded(response, MAX_TOKEN_BODY_BYTES);
    const answer = body === undefined ? undefined : parseTokenBody(new TextDecoder().decode(body));
    if (answer !== undefined) return { kind: "token", ...answer };
    throw new RegistryError(
      "UNAVAILABLE",
      `the token realm ${checked.realm.host} of ${upstream.registry} answered without a token`,
      { status: 502 },
    );
  };

  /** What was asked for, or the failure to reach it as a value. */
  async function reach<T>(
    ask: () => Promise<T>,
  ): Promise<{ kind: "reached"; value: T } | RealmAnswer & { kind: "unreachable" }> {
    try {
      return { kind: "reached", value: await ask() };
    } catch (error) {
      if (!(error instanceof RegistryError) || error.status < 500) throw error;
      return { kind: "unreachable", error };
    }
  }

  function get(
    question: RealmQuestion,
    { realm, address }: CheckedRealm,
    challenge: Challenge,
    basic: string,
  ): Promise<Response> {
    const url = tokenUrl(realm, challenge, question.scopes);
    for (const name of PASSED_PARAMS) {
      const value = question.params.get(name);
      if (value !== null) url.searchParams.set(name, value);
    }
    return options.outbound({
      url,
      headers: { authorization: `Basic ${basic}`, accept: "application/json" },
      signal: question.signal,
      peer: question.upstream.registry,
      address,
    });
  }

  function post(
    question: RealmQuestion,
    { realm, address }: CheckedRealm,
    challenge: Challenge,
    grant: Exclude<RealmGrant, { kind: "basic" }>,
  ): Promise<Response> {
    const form = new URLSearchParams();
    const service = challenge.params.get("service");
    if (service !== undefined) form.set("service", service);
    if (question.scopes.length > 0) form.set("scope", question.scopes.join(" "));
    for (const name of PASSED_PARAMS) {
      const value = question.params.get(name);
      if (value !== null) form.set(name, value);
    }
    if (grant.kind === "password") {
      form.set("grant_type", "password");
      form.set("username", grant.username);
      form.set("password", grant.password);
    } else {
      form.set("grant_type", "refresh_token");
      form.set("refresh_token", grant.refreshToken);
    }
    return options.outbound({
      url: realm,
      method: "POST",
      headers: { accept: "application/json" },
      body: form,
      signal: question.signal,
      peer: question.upstream.registry,
      address,
    });
  }
}
