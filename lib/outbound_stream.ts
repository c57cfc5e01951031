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
  const reader = streamed.body.getReader();
  pump(reader, outgoing).catch((error) => {
    outgoing.destroy();
    reject(error);
  });
  return promise.finally(() => {
    signal.removeEventListener("abort", abort);
    // An answer that came early leaves the rest of the body to nobody.
    outgoing.destroy();
    return reader.cancel().catch(() => undefined);
  });
}

/** Writes a stream, waiting for each piece to be taken. */
async function pump(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  outgoing: ReturnType<typeof requestHttp>,
): Promise<void> {
  const closed = new Promise<void>((resolve) => outgoing.once("close", resolve));
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    if (outgoing.destroyed) return;
    if (outgoing.write(next.value)) continue;
    const drained = new Promise<void>((resolve) => outgoing.once("drain", resolve));
    await Promise.race([drained, closed]);
  }
  outgoing.end();
}
