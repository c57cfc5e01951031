/**
 * Which addresses a registry may send this proxy to. A redirect or a token realm is a registry's
 * word; without a guard it could point the proxy at the operator's own network (SSRF).
 */
import { isInCidrs, isPublicAddress } from "./address.ts";
import type { Upstream } from "./config/config.ts";
import { RegistryError } from "./errors.ts";

/** Resolves a host name to all its addresses. */
export type Lookup = (hostname: string) => Promise<readonly string[]>;

/** Checks targets that an upstream named. */
export interface TargetGuard {
  /**
   * Resolves when the upstream may send this proxy to the URL, with the address that was checked, or
   * undefined where the host is allowed whatever its address. Plain HTTP has to go to that address: a
   * name server could answer otherwise the next time. With TLS whoever else is reached so has no
   * certificate for the name, and is sent no request.
   *
   * @throws {RegistryError} UNAVAILABLE (502) that says what was refused and which key allows it.
   */
  check(url: URL, upstream: Upstream): Promise<string | undefined>;
}

/** What the guard needs to know. */
export interface TargetGuardOptions {
  /** CIDRs and host patterns (`host` or `*.domain`) that are allowed although private. */
  readonly privateTargets: readonly string[];
  readonly lookup: Lookup;
  /** Whether names are resolved by an HTTP proxy, so that a failed lookup here says nothing. */
  readonly resolvesElsewhere: boolean;
}

/** Makes the guard. */
export function createTargetGuard(options: TargetGuardOptions): TargetGuard {
  const cidrs = options.privateTargets.filter((target) => /^[0-9a-f.:]+(\/\d+)?$/i.test(target));
  const hosts = options.privateTargets.filter((target) => !cidrs.includes(target));

  async function check(url: URL, upstream: Upstream): Promise<string | undefined> {
    if (url.protocol !== "https:" && url.protocol !== "http:") {
      throw refusal(upstream, url, `its scheme ${url.protocol.slice(0, -1)} is not http or https`);
    }
    const hostname = bareHostname(url);
    if (hostname === bareHostname(upstream.url)) return undefined;
    if (hosts.some((pattern) => matchesHost(hostname, pattern))) return undefined;
    const addresses = await resolve(hostname, upstream, url);
    for (const address of addresses) {
      if (isPublicAddress(address) || isInCidrs(address, cidrs)) continue;
      throw refusal(
        upstream,
        url,
        `it is on the private address ${address}; if that is meant, add the host or its range to PRIVATE_TARGETS`,
      );
    }
    return options.resolvesElsewhere ? undefined : addresses[0];
  }

  async function resolve(
    hostname: string,
    upstream: Upstream,
    url: URL,
  ): Promise<readonly string[]> {
    if (/^[\d.]+$|:/.test(hostname)) return [hostname];
    try {
      return await options.lookup(hostname);
    } catch (cause) {
      if (options.resolvesElsewhere) return [];
      throw refusal(upstream, url, "its name cannot be resolved", cause);
    }
  }

  return { check };
}

/** Whether a host name is the pattern, or below it where the pattern begins with `*.`. */
export function matchesHost(hostname: string, pattern: string): boolean {
  return pattern.startsWith("*.") ? hostname.endsWith(pattern.slice(1)) : hostname === pattern;
}

/** The host name of a URL without brackets around an IPv6 address, and without a final dot. */
export function bareHostname(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

function refusal(upstream: Upstream, url: URL, why: string, cause?: unknown): RegistryError {
  return new RegistryError(
    "UNAVAILABLE",
    `${upstream.registry} points to ${url.host}, which is refused: ${why}`,
    {
      status: 502,
      detail: { upstream: upstream.registry, host: url.host },
      // A name that cannot be resolved now may be later; a rule stays.
      isFinal: cause === undefined,
      cause,
    },
  );
}
