/**
 * What is done with a registry's redirect: streamed by the server or handed to the client.
 * Pure; the table is the operator's rules, then the upstream's mode.
 */
import type { RedirectMode, RedirectRule } from "../config/config.ts";
import { matchesHost } from "../target_guard.ts";

/** The statuses that carry a Location to go to (RFC 9110 section 15.4). */
const REDIRECT_STATUSES = new Set([301, 302, 303, 307, 308]);

/** Whether a response tells where else the thing is. */
export function isRedirect(response: Response): boolean {
  return REDIRECT_STATUSES.has(response.status) && response.headers.has("location");
}

/** Chooses for one target host. The first rule that names the host wins over the upstream's mode. */
export function decideRedirect(
  location: URL,
  mode: RedirectMode,
  policy: { rules: readonly RedirectRule[]; blockedHosts: readonly string[] },
): "stream" | "pass" {
  const host = location.hostname;
  const rule = policy.rules.find((candidate) => matchesHost(host, candidate.host));
  if (rule !== undefined) return rule.mode;
  if (mode !== "auto") return mode;
  const isBlocked = policy.blockedHosts.some((blocked) =>
    host === blocked || host.endsWith(`.${blocked}`)
  );
  return isBlocked ? "stream" : "pass";
}
