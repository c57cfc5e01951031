/**
 * Temporary directories that vanish with their owner.
 * Every component of the tests keeps all of its state in one of these.
 */
import { join } from "node:path";

/** A directory of its own, removed with everything in it on disposal. */
export class TempDir implements AsyncDisposable {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The path of something inside the directory. */
  join(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /** Makes a directory inside this one, with its parents, and tells its path. */
  async makeDir(...parts: string[]): Promise<string> {
    const path = this.join(...parts);
    await Deno.mkdir(path, { recursive: true });
    return path;
  }

  /** Writes a file inside the directory, parents included, and tells its path. */
  async write(name: string, content: string | Uint8Array): Promise<string> {
    const path = this.join(name);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    if (typeof content === "string") await Deno.writeTextFile(path, content);
    else await Deno.writeFile(path, content);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeAll(this.path);
  }
}

/** Makes a directory whose name tells what it is for. */
export async function tempDir(label: string): Promise<TempDir> {
  return new TempDir(await Deno.makeTempDir({ prefix: `entrepot-${label}-` }));
}

/** Removes a tree. A process that is ending may still be adding to it, so this tries again. */
export async function removeAll(path: string): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      await Deno.remove(path, { recursive: true });
      return;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      if (attempt === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}
