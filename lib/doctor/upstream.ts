/** Whether an upstream can be used: reached, trusted, logged in to, and not used up. */
import type { Config, Upstream } from "../config/config.ts";
import { checkedRealm, createTokenSource } from "../auth/tokens.ts";
import { ANONYMOUS } from "../auth/credential.ts";
import { RegistryError } from "../errors.ts";
import { describeCause } from "../log.ts";
import { createTargetGuard } from "../target_guard.ts";
import { createUpstreamClient, type UpstreamClient, upstreamUrl } from "../upstream/client.ts";
import { createQuotaGovernor } from "../upstream/quota.ts";
import type { Finding, FindingCode, World } from "./finding.ts";

/** Beyond this, signed URLs and certificates may be refused; S3 allows fifteen minutes. */
const CLOCK_FAULT_MS = 5 * 60_000;
const CLOCK_WARNING_MS = 30_000;
/** Docker's own image for asking how much is left; a HEAD of it costs nothing. */
const QUOTA_PATH = "/v2/ratelimitpreview/test/manifests/latest";
const QUOTA_SCOPE = "repository:ratelimitpreview/test:pull";
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "https:": 443, "http:": 80 };

/** Looks at one upstream, from the outside in; what cannot be reached is looked into no further. */
export async function checkUpstream(
  config: Config,
  upstream: Upstream,
  world: World,
): Promise<Finding[]> {
  const unreachable = world.hasHttpProxy ? undefined : await checkReach(upstream, world);
  if (unreachable !== undefined) return [unreachable];
  const ping = await askPing(upstream, world);
  if ("finding" in ping) return [ping.finding];
  const { client, guard } = createClient(config, world);
  const findings = [checkClock(upstream, ping.response, world)];
  try {
    const known = await client.learnChallenge(upstream, world.signal);
    if (known.kind === "bearer") await checkedRealm(known.challenge, upstream, guard);
  } catch (error) {
    return [...findings, refused(upstream, "realm", error)];
  }
  findings.push(await checkCredentials(upstream, client, world));
  if (upstream.registry === "docker.io") findings.push(await checkQuota(upstream, client, world));
  return findings;
}

function createClient(
  config: Config,
  world: World,
): { client: UpstreamClient; guard: ReturnType<typeof createTargetGuard> } {
  const { outbound, signal: lifetime, now } = world;
  const guard = createTargetGuard({
    privateTargets: config.privateTargets,
    lookup: world.lookup,
    resolvesElsewhere: world.hasHttpProxy,
  });
  const tokens = createTokenSource({ outbound, guard, now, lifetime });
  const quota = createQuotaGovernor({ now });
  return { client: createUpstreamClient({ outbound, tokens, quota, now }), guard };
}

/** DNS, then TCP; undefined where both are fine. */
async function checkReach(upstream: Upstream, world: World): Promise<Finding | undefined> {
  const { hostname, port, protocol } = upstream.url;
  const bare = hostname.replace(/^\[|\]$/g, "");
  if (!/^[\d.]+$|:/.test(bare)) {
    try {
      await world.lookup(bare);
    } catch (error) {
      return fault(upstream, "dns", `${bare} cannot be resolved: ${describeCause(error)}`, {
        fix: `look at UPSTREAM_${keyOf(upstream)}_URL, /etc/resolv.conf, and the container's DNS`,
      });
    }
  }
  try {
    await world.connect({ hostname: bare, port: Number(port) || (DEFAULT_PORTS[protocol] ?? 443) });
  } catch (error) {
    return fault(upstream, "upstream", `${upstream.url.host}: ${describeCause(error)}`, {
      fix: "the registry is down, or a firewall is between; HTTPS_PROXY leads through a proxy",
    });
  }
  return undefined;
}

/** `/v2/` without credentials: what fails now fails at TLS or HTTP. */
async function askPing(
  upstream: Upstream,
  world: World,
): Promise<{ response: Response } | { finding: Finding }> {
  try {
    const response = await world.outbound({
      url: upstreamUrl(upstream, "/v2/"),
      signal: world.signal,
      peer: upstream.registry,
    });
    await response.body?.cancel();
    if (response.ok || response.status === 401) return { response };
    const message = `${upstream.url.host} answers /v2/ with ${response.status}`;
    if (response.status === 429) return { finding: fault(upstream, "quota", message) };
    return {
      finding: fault(upstream, "upstream", message, {
        fix: `a registry answers 200 or 401; look at UPSTREAM_${keyOf(upstream)}_URL`,
      }),
    };
  } catch (error) {
    const isTls = upstream.url.protocol === "https:";
    return {
      finding: fault(upstream, isTls ? "tls" : "upstream", describeCause(error), {
        fix: isTls
          ? "name the certificate of its authority in DENO_CERT; an expired or future certificate " +
            "may also be this machine's clock"
          : `look at UPSTREAM_${keyOf(upstream)}_URL`,
      }),
    };
  }
}

