/** Docker's `daemon.json`: a mirror for Docker Hub, and the proxy's host as one to speak http with. */
import { applyEdits, modify, parse, type ParseError } from "jsonc-parser";
import { type EngineSetup, type ProxyAddress, type ReadFile, SetupError } from "./engine.ts";

const FILE = "/etc/docker/daemon.json";
/** Docker speaks http with these without being told. */
const LOOPBACK = /^(localhost|127\.[\d.]+|\[::1\])$/;

/** Merges a mirror into Docker's configuration. @throws {SetupError} where it is no JSON object. */
export function setUpDocker(
  { base, hubMirror }: ProxyAddress,
  readFile: ReadFile,
  path = FILE,
): EngineSetup {
  if (hubMirror === null) {
    throw new SetupError(
      "Docker has mirrors for Docker Hub only, which is not the default upstream here; name the " +
        `proxy in the image instead: docker pull ${base.host}/ghcr.io/org/image`,
    );
  }
  let text = readFile(path) ?? "{}\n";
  if (text.trim() === "") text = "{}\n";
  const wanted: [string, string][] = [["registry-mirrors", hubMirror.origin]];
  if (base.protocol === "http:" && !LOOPBACK.test(base.hostname)) {
    wanted.push(["insecure-registries", base.host]);
  }
  for (const [key, value] of wanted) text = withFirst(text, key, value, path);
  return {
    files: [{ path, text }],
    next: "systemctl restart docker",
    example: "docker pull nginx",
  };
}

/** Puts a value before those of a list, unless the list has it already. */
function withFirst(text: string, key: string, value: string, path: string): string {
  const list = listOf(text, key, path);
  if (list.some((entry) => sameAddress(entry, value))) return text;
  const edits = modify(text, [key], [value, ...list], {
    formattingOptions: { insertSpaces: !/^\t/m.test(text), tabSize: indentOf(text) },
  });
  return applyEdits(text, edits);
}

function listOf(text: string, key: string, path: string): readonly unknown[] {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors);
  if (errors.length > 0 || typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SetupError(`${path} is no JSON object; mend it first`);
  }
  const list = new Map<string, unknown>(Object.entries(value)).get(key) ?? [];
  if (!Array.isArray(list)) throw new SetupError(`${key} in ${path} is no list; mend it first`);
  return list;
}

function sameAddress(entry: unknown, value: string): boolean {
  return typeof entry === "string" && entry.replace(/\/$/, "") === value;
}

function indentOf(text: string): number {
  return /^( +)\S/m.exec(text)?.[1]?.length ?? 2;
}
