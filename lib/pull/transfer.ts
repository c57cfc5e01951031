/**
 * One attempt to move a blob's bytes from its origin, from any byte on. Registries and storage hosts
 * answer a Range in all the ways that are allowed, and in some that are not; here each becomes
 * either a body that begins at the right byte, or a failure that says whether another try can help.
 */
import type { Credential } from "../auth/credential.ts";
import { RegistryError } from "../errors.ts";
import type { Digest } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import { upstreamError } from "../upstream/failure.ts";
import type { Origin } from "../upstream/origin.ts";

/** What is to be moved. */
export interface TransferRequest {
  readonly target: Target;
  readonly digest: Digest;
  /** The first byte wanted. */
  readonly offset: number;
  /** Whether to ask for everything and skip, for an origin that answers ranges wrongly. */
  readonly isRangeless: boolean;
  readonly credential: Credential;
  readonly signal: AbortSignal;
}

/** A body under way. */
export interface Transfer {
  readonly kind: "transfer";
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Bytes at the body's begin that are before the offset. */
  readonly skip: number;
  /** The whole blob's size in bytes, as far as the origin says. */
  readonly size: number | undefined;
}

/** How an attempt began. */
export type TransferStart =
  | Transfer
  | { readonly kind: "pass"; readonly status: number; readonly location: URL }
  /** No byte lies at the offset: the end is there or before. */
  | { readonly kind: "end"; readonly size: number | undefined }
  /** A later attempt, with a fresh signed URL, may go better. */
  | { readonly kind: "failed"; readonly error: RegistryError; readonly badRange: boolean }
  /** The registry refuses this caller, or has no such blob. */
  | { readonly kind: "refused"; readonly error: RegistryError };

/** Begins one attempt. @throws the signal's reason when it ended it. */
export async function beginTransfer(
  origin: Origin,
  request: TransferRequest,
): Promise<TransferStart> {
  const { target, digest, offset } = request;
  try {
    const answer = await origin.ask({
      target,
      method: "GET",
      path: `blobs/${digest}`,
      credential: request.credential,
      transfer: {},
      signal: request.signal,
      ...(isRanged(request) ? { headers: { range: `bytes=${offset}-` } } : {}),
    });
    if (answer.kind === "pass") return answer;
    return await readStart(answer.response, request, answer.isRedirected);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return isTransient(error.status) && !error.isFinal
      ? { kind: "failed", error, badRange: false }
      : { kind: "refused", error };
  }
}

function isRanged({ offset, isRangeless }: TransferRequest): boolean {
  return offset > 0 && !isRangeless;
}

async function readStart(
  response: Response,
  request: TransferRequest,
  isRedirected: boolean,
): Promise<TransferStart> {
  const { offset, target } = request;
  const { status, body } = response;
  if (status === 200 && body !== null) {
    return { kind: "transfer", body, skip: offset, size: contentLength(response) };
  }
  const range = contentRange(response);
  if (status === 206 && body !== null) {
    if (range?.start === offset) return { kind: "transfer", body, skip: 0, size: range.size };
    await body.cancel();
    const error = failure(target, `answered bytes from ${range?.start} instead of ${offset}`);
    return { kind: "failed", error, badRange: true };
  }
  if (status === 416 && isRanged(request)) {
    await body?.cancel();
    // S3 names no size here; RFC 9110 section 15.5.17 only recommends it.
    if (range?.size === undefined || range.size <= offset) {
      return { kind: "end", size: range?.size };
    }
    const error = failure(target, `refuses byte ${offset} of ${range.size}`);
    return { kind: "failed", error, badRange: true };
  }
  const error = await upstreamError(response, target.upstream, "blob");
  // What a storage host refuses is the signed URL, which may have expired; a registry means it.
  if (isRedirected) {
    return { kind: "failed", error: storageFailure(target, status), badRange: false };
  }
  return isTransient(status)
    ? { kind: "failed", error, badRange: false }
    : { kind: "refused", error };
}

/** Whether a status says "not now" rather than "no". */
function isTransient(status: number): boolean {
  return status >= 500 || status === 429 || status === 408;
}

function contentLength(response: Response): number | undefined {
  const text = response.headers.get("content-length");
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** RFC 9110 section 14.4; of 416, which has no range, only the size. */
function contentRange(
  response: Response,
): { start: number | undefined; size: number | undefined } | undefined {
  const text = response.headers.get("content-range") ?? "";
  const [, start, size] = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(text) ?? [];
  if (size === undefined) return undefined;
  return {
    start: start === undefined ? undefined : Number(start),
    size: size === "*" ? undefined : Number(size),
  };
}

/** What a storage host lacks, a registry that redirects there does not have either. */
function storageFailure(target: Target, status: number): RegistryError {
  const what = `redirects to a storage host that answered ${status}`;
  const { registry } = target.upstream;
  return status === 404 || status === 410
    ? new RegistryError("BLOB_UNKNOWN", `${registry} ${what}`, { detail: { upstream: registry } })
    : failure(target, what);
}

function failure({ upstream }: Target, what: string): RegistryError {
  return new RegistryError("UNAVAILABLE", `${upstream.registry} ${what}`, {
    status: 502,
    detail: { upstream: upstream.registry },
  });
}
