/**
 * `GET /v2/`: what the upstream says of this caller. Engines take from here whether and how to
 * authenticate, so that a wrong answer breaks every login.
 */
import { type Credential, usesAccount } from "../auth/credential.ts";
import type { Upstream } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import { SingleFlight } from "../single_flight.ts";
import { type KnownChallenge, type UpstreamClient, upstreamUrl } from "../upstream/client.ts";
import { upstreamError } from "../upstream/failure.ts";

/** How long an upstream's challenge is taken for what it still is. */
const CHALLENGE_SECONDS = 60;

/** Answers pings. */
export type Ping = (
  upstream: Upstream,
  credential: Credential,
  signal: AbortSignal,
) => Promise<Response>;

/** Makes the ping. Its 401 carries no challenge yet: the server writes the client's. */
export function createPing(
  options: { client: UpstreamClient; now: () => number; lifetime: AbortSignal },
): Ping {
  const { client, now } = options;
  const asked = new Map<string, number>();
  const flights = new SingleFlight<KnownChallenge>();

  return async function ping(upstream, credential, signal) {
    // Engines take their way to authenticate from here: callers who may push have to be asked.
    if (usesAccount(upstream, "read") && upstream.push !== "allow") return welcome();
    if (credential.kind === "anonymous") {
      const known = await currentChallenge(upstream);
      if (known.kind === "none") return welcome();
      throw new RegistryError("UNAUTHORIZED", "authentication required");
    }
    const response = await client.send({
      upstream,
      method: "GET",
      url: upstreamUrl(upstream, "/v2/"),
      scope: null,
      credential,
      purpose: upstream.push === "allow" ? "write" : "read",
      signal,
    });
    if (!response.ok) throw await upstreamError(response, upstream, "repository");
    await response.body?.cancel();
    return welcome();
  };

  /** What is known, asked again once a minute; an upstream that is down still is what it was. */
  async function currentChallenge(upstream: Upstream): Promise<KnownChallenge> {
    const known = client.challengeOf(upstream);
    const isFresh = (asked.get(upstream.alias) ?? -Infinity) > now() - CHALLENGE_SECONDS * 1000;
    if (known.kind !== "unknown" && isFresh) return known;
    try {
      const learned = await flights.run(
        upstream.alias,
        () => client.learnChallenge(upstream, options.lifetime),
      );
      asked.set(upstream.alias, now());
      return learned;
    } catch (error) {
      // Engines give a host up whose ping fails, and with it what is cached there.
      if (known.kind !== "unknown" || isUnreachable(error)) return known;
      throw error;
    }
  }
}

function isUnreachable(error: unknown): boolean {
  return error instanceof RegistryError && error.status >= 500;
}

function welcome(): Response {
  return Response.json({}, { headers: { "docker-distribution-api-version": "registry/2.0" } });
}
