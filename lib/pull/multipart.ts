/** Several parts of a content in one body. Source: RFC 9110 section 14.6. */
import type { ByteSpan } from "../cache/store.ts";

/** A body of parts, and what its headers say. */
export interface MultipartBody {
  readonly contentType: string;
  /** In bytes, delimiters included. */
  readonly length: number;
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/**
 * Makes the body from parts of a content of `size` bytes, in the order in which they were asked for.
 * Each part is opened when the one before has been read.
 */
export function multipartBody(
  ranges: readonly ByteSpan[],
  size: number,
  open: (span: ByteSpan) => ReadableStream<Uint8Array<ArrayBuffer>>,
): MultipartBody {
  const boundary = crypto.randomUUID();
  const encoder = new TextEncoder();
  const heads = ranges.map(({ start, end }, i) =>
    encoder.encode(
      `${i === 0 ? "" : "\r\n"}--${boundary}\r\ncontent-type: application/octet-stream\r\n` +
        `content-range: bytes ${start}-${end}/${size}\r\n\r\n`,
    )
  );
  const tail = encoder.encode(`\r\n--${boundary}--\r\n`);

  async function* parts(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (const [i, range] of ranges.entries()) {
      yield heads[i] ?? new Uint8Array();
      yield* open(range);
    }
    yield tail;
  }

  const dataLength = ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0);
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    length: heads.reduce((sum, head) => sum + head.length, dataLength + tail.length),
    stream: ReadableStream.from(parts()),
  };
}
