/**
 * Podman, Buildah, Skopeo and CRI-O: a file of our own in `registries.conf.d`, which they merge with
 * the others. Source: containers-registries.conf.d(5).
 */
import type { EngineSetup, ProxyAddress, ReadFile } from "./engine.ts";

const FILE = "/etc/containers/registries.conf.d/900-entrepot.conf";

/** Gives the file; it holds nothing but mirrors, so that it is written anew. */
export function setUpPodman(
  { base, registries }: ProxyAddress,
  _readFile: ReadFile,
  path = FILE,
): EngineSetup {
  const insecure = base.protocol === "http:" ? "insecure = true\n" : "";
  const tables = registries.map((registry) =>
    `[[registry]]\nlocation = "${registry}"\n` +
    `[[registry.mirror]]\nlocation = "${base.host}/${registry}"\n${insecure}`
  );
  // Names with the proxy in them, as in `podman pull proxy/ghcr.io/org/image`.
  const own = insecure === "" ? [] : [`[[registry]]\nlocation = "${base.host}"\n${insecure}`];
  return {
    files: [{ path, text: [...tables, ...own].join("\n") }],
    next: "nothing: it is read at the next pull",
    example: "podman pull docker.io/library/nginx",
  };
}
