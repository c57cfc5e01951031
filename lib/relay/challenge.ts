/**
 * The challenge that a client sees in place of the upstream's: the realm is this proxy, as the
 * client reaches it, and names are those that the client used.
 */
import { type Challenge, formatChallenge } from "../auth/challenge.ts";
import type { Addressing } from "../routing/route.ts";
import type { KnownChallenge } from "../upstream/client.ts";

/** What a challenge is made from. */
export interface ChallengeInput {
  /** What the upstream wants. */
  readonly known: KnownChallenge;
  /** Scheme, host and port as the client sees them. */
  readonly origin: { readonly scheme: string; readonly host: string };
  readonly addressing: Addressing;
  /** What a token is needed for, in the client's words; none where that is not known yet. */
  readonly scopes: readonly string[];
}

/** The value of `WWW-Authenticate`, or undefined where the upstream wants nothing. */
export function clientChallenge(input: ChallengeInput): string | undefined {
  const { known } = input;
  switch (known.kind) {
    case "none":
      return undefined;
    case "unknown":
      // The upstream could not be asked. Callers without a credential come in with what our realm
      // gives them; the others are told there that their credential cannot be checked.
      return formatChallenge(bearerChallenge(input, { scheme: "bearer", params: new Map() }));
    case "basic":
      return formatChallenge(known.challenge);
    case "bearer":
      return formatChallenge(bearerChallenge(input, known.challenge));
    default:
      return known satisfies never;
  }
}

/** The path of the token endpoint; `ns` goes along, for the token request itself does not name it. */
function realmPath(addressing: Addressing): string {
  return addressing.kind === "ns" ? `/v2/auth?ns=${encodeURIComponent(addressing.ns)}` : "/v2/auth";
}

function bearerChallenge(input: ChallengeInput, upstream: Challenge): Challenge {
  const { origin, scopes } = input;
  const params = new Map([
    ["realm", `${origin.scheme}://${origin.host}${realmPath(input.addressing)}`],
  ]);
  const service = upstream.params.get("service");
  if (service !== undefined) params.set("service", service);
  if (scopes.length > 0) params.set("scope", scopes.join(" "));
  const error = upstream.params.get("error");
  if (error !== undefined && scopes.length > 0) params.set("error", error);
  return { scheme: "Bearer", params };
}
