/**
 * containerd: a `hosts.toml` for each registry, and the folder of these in `config.toml`, which
 * containerd reads for Kubernetes. Source: containerd's docs/hosts.md.
 */
// @ts-types="../std_path.d.ts"
import { dirname, join } from "@std/path";
import type { EngineSetup, ProxyAddress, ReadFile, SetupFile } from "./engine.ts";
import { getTomlValue, setTomlKey, tableName } from "./toml_text.ts";

const FILE = "/etc/containerd/config.toml";
/** Where a registry's name in references is not the host of its API. */
const API_HOSTS: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };

/** Merges the proxy into containerd's configuration. @throws where a file cannot be edited. */
export function setUpContainerd(
  { base, registries }: ProxyAddress,
  readFile: ReadFile,
  path = FILE,
): EngineSetup {
  const text = readFile(path) ?? "version = 2\n";
  const table = registryTable(text, path);
  const configured = getTomlValue(text, [...table, "config_path"], path);
  const hostsDir = typeof configured === "string" && configured !== ""
    ? configured.split(":")[0] ?? configured
    : join(dirname(path), "certs.d");
  const main = setTomlKey(
    text,
    table,
    ["config_path", typeof configured === "string" && configured !== "" ? configured : hostsDir],
    path,
  );
  const hosts = registries.map((registry): SetupFile => {
    const file = join(hostsDir, registry, "hosts.toml");
    return { path: file, text: withHost(readFile(file), registry, base, file) };
  });
  return {
    files: [{ path, text: main }, ...hosts],
    next: "systemctl restart containerd",
    example: `ctr images pull --hosts-dir ${hostsDir} docker.io/library/nginx:latest`,
  };
}

/** Version 3 of the file names the plugin otherwise. */
function registryTable(text: string, path: string): readonly string[] {
  const plugin = getTomlValue(text, ["version"], path) === 3
    ? "io.containerd.cri.v1.images"
    : "io.containerd.grpc.v1.cri";
  return ["plugins", plugin, "registry"];
}

/** The proxy stands before the other hosts: containerd tries them in the order of the text. */
function withHost(text: string | undefined, registry: string, base: URL, path: string): string {
  const before = text ?? `server = "https://${API_HOSTS[registry] ?? registry}"\n`;
  const host = ["host", base.origin];
  if (getTomlValue(before, host, path) !== undefined) return before;
  const block = `[${tableName(host)}]\n  capabilities = ["pull", "resolve"]\n`;
  const first = /^[ \t]*\[/m.exec(before);
  if (first === null) return `${before.endsWith("\n") ? before : `${before}\n`}\n${block}`;
  return `${before.slice(0, first.index)}${block}\n${before.slice(first.index)}`;
}
