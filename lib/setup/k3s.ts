/** k3s and RKE2: `registries.yaml`. Source: k3s, "Private Registry Configuration". */
import { isMap, isSeq, parseDocument } from "yaml";
import { type EngineSetup, type ProxyAddress, type ReadFile, SetupError } from "./engine.ts";

const FILE = "/etc/rancher/k3s/registries.yaml";

/** Merges an endpoint for each registry, and keeps comments. @throws {SetupError} */
export function setUpK3s(
  { base, registries }: ProxyAddress,
  readFile: ReadFile,
  path = FILE,
): EngineSetup {
  const document = parseDocument(readFile(path) ?? "");
  const isWrong = document.errors.length > 0 ||
    (document.contents !== null && !isMap(document.contents));
  if (isWrong) throw new SetupError(`${path} is no YAML with keys; mend it first`);
  let isChanged = false;
  for (const registry of registries) {
    const keys = ["mirrors", registry, "endpoint"];
    const known = document.getIn(keys);
    const endpoints = isSeq(known)
      ? known.toJSON().filter((entry: unknown): entry is string => typeof entry === "string")
      : [];
    if (endpoints.includes(base.origin)) continue;
    document.setIn(keys, document.createNode([base.origin, ...endpoints]));
    isChanged = true;
  }
  return {
    files: [{ path, text: isChanged ? document.toString() : readFile(path) ?? "" }],
    next: "systemctl restart k3s (or rke2-server, k3s-agent, rke2-agent)",
    example: "crictl pull docker.io/library/nginx:latest",
  };
}
