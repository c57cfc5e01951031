/**
 * Sends a stream. `fetch` reads far ahead of a slow server and chunks every stream but the incoming
 * request's own, and some registries and storage hosts take no chunked bodies; node's client goes at
 * the server's pace and keeps the length.
 */
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

/** A request whose body is a stream. */
export interface StreamRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array>;
  /** In bytes; undefined where nobody knows: then it is chunked. */
  readonly length: number | undefined;
  readonly signal: AbortSignal;
}

/** The largest answer to an upload that is read; registries answer with a few lines. */
const MAX_ANSWER_BYTES = 1 << 20;
/** A response with one of these may have no body (RFC 9110 section 15). */
const BODILESS = new Set([204, 205, 304]);

/**
 * Sends and resolves with the answer, read whole. The body is consumed at the server's pace, and
 * cancelled where the server answers before it has taken everything.
 *
 * @throws what breaks the transfer, or the signal's reason.
 */
export function sendStream(streamed: StreamRequest): Promise<Response> {
  const { url, method, headers, length, signal } = streamed;
  const send = url.protocol === "https:" ? requestHttps : requestHttp;
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const outgoing = send(url, {
    method,
    headers: {
      ...Object.fromEntries(headers),
      ...(length === undefined ? {} : { "content-length": String(length) }),
    },
  }, (incoming) => {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    incoming.on("data", (part: Uint8Array) => {
      bytes += part.length;
      if (bytes <= MAX_ANSWER_BYTES) parts.push(part);
      else incoming.destroy(new Error("the answer is too large"));
    });
    incoming.on("error", reject);
    incoming.on("end", () => {
      const status = incoming.statusCode ?? 502;
      const answered = new Headers();
      for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
        answered.append(incoming.rawHeaders[i] ?? "", incoming.rawHeaders[i + 1] ?? "");
      }
      const body = BODILESS.has(status) ? null : new Blob(parts.map((part) => part.slice()));
      resolve(new Response(body, { status, headers: answered }));
    });
  });
  outgoing.on("error", reject);
  const abort = () => outgoing.destroy(new Error("the request was aborted"));
  signal.addEventListener("abort", abort, { once: true });
  const source = openSource(streamed.body);
  pump(source, outgoing).catch((error) => {
    outgoing.destroy();
    reject(error);
  });
  return promise.finally(() => {
    signal.removeEventListener("abort", abort);
    // An answer that came early leaves the rest of the body to nobody.
    outgoing.destroy();
    return source.cancel().catch(() => undefined);
  });
}

/** A body's pieces. */
interface Source {
  /** The next piece, or undefined at the end. */
  next(): Promise<Uint8Array | undefined>;
  cancel(): Promise<void>;
}

const BUFFER_BYTES = 64 * 1024;

/**
 * Opens a body. Those of the runtime's requests are read into one buffer again and again: it would
 * give each piece 64 KiB of its own, however small it is, and memory would grow by what the garbage
 * collector has not seen yet. What is written is a copy, for who writes it says nothing of its end.
 */
function openSource(body: ReadableStream<Uint8Array>): Source {
  try {
    return bufferedSource(body.getReader({ mode: "byob" }));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const reader = body.getReader();
    return { next: async () => (await reader.read()).value, cancel: () => reader.cancel() };
  }
}

function bufferedSource(reader: ReadableStreamBYOBReader): Source {
  let buffer = new ArrayBuffer(BUFFER_BYTES);
  return {
    async next() {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      if (done) return undefined;
      buffer = value.buffer;
      return value.slice();
    },
    cancel: () => reader.cancel(),
  };
}

/** Writes a body while the next piece is read, no faster than the pieces are taken. */
async function pump(source: Source, outgoing: ReturnType<typeof requestHttp>): Promise<void> {
  const closed = new Promise<void>((resolve) => outgoing.once("close", resolve));
  let taken = Promise.resolve();
  for (let piece = await source.next(); piece !== undefined; piece = await source.next()) {
    await Promise.race([taken, closed]);
    if (outgoing.destroyed) return;
    taken = write(outgoing, piece);
  }
  await Promise.race([taken, closed]);
  outgoing.end();
}

/** Resolves when a piece is on its way or never will be; what breaks the request tells of itself. */
function write(outgoing: ReturnType<typeof requestHttp>, piece: Uint8Array): Promise<void> {
  return new Promise((resolve) => void outgoing.write(piece, () => resolve()));
}
