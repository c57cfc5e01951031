/**
 * The path of a registry request, taken apart into what is asked and of which name.
 * It knows the specification's forms only; which upstream a name belongs to is decided elsewhere.
 */
import { ERROR_STATUS } from "../errors.ts";
import { type Digest, parseDigest, parseReference, type Reference } from "../reference.ts";
import type { Refusal } from "./route.ts";

/** A route whose answer is an error in the path or in a name. */
export type Invalid = Extract<Refusal, { kind: "invalid" }>;

/** What a path asks for; `name` is the client's word, decoded and not yet checked. */
export type PathRequest =
  | { readonly kind: "ping" }
  | { readonly kind: "token" }
  | { readonly kind: "catalog" }
  | { readonly kind: "manifest"; readonly name: string; readonly reference: Reference }
  | { readonly kind: "blob"; readonly name: string; readonly digest: Digest }
  | { readonly kind: "tags"; readonly name: string }
  | { readonly kind: "referrers"; readonly name: string; readonly digest: Digest }
  /** The session is kept as it stood in the path, percent-encoding included: it is the upstream's. */
  | { readonly kind: "upload"; readonly name: string; readonly session: string | null };

type Verb = PathRequest["kind"];

const READ = ["GET", "HEAD"];
const UPLOAD_START = ["POST"];
const UPLOAD_SESSION = ["GET", "HEAD", "PATCH", "PUT", "DELETE"];

/** Source: OCI distribution-spec "Endpoints"; the token endpoint is also asked by OAuth2 POST. */
const METHODS: Readonly<Record<Exclude<Verb, "upload">, readonly string[]>> = {
  ping: READ,
  token: ["GET", "HEAD", "POST"],
  catalog: READ,
  manifest: ["GET", "HEAD", "PUT", "DELETE"],
  blob: ["GET", "HEAD", "DELETE"],
  tags: READ,
  referrers: READ,
};

/** Says what is wrong with a path or a name, with the status of the code. */
export function invalid(code: Invalid["code"], message: string): Invalid {
  return { kind: "invalid", code, message, status: ERROR_STATUS[code], allow: null };
}

/** The client's text, short enough for a message. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}

/**
 * Takes a path apart, as `URL.pathname` gives it. Names may hold every word of the API, so the verb
 * is looked for at the right end: the last component but one decides, and only then, for upload
 * sessions, the last but two.
 */
export function parsePath(method: string, pathname: string): PathRequest | Invalid {
  const request = readPath(method, pathname);
  if (request.kind === "invalid") return request;
  const allowed = methodsOf(request);
  if (allowed.includes(method)) return request;
  const message = `${method.slice(0, 20)} is not a method of this path`;
  return { ...invalid("UNSUPPORTED", message), allow: allowed.join(", ") };
}

function methodsOf(request: PathRequest): readonly string[] {
  if (request.kind !== "upload") return METHODS[request.kind];
  return request.session === null ? UPLOAD_START : UPLOAD_SESSION;
}

function readPath(method: string, pathname: string): PathRequest | Invalid {
  if (pathname === "/v2/" || pathname === "/v2") return { kind: "ping" };
  if (!pathname.startsWith("/v2/")) return unknownPath(pathname);
  const raw = pathname.slice("/v2/".length).split("/");
  const parts = pathname.includes("%") ? decodeAll(raw) : raw;
  if (parts === null) {
    return invalid(
      "NAME_INVALID",
      `the path ${quote(pathname)} has a malformed percent-encoding or an encoded slash`,
    );
  }
  // The one form that ends in a slash; the specification writes it so.
  const isUploadStart = parts.at(-1) === "" && parts.at(-2) === "uploads" &&
    parts.at(-3) === "blobs";
  if (isUploadStart) parts.pop();
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    return invalid("NAME_INVALID", `the path ${quote(pathname)} has an empty or dotted component`);
  }
  const last = parts.at(-1) ?? "";
  if (parts.length === 1 && last === "auth") return { kind: "token" };
  if (parts.length === 1 && last === "_catalog") return { kind: "catalog" };
  if (isUploadStart) return readUpload(pathname, parts.slice(0, -2), null);
  return readNamed({ method, pathname, parts, last, session: raw.at(-1) ?? "" });
}

function readNamed(path: {
  method: string;
  pathname: string;
  parts: readonly string[];
  last: string;
  session: string;
}): PathRequest | Invalid {
  const { parts, last } = path;
  if (parts.length < 3) return unknownPath(path.pathname);
  const name = parts.slice(0, -2).join("/");
  switch (parts.at(-2)) {
    case "manifests":
      return readManifest(path.method, name, last);
    case "blobs":
      // Clients that leave the final slash out mean an upload: no digest is called `uploads`.
      if (last === "uploads") return { kind: "upload", name, session: null };
      return readDigest("blob", name, last);
    case "referrers":
      return readDigest("referrers", name, last);
    case "tags":
      return last === "list" ? { kind: "tags", name } : unknownPath(path.pathname);
    case "uploads":
      if (parts.at(-3) !== "blobs") return unknownPath(path.pathname);
      return readUpload(path.pathname, parts.slice(0, -3), path.session);
    default:
      return unknownPath(path.pathname);
  }
}

function readUpload(
  pathname: string,
  name: readonly string[],
  session: string | null,
): PathRequest | Invalid {
  if (name.length === 0) return unknownPath(pathname);
  return { kind: "upload", name: name.join("/"), session };
}

function readManifest(method: string, name: string, text: string): PathRequest | Invalid {
  const reference = parseReference(text);
  if (reference !== undefined) return { kind: "manifest", name, reference };
  if (text.includes(":")) return invalidDigest(text);
  // The conformance suite reads a manifest by a text that cannot be a tag and wants "not found";
  // to write one is a mistake of the client.
  if (READ.includes(method)) {
    return invalid("MANIFEST_UNKNOWN", `no manifest can have the tag ${quote(text)}`);
  }
  return invalid(
    "TAG_INVALID",
    `${
      quote(text)
    } is not a tag: at most 128 letters, digits, "_", "." and "-", not starting with "." or "-"`,
  );
}

function readDigest(
  kind: "blob" | "referrers",
  name: string,
  text: string,
): PathRequest | Invalid {
  const digest = parseDigest(text);
  return digest === undefined ? invalidDigest(text) : { kind, name, digest };
}

function invalidDigest(text: string): Invalid {
  return invalid(
    "DIGEST_INVALID",
    `${quote(text)} is not a digest: sha256, sha384 or sha512, a colon, and lower-case hex digits`,
  );
}

function unknownPath(pathname: string): Invalid {
  return invalid("NAME_UNKNOWN", `${quote(pathname)} is not a path of the registry API`);
}

/**
 * Decodes each component by itself, so that `%3A` works in a digest; null where one is malformed or
 * hides a slash, which must not make a component (nor reach an upstream that would let it).
 */
function decodeAll(parts: readonly string[]): string[] | null {
  try {
    const decoded = parts.map(decodeURIComponent);
    return decoded.some((part) => part.includes("/") || part.includes("\\")) ? null : decoded;
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}
