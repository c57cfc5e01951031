/**
 * How the storage decides whether a request may be answered, and the errors that it gives.
 */
import {
  isSameSignature,
  parseAmzDate,
  type S3Keys,
  sign,
  type SignatureScope,
  type SignedRequest,
} from "./s3_signature.ts";
import type { S3Flavour } from "./s3.ts";

/** An error of the storage. */
export class S3Error extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** As XML; without a body for HEAD. */
  response(method: string, flavour: S3Flavour): Response {
    const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${this.code}</Code>` +
      `<Message>${escapeXml(this.message)}</Message></Error>`;
    return new Response(method === "HEAD" ? null : body, {
      status: this.status,
      headers: {
        "content-type": "application/xml",
        server: flavour === "r2" ? "cloudflare" : "AmazonS3",
      },
    });
  }
}

/** Text as the content of an XML element. */
export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const MAX_SKEW_MS = 15 * 60 * 1000;

/** Throws an {@linkcode S3Error} unless the request is signed with the keys. */
export function verifyRequest(request: SignedRequest, keys: S3Keys, flavour: S3Flavour): void {
  const query = new URL(request.target, "http://storage").searchParams;
  const authorization = request.headers.get("authorization");
  const isPresigned = query.has("X-Amz-Algorithm");
  const isHeaderSigned = authorization?.startsWith("AWS4-HMAC-SHA256 ") ?? false;
  if (authorization !== null && (isPresigned || !isHeaderSigned)) {
    throw twoMechanisms(isPresigned, flavour);
  }
  if (isPresigned) return verifyPresigned(request, query, keys, flavour);
  if (authorization !== null) return verifyHeader(request, authorization, keys);
  if (flavour === "r2") throw new S3Error(400, "InvalidArgument", "Authorization");
  throw new S3Error(403, "AccessDenied", "Access Denied");
}

/** The failure of proxies that send a registry's token on to the storage. */
function twoMechanisms(isPresigned: boolean, flavour: S3Flavour): S3Error {
  if (flavour === "r2") return new S3Error(400, "InvalidRequest", "Missing x-amz-content-sha256");
  if (!isPresigned) return new S3Error(400, "InvalidArgument", "Unsupported Authorization Type");
  return new S3Error(
    400,
    "InvalidArgument",
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query " +
      "string parameter or the Authorization header should be specified",
  );
}

function verifyPresigned(
  request: SignedRequest,
  query: URLSearchParams,
  keys: S3Keys,
  flavour: S3Flavour,
): void {
  const get = (name: string) => query.get(`X-Amz-${name}`) ?? "";
  const signedHeaders = get("SignedHeaders").split(";");
  if (!signedHeaders.includes("host") || get("Date") === "" || get("Expires") === "") {
    throw new S3Error(
      400,
      "AuthorizationQueryParametersError",
      "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, " +
        "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
    );
  }
  if (Date.now() > parseAmzDate(get("Date")) + Number(get("Expires")) * 1000) {
    const code = flavour === "r2" ? "ExpiredRequest" : "AccessDenied";
    throw new S3Error(403, code, "Request has expired");
  }
  const scope = scopeOf(get("Credential"), keys);
  const payloadHash = "UNSIGNED-PAYLOAD";
  verifySignature(request, get("Signature"), keys, {
    date: get("Date"),
    scope,
    signedHeaders,
    payloadHash,
  });
}

function verifyHeader(request: SignedRequest, authorization: string, keys: S3Keys): void {
  const get = (name: string) => new RegExp(`${name}=([^,\\s]+)`).exec(authorization)?.[1] ?? "";
  const payloadHash = request.headers.get("x-amz-content-sha256");
  const date = request.headers.get("x-amz-date") ?? "";
  if (payloadHash === null) {
    throw new S3Error(400, "InvalidRequest", "Missing x-amz-content-sha256");
  }
  if (!(Math.abs(Date.now() - parseAmzDate(date)) < MAX_SKEW_MS)) {
    throw new S3Error(403, "RequestTimeTooSkewed", "The request time is too far from the server's");
  }
  verifySignature(request, get("Signature"), keys, {
    date,
    scope: scopeOf(get("Credential"), keys),
    signedHeaders: get("SignedHeaders").split(";"),
    payloadHash,
  });
}

function scopeOf(credential: string, keys: S3Keys): string {
  const [accessKey, ...scope] = credential.split("/");
  if (accessKey === keys.accessKey && scope.length === 4) return scope.join("/");
  throw new S3Error(
    403,
    "InvalidAccessKeyId",
    "The AWS Access Key Id you provided does not exist in our records.",
  );
}

function verifySignature(
  request: SignedRequest,
  signature: string,
  keys: S3Keys,
  scope: SignatureScope,
): void {
  if (isSameSignature(sign(request, scope, keys.secretKey), signature)) return;
  throw new S3Error(
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. " +
      "Check your secret access key and signing method.",
  );
}
