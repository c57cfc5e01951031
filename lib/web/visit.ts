/** A request for anything outside `/v2`, with what the edge knows of it. */
import { isInCidrs, normalizeAddress } from "../address.ts";
import type { ClientOrigin } from "../http.ts";

/** A visit. */
export interface Visit {
  readonly request: Request;
  readonly url: URL;
  /** This host as clients should write it. */
  readonly origin: ClientOrigin;
  /** The host that was asked. */
  readonly host: string;
  /** The address of the connection's other end. */
  readonly peer: string;
}

/** Each of these says that somebody passed the request on. */
const FORWARDED = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];
const LOOPBACK = ["127.0.0.0/8", "::1/128"];
const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/**
 * Whether it comes from this machine by itself. A proxy on this machine brings others' requests, and
 * a name that only resolves to this machine may be a foreign page's (DNS rebinding).
 */
export function isLocal(
  { request, host, peer }: Visit,
  trustedProxies: readonly string[],
): boolean {
  const address = normalizeAddress(peer);
  return address !== undefined && isInCidrs(address, LOOPBACK) &&
    !isInCidrs(address, trustedProxies) && LOOPBACK_HOST.test(host) &&
    !FORWARDED.some((name) => request.headers.has(name));
}

/**
 * Whether a browser sent it from a page of another origin. What is no browser says neither.
 * Source: Fetch Metadata "Sec-Fetch-Site"; RFC 6454 section 7 for `Origin`.
 */
export function isCrossSite({ request, origin, host }: Visit): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") return true;
  const from = request.headers.get("origin");
  if (from === null) return false;
  const own = URL.parse(from);
  return own === null || (own.host !== host && own.host !== origin.host);
}
