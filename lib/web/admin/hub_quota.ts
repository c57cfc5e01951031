/** What is left of Docker Hub's quota, for the traffic's record. */
import type { TrafficLog } from "../../cache/traffic.ts";
import { isOwnHolder, type Quota } from "../../upstream/quota.ts";

const SAMPLE_MS = 30_000;

/** What is left to the proxy itself: the least of its address and accounts; null if unknown. */
export function hubQuotaLeft(quota: readonly Quota[]): number | null {
  const left = quota.flatMap(({ upstream, holder, remaining }) => {
    const isHub = upstream === "docker.io" && isOwnHolder(holder);
    return isHub && remaining !== null ? [remaining] : [];
  });
  return left.length === 0 ? null : Math.min(...left);
}

/** Notes it now and then until `lifetime` ends. */
export function sampleHubQuota(
  quota: () => readonly Quota[],
  traffic: Pick<TrafficLog, "noteQuota">,
  lifetime: AbortSignal,
): void {
  const timer = setInterval(() => {
    const left = hubQuotaLeft(quota());
    if (left !== null) traffic.noteQuota(left);
  }, SAMPLE_MS);
  Deno.unrefTimer(timer);
  lifetime.addEventListener("abort", () => clearInterval(timer), { once: true });
}
