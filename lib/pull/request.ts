/** What a pull handler knows of a client's request. */
import type { Credential } from "../auth/credential.ts";
import type { Place } from "../cache/index.ts";
import type { Target } from "../routing/route.ts";

/** A read, by somebody. */
export interface PullRequest {
  readonly method: "GET" | "HEAD";
  readonly headers: Headers;
  /** The caller's own, for this upstream. */
  readonly credential: Credential;
  /** Ends when the client is gone. */
  readonly signal: AbortSignal;
  /** Resolves when the response has been sent or broken off. */
  readonly finished: Promise<void>;
  /** Where handlers note what the request's log line and metrics say. */
  readonly note: (facts: PullFacts) => void;
  /** Where handlers that see the body's bytes tell of them. */
  readonly onSent: (bytes: number) => void;
}

/** How the cache took part: `BYPASS` where nothing was looked up or stored. */
export type CacheResult = "HIT" | "MISS" | "BYPASS" | "STALE";

/** What a handler learnt. */
export interface PullFacts {
  readonly cache: CacheResult;
}

/**
 * The key of a repository in the index: by the host that is asked, so that names never mix, and by
 * the proxy's account there, whose rights are no caller's own.
 */
export function placeOf({ upstream, repository }: Target): Place {
  const { auth, url } = upstream;
  const account = auth.kind === "account" ? `${auth.username}@` : "";
  return { registry: account + url.host + url.pathname.replace(/\/$/, ""), repository };
}

/** Hands a redirect to the client, which goes there itself; nothing is cached. */
export function passResponse(
  request: PullRequest,
  redirect: { readonly status: number; readonly location: URL },
): Response {
  request.note({ cache: "BYPASS" });
  return new Response(null, {
    status: redirect.status,
    headers: { location: redirect.location.href, "content-length": "0", "x-cache": "BYPASS" },
  });
}
