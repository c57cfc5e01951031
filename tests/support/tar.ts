/**
 * Just enough tar to make image layers, and a program small enough to put in one.
 * The same entries give the same bytes, always.
 */

/** Bytes that a stream or a request takes. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** One member of a layer. */
export type TarEntry =
  | { name: string; data: Bytes; mode?: number }
  | { name: string; size: number; chunks: () => Iterable<Bytes> }
  | { name: string; directory: true }
  | { name: string; linkTo: string };

const BLOCK = 512;
const MODIFIED = 1_700_000_000;
const encoder = new TextEncoder();

/** A file of text. */
export function textFile(name: string, text: string): TarEntry {
  return { name, data: encoder.encode(text) };
}

/** The archive of the entries, piece by piece. */
export function* tar(entries: TarEntry[]): Iterable<Bytes> {
  for (const entry of entries) {
    const size = sizeOf(entry);
    yield header(entry, size);
    if ("data" in entry) yield entry.data;
    if ("chunks" in entry) yield* entry.chunks();
    if (size % BLOCK > 0) yield new Uint8Array(BLOCK - size % BLOCK);
  }
  yield new Uint8Array(2 * BLOCK);
}

function sizeOf(entry: TarEntry): number {
  if ("data" in entry) return entry.data.length;
  return "size" in entry ? entry.size : 0;
}

function header(entry: TarEntry, size: number): Bytes {
  const block = new Uint8Array(BLOCK);
  const write = (offset: number, text: string) => block.set(encoder.encode(text), offset);
  const octal = (value: number, width: number) => value.toString(8).padStart(width - 1, "0") + "\0";
  const isDirectory = "directory" in entry;
  const mode = "mode" in entry && entry.mode !== undefined
    ? entry.mode
    : isDirectory
    ? 0o755
    : 0o644;
  write(0, entry.name);
  write(100, octal(mode, 8));
  write(108, octal(0, 8));
  write(116, octal(0, 8));
  write(124, octal(size, 12));
  write(136, octal(MODIFIED, 12));
  write(148, "        ");
  write(156, "linkTo" in entry ? "2" : isDirectory ? "5" : "0");
  if ("linkTo" in entry) write(157, entry.linkTo);
  write(257, "ustar\x0000");
  const sum = block.reduce((total, byte) => total + byte, 0);
  write(148, sum.toString(8).padStart(6, "0") + "\0 ");
  return block;
}

/** An x86-64 Linux program of about 170 bytes that prints a line and exits with 0. */
export function helloProgram(line: string): Bytes {
  const text = encoder.encode(`${line}\n`);
  const loadAddress = 0x400000;
  const headerSize = 64 + 56;
  // write(1, text, length); exit(0)
  // deno-fmt-ignore
  const code = new Uint8Array([
    0xb8, 1, 0, 0, 0,
    0xbf, 1, 0, 0, 0,
    0x48, 0xbe, 0, 0, 0, 0, 0, 0, 0, 0,
    0xba, 0, 0, 0, 0,
    0x0f, 0x05,
    0xb8, 60, 0, 0, 0,
    0x31, 0xff,
    0x0f, 0x05,
  ]);
  const operands = new DataView(code.buffer);
  operands.setBigUint64(12, BigInt(loadAddress + headerSize + code.length), true);
  operands.setUint32(21, text.length, true);
  const file = new Uint8Array(headerSize + code.length + text.length);
  const view = new DataView(file.buffer);
  const size = BigInt(file.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // executable
  view.setUint16(18, 62, true); // x86-64
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(loadAddress + headerSize), true); // entry point
  view.setBigUint64(32, 64n, true); // program headers
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true); // load
  view.setUint32(68, 5, true); // readable, executable
  view.setBigUint64(80, BigInt(loadAddress), true);
  view.setBigUint64(88, BigInt(loadAddress), true);
  view.setBigUint64(96, size, true);
  view.setBigUint64(104, size, true);
  view.setBigUint64(112, 4096n, true);
  file.set(code, headerSize);
  file.set(text, headerSize + code.length);
  return file;
}
