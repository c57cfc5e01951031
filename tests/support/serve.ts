/**
 * HTTP servers inside the test, and the reverse proxying that several of them share.
 */
import { sendStream } from "../../lib/outbound_stream.ts";
import type { Certificate } from "./ca.ts";
import { freePort } from "./ports.ts";

/** Where a server listens. */
export interface ListenOptions {
  /** Default 127.0.0.1. */
  hostname?: string;
  /** Default: any free one. */
  port?: number;
  /** With it the server speaks TLS. */
  certificate?: Certificate;
}

/** A server that ends surely: requests still open after a moment are cut. */
export class TestServer implements AsyncDisposable {
  readonly hostname: string;
  readonly port: number;
  /** Address and port, as image names begin. */
  readonly host: string;
  /** Scheme, address and port. */
  readonly url: string;
  readonly #server: Deno.HttpServer;
  readonly #abort: AbortController;

  constructor(
    handler: (request: Request, info: Deno.ServeHandlerInfo) => Response | Promise<Response>,
    options: ListenOptions = {},
  ) {
    this.hostname = options.hostname ?? "127.0.0.1";
    this.port = options.port ?? freePort(this.hostname);
    const { certificate } = options;
    const address = this.hostname.includes(":") ? `[${this.hostname}]` : this.hostname;
    this.host = `${address}:${this.port}`;
    this.url = `${certificate === undefined ? "http" : "https"}://${this.host}`;
    this.#abort = new AbortController();
    this.#server = Deno.serve({
      hostname: this.hostname,
      port: this.port,
      signal: this.#abort.signal,
      onListen: () => {},
      ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
    }, handler);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const cut = setTimeout(() => this.#abort.abort(), 300);
    await Promise.race([this.#server.shutdown(), this.#server.finished]);
    clearTimeout(cut);
  }
}

/** The host that the client asked for; over HTTP/2 there is no Host header. */
export function requestHost(request: Request): string {
  return request.headers.get("host") ?? new URL(request.url).host;
}

/** Path and query exactly as they came. */
export function requestTarget(request: Request): string {
  return request.url.slice(request.url.indexOf("/", "https://".length));
}

const HOP_BY_HOP = ["connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"];

/** Passes requests on to one server: same target, same Host, bodies as streams, redirects as is. */
export class Forwarder implements Disposable {
  readonly #base: string;
  readonly #client: Deno.HttpClient;

  /** `base` is where requests go; `ca` a certificate to trust there. */
  constructor(base: string, ca?: string) {
    this.#base = base;
    this.#client = Deno.createHttpClient({
      allowHost: true,
      ...(ca === undefined ? {} : { caCerts: [ca] }),
    });
  }

  /** Asks the server what the client asked. */
  async forward(request: Request, extra: Record<string, string> = {}): Promise<Response> {
    const headers = new Headers(request.headers);
    for (const name of HOP_BY_HOP) headers.delete(name);
    headers.set("host", requestHost(request));
    // The runtime would decode what it asked for compressed and leave the length as it was.
    headers.set("accept-encoding", "identity");
    for (const [name, value] of Object.entries(extra)) headers.set(name, value);
    const response = await this.#send(request, headers);
    const answered = new Headers(response.headers);
    for (const name of HOP_BY_HOP) answered.delete(name);
    return new Response(response.body, { status: response.status, headers: answered });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #send(request: Request, headers: Headers): Promise<Response> {
    const url = new URL(this.#base + requestTarget(request));
    const { method, body, signal } = request;
    if (body === null || url.protocol === "https:") {
      return await fetch(url, { method, headers, body, redirect: "manual", client: this.#client });
    }
    // `fetch` would take the body faster than the server does, and hold it.
    const given = headers.get("content-length");
    headers.delete("content-length");
    const length = given === null ? undefined : Number(given);
    return await sendStream({ url, method, headers, body, length, signal });
  }
}
