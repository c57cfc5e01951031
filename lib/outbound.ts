/**
 * The one way out of this process: every request to a registry, a token realm or a storage host
 * goes through here, so that time-outs, identity encoding and error messages are the same for all.
 */
import { RegistryError } from "./errors.ts";
import { describeCause } from "./log.ts";
import { sendStream } from "./outbound_stream.ts";
import { VERSION } from "./version.ts";

/** The part of `fetch` that is used; tests hand in their own. */
export type Fetch = (input: URL, init: RequestInit) => Promise<Response>;

/** A request that leaves this process. */
export interface OutboundRequest {
  readonly url: URL;
  readonly method?: string;
  readonly headers?: HeadersInit;
  readonly body?: BodyInit;
  /** The length of a stream, where it is known. */
  readonly bodyLength?: number;
  /**
   * `caller`: the answer may take as long as the caller waits, as that to an upload does, which comes
   * when all is received and stored. Default: `UPSTREAM_HEADERS_TIMEOUT`.
   */
  readonly patience?: "caller";
  /** Where a blob's bytes are moved: such a request may wait while others of its kind go on. */
  readonly transfer?: Transfer;
  /** Where plain HTTP is to go, whatever the URL's name resolves to by now. */
  readonly address?: string | undefined;
  /** Ends the request and its body. */
  readonly signal: AbortSignal;
  /** What messages call the other side, such as `docker.io`. */
  readonly peer: string;
}

/** A request whose body, or that of its answer, is long. */
export interface Transfer {
  /**
   * Settles when the answer's body is done with, for those who hand it on untouched, which is the
   * fastest way. Default: its end is seen by watching it.
   */
  readonly done?: Promise<unknown>;
}

/**
 * Sends a request and resolves with the response's headers; the caller owns the body.
 * Redirects are never followed here.
 *
 * @throws {RegistryError} UNAVAILABLE with status 504 on a time-out and 502 on any other failure.
 * @throws the signal's reason when the signal ended it.
 */
export type Outbound = (request: OutboundRequest) => Promise<Response>;

const USER_AGENT = `entrepot/${VERSION}`;

/** Makes the way out. `headersTimeoutSeconds` bounds the wait for response headers, not the body. */
export function createOutbound(
  options: {
    fetch: Fetch;
    /** The same, with the Host header that it is given. Without it, no address is kept to. */
    fetchAsHost?: Fetch;
    /** Whether `fetch` goes through an HTTP proxy, which streams have to take as well. */
    hasHttpProxy?: boolean;
    headersTimeoutSeconds: number;
  },
): Outbound {
  return async function send(request) {
    const deadline = new AbortController();
    const timer = request.patience === "caller"
      ? undefined
      : setTimeout(() => deadline.abort(), options.headersTimeoutSeconds * 1000);
    const headers = new Headers(request.headers);
    headers.set("user-agent", USER_AGENT);
    // Without this the runtime asks for compression, decodes, and keeps the wrong content-length.
    headers.set("accept-encoding", "identity");
    if (!headers.has("accept")) headers.set("accept", "*/*");
    try {
      const method = request.method ?? "GET";
      const signal = AbortSignal.any([request.signal, deadline.signal]);
      const { body, bodyLength: length } = request;
      const url = options.fetchAsHost === undefined ? request.url : connectionUrl(request);
      if (url !== request.url) headers.set("host", request.url.host);
      if (body instanceof ReadableStream && !options.hasHttpProxy) {
        return await sendStream({ url, method, headers, body, length, signal });
      }
      const fetch = url === request.url ? options.fetch : options.fetchAsHost ?? options.fetch;
      return await fetch(url, {
        method,
        headers,
        redirect: "manual",
        signal,
        ...(request.body === undefined ? {} : { body: request.body }),
      });
    } catch (error) {
      request.signal.throwIfAborted();
      throw outboundFailure(request, error, deadline.signal.aborted, options.headersTimeoutSeconds);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** The URL with the checked address for its host, where no certificate vouches for the name. */
function connectionUrl({ url, address }: OutboundRequest): URL {
  if (address === undefined || url.protocol !== "http:") return url;
  const direct = new URL(url);
  direct.hostname = address.includes(":") ? `[${address}]` : address;
  return direct.host === url.host ? url : direct;
}

/** The way out of a proxy that has none. @throws {RegistryError} UNAVAILABLE (503), always. */
export function refuseOffline({ peer, url }: OutboundRequest): Promise<Response> {
  return Promise.reject(
    new RegistryError("UNAVAILABLE", `${peer} is not asked, because OFFLINE is set`, {
      status: 503,
      detail: { upstream: peer, host: url.host },
    }),
  );
}

function outboundFailure(
  request: OutboundRequest,
  error: unknown,
  timedOut: boolean,
  timeoutSeconds: number,
): RegistryError {
  const host = request.url.host;
  const place = host === request.peer ? host : `${request.peer} (${host})`;
  const message = timedOut
    ? `${place} did not answer within ${timeoutSeconds} s`
    : `${place} could not be reached: ${describeCause(error)}`;
  return new RegistryError("UNAVAILABLE", message, {
    status: timedOut ? 504 : 502,
    detail: { upstream: request.peer, host },
    cause: error,
  });
}
