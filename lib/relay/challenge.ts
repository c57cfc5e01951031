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
  /** The name in the client's words and what it wants to do, where it is about a repository. */
  readonly repository: { readonly clientName: string; readonly actions: string } | null;
}

/** The value of `WWW-Authenticate`, or undefined where the upstream wants nothing. */
export function clientChallenge(input: ChallengeInput): string | undefined {
  const { known } = input;
  switch (known.kind) {
    case "unknown":
    case "none":
      return undefined;
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
  const { origin, repository } = input;
  const params = new Map([
    ["realm", `${origin.scheme}://${origin.host}${realmPath(input.addressing)}`],
  ]);
  const service = upstream.params.get("service");
  if (service !== undefined) params.set("service", service);
  if (repository !== null) {
    params.set("scope", `repository:${repository.clientName}:${repository.actions}`);
  }
  const error = upstream.params.get("error");
  if (error !== undefined && repository !== null) params.set("error", error);
  return { scheme: "Bearer", params };
}
