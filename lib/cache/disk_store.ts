/**
 * Content on disk as an OCI image layout (`oci-layout`, `blobs/<algorithm>/<hex>`), which other
 * tools can read. Partial files lie beside it and are renamed when verified.
 * Source: image-spec "Image Layout".
 */
// @ts-types="../std_path.d.ts"
import { dirname, join } from "@std/path";
import { type Digest, DIGEST_HEX_LENGTH, parseDigest, splitDigest } from "../reference.ts";
import { type ByteSpan, type PartialFile, type StoredContent, StoreError } from "./store.ts";

const READ_BYTES = 256 * 1024;

/** A partial file or content as it lies on the disk. */
export interface DiskFile<Name> {
  readonly name: Name;
  /** In bytes. */
  readonly size: number;
}

/** A partial file; how much room it may take is not known here. */
export type DiskPartial = Omit<PartialFile, "reserve">;

/** The folder. It knows bytes and names, and nothing of bounds or use. */
export interface DiskStore {
  /** @throws {StoreError} */
  open(digest: Digest): StoredContent | undefined;
  /** @throws {StoreError} */
  read(digest: Digest): Uint8Array<ArrayBuffer> | undefined;
  /** @throws {StoreError} */
  begin(key: string): DiskPartial;
  /** Bytes that an earlier fill of the key left. @throws {StoreError} */
  partialBytes(key: string): number;
  remove(digest: Digest): void;
  /** The digests of all content. */
  digests(): Iterable<Digest>;
  /** The size of content in bytes; undefined where there is none. */
  sizeOf(digest: Digest): number | undefined;
  /** Removes partial files that cannot be resumed or are older than `maxAgeMs`; gives the others. */
  sweepPartials(maxAgeMs: number): DiskFile<string>[];
  /** Resolves when the folder can be written. @throws where it cannot. */
  probe(): Promise<void>;
}

/** Partial files with these prefixes are never resumed. */
const TRANSIENT = /^(small|probe|import|push)-/;

/**
 * Opens or makes the folder.
 *
 * @throws where the folder cannot be made or written.
 */
export function openDiskStore(dir: string): DiskStore {
  const partialDir = join(dir, "partial");
  makeFolders();
  writeLayoutFiles(dir);

  function makeFolders(): void {
    for (const algorithm of Object.keys(DIGEST_HEX_LENGTH)) {
      Deno.mkdirSync(join(dir, "blobs", algorithm), { recursive: true });
    }
    Deno.mkdirSync(partialDir, { recursive: true });
  }

  function pathOf(digest: Digest): string {
    const { algorithm, hex } = splitDigest(digest);
    return join(dir, "blobs", algorithm, hex);
  }

  function begin(key: string): DiskPartial {
    let path = join(partialDir, key);
    const file = guarded(() => openForAppend(path, makeFolders));
    let written = guarded(() => file.statSync().size);
    let isOpen = true;
    const close = (): boolean => {
      const wasOpen = isOpen;
      if (wasOpen) file.close();
      isOpen = false;
      return wasOpen;
    };
    return {
      get written() {
        return written;
      },
      async append(bytes) {
        try {
          for (let offset = 0; offset < bytes.length;) {
            // Not in this thread, which has the next bytes to read and to hash meanwhile.
            const length = await file.write(bytes.subarray(offset));
            offset += length;
            written += length;
          }
        } catch (cause) {
          throw new StoreError("the disk refuses", { cause });
        }
      },
      open: () => Deno.openSync(path),
      async commit(digest) {
        const target = pathOf(digest);
        try {
          await file.sync();
          // Synchronous, so that `open` never sees a path that has just moved.
          Deno.renameSync(path, target);
          path = target;
          close();
          await syncDirectory(dirname(target));
        } catch (cause) {
          throw new StoreError("the content cannot be committed", { cause });
        }
      },
      keep() {
        if (close() && written === 0) removeIfThere(path);
      },
      discard() {
        if (close()) removeIfThere(path);
      },
    };
  }

  return {
    open: (digest) => openContent(pathOf(digest)),
    read: (digest) => unlessMissing(() => Deno.readFileSync(pathOf(digest))),
    begin,
    partialBytes: (key) => sizeOfFile(join(partialDir, key)) ?? 0,
    sizeOf: (digest) => sizeOfFile(pathOf(digest)),
    *digests() {
      for (const algorithm of Object.keys(DIGEST_HEX_LENGTH)) {
        for (const { name } of Deno.readDirSync(join(dir, "blobs", algorithm))) {
          const digest = parseDigest(`${algorithm}:${name}`);
          if (digest !== undefined) yield digest;
        }
      }
    },
    sweepPartials(maxAgeMs) {
      const kept: DiskFile<string>[] = [];
      for (const { name } of Deno.readDirSync(partialDir)) {
        const path = join(partialDir, name);
        const { size, mtime } = Deno.statSync(path);
        const isOld = Date.now() - (mtime?.getTime() ?? 0) > maxAgeMs;
        if (TRANSIENT.test(name) || isOld) Deno.removeSync(path);
        else kept.push({ name, size });
      }
      return kept;
    },
    remove: (digest) => removeIfThere(pathOf(digest)),
    async probe() {
      const path = join(partialDir, `probe-${crypto.randomUUID()}`);
      try {
        // A disk that is full still takes the names of files.
        await Deno.writeTextFile(path, "probe", { createNew: true });
      } finally {
        await Deno.remove(path).catch(() => undefined);
      }
    },
  };
}