function checkClock(upstream: Upstream, response: Response, world: World): Finding {
  const date = Date.parse(response.headers.get("date") ?? "");
  const about = { code: "clock", subject: upstream.registry } as const;
  const offMs = world.now() - date;
  if (Number.isNaN(date)) {
    return { ...about, kind: "fine", message: "reached; it does not say what time it is" };
  }
  if (Math.abs(offMs) < CLOCK_WARNING_MS) {
    return { ...about, kind: "fine", message: "reached, and it has the same time" };
  }
  const minutes = Math.round(Math.abs(offMs) / 6000) / 10;
  return {
    ...about,
    kind: Math.abs(offMs) < CLOCK_FAULT_MS ? "warning" : "fault",
    message: `this machine's clock is ${minutes} minutes ${offMs > 0 ? "after" : "before"} ` +
      `that of ${upstream.url.host}`,
    fix: "set the clock, for instance by NTP: tokens and signed URLs are refused otherwise",
  };
}

async function checkCredentials(
  upstream: Upstream,
  client: UpstreamClient,
  world: World,
): Promise<Finding> {
  const about = { code: "credentials", subject: upstream.registry } as const;
  if (upstream.auth.kind !== "account") {
    return { ...about, kind: "fine", message: "callers use their own credentials" };
  }
  const name = upstream.auth.username;
  try {
    const response = await client.send({
      upstream,
      method: "GET",
      url: upstreamUrl(upstream, "/v2/"),
      scope: null,
      credential: ANONYMOUS,
      signal: world.signal,
    });
    await response.body?.cancel();
    if (response.ok) return { ...about, kind: "fine", message: `the account ${name} is taken` };
    return fault(upstream, "credentials", `the account ${name} is refused (${response.status})`, {
      fix: `look at UPSTREAM_${keyOf(upstream)}_USERNAME and _PASSWORD or _PASSWORD_FILE`,
    });
  } catch (error) {
    return refused(upstream, "credentials", error);
  }
}

async function checkQuota(
  upstream: Upstream,
  client: UpstreamClient,
  world: World,
): Promise<Finding> {
  const about = { code: "quota", subject: upstream.registry } as const;
  try {
    const response = await client.send({
      upstream,
      method: "HEAD",
      url: upstreamUrl(upstream, QUOTA_PATH),
      scope: QUOTA_SCOPE,
      credential: ANONYMOUS,
      signal: world.signal,
    });
    await response.body?.cancel();
    const left = leftOf(response.headers.get("ratelimit-remaining"));
    const limit = leftOf(response.headers.get("ratelimit-limit"));
    if (response.status === 429 || left === 0) {
      const after = response.headers.get("retry-after");
      return fault(
        upstream,
        "quota",
        `the pull quota is used up${after === null ? "" : `, until ${after} s from now`}`,
        {
          fix:
            `log in with an account (UPSTREAM_${keyOf(upstream)}_AUTH=account), or wait; what is ` +
            "cached is served meanwhile",
        },
      );
    }
    return {
      ...about,
      kind: "fine",
      message: left === undefined
        ? "it names no pull quota"
        : `${left} of ${limit ?? "unknown"} pulls are left`,
    };
  } catch (error) {
    return refused(upstream, "quota", error);
  }
}

/** `76;w=21600` is 76 in a window of six hours. */
function leftOf(value: string | null): number | undefined {
  const [, count] = /^(\d+)/.exec(value ?? "") ?? [];
  return count === undefined ? undefined : Number(count);
}

function fault(
  upstream: Upstream,
  code: FindingCode,
  message: string,
  more: { fix?: string } = {},
): Finding {
  return { kind: "fault", code, subject: upstream.registry, message, ...more };
}

/** What the product itself refuses says which key allows it. */
function refused(upstream: Upstream, code: FindingCode, error: unknown): Finding {
  if (!(error instanceof RegistryError)) throw error;
  return fault(upstream, error.status === 429 ? "quota" : code, error.message);
}

function keyOf({ alias }: Upstream): string {
  return alias.toUpperCase().replaceAll("-", "_");
}
