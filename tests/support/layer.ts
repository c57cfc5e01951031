/**
 * Layers: a tar in a gzip of stored blocks, which every engine unpacks and which costs no
 * compression, so that hundreds of megabytes are described in a fraction of a second.
 */
import { createCipheriv, createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type Bytes, tar, type TarEntry } from "./tar.ts";

/** What names a piece of content in a manifest. */
export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

/** A piece of content; its bytes are made anew each time they are asked for. */
export interface Content extends Descriptor {
  chunks: () => Iterable<Bytes>;
}

const PIECE = 1 << 20;
const STORED_MAX = 0xffff;

/** Content in memory. */
export function contentOf(mediaType: string, bytes: Bytes): Content {
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return { mediaType, digest, size: bytes.length, chunks: () => bytes.length > 0 ? [bytes] : [] };
}

/** Content that is the JSON of a value. */
export function jsonContent(mediaType: string, value: unknown): Content {
  return contentOf(mediaType, new TextEncoder().encode(JSON.stringify(value)));
}

/** All bytes of a piece of content; for small ones. */
export function bytesOf(content: Content): Bytes {
  const bytes = new Uint8Array(content.size);
  let offset = 0;
  for (const chunk of content.chunks()) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

/** The content as a stream, made as fast as it is read. */
export function streamOf(content: Content): ReadableStream<Bytes> {
  return ReadableStream.from(content.chunks());
}

/** A layer and the digest of what is in its gzip, which the image's config lists. */
export function makeLayer(
  mediaType: string,
  entries: TarEntry[],
): { layer: Content; diffId: string } {
  const diffHash = createHash("sha256");
  const hash = createHash("sha256");
  let size = 0;
  const chunks = () => storedGzip(tar(entries));
  for (const chunk of storedGzip(tar(entries), (chunk) => diffHash.update(chunk))) {
    hash.update(chunk);
    size += chunk.length;
  }
  const digest = `sha256:${hash.digest("hex")}`;
  return {
    layer: { mediaType, digest, size, chunks },
    diffId: `sha256:${diffHash.digest("hex")}`,
  };
}

/** A file of bytes that no compression makes smaller, the same for the same seed. */
export function noiseFile(name: string, seed: string, size: number): TarEntry {
  return { name, size, chunks: () => noise(seed, size) };
}

/** One mebibyte of keystream, repeated with the piece's number in front: distinct and cheap. */
function* noise(seed: string, size: number): Iterable<Bytes> {
  const key = createHash("sha256").update(seed).digest().subarray(0, 16);
  const cipher = createCipheriv("aes-128-ctr", key, new Uint8Array(16));
  const base = new Uint8Array(cipher.update(new Uint8Array(PIECE)));
  for (let offset = 0; offset < size; offset += PIECE) {
    const piece = base.slice(0, Math.min(PIECE, size - offset));
    if (piece.length >= 4) new DataView(piece.buffer).setUint32(0, offset / PIECE);
    yield piece;
  }
}

function* storedGzip(input: Iterable<Bytes>, onInput?: (chunk: Bytes) => void): Iterable<Bytes> {
  let crc = 0;
  let length = 0;
  yield new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
  for (const chunk of input) {
    onInput?.(chunk);
    crc = crc32(chunk, crc);
    length += chunk.length;
    if (chunk.length > 0) yield storedBlocks(chunk);
  }
  const end = new Uint8Array(5 + 8);
  const view = new DataView(end.buffer);
  view.setUint8(0, 1); // last block, empty
  view.setUint16(3, 0xffff, true);
  view.setUint32(5, crc, true);
  view.setUint32(9, length % 2 ** 32, true);
  yield end;
}

function storedBlocks(chunk: Bytes): Bytes {
  const blocks = Math.ceil(chunk.length / STORED_MAX);
  const out = new Uint8Array(chunk.length + 5 * blocks);
  const view = new DataView(out.buffer);
  for (let block = 0, at = 0; block < blocks; block++) {
    const part = chunk.subarray(block * STORED_MAX, (block + 1) * STORED_MAX);
    view.setUint16(at + 1, part.length, true);
    view.setUint16(at + 3, ~part.length & 0xffff, true);
    out.set(part, at + 5);
    at += 5 + part.length;
  }
  return out;
}
