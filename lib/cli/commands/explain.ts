/** `entrepot explain`: what would become of a pull, and why. */
import { formatBytes, formatDuration } from "../../config/units.ts";
import { isRecord } from "../../json.ts";
import { API_OPTIONS, listOf, numberOf, textOf, withApi } from "../admin_client.ts";
import { type Command, EXIT, formatRows, parseCommandLine } from "../command.ts";

const OPTIONS = {
  ...API_OPTIONS,
  probe: { type: "boolean", help: "ask the upstream as well" },
} as const;

/** Explains a pull. */
export const explainCommand: Command = {
  name: "explain",
  summary: "say what would become of a pull, and why",
  operands: "IMAGE",
  options: OPTIONS,
  details: `Which upstream, which route, what of it is cached, by whose right it is served, and what
becomes of redirects. Nobody is asked without --probe.

Exit codes: 0, 1 where the name leads nowhere, 64, 78 for a bad configuration.`,
  run(args, dependencies) {
    const { values, positionals: [image = ""] } = parseCommandLine(args, OPTIONS, {
      least: 1,
      most: 1,
    });
    return withApi(values.address, dependencies, async (ask) => {
      const query = { image, probe: String(values.probe === true) };
      const explanation = await ask("GET", "explain", query);
      dependencies.stdout(
        values.json === true
          ? `${JSON.stringify(explanation, null, 2)}\n`
          : `${describe(explanation)}\n`,
      );
      return explanation["kind"] === "image" ? EXIT.ok : EXIT.failure;
    });
  },
};

function describe(explanation: Record<string, unknown>): string {
  if (explanation["kind"] !== "image") {
    return `${textOf(explanation, "image")}: ${textOf(explanation, "why")}`;
  }
  const { upstream, route, cache, proof, redirect, probe } = explanation;
  const content = listOf(cache, "content");
  const cached = content.filter((entry) => isRecord(entry) && entry["isCached"] === true);
  const bytes = cached.reduce<number>((sum, entry) => sum + numberOf(entry, "size"), 0);
  const age = isRecord(cache) && typeof cache["ageSeconds"] === "number"
    ? `, asked for ${formatDuration(Math.floor(numberOf(cache, "ageSeconds")))} ago`
    : "";
  const rows = [
    ["upstream", `${textOf(upstream, "registry")} at ${textOf(upstream, "url")}`],
    ["route", `${textOf(route, "path")}: ${textOf(route, "why")}`],
    ["cache", `${textOf(cache, "state")}${age}: ${textOf(cache, "why")}`],
    ["content", `${cached.length} of ${content.length} are here, ${formatBytes(bytes)}`],
    ["proof", `${textOf(proof, "kind")}: ${textOf(proof, "why")}`],
    ["redirect", `${textOf(redirect, "mode")}: ${textOf(redirect, "why")}`],
    ...(isRecord(probe) ? [["probe", JSON.stringify(probe)]] : []),
  ];
  return `${textOf(explanation, "image")}\n${formatRows(rows)}`;
}
