/**
 * An OCI image layout that is written, as a folder or a tar: under another name until it is whole.
 * Source: image-spec "Image Layout".
 */
import { finished, pipeline } from "node:stream/promises";
import { Readable, Writable } from "node:stream";
// @ts-types="../../std_path.d.ts"
import { dirname, join } from "@std/path";
// @ts-types="./tar_stream.d.ts"
import { pack } from "tar-stream";

/** Takes the files of a layout, one after the other. */
export interface LayoutWriter {
  /** Writes a file; `path` is the layout's own, such as `oci-layout`. `size` is in bytes. */
  write(path: string, size: number, body: ReadableStream<Uint8Array>): Promise<void>;
  /** Gives it the name that it shall have. */
  commit(): Promise<void>;
  /** Removes what was written. */
  discard(): Promise<void>;
}

/** Whether a path names a tar rather than a folder. */
export function isTar(path: string): boolean {
  return path.endsWith(".tar");
}

/** Begins a layout. @throws where something is there already, or the file system refuses. */
export async function openLayoutWriter(path: string): Promise<LayoutWriter> {
  if (await isThere(path)) {
    throw new Deno.errors.AlreadyExists(`${path} is there already: name another`);
  }
  await Deno.mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${crypto.randomUUID()}.partial`;
  return isTar(path) ? await tarWriter(path, temporary) : await folderWriter(path, temporary);
}

async function folderWriter(path: string, temporary: string): Promise<LayoutWriter> {
  await Deno.mkdir(temporary);
  return {
    async write(name, _size, body) {
      const file = join(temporary, name);
      await Deno.mkdir(dirname(file), { recursive: true });
      await Deno.writeFile(file, body, { createNew: true });
    },
    commit: () => Deno.rename(temporary, path),
    discard: () => Deno.remove(temporary, { recursive: true }),
  };
}

async function tarWriter(path: string, temporary: string): Promise<LayoutWriter> {
  const file = await Deno.open(temporary, { write: true, createNew: true });
  const tar = pack();
  const written = pipeline(tar, Writable.fromWeb(file.writable));
  // It is told where the next file, or the end, is awaited.
  written.catch(() => undefined);
  return {
    async write(name, size, body) {
      const entry = tar.entry({ name, size }, () => undefined);
      const source = Readable.from(body);
      await Promise.race([pipeline(source, entry), written]);
    },
    async commit() {
      tar.finalize();
      await written;
      await Deno.rename(temporary, path);
    },
    async discard() {
      tar.destroy();
      await finished(tar).catch(() => undefined);
      await written.catch(() => undefined);
      await Deno.remove(temporary);
    },
  };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
