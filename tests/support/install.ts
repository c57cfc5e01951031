/**
 * The first step of `deno task test`: brings the real components that tests run against.
 * As root on Debian and its kin they are installed; elsewhere it says loudly what is missing.
 */
import {
  type Component,
  COMPONENT_NAMES,
  COMPONENTS,
  missingCommands,
  reasonMissing,
} from "./components.ts";

const encoder = new TextEncoder();

function say(line: string): void {
  Deno.stdout.writeSync(encoder.encode(`${line}\n`));
}

/** Runs a program with its output in the open; whether it succeeded. */
function runOpenly(command: string, args: string[]): boolean {
  return new Deno.Command(command, {
    args,
    env: { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).outputSync().success;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Lets packages be unpacked and configured but start no service, on any init. */
function withoutServices(install: () => void): void {
  const policy = "/usr/sbin/policy-rc.d";
  if (exists(policy)) return install();
  Deno.writeTextFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    install();
  } finally {
    Deno.removeSync(policy);
  }
}

function installPackages(components: Component[]): void {
  const packages = [...new Set(components.flatMap((name) => COMPONENTS[name].packages))];
  say(`installing ${packages.join(" ")}`);
  runOpenly("apt-get", ["update", "-q"]);
  const install = ["install", "-y", "-q", "--no-install-recommends"];
  withoutServices(() => {
    if (runOpenly("apt-get", [...install, ...packages])) return;
    // One package that this release lacks must not cost the others.
    for (const name of packages) runOpenly("apt-get", [...install, name]);
  });
}

function main(): void {
  const missing = COMPONENT_NAMES.filter((name) => missingCommands(name).length > 0);
  if (missing.length > 0) {
    const canInstall = Deno.uid() === 0 && exists("/etc/debian_version");
    if (canInstall) installPackages(missing);
    else say(`not root on Debian: nothing is installed (missing: ${missing.join(", ")})`);
  }
  const skipped = COMPONENT_NAMES.flatMap((name) => {
    const reason = reasonMissing(name);
    return reason === null ? [] : [`!!   ${name}: ${reason}`];
  });
  if (skipped.length === 0) return say(`real components: ${COMPONENT_NAMES.join(", ")}`);
  say("!! TESTS THAT NEED THESE WILL BE SKIPPED:");
  for (const line of skipped) say(line);
}

if (import.meta.main) main();
