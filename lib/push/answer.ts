/** The upstream's answer to a write, as the client receives it. */
import type { RegistryError } from "../errors.ts";
import { copyHeaders } from "../http.ts";
import { isRedirect } from "../redirect/decide.ts";
import { isErrorJson, QUOTA_HEADERS, upstreamError, type Wanted } from "../upstream/failure.ts";
import { clientUrl, type ClientView, type UploadLocations } from "./location.ts";
import type { PushRequest } from "./request.ts";
import type { WriteAnswer } from "./write.ts";

/** What concerns the client; `Range` here has no `bytes=`, which is the specification's way. */
const ANSWER_HEADERS = [
  "content-type",
  "docker-content-digest",
  "docker-upload-uuid",
  "oci-chunk-min-length",
  "oci-chunk-max-length",
  "oci-subject",
  "range",
  "warning",
  ...QUOTA_HEADERS,
];

/** How an answer is written for a client. */
export interface AnswerOptions {
  readonly request: PushRequest;
  readonly view: ClientView;
  readonly locations: UploadLocations;
  readonly wanted: Wanted;
  /** Where content can be pulled once it is created, such as `blobs/<digest>`. */
  readonly created?: string | undefined;
}

/**
 * The client's response. What the registry refuses is told in its own words.
 *
 * @throws {RegistryError} for 401, whose challenge is not the client's, and for failures.
 */
export async function answerWrite(answer: WriteAnswer, options: AnswerOptions): Promise<Response> {
  const { response, from } = answer;
  const { request, view, locations } = options;
  request.note({ cache: "BYPASS" });
  if (response.status === 401) throw await unauthorized(response, options);
  if (response.status >= 500) {
    throw await upstreamError(response, view.target.upstream, options.wanted);
  }
  const headers = copyHeaders(response.headers, ANSWER_HEADERS);
  for (const tag of response.headers.get("oci-tag")?.split(/,\s*/) ?? []) {
    headers.append("oci-tag", tag);
  }
  const location = response.headers.get("location");
  // Where content lies once it is created is known here; some registries name a storage host.
  if (response.status === 201 && options.created !== undefined) {
    headers.set("location", clientUrl(view, options.created, ""));
  } else if (location !== null) headers.set("location", locations.toClient(location, from, view));

  if (response.status >= 400) return await refusal(response, headers, options);
  await response.body?.cancel();
  headers.delete("content-type");
  // A method has to survive with its body, so that the client goes on as the registry meant it.
  const status = isRedirect(response) && response.status !== 308 ? 307 : response.status;
  return new Response(null, { status, headers });
}

/** A refusal in the registry's JSON, passed on whole: it may name many blobs that are missing. */
async function refusal(
  response: Response,
  headers: Headers,
  { request, view, wanted }: AnswerOptions,
): Promise<Response> {
  if (request.method === "HEAD" || isErrorJson(response.headers)) {
    const body = request.method === "HEAD" ? null : response.body;
    return new Response(body, { status: response.status, headers });
  }
  const error = await upstreamError(response, view.target.upstream, wanted);
  headers.delete("content-type");
  for (const [name, value] of headers) error.headers.set(name, value);
  throw error;
}

/** Carries the registry's own challenge to where the client's is written. */
async function unauthorized(response: Response, options: AnswerOptions): Promise<RegistryError> {
  const challenge = response.headers.get("www-authenticate");
  const error = await upstreamError(response, options.view.target.upstream, options.wanted);
  if (challenge !== null) error.headers.set("www-authenticate", challenge);
  return error;
}
