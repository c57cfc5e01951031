/** `entrepot list`, `purge`, `pin` and `unpin`: what the cache holds, and what it keeps. */
import { formatBytes } from "../../config/units.ts";
import { isRecord } from "../../json.ts";
import { API_OPTIONS, listOf, numberOf, textOf, withApi } from "../admin_client.ts";
import { type Command, EXIT, parseCommandLine } from "../command.ts";

const PAGE = 500;

/** Lists images. */
export const listCommand: Command = {
  name: "list",
  summary: "list the images in the cache",
  operands: "[TEXT]",
  options: API_OPTIONS,
  details: `TEXT is a part of the name. The images used last come first.

Exit codes: 0, 1 where the proxy refuses, 64, 78 for a bad configuration.`,
  run(args, dependencies) {
    const { values, positionals: [search = ""] } = parseCommandLine(args, API_OPTIONS, {
      least: 0,
      most: 1,
    });
    return withApi(values.address, dependencies, async (ask) => {
      const images: unknown[] = [];
      for (let total = 1; images.length < total;) {
        const query = { search, offset: String(images.length), limit: String(PAGE) };
        const page = await ask("GET", "images", query);
        total = numberOf(page, "total");
        const found = listOf(page, "images");
        if (found.length === 0) break;
        images.push(...found);
      }
      if (values.json === true) dependencies.stdout(`${JSON.stringify(images, null, 2)}\n`);
      else for (const image of images) dependencies.stdout(`${imageLine(image)}\n`);
      return EXIT.ok;
    });
  },
};

function imageLine(image: unknown): string {
  const isPinned = isRecord(image) && image["isPinned"] === true;
  const used = new Date(numberOf(image, "usedAt")).toISOString().slice(0, 16).replace("T", " ");
  const size = formatBytes(numberOf(image, "bytes")).padStart(10);
  const pulls = `${numberOf(image, "pulls")} pulls`.padStart(10);
  return `${used}  ${size}  ${pulls}  ${textOf(image, "name")}${isPinned ? "  (pinned)" : ""}`;
}

/** Makes the cache forget images. */
export const purgeCommand: Command = {
  name: "purge",
  summary: "remove images from the cache; upstream they stay",
  operands: "IMAGE…",
  options: API_OPTIONS,
  details: `What other images need stays. What is pulled again is fetched again.

Exit codes: 0, 1 where there is no such image, 64, 78 for a bad configuration.`,
  run(args, dependencies) {
    const { values, positionals } = parseCommandLine(args, API_OPTIONS, {
      least: 1,
      most: Infinity,
    });
    return withApi(values.address, dependencies, async (ask) => {
      const purged = [];
      for (const image of positionals) {
        const freedBytes = numberOf(await ask("DELETE", "images", { image }), "freedBytes");
        purged.push({ image, freedBytes });
        if (values.json !== true) {
          dependencies.stdout(`purged ${image}, ${formatBytes(freedBytes)} are free\n`);
        }
      }
      if (values.json === true) dependencies.stdout(`${JSON.stringify(purged, null, 2)}\n`);
      return EXIT.ok;
    });
  },
};

/** Keeps images from being evicted. */
export const pinCommand = createPinCommand("pin", "keep images in the cache, whatever is needed");
/** Lets images be evicted again. */
export const unpinCommand = createPinCommand("unpin", "let images go again where room is needed");

function createPinCommand(name: "pin" | "unpin", summary: string): Command {
  return {
    name,
    summary,
    operands: "IMAGE…",
    options: API_OPTIONS,
    details: "Exit codes: 0, 1 where there is no such image, 64, 78 for a bad configuration.",
    run(args, dependencies) {
      const { values, positionals } = parseCommandLine(args, API_OPTIONS, {
        least: 1,
        most: Infinity,
      });
      return withApi(values.address, dependencies, async (ask) => {
        const answers = [];
        for (const image of positionals) {
          answers.push(await ask(name === "pin" ? "PUT" : "DELETE", "pins", { image }));
          if (values.json !== true) dependencies.stdout(`${name}ned ${image}\n`);
        }
        if (values.json === true) dependencies.stdout(`${JSON.stringify(answers, null, 2)}\n`);
        return EXIT.ok;
      });
    },
  };
}
