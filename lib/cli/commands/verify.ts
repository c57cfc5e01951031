/** `entrepot verify`: reads everything in the cache again. */
// @ts-types="../../std_path.d.ts"
import { join } from "@std/path";
import { openDiskStore } from "../../cache/disk_store.ts";
import { openSqliteIndex } from "../../cache/sqlite_index.ts";
import { type VerifyFault, verifyStore } from "../../cache/verify.ts";
import { formatBytes } from "../../config/units.ts";
import { describeCause } from "../../log.ts";
import { type Command, EXIT, parseCommandLine, readConfig } from "../command.ts";

const OPTIONS = {
  repair: { type: "boolean", help: "remove what is wrong; it is fetched again when it is pulled" },
  json: { type: "boolean", help: "print what is found as JSON" },
} as const;

/** Verifies the cache of the configuration. */
export const verifyCommand: Command = {
  name: "verify",
  summary: "read everything in the cache and compare it with its digests",
  options: OPTIONS,
  details: `It may run beside the proxy.

Exit codes: 0, 1 where something is wrong (repaired or not), 64, 78 for a bad configuration.`,
  async run(args, dependencies) {
    const { values } = parseCommandLine(args, OPTIONS, { least: 0, most: 0 });
    const { config: { cache } } = readConfig(dependencies);
    const isJson = values.json === true;
    const repair = values.repair === true;
    const path = join(cache.dir, "index.sqlite");
    if (!isThere(cache.dir)) {
      dependencies.stderr(`entrepot: verify: there is no cache in ${cache.dir}\n`);
      return EXIT.failure;
    }
    const disk = openDiskStore(cache.dir);
    // A lost index is made anew by the next start, from what it finds; not by an empty file here.
    using index = openSqliteIndex(isThere(path) ? path : ":memory:");
    const faults: VerifyFault[] = [];
    const { contents, bytes } = await verifyStore({ disk, index }, {
      repair,
      onProgress: () => undefined,
      onFault(fault) {
        faults.push(fault);
        if (!isJson) dependencies.stdout(`${describeFault(fault)}\n`);
      },
    });
    dependencies.stdout(
      isJson
        ? `${JSON.stringify({ contents, bytes, faults: faults.map(toJson), repair }, null, 2)}\n`
        : `${contents} contents of ${formatBytes(bytes)} were read, ${faults.length} faults${
          repair && faults.length > 0 ? ", what was wrong is removed" : ""
        }\n`,
    );
    return faults.length === 0 ? EXIT.ok : EXIT.failure;
  },
};

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function describeFault(fault: VerifyFault): string {
  switch (fault.kind) {
    case "wrong":
      return `wrong       ${fault.digest}: its bytes are ${fault.found}`;
    case "unreadable":
      return `unreadable  ${fault.digest}: ${describeCause(fault.cause)}`;
    case "missing":
      return `missing     ${fault.digest}`;
    default:
      return fault satisfies never;
  }
}

function toJson(fault: VerifyFault): Record<string, string> {
  return fault.kind === "unreadable" ? { ...fault, cause: describeCause(fault.cause) } : fault;
}
