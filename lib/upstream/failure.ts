/**
 * What a registry's refusal becomes for the client: its meaning, its words and its rate-limit
 * headers stay, whatever else it sent is dropped.
 */
import { isRecord } from "../json.ts";
import type { Upstream } from "../config/config.ts";
import { ERROR_STATUS, type ErrorCode, RegistryError } from "../errors.ts";
import { readBounded } from "../http_body.ts";
import { isJson } from "../media_type.ts";

const MAX_ERROR_BODY_BYTES = 64 * 1024;

/** Headers of an upstream's answer that concern the client's quota. */
export const QUOTA_HEADERS = [
  "retry-after",
  "ratelimit-limit",
  "ratelimit-remaining",
  "docker-ratelimit-source",
] as const;

/** What was asked for; names the code of a 404 whose body names none. */
export type Wanted = "manifest" | "blob" | "repository";

/** Reads a response that is not a success, whose body it consumes, as an error for the client. */
export async function upstreamError(
  response: Response,
  upstream: Upstream,
  wanted: Wanted,
): Promise<RegistryError> {
  const { status } = response;
  const said = await readError(response);
  const headers = new Headers();
  for (const name of QUOTA_HEADERS) {
    const value = response.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  if (status >= 500 || status < 400) {
    return new RegistryError(
      "UNAVAILABLE",
      `${upstream.registry} answered ${status}${said === undefined ? "" : `: ${said.message}`}`,
      {
        status: status === 503 || status === 504 ? status : 502,
        detail: { upstream: upstream.registry, status },
        headers,
      },
    );
  }
  const code = said?.code ?? codeOf(status, wanted);
  const message = said?.message ||
    `${upstream.registry}: ${WORDS[code] ?? `it answered ${status}`}`;
  return new RegistryError(code, message, { status, detail: said?.detail ?? null, headers });
}

/** For answers without a body, as those to HEAD. */
const WORDS: Partial<Record<ErrorCode, string>> = {
  UNAUTHORIZED: "authentication required",
  DENIED: "access to the repository is denied",
  MANIFEST_UNKNOWN: "the manifest is unknown",
  BLOB_UNKNOWN: "the blob is unknown",
  NAME_UNKNOWN: "the repository is unknown",
  TOOMANYREQUESTS: "too many requests, the pull limit is reached",
};

function codeOf(status: number, wanted: Wanted): ErrorCode {
  switch (status) {
    case 401:
      return "UNAUTHORIZED";
    case 403:
      return "DENIED";
    case 404:
      return wanted === "manifest"
        ? "MANIFEST_UNKNOWN"
        : wanted === "blob"
        ? "BLOB_UNKNOWN"
        : "NAME_UNKNOWN";
    case 405:
      return "UNSUPPORTED";
    case 416:
      return "RANGE_INVALID";
    case 429:
      return "TOOMANYREQUESTS";
    default:
      return "UNKNOWN";
  }
}

/** Whether a body may be the registry's error JSON, which clients read by its type alone. */
export function isErrorJson(headers: Headers): boolean {
  return isJson(headers.get("content-type"));
}

/** The first error of a body in the registry's error JSON, or undefined where it is anything else. */
async function readError(
  response: Response,
): Promise<{ code: ErrorCode; message: string; detail: unknown } | undefined> {
  if (!isErrorJson(response.headers)) {
    await response.body?.cancel();
    return undefined;
  }
  try {
    const body = await readBounded(response, MAX_ERROR_BODY_BYTES);
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    const first: unknown = isRecord(value) && Array.isArray(value["errors"])
      ? value["errors"][0]
      : undefined;
    if (!isRecord(first) || !isErrorCode(first["code"])) return undefined;
    const message = typeof first["message"] === "string" ? first["message"] : "";
    return { code: first["code"], message, detail: first["detail"] ?? null };
  } catch {
    // A body that breaks or does not parse says nothing more than its status.
    return undefined;
  }
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(ERROR_STATUS, value);
}
