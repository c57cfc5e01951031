/**
 * HTTP/1.1 by hand over one socket, for answers that no well-behaved server gives: false lengths,
 * ends that are none, and connections that are reset.
 */
import type { Socket } from "node:net";
import { STATUS_CODES } from "node:http";

/** The head of a request. */
export interface RequestHead {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly headers: Headers;
}

/** How the length of a body is told. */
export type Framing =
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "none" };

/** One connection of a client. */
export class Wire {
  readonly #socket: Socket;
  readonly #gone = new AbortController();
  #received = "";
  #wake = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    const gone = (): void => {
      this.#gone.abort();
      this.#wake.resolve();
    };
    socket.on("error", gone);
    socket.on("close", gone);
    socket.on("end", gone);
    socket.on("data", (bytes) => {
      this.#received += new TextDecoder("latin1").decode(bytes);
      this.#wake.resolve();
    });
    socket.on("drain", () => this.#wake.resolve());
  }

  /** Ends when the client has: none of them closes its half alone. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Resolves when the client has gone. */
  async untilGone(): Promise<void> {
    while (!this.gone.aborted) await this.#news();
  }

  /** The next request, or undefined where the client has gone. Bodies are not understood. */
  async readHead(): Promise<RequestHead | undefined> {
    let end: number;
    while ((end = this.#received.indexOf("\r\n\r\n")) < 0) {
      if (this.gone.aborted) return undefined;
      await this.#news();
    }
    const [first = "", ...lines] = this.#received.slice(0, end).split("\r\n");
    this.#received = this.#received.slice(end + 4);
    const [method = "", target = ""] = first.split(" ");
    const headers = new Headers();
    for (const line of lines) {
      const colon = line.indexOf(":");
      headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    return { method, target, headers };
  }

  async writeHead(status: number, headers: Headers, framing: Framing): Promise<void> {
    const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}`];
    for (const [name, value] of headers) {
      if (!FRAMING_HEADERS.has(name)) lines.push(`${name}: ${value}`);
    }
    if (framing.kind === "length") lines.push(`content-length: ${framing.bytes}`);
    if (framing.kind === "chunked") lines.push("transfer-encoding: chunked");
    await this.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  }

  /** Writes a piece of a body. */
  async writeBody(bytes: Uint8Array, framing: Framing): Promise<void> {
    if (bytes.length === 0) return;
    if (framing.kind !== "chunked") return await this.write(bytes);
    const size = new TextEncoder().encode(`${bytes.length.toString(16)}\r\n`);
    const framed = new Uint8Array(size.length + bytes.length + 2);
    framed.set(size);
    framed.set(bytes, size.length);
    framed.set([13, 10], size.length + bytes.length);
    await this.write(framed);
  }

  /** Ends a body as a server does that has said everything. */
  async endBody(framing: Framing): Promise<void> {
    if (framing.kind === "chunked") await this.write(new TextEncoder().encode("0\r\n\r\n"));
  }

  /** Resolves when the client can take more. @throws where it has gone. */
  async write(bytes: Uint8Array): Promise<void> {
    this.gone.throwIfAborted();
    this.#socket.write(bytes);
    while (this.#socket.writableNeedDrain && !this.gone.aborted) await this.#news();
    this.gone.throwIfAborted();
  }

  /** Ends the connection in good order, once what was written is on its way. */
  async end(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.end(resolve);
    await Promise.race([promise, this.untilGone()]);
  }

  /** Ends it with RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Ends it without a word. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Resolves when anything happens to the connection. */
  async #news(): Promise<void> {
    await this.#wake.promise;
    this.#wake = Promise.withResolvers();
  }
}

const FRAMING_HEADERS = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "trailer",
  "transfer-encoding",
]);
