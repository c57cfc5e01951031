/**
 * Looks for what keeps a proxy from working: on this machine, on the way to each upstream, and on
 * the clients' way to it.
 */
import type { Config, Upstream } from "../config/config.ts";
import type { Finding, World } from "./finding.ts";
import { checkDisk, checkPort } from "./local.ts";
import { checkPublicUrl } from "./public_url.ts";
import { checkUpstream } from "./upstream.ts";

/** What is to be looked at. */
export interface DoctorOptions {
  readonly config: Config;
  /** Upstreams whose faults count; those of all others are warnings. */
  readonly needed: readonly Upstream[];
  /** Upstreams that are looked at. */
  readonly upstreams: readonly Upstream[];
  /** Where clients reach the proxy, if somebody said. */
  readonly address: URL | undefined;
}

/** Resolves with everything found, fine things included. */
export async function examine(options: DoctorOptions, world: World): Promise<Finding[]> {
  const { config, upstreams, needed } = options;
  const local = await Promise.all([checkDisk(config, world), checkPort(config, world)]);
  const [publicUrl, ...remote] = await Promise.all([
    checkPublicUrl(config, options.address, world),
    ...upstreams.map(async (upstream) => {
      const findings = await checkUpstream(config, upstream, world);
      return needed.includes(upstream) ? findings : findings.map(asWarning);
    }),
  ]);
  return [...local, ...withoutEchoes(remote.flat()), ...publicUrl];
}

function asWarning(finding: Finding): Finding {
  return finding.kind === "fault" ? { ...finding, kind: "warning" } : finding;
}

/** Where no name at all can be resolved, or every clock differs, the fault is this machine's. */
function withoutEchoes(findings: readonly Finding[]): Finding[] {
  const subjects = new Set(findings.map(({ subject }) => subject));
  const isShared = (code: Finding["code"]): boolean =>
    subjects.size > 1 &&
    findings.filter((finding) => finding.code === code && finding.kind !== "fine").length ===
      subjects.size;
  if (isShared("dns")) {
    return [{
      kind: "fault",
      code: "dns",
      subject: "DNS",
      message: "no name can be resolved",
      fix: "look at /etc/resolv.conf, or at the --dns of the container",
    }];
  }
  return [...findings];
}
