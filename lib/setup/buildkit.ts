/** BuildKit's `buildkitd.toml`. Source: BuildKit's docs/buildkitd.toml.md. */
import type { EngineSetup, ProxyAddress, ReadFile } from "./engine.ts";
import { getTomlValue, setTomlKey } from "./toml_text.ts";

const FILE = "/etc/buildkit/buildkitd.toml";

/** Merges a mirror for each registry. @throws where the file cannot be edited. */
export function setUpBuildkit(
  { base, registries }: ProxyAddress,
  readFile: ReadFile,
  path = FILE,
): EngineSetup {
  let text = readFile(path) ?? "";
  for (const registry of registries) {
    const table = ["registry", registry];
    const known = getTomlValue(text, [...table, "mirrors"], path);
    const others = Array.isArray(known)
      ? known.filter((entry): entry is string => typeof entry === "string")
      : [];
    const mirror = `${base.host}/${registry}`;
    if (others.includes(mirror)) continue;
    text = setTomlKey(text, table, ["mirrors", [mirror, ...others]], path);
  }
  if (base.protocol === "http:") {
    text = setTomlKey(text, ["registry", base.host], ["http", true], path);
  }
  return {
    files: [{ path, text }],
    next: `docker buildx create --use --config ${path}, or restart buildkitd`,
    example: "docker buildx build .",
  };
}
