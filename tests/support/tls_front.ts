/**
 * A TLS terminator before a plain server, as a load balancer would be.
 * It tells the server what the client saw by X-Forwarded-Proto, -Host and -For.
 */
import type { Certificate } from "./ca.ts";
import { Forwarder, type ListenOptions, requestHost, TestServer } from "./serve.ts";

/** How a front is started. */
export interface TlsFrontOptions extends ListenOptions {
  certificate: Certificate;
  /** The plain server's base, `http://127.0.0.1:8080`. */
  target: string;
}

/** A running front. */
export class TlsFront extends TestServer {
  readonly #forwarder: Forwarder;

  constructor(options: TlsFrontOptions) {
    const forwarder = new Forwarder(options.target);
    super((request, info) => {
      const client = info.remoteAddr.transport === "tcp" ? info.remoteAddr.hostname : "";
      return forwarder.forward(request, {
        "x-forwarded-proto": "https",
        "x-forwarded-host": requestHost(request),
        "x-forwarded-for": client,
      });
    }, options);
    this.#forwarder = forwarder;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    this.#forwarder[Symbol.dispose]();
  }
}

/** Starts a front, on any loopback address and port that is given. */
export function startTlsFront(options: TlsFrontOptions): TlsFront {
  return new TlsFront(options);
}
