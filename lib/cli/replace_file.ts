/** Files of other programs are replaced at once or not at all, and what was there is kept. */
// @ts-types="../std_path.d.ts"
import { dirname } from "@std/path";

/**
 * Writes a file, whose folder is made where it is not there. Resolves with the path of the copy of
 * what was there before; undefined where there was nothing.
 *
 * @throws where the file system refuses.
 */
export async function replaceFile(path: string, text: string): Promise<string | undefined> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const before = await statOrNone(path);
  // A link stays one: what it leads to is replaced.
  const target = before === undefined ? path : await Deno.realPath(path);
  const backup = before === undefined ? undefined : `${path}.${timestamp()}.bak`;
  if (backup !== undefined) await Deno.copyFile(path, backup);
  const temporary = `${target}.${crypto.randomUUID()}.tmp`;
  try {
    await Deno.writeTextFile(temporary, text, { createNew: true, mode: before?.mode ?? 0o644 });
    await Deno.rename(temporary, target);
  } catch (error) {
    await Deno.remove(temporary).catch(() => undefined);
    throw error;
  }
  return backup;
}

async function statOrNone(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Such as `20260131T235959`: sorts as time does. */
function timestamp(): string {
  return new Date().toISOString().replaceAll(/[-:]|\..*/g, "");
}