/** Opens a file to append to; folders that somebody has removed are made again. */
function openForAppend(path: string, makeFolders: () => void): Deno.FsFile {
  const options = { append: true, create: true };
  try {
    return Deno.openSync(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    makeFolders();
    return Deno.openSync(path, options);
  }
}

function sizeOfFile(path: string): number | undefined {
  return unlessMissing(() => Deno.statSync(path).size);
}

/** Looks at a file that may not be there: undefined then. @throws {StoreError} */
function unlessMissing<Result>(look: () => Result): Result | undefined {
  try {
    return look();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    throw new StoreError("the disk refuses", { cause });
  }
}

/** Runs a call on the file system; what it refuses is a {@linkcode StoreError}. */
function guarded<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (cause) {
    throw new StoreError("the disk refuses", { cause });
  }
}

function openContent(path: string): StoredContent | undefined {
  const file = unlessMissing(() => Deno.openSync(path));
  if (file === undefined) return undefined;
  let isStreaming = false;
  return {
    size: file.statSync().size,
    bytes: null,
    stream(span) {
      isStreaming = true;
      // The runtime's own stream of a whole file never passes through JavaScript.
      return span === undefined ? file.readable : streamSpan(file, span);
    },
    [Symbol.dispose]() {
      if (!isStreaming) file.close();
    },
  };
}

/** Streams a span of an open file and closes it at the end, on cancel and on error. */
function streamSpan(file: Deno.FsFile, span: ByteSpan): ReadableStream<Uint8Array<ArrayBuffer>> {
  let position = span.start;
  file.seekSync(position, Deno.SeekMode.Start);
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const buffer = new Uint8Array(Math.min(READ_BYTES, span.end - position + 1));
      const length = buffer.length === 0 ? 0 : await file.read(buffer);
      if (length === null) {
        file.close();
        throw new Error("stored content is shorter than the index says");
      }
      position += length;
      if (length > 0) controller.enqueue(buffer.subarray(0, length));
      if (position > span.end) {
        file.close();
        controller.close();
      }
    },
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}

function writeLayoutFiles(dir: string): void {
  writeIfMissing(join(dir, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}\n`);
  writeIfMissing(join(dir, "index.json"), `{"schemaVersion":2,"manifests":[]}\n`);
}

function writeIfMissing(path: string, text: string): void {
  try {
    Deno.writeTextFileSync(path, text, { createNew: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Makes a rename durable: the directory's entry is data of its own (fsync(2)). */
async function syncDirectory(path: string): Promise<void> {
  using directory = await Deno.open(path);
  await directory.sync();
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
