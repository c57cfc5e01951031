/**
 * The rooms of `lib/` and what each may know. A new folder has to be given its place here, and a
 * part that needs to know what stands above it is handed that instead.
 */
// @ts-types="../lib/std_path.d.ts"
import { join } from "@std/path";
import { assert, assertEquals } from "./support/assert.ts";

const LIB = new URL("../lib/", import.meta.url);

/** From the ground up; a room may use the rooms of lower rows, and types of its own row. */
const ROWS: readonly (readonly string[])[] = [
  ["."],
  ["config", "routing", "cache", "setup"],
  ["auth"],
  ["redirect"],
  ["upstream"],
  ["relay", "pull", "doctor", "warm"],
  ["push", "explain"],
  ["metrics"],
  ["web"],
  ["cli"],
];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isType: boolean;
}

Deno.test("imports point down", async () => {
  const imports = await readImports();
  assert(imports.length > 200, `only ${imports.length} imports were found`);
  assertEquals(imports.filter((edge) => !isAllowed(edge)).map(format), []);
});

Deno.test("only the cache and the command line touch files", async () => {
  assertEquals(await filesWith(/\bDeno\.(open|readFile|readTextFile|write|rename|remove)/), [
    "cache",
    "cli",
  ]);
});

Deno.test("only the command line reads the environment and holds the runtime's fetch", async () => {
  assertEquals(await filesWith(/\bDeno\.env\b|=>\s*fetch\(/), ["cli"]);
});

function isAllowed({ from, to, isType }: Import): boolean {
  const [user, used] = [rowOf(from), rowOf(to)];
  if (from === to) return true;
  // What the configuration looks like is known on the ground; how it is read is not.
  if (user === 0 && isType) return to === "config";
  return used < user || (used === user && isType);
}

function rowOf(room: string): number {
  const row = ROWS.findIndex((rooms) => rooms.includes(room));
  assert(row >= 0, `lib/${room} has no place among the rooms of this test`);
  return row;
}

function format({ from, to, isType }: Import): string {
  return `${from} → ${to}${isType ? " (type)" : ""}`;
}

/** The room of a module; "." for what stands beside the rooms. Undefined outside `lib/`. */
function roomOf(specifier: string): string | undefined {
  if (!specifier.startsWith(LIB.href)) return undefined;
  const [first, rest] = specifier.slice(LIB.href.length).split("/", 2);
  return rest === undefined ? "." : first;
}

async function readImports(): Promise<Import[]> {
  const imports: Import[] = [];
  for (const module of await readModules()) {
    const from = roomOf(module.specifier);
    for (const { code, type } of module.dependencies ?? []) {
      const to = roomOf(code?.specifier ?? type?.specifier ?? "");
      if (from !== undefined && to !== undefined) {
        imports.push({ from, to, isType: code === undefined });
      }
    }
  }
  return imports;
}

interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
  }[];
}

async function readModules(): Promise<readonly ModuleInfo[]> {
  const main = new URL("../main.ts", import.meta.url).href;
  const command = new Deno.Command(Deno.execPath(), { args: ["info", "--json", main] });
  const { stdout, success } = await command.output();
  assert(success, "deno info failed");
  const graph: { modules: readonly ModuleInfo[] } = JSON.parse(new TextDecoder().decode(stdout));
  return graph.modules;
}

/** The rooms that have a file whose code matches. */
async function filesWith(pattern: RegExp, folder = LIB.pathname): Promise<string[]> {
  const rooms = new Set<string>();
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) {
      for (const room of await filesWith(pattern, path)) rooms.add(room);
    } else if (/\.tsx?$/.test(name) && pattern.test(withoutComments(await readText(path)))) {
      rooms.add(roomOf(new URL(`file://${path}`).href) ?? path);
    }
  }
  return [...rooms].sort();
}

function readText(path: string): Promise<string> {
  return Deno.readTextFile(path);
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[^]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
}
