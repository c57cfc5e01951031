/**
 * A relay before a real server that answers as the server does, unless a fault is due. It speaks
 * HTTP/1.1 by hand towards the client, and keeps the Host, which signatures cover. It can be taken
 * down and brought up again on its port.
 */
import { createServer, type Server, type Socket } from "node:net";
import { freePort } from "../support/ports.ts";
import { sleep } from "../support/process.ts";
import type { Fault } from "./faults.ts";
import { type Framing, type RequestHead, Wire } from "./wire.ts";

/** The fault that is due for a request, if any. */
export type FaultPlan = (request: RequestHead) => Fault | undefined;

const EXPIRED = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>ExpiredRequest</Code>` +
  `<Message>Request has expired</Message></Error>`;
const DRIP_PIECES = 40;
const DRIP_MS = 15;

/** A running relay. */
export class Relay implements AsyncDisposable {
  readonly url: string;
  /** How many requests came. */
  requests = 0;
  /** Bytes of bodies that went to clients. */
  bytes = 0;
  /** What is due; without it nothing is. */
  plan: FaultPlan | undefined;
  /** Bytes per second of each answer's body; undefined: as fast as it is taken. */
  bytesPerSecond: number | undefined;
  readonly #port = freePort();
  readonly #target: string;
  readonly #client = Deno.createHttpClient({ allowHost: true });
  readonly #sockets = new Set<Socket>();
  readonly #open = new Set<Promise<void>>();
  #server: Server | undefined;

  constructor(target: string) {
    this.#target = target;
    this.url = `http://127.0.0.1:${this.#port}`;
  }

  /** Listens. */
  async up(): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      const served = this.#serve(new Wire(socket)).finally(() => {
        socket.destroy();
        this.#open.delete(served);
      });
      this.#open.add(served);
    });
    this.#server = server;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(this.#port, "127.0.0.1", resolve);
    await promise;
  }

  /** Refuses connections and cuts those that are open. */
  async down(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#server === undefined) return;
    this.#server.close(() => resolve());
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    await promise;
    await Promise.all(this.#open);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
    this.#client.close();
  }

  async #serve(wire: Wire): Promise<void> {
    try {
      for (let head = await wire.readHead(); head; head = await wire.readHead()) {
        this.requests++;
        const fault = this.plan?.(head);
        if (!await this.#answer(wire, head, fault)) return;
      }
    } catch (error) {
      // Clients go when they like, the server behind may be down, and a reset is no news here.
      if (!wire.gone.aborted) wire.destroy();
      if (error instanceof TypeError || wire.gone.aborted) return;
      throw error;
    }
  }

  /** Answers; says whether the connection may be used again. */
  async #answer(wire: Wire, head: RequestHead, fault: Fault | undefined): Promise<boolean> {
    if (fault?.kind === "status") return await refuse(wire, fault.status, `{"errors":[]}`);
    if (fault?.kind === "expired") return await refuse(wire, 403, EXPIRED);
    const response = await this.#ask(wire, head, fault);
    const { body } = response;
    const length = response.headers.get("content-length");
    const size = length === null ? undefined : Number(length);
    if (body === null || head.method === "HEAD") {
      await body?.cancel();
      const framing: Framing = size === undefined
        ? { kind: "none" }
        : { kind: "length", bytes: size };
      await wire.writeHead(response.status, response.headers, framing);
      return true;
    }
    const framing = framingOf(size, fault);
    await wire.writeHead(response.status, response.headers, framing);
    for await (const bytes of spoilt(body, size ?? 0, fault)) {
      await wire.writeBody(bytes, framing);
      this.bytes += bytes.length;
      if (this.bytesPerSecond !== undefined) {
        await sleep((bytes.length / this.bytesPerSecond) * 1000);
      }
    }
    return await finish(wire, framing, fault);
  }

  async #ask(wire: Wire, head: RequestHead, fault: Fault | undefined): Promise<Response> {
    const headers = new Headers(head.headers);
    headers.delete("connection");
    headers.set("accept-encoding", "identity");
    const asked = Number(/^bytes=(\d+)-$/.exec(headers.get("range") ?? "")?.[1]);
    const other = fault?.kind === "other-range" || fault?.kind === "shifted-range"
      ? Math.max(0, asked - fault.by)
      : asked;
    if (fault?.kind === "rangeless") headers.delete("range");
    if (other !== asked && !Number.isNaN(asked)) headers.set("range", `bytes=${other}-`);
    const response = await fetch(this.#target + head.target, {
      method: head.method,
      headers,
      redirect: "manual",
      client: this.#client,
      signal: wire.gone,
    });
    if (fault?.kind !== "shifted-range" || response.status !== 206) return response;
    const answered = new Headers(response.headers);
    const range = answered.get("content-range") ?? "";
    answered.set("content-range", range.replace(/bytes \d+/, `bytes ${asked}`));
    return new Response(response.body, { status: 206, headers: answered });
  }
}

/** Starts a relay before a server. */
export async function startRelay(target: string): Promise<Relay> {
  const relay = new Relay(target);
  await relay.up();
  return relay;
}

async function refuse(wire: Wire, status: number, text: string): Promise<boolean> {
  const framing: Framing = { kind: "length", bytes: text.length };
  await wire.writeHead(status, new Headers({ "content-type": "application/xml" }), framing);
  await wire.writeBody(new TextEncoder().encode(text), framing);
  return true;
}

function framingOf(size: number | undefined, fault: Fault | undefined): Framing {
  if (size === undefined || fault?.kind === "clean-end" || fault?.kind === "duplicate") {
    return { kind: "chunked" };
  }
  return { kind: "length", bytes: size + (fault?.kind === "length-lie" ? fault.by : 0) };
}

/** The bytes that are sent in place of the body's. */
async function* spoilt(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  size: number,
  fault: Fault | undefined,
): AsyncIterable<Uint8Array<ArrayBuffer>> {
  const place = fault !== undefined && "at" in fault ? Math.floor(size * fault.at) : undefined;
  const isCut = fault !== undefined &&
    ["reset", "drop", "stall", "clean-end"].includes(fault.kind);
  let position = 0;
  for await (const chunk of body) {
    const offset = place === undefined ? -1 : place - position;
    position += chunk.length;
    const isHere = offset >= 0 && offset < chunk.length;
    if (isHere && isCut) return yield chunk.subarray(0, offset);
    if (isHere && fault?.kind === "wrong-byte") chunk[offset] = (chunk[offset] ?? 0) ^ 1;
    if (fault?.kind === "drip" && position === chunk.length) {
      yield* drip(chunk);
      continue;
    }
    yield chunk;
    if (isHere && fault?.kind === "duplicate") {
      yield chunk.slice(Math.max(0, chunk.length - fault.bytes));
    }
  }
}

async function* drip(chunk: Uint8Array<ArrayBuffer>): AsyncIterable<Uint8Array<ArrayBuffer>> {
  const length = Math.ceil(chunk.length / DRIP_PIECES);
  for (let start = 0; start < chunk.length; start += length) {
    yield chunk.subarray(start, start + length);
    await sleep(DRIP_MS);
  }
}

/** Ends an answer as the fault wants; says whether the connection may be used again. */
async function finish(
  wire: Wire,
  framing: Framing,
  fault: Fault | undefined,
): Promise<boolean> {
  switch (fault?.kind) {
    case "reset":
      wire.reset();
      return false;
    case "drop":
    case "length-lie":
      await wire.end();
      return false;
    case "stall":
      await wire.untilGone();
      return false;
    default:
      await wire.endBody(framing);
      return true;
  }
}
