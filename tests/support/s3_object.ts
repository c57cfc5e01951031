/**
 * One object of the storage over HTTP: ranges, conditions, and bytes as fast as they are taken.
 */
import { S3Error } from "./s3_auth.ts";

/** Answers GET and HEAD of an object, whole, by range, or not at all if it is known. */
export async function serveFile(
  request: Request,
  file: string,
  info: Deno.FileInfo,
): Promise<Response> {
  const modified = info.mtime ?? new Date(0);
  const etag = `"${info.size.toString(16)}-${modified.getTime().toString(16)}"`;
  const headers = new Headers({
    "content-type": "application/octet-stream",
    "accept-ranges": "bytes",
    "last-modified": modified.toUTCString(),
    etag,
  });
  if (request.headers.get("if-none-match") === etag) {
    return new Response(null, { status: 304, headers });
  }
  const range = parseRange(request.headers.get("range"), info.size);
  const { start, end } = range ?? { start: 0, end: info.size };
  headers.set("content-length", String(end - start));
  if (range !== null) headers.set("content-range", `bytes ${start}-${end - 1}/${info.size}`);
  const status = range === null ? 200 : 206;
  if (request.method === "HEAD") return new Response(null, { status, headers });
  const handle = await Deno.open(file);
  await handle.seek(start, Deno.SeekMode.Start);
  return new Response(limited(handle, end - start), { status, headers });
}

/** The half-open range that is asked for; null for the whole. */
function parseRange(header: string | null, size: number): { start: number; end: number } | null {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (first === "" && last === "") return null;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  if (start >= end) {
    throw new S3Error(416, "InvalidRange", "The requested range is not satisfiable");
  }
  return { start, end };
}

/** So many bytes of a file from where it stands; closes it at the end or when nobody reads. */
function limited(handle: Deno.FsFile, length: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = length;
  return new ReadableStream({
    async pull(controller) {
      const buffer = new Uint8Array(Math.min(left, 256 << 10));
      const count = left === 0 ? null : await handle.read(buffer);
      if (count === null) {
        handle.close();
        if (left > 0) controller.error(new Error("the object became shorter"));
        else controller.close();
        return;
      }
      left -= count;
      controller.enqueue(buffer.subarray(0, count));
    },
    cancel() {
      handle.close();
    },
  }, { highWaterMark: 0 });
}
