/**
 * Content on disk as an OCI image layout (`oci-layout`, `blobs/<algorithm>/<hex>`), which other
 * tools can read. Partial files lie beside it and are renamed when verified.
 * Source: image-spec "Image Layout".
 */
// @ts-types="../std_path.d.ts"
import { dirname, join } from "@std/path";
import { type Digest, DIGEST_HEX_LENGTH, splitDigest } from "../reference.ts";
import type { ByteSpan, ContentStore, PartialFile, StoredContent } from "./store.ts";

const READ_BYTES = 256 * 1024;

/**
 * Opens or makes the folder, and removes the partial files of an earlier process.
 *
 * @throws where the folder cannot be made or written.
 */
export function openDiskStore(dir: string): ContentStore {
  const partialDir = join(dir, "partial");
  for (const algorithm of Object.keys(DIGEST_HEX_LENGTH)) {
    Deno.mkdirSync(join(dir, "blobs", algorithm), { recursive: true });
  }
  Deno.mkdirSync(partialDir, { recursive: true });
  for (const entry of Deno.readDirSync(partialDir)) Deno.removeSync(join(partialDir, entry.name));
  writeLayoutFiles(dir);

  function pathOf(digest: Digest): string {
    const { algorithm, hex } = splitDigest(digest);
    return join(dir, "blobs", algorithm, hex);
  }

  function begin(): PartialFile {
    let path = join(partialDir, crypto.randomUUID());
    const file = Deno.openSync(path, { write: true, createNew: true });
    let written = 0;
    let state: "open" | "committed" | "discarded" = "open";
    return {
      get written() {
        return written;
      },
      append(bytes) {
        for (let offset = 0; offset < bytes.length;) {
          offset += file.writeSync(bytes.subarray(offset));
        }
        written += bytes.length;
      },
      open: () => Deno.openSync(path),
      async commit(digest) {
        const target = pathOf(digest);
        await file.sync();
        // Not awaited apart: `open` must never see a path that has just moved.
        Deno.renameSync(path, target);
        path = target;
        state = "committed";
        file.close();
        await syncDirectory(dirname(target));
      },
      discard() {
        if (state !== "open") return;
        state = "discarded";
        file.close();
        removeIfThere(path);
      },
    };
  }

  return {
    open: (digest) => openContent(pathOf(digest)),
    read(digest) {
      try {
        return Deno.readFileSync(pathOf(digest));
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    },
    async write(digest, bytes) {
      const partial = begin();
      try {
        partial.append(bytes);
        await partial.commit(digest);
        return true;
      } catch (error) {
        partial.discard();
        throw error;
      }
    },
    begin,
    remove: (digest) => removeIfThere(pathOf(digest)),
    async probe() {
      const path = join(partialDir, `probe-${crypto.randomUUID()}`);
      await Deno.writeTextFile(path, "", { createNew: true });
      await Deno.remove(path);
    },
  };
}

function openContent(path: string): StoredContent | undefined {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  let isStreaming = false;
  return {
    size: file.statSync().size,
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
