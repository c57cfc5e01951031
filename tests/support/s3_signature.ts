/**
 * AWS Signature Version 4, as the storage checks it and as tests need to make it.
 * Reference: "Signature Version 4 signing process" and "Authenticating requests: using query
 * parameters" of the S3 API.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** A key pair of the storage. */
export interface S3Keys {
  accessKey: string;
  secretKey: string;
}

/** The parts of a request that a signature covers. */
export interface SignedRequest {
  method: string;
  /** Path and query as sent. */
  target: string;
  headers: Headers;
}

/** The day, region, service and terminator that a signature is bound to. */
export interface SignatureScope {
  /** `20240101T000000Z` */
  date: string;
  /** `20240101/us-east-1/s3/aws4_request` */
  scope: string;
  signedHeaders: string[];
  payloadHash: string;
}

/** The signature of a request, in hex. */
export function sign(request: SignedRequest, scope: SignatureScope, secretKey: string): string {
  const [path = "", query = ""] = splitOnce(request.target, "?");
  const headers = scope.signedHeaders
    .map((name) => `${name}:${(request.headers.get(name) ?? "").trim().replace(/ +/g, " ")}\n`);
  const canonical = [
    request.method,
    path.split("/").map((part) => encode(decodeURIComponent(part))).join("/"),
    canonicalQuery(query),
    headers.join(""),
    scope.signedHeaders.join(";"),
    scope.payloadHash,
  ].join("\n");
  const hash = createHash("sha256").update(canonical).digest("hex");
  const toSign = ["AWS4-HMAC-SHA256", scope.date, scope.scope, hash].join("\n");
  const key = scope.scope.split("/")
    .reduce((key: string | Uint8Array, part) => hmac(key, part), `AWS4${secretKey}`);
  return createHmac("sha256", key).update(toSign).digest("hex");
}

/** Whether two signatures are the same. */
export function isSameSignature(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => new TextEncoder().encode(text));
  if (left === undefined || right === undefined || left.length !== right.length) return false;
  return timingSafeEqual(left, right);
}

/** What a presigned URL is for. */
export interface PresignOptions extends S3Keys {
  /** Of the object, `http://127.0.0.1:9000/bucket/key`. */
  url: string;
  /** Default GET. */
  method?: string;
  /** Default 1200 s, which is docker-registry's. */
  expiresSeconds?: number;
  /** Default now. */
  date?: Date;
}

/** A presigned URL, such as a registry on S3 redirects to. */
export function presign(options: PresignOptions): string {
  const date = (options.date ?? new Date()).toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${date.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const url = new URL(options.url);
  const parameters = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": `${options.accessKey}/${scope}`,
    "X-Amz-Date": date,
    "X-Amz-Expires": String(options.expiresSeconds ?? 1200),
    "X-Amz-SignedHeaders": "host",
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const signature = sign(
    {
      method: options.method ?? "GET",
      target: url.pathname + url.search,
      headers: new Headers({ host: url.host }),
    },
    { date, scope, signedHeaders: ["host"], payloadHash: "UNSIGNED-PAYLOAD" },
    options.secretKey,
  );
  return `${url.href}&X-Amz-Signature=${signature}`;
}

/** The time that an `X-Amz-Date` tells, in milliseconds. */
export function parseAmzDate(date: string): number {
  const iso = date.replace(
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/,
    "$1-$2-$3T$4:$5:$6Z",
  );
  return Date.parse(iso);
}

function canonicalQuery(query: string): string {
  return query.split("&").filter((pair) => pair !== "")
    .map((pair) => splitOnce(pair, "=").map((text) => encode(decodeURIComponent(text))))
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value = ""]) => `${name}=${value}`)
    .sort().join("&");
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** RFC 3986, which leaves less as it is than `encodeURIComponent`. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function hmac(key: string | Uint8Array, text: string): Uint8Array {
  return createHmac("sha256", key).update(text).digest();
}
