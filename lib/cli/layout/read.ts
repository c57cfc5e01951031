/** An OCI image layout that is read, from a folder or a tar. Source: image-spec "Image Layout". */
import { Readable } from "node:stream";
// @ts-types="../../std_path.d.ts"
import { join } from "@std/path";
// @ts-types="./tar_stream.d.ts"
import { extract } from "tar-stream";
import { type Digest, parseDigest } from "../../reference.ts";

/** A file of a layout. */
export interface LayoutFile {
  /** Such as `index.json`. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** Opens it, while it is the current one; a file that is not opened is passed over. */
  open(): ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** The files of a layout in the order in which they lie, each to be used before the next. */
export type LayoutReader = () => AsyncIterable<LayoutFile>;

/** Makes the reader of what lies at a path. @throws where nothing does. */
export async function openLayoutReader(path: string): Promise<LayoutReader> {
  const { isDirectory } = await Deno.stat(path);
  return isDirectory ? () => folderFiles(path) : () => tarFiles(path);
}

/** What a path in a layout is the content of. */
export function digestOfPath(path: string): Digest | undefined {
  const [, algorithm, hex] = /^blobs\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
  return algorithm === undefined ? undefined : parseDigest(`${algorithm}:${hex}`);
}

async function* folderFiles(root: string): AsyncIterable<LayoutFile> {
  for (const folder of ["", "blobs/sha256", "blobs/sha512"]) {
    for (const name of await filesIn(join(root, folder))) {
      const path = folder === "" ? name : `${folder}/${name}`;
      const file = join(root, path);
      const { size } = await Deno.stat(file);
      yield { path, size, open: () => Deno.openSync(file).readable };
    }
  }
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter(({ isFile }) => isFile).map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function* tarFiles(path: string): AsyncIterable<LayoutFile> {
  const tar = extract();
  const file = await Deno.open(path);
  const source = Readable.fromWeb(file.readable);
  source.on("error", (error) => tar.destroy(error));
  source.pipe(tar);
  try {
    for await (const entry of tar) {
      const { name, size = 0 } = entry.header;
      let isOpened = false;
      yield {
        path: name.replace(/^\.\//, ""),
        size,
        open() {
          isOpened = true;
          return ReadableStream.from(bytesOf(entry));
        },
      };
      if (!isOpened) entry.resume();
    }
  } finally {
    source.destroy();
  }
}

async function* bytesOf(entry: AsyncIterable<unknown>): AsyncIterable<Uint8Array<ArrayBuffer>> {
  for await (const piece of entry) if (piece instanceof Uint8Array) yield new Uint8Array(piece);
}
