/**
 * Which token realms an upstream may name. A challenge is a registry's word; following it blindly
 * would hand a user's password to whoever the registry names (CVE-2020-15157 and its kin).
 */
import { getDomain } from "tldts";
import type { Upstream } from "../config/config.ts";
import { RegistryError } from "../errors.ts";
import { bareHostname, matchesHost } from "../target_guard.ts";

/** Whether the realm's host may be asked for this upstream's tokens. */
export function isRealmAllowed(realm: URL, upstream: Upstream): boolean {
  const isSecure = realm.protocol === "https:" ||
    (realm.protocol === "http:" && upstream.url.protocol === "http:");
  if (!isSecure || realm.username !== "" || realm.password !== "") return false;
  const host = bareHostname(realm);
  if (host === bareHostname(upstream.url)) return true;
  if (upstream.realms.some((pattern) => matchesHost(host, pattern))) return true;
  // Private suffixes count: two customers of one cloud are not one registrable domain.
  const domain = getDomain(host, { allowPrivateDomains: true });
  return domain !== null &&
    domain === getDomain(bareHostname(upstream.url), { allowPrivateDomains: true });
}

/**
 * The realm as a URL.
 *
 * @throws {RegistryError} UNAVAILABLE (502) where it is no URL or may not be asked.
 */
export function parseRealm(text: string, upstream: Upstream): URL {
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  if (realm !== undefined && isRealmAllowed(realm, upstream)) return realm;
  const key = `UPSTREAM_${upstream.alias.toUpperCase().replaceAll("-", "_")}_REALMS`;
  throw new RegistryError(
    "UNAVAILABLE",
    `${upstream.registry} names ${
      realm?.origin ?? "something that is no URL"
    } as its token realm, which is refused: ` +
      `a realm must be https and of the registry's own domain; if it is right, add its host to ${key}`,
    { status: 502, detail: { upstream: upstream.registry }, isFinal: true },
  );
}
