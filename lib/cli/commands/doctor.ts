/** `entrepot doctor`: what keeps this proxy from working, and what mends it. */
import { lookup } from "node:dns/promises";
import { statfsSync } from "node:fs";
// @ts-types="../../std_path.d.ts"
import { dirname, join, resolve } from "@std/path";
import type { Config, Upstream } from "../../config/config.ts";
import { examine } from "../../doctor/doctor.ts";
import type { Finding, World } from "../../doctor/finding.ts";
import { createOutbound } from "../../outbound.ts";
import { parseOrigin } from "../address_option.ts";
import {
  type CliDependencies,
  type Command,
  EXIT,
  parseCommandLine,
  readConfig,
  UsageError,
} from "../command.ts";

const TIMEOUT_SECONDS = 10;

const OPTIONS = {
  address: {
    type: "string",
    short: "a",
    placeholder: "URL",
    help: "where clients reach this proxy (default: PUBLIC_URL)",
  },
  json: { type: "boolean", help: "print what is found as JSON" },
} as const;

/** Examines the configuration in effect. */
export const doctorCommand: Command = {
  name: "doctor",
  summary: "look for what keeps this proxy from working, and say what mends it",
  operands: "[ALIAS…]",
  options: OPTIONS,
  details:
    `Looks at the disk, the port, and each upstream's DNS, TLS, clock, token realm, account and
quota; with the proxy running also at the address by which clients come. Named upstreams
are looked at alone. What is wrong with others than these and the default is a warning.

Exit codes: 0, 1 where there is a fault, 64, 78 for a bad configuration.`,
  async run(args, dependencies) {
    const { values, positionals } = parseCommandLine(args, OPTIONS, { least: 0, most: Infinity });
    const { config } = readConfig(dependencies);
    const named = positionals.map((alias) => upstreamOf(config, alias));
    const needed = named.length > 0
      ? named
      : config.defaultUpstream === null
      ? []
      : [config.defaultUpstream];
    const findings = await examine({
      config,
      needed,
      upstreams: named.length > 0 ? named : [...new Set([...needed, ...config.upstreams])],
      address: values.address === undefined ? undefined : parseOrigin("address", values.address),
    }, createWorld(dependencies));
    if (values.json === true) dependencies.stdout(`${JSON.stringify(findings, null, 2)}\n`);
    else print(findings, dependencies);
    return findings.some(({ kind }) => kind === "fault") ? EXIT.failure : EXIT.ok;
  },
};

function upstreamOf({ upstreams }: Config, alias: string): Upstream {
  const found = upstreams.find((upstream) => upstream.alias === alias);
  if (found !== undefined) return found;
  const known = upstreams.map((upstream) => upstream.alias).join(", ");
  throw new UsageError(`there is no upstream ${JSON.stringify(alias)}; there are ${known}`);
}

const MARKS: Readonly<Record<Finding["kind"], string>> = {
  fine: "ok     ",
  warning: "warning",
  fault: "FAULT  ",
};

function print(findings: readonly Finding[], { stdout }: CliDependencies): void {
  for (const { kind, subject, message, fix } of findings) {
    stdout(`${MARKS[kind]}  ${subject}: ${message}\n`);
    if (fix !== undefined && kind !== "fine") stdout(`         → ${fix}\n`);
  }
  const faults = findings.filter(({ kind }) => kind === "fault").length;
  const warnings = findings.filter(({ kind }) => kind === "warning").length;
  stdout(`\n${countOf(faults, "fault")}, ${countOf(warnings, "warning")}\n`);
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function createWorld({ fetch, env }: CliDependencies): World {
  return {
    outbound: createOutbound({
      fetch: (input, init) => fetch(input.href, init),
      headersTimeoutSeconds: TIMEOUT_SECONDS,
    }),
    lookup: async (hostname) =>
      (await lookup(hostname, { all: true })).map(({ address }) => address),
    async connect(address) {
      using _ = await Deno.connect({
        ...address,
        signal: AbortSignal.timeout(TIMEOUT_SECONDS * 1000),
      });
    },
    tryToListen(address) {
      using _ = Deno.listen(address);
    },
    async probeFolder(dir) {
      const path = join(existing(dir), `.entrepot-${crypto.randomUUID()}`);
      await Deno.writeTextFile(path, "", { createNew: true });
      await Deno.remove(path);
    },
    freeBytes(dir) {
      const { bavail, bsize } = statfsSync(existing(dir));
      return bavail * bsize;
    },
    now: Date.now,
    hasHttpProxy: ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]
      .some((name) => (env[name] ?? "") !== ""),
    signal: AbortSignal.timeout(6 * TIMEOUT_SECONDS * 1000),
  };
}

/** The folder, or the first of those above it that is there. */
function existing(dir: string): string {
  for (let path = resolve(dir);; path = dirname(path)) {
    try {
      Deno.statSync(path);
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || path === dirname(path)) throw error;
    }
  }
}
