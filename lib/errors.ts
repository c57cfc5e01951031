/**
 * The one error type that reaches clients, and the codes of the distribution specification.
 * Everything else that is thrown is a defect or an I/O failure and is converted at the edge.
 */

/**
 * Error codes and the status that each has unless the thrower says otherwise.
 * Source: OCI distribution-spec "Error Codes"; UNKNOWN, UNAVAILABLE and RANGE_INVALID are
 * distribution's own, which every client knows.
 */
export const ERROR_STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DENIED: 403,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  RANGE_INVALID: 416,
  SIZE_INVALID: 400,
  TAG_INVALID: 400,
  TOOMANYREQUESTS: 429,
  UNAUTHORIZED: 401,
  UNAVAILABLE: 503,
  UNKNOWN: 500,
  UNSUPPORTED: 405,
} as const;

/** A code of the registry's error JSON. */
export type ErrorCode = keyof typeof ERROR_STATUS;

/** What a {@linkcode RegistryError} may carry beside its code and message. */
export interface RegistryErrorOptions {
  /** The HTTP status, when it is not the code's own. */
  status?: number;
  /** The `detail` member: JSON that helps a person, never a secret. */
  detail?: unknown;
  /** Headers that the response carries, such as `www-authenticate` or `retry-after`. */
  headers?: HeadersInit;
  /** Whether asking again cannot help: a rule of this proxy refuses, whatever the upstream says. */
  isFinal?: boolean;
  cause?: unknown;
}

/** A failure that a client is told about in the registry's error JSON. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: unknown;
  readonly headers: Headers;
  /** Whether asking again cannot help. */
  readonly isFinal: boolean;

  constructor(code: ErrorCode, message: string, options: RegistryErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? ERROR_STATUS[code];
    this.detail = options.detail ?? null;
    this.headers = new Headers(options.headers);
    this.isFinal = options.isFinal ?? false;
  }

  /** The response that a client receives. HEAD responses have no body (RFC 9110 section 9.3.2). */
  toResponse(method: string): Response {
    const headers = new Headers(this.headers);
    headers.set("content-type", "application/json");
    headers.set("docker-distribution-api-version", "registry/2.0");
    if (method === "HEAD") return new Response(null, { status: this.status, headers });
    const errors = [{ code: this.code, message: this.message, detail: this.detail }];
    const body = new TextEncoder().encode(JSON.stringify({ errors }));
    headers.set("content-length", String(body.length));
    return new Response(body, { status: this.status, headers });
  }
}
