/** `entrepot export`: an image as a file or folder that other tools, and other caches, can read. */
import { describeCause } from "../../cause.ts";
import type { Config } from "../../config/config.ts";
import { formatBytes } from "../../config/units.ts";
import { RegistryError } from "../../errors.ts";
import { splitImageName, type SplitName } from "../../image_name.ts";
import { parseReference } from "../../reference.ts";
import { createWarmSource } from "../../warm/source.ts";
import { type Command, EXIT, parseCommandLine, readConfig, UsageError } from "../command.ts";
import { exportImage } from "../layout/export_image.ts";
import { openLayoutWriter } from "../layout/write.ts";
import { lendProxy, PULL_OPTIONS, readAuthorization, readPlatforms } from "../pull_options.ts";

const OPTIONS = {
  ...PULL_OPTIONS,
  json: { type: "boolean", help: "print what was written as JSON" },
} as const;

/** Exports an image. */
export const exportCommand: Command = {
  name: "export",
  summary: "write an image as an OCI image layout: a folder, or a tar where PATH ends so",
  operands: "IMAGE PATH",
  options: OPTIONS,
  details: `What is cached is taken from the cache, and the rest is fetched.

  entrepot export nginx:1.27 nginx.tar
  skopeo copy oci-archive:nginx.tar:1.27 docker://registry.example/nginx:1.27
  ctr images import nginx.tar

Exit codes: 0, 1 where the image cannot be had or written, 64, 78 for a bad configuration.`,
  async run(args, dependencies) {
    const { values, positionals } = parseCommandLine(args, OPTIONS, { least: 2, most: 2 });
    const [image = "", path = ""] = positionals;
    const { config } = readConfig(dependencies);
    const name = splitImageName(image);
    const reference = name?.digest ?? name?.tag ?? "latest";
    if (name === undefined || parseReference(reference) === undefined) {
      throw new UsageError(`${JSON.stringify(image)} is no image name, such as nginx:1.27`);
    }
    const isJson = values.json === true;
    const platforms = readPlatforms(values.platform);
    const authorization = readAuthorization(
      values.username,
      values["password-file"],
      dependencies,
    );
    try {
      const writer = await openLayoutWriter(path);
      const exported = await lendProxy(config, values.address, dependencies, async (base) => {
        try {
          const result = await exportImage(writer, {
            source: createWarmSource({
              base,
              ask: (url, init) => dependencies.fetch(url.href, init),
              authorization,
            }, name),
            reference,
            fullName: fullNameOf(name, reference, config),
            platforms,
            onFile({ digest, size }) {
              if (!isJson) dependencies.stdout(`${digest}  ${formatBytes(size)}\n`);
            },
            signal: new AbortController().signal,
          });
          await writer.commit();
          return result;
        } catch (error) {
          await writer.discard();
          throw error;
        }
      });
      dependencies.stdout(
        isJson
          ? `${JSON.stringify({ ...exported, path }, null, 2)}\n`
          : `${exported.name} is in ${path}: ${formatBytes(exported.bytes)}\n`,
      );
      return EXIT.ok;
    } catch (error) {
      const reason = error instanceof RegistryError ? error.message : describeCause(error);
      dependencies.stderr(`entrepot: ${image} was not exported: ${reason}\n`);
      return EXIT.failure;
    }
  },
};

/** The name with its registry, as containerd wants it. */
function fullNameOf(
  { registry, repository }: SplitName,
  reference: string,
  { upstreams, defaultUpstream }: Config,
): string {
  const upstream = registry === null
    ? defaultUpstream
    : upstreams.find(({ names }) => names.includes(registry)) ?? null;
  const isShort = upstream?.hasLibrary === true && !repository.includes("/");
  const separator = reference.includes(":") ? "@" : ":";
  const host = upstream?.registry ?? registry ?? "docker.io";
  return `${host}/${isShort ? "library/" : ""}${repository}${separator}${reference}`;
}
