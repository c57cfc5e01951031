/** Whether clients that come by the public address are sent to a token realm that they can reach. */
import { parseChallenges } from "../auth/challenge.ts";
import type { Config } from "../config/config.ts";
import { ownUrl } from "../config/own_url.ts";
import { describeCause } from "../log.ts";
import type { Finding, World } from "./finding.ts";
import { isProxy } from "./local.ts";

/**
 * Looks at the proxy as clients do. `address` is where they reach it; undefined where nobody said.
 */
export async function checkPublicUrl(
  config: Config,
  address: URL | undefined,
  world: World,
): Promise<Finding[]> {
  const base = address ?? config.publicUrl;
  if (base === null) return [];
  const about = { code: "public_url", subject: base.origin } as const;
  if (!await isProxy(ownUrl(config.listen), world)) {
    const message = "it cannot be looked at, because the proxy is not running";
    return [{ ...about, kind: "warning", message, fix: "start it, and ask again" }];
  }
  if (!await isProxy(base, world)) {
    return [{
      ...about,
      kind: "fault",
      message: "this proxy does not answer there",
      fix: address === undefined
        ? "PUBLIC_URL is scheme, host and port as clients see them; mend it, or what leads there"
        : "mend the address, or the reverse proxy that stands there",
    }];
  }
  return [await checkRealm(base, about, world)];
}

async function checkRealm(
  base: URL,
  about: Pick<Finding, "code" | "subject">,
  world: World,
): Promise<Finding> {
  const url = new URL("/v2/", base);
  let response: Response;
  try {
    response = await world.outbound({ url, signal: world.signal, peer: base.host });
  } catch (error) {
    return { ...about, kind: "fault", message: `/v2/ is not answered: ${describeCause(error)}` };
  }
  await response.body?.cancel();
  const challenge = parseChallenges(response.headers.get("www-authenticate") ?? "")[0];
  const realm = URL.parse(challenge?.params.get("realm") ?? "");
  if (realm === null) {
    return { ...about, kind: "fine", message: "the proxy answers there, and asks for no login" };
  }
  if (realm.origin === base.origin) {
    return { ...about, kind: "fine", message: "the proxy answers there, and names itself so" };
  }
  return {
    ...about,
    code: realm.protocol === base.protocol ? "public_url" : "realm",
    kind: "fault",
    message: `clients that come by ${base.origin} are sent to ${realm.origin} for tokens`,
    fix: `set PUBLIC_URL=${base.origin}, or let the reverse proxy send X-Forwarded-Proto and ` +
      "X-Forwarded-Host and name its address in TRUSTED_PROXIES",
  };
}
