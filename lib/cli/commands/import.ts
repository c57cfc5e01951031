/** `entrepot import`: puts images from a file or folder into the cache. */
import { describeCause } from "../../cause.ts";
import { RegistryError } from "../../errors.ts";
import { API_OPTIONS, type AskApi, numberOf, withApi } from "../admin_client.ts";
import { type Command, EXIT, parseCommandLine } from "../command.ts";
import { importLayout, type ImportTarget } from "../layout/import_layout.ts";
import { openLayoutReader } from "../layout/read.ts";

const OPTIONS = {
  public: {
    type: "boolean",
    help: "let everybody pull it while the registry cannot be asked; for public images",
  },
  ...API_OPTIONS,
} as const;

/** Imports images. */
export const importCommand: Command = {
  name: "import",
  summary: "put images of an OCI image layout, a folder or a tar, into the cache",
  operands: "PATH [IMAGE]",
  options: OPTIONS,
  details:
    `The layout says the images' names, or IMAGE does. Everything is verified, and an image is
seen only when all of it is here. Who may pull it is asked of its registry, as always: where
that cannot be reached, as with OFFLINE, it is served to nobody unless --public was given.

Exit codes: 0, 1 where it could not be imported, 64, 78 for a bad configuration.`,
  run(args, dependencies) {
    const { values, positionals } = parseCommandLine(args, OPTIONS, { least: 1, most: 2 });
    const [path = "", image] = positionals;
    return withApi(values.address, dependencies, async (ask) => {
      try {
        const target = importTarget(ask, values.public === true);
        const imported = await importLayout(await openLayoutReader(path), target, image);
        if (values.json === true) {
          dependencies.stdout(`${JSON.stringify(imported, null, 2)}\n`);
          return EXIT.ok;
        }
        for (const { name, digest, platforms } of imported) {
          dependencies.stdout(`${name} is cached: ${digest}, ${platforms} manifests\n`);
        }
        return EXIT.ok;
      } catch (error) {
        if (error instanceof RegistryError) throw error;
        dependencies.stderr(`entrepot: ${path} was not imported: ${describeCause(error)}\n`);
        return EXIT.failure;
      }
    });
  },
};

function importTarget(ask: AskApi, isPublic: boolean): ImportTarget {
  return {
    async has(digest) {
      try {
        await ask("GET", `contents/${digest}`, {});
        return true;
      } catch (error) {
        if (error instanceof RegistryError && error.status === 404) return false;
        throw error;
      }
    },
    async put(digest, size, body) {
      await ask("PUT", `contents/${digest}`, {}, { kind: "stream", stream: body, length: size });
    },
    async name(image, digest) {
      const value = { digest, isPublic };
      const named = await ask("PUT", "images", { image }, { kind: "json", value });
      return numberOf(named, "manifests");
    },
  };
}
