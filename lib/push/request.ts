/** What a push handler knows of a client's request. */
import type { Credential } from "../auth/credential.ts";
import type { PullFacts } from "../pull/request.ts";

/** Methods of the routes on which pushes are. */
export type PushMethod = "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE";

/** A write, or a question about an upload, by somebody. */
export interface PushRequest {
  readonly method: PushMethod;
  /** The client's own; its body is consumed once, by being handed on. */
  readonly incoming: Request;
  /** The query without what is for this proxy alone; begins with `?` unless empty. */
  readonly query: string;
  /** Scheme, host and port as the client sees them. */
  readonly base: string;
  /** Whose right the write needs; anonymous where the proxy's account stands for the caller. */
  readonly credential: Credential;
  readonly note: (facts: PullFacts) => void;
}

/** The value of a parameter of a query, or null. */
export function queryValue(query: string, name: string): string | null {
  return new URLSearchParams(query).get(name);
}

/**
 * The body of a message that has one (RFC 9112 section 6.3): with a length or chunked. Over HTTP/2
 * neither is said; there a session's request may always have one.
 */
export function bodyOf(
  incoming: Request,
  mayBeUnsaid: boolean,
): ReadableStream<Uint8Array<ArrayBuffer>> | undefined {
  const length = incoming.headers.get("content-length");
  const isSaid = length === null ? incoming.headers.has("transfer-encoding") : length !== "0";
  if (incoming.body === null || length === "0") return undefined;
  return isSaid || mayBeUnsaid ? incoming.body : undefined;
}
