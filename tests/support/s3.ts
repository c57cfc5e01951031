/**
 * Read-only object storage over the tree of a registry on a filesystem, whose layout is that of
 * the S3 driver. It checks every signature and answers in the words of R2 or of S3.
 */
import { join } from "node:path";
import { type Registry, type RegistryOptions, startRegistry } from "./registry.ts";
import { S3Error, verifyRequest } from "./s3_auth.ts";
import type { S3Keys } from "./s3_signature.ts";
import { listObjects } from "./s3_listing.ts";
import { serveFile } from "./s3_object.ts";
import { type ListenOptions, requestHost, requestTarget, TestServer } from "./serve.ts";

/** Whose error bodies the storage speaks. Docker Hub's blobs are on R2. */
export type S3Flavour = "r2" | "s3";

/** How the storage is started. */
export interface S3Options extends ListenOptions {
  /** The root directory of a registry on a filesystem. */
  root: string;
  /** Default `r2`. */
  flavour?: S3Flavour;
  /** Default `registry`. */
  bucket?: string;
  /** May answer in place of the storage, after the signature is found right. */
  intercept?: S3Interceptor;
}

/** Answers a request in place of the storage; undefined leaves it to the storage. */
export type S3Interceptor = (
  request: Request,
  serve: () => Promise<Response>,
) => Promise<Response | undefined> | Response | undefined;

/** One request to the storage. */
export interface S3Request {
  method: string;
  path: string;
  host: string;
  /** The digest of the blob that was asked for, if it was one. */
  digest: string | null;
  /** Whether the query carries a signature. */
  isPresigned: boolean;
  hasAuthorization: boolean;
  /** Names of the request's headers. */
  headerNames: string[];
  range: string | null;
  userAgent: string;
  status: number;
  /** Bytes of the body that were taken so far. */
  bytes: number;
}

/** The key pair that every stand-in knows. */
export const S3_KEYS: S3Keys = {
  accessKey: "TESTKEY00000000000AA",
  secretKey: "testsecret0000000000000000000000000000AA",
};

/** A running storage. */
export class S3 extends TestServer {
  readonly requests: S3Request[];
  readonly bucket: string;
  readonly root: string;
  readonly #settings: { intercept: S3Interceptor | undefined };

  constructor(options: S3Options) {
    const requests: S3Request[] = [];
    const bucket = options.bucket ?? "registry";
    const flavour = options.flavour ?? "r2";
    const settings = { intercept: options.intercept };
    super(async (request) => {
      const record = recordOf(request);
      requests.push(record);
      const response = await answer(request, options.root, bucket, flavour, settings.intercept);
      record.status = response.status;
      return counted(response, record);
    }, options);
    this.requests = requests;
    this.bucket = bucket;
    this.root = options.root;
    this.#settings = settings;
  }

  /** Sets what happens to rightly signed requests from now on. */
  set intercept(interceptor: S3Interceptor | undefined) {
    this.#settings.intercept = interceptor;
  }

  /** The URL of a blob, without a signature. */
  blobUrl(digest: string): string {
    return `${this.url}/${this.bucket}/${blobKey(digest)}`;
  }

  /** Where the storage keeps a blob, for tests that damage or remove it. */
  blobFile(digest: string): string {
    return join(this.root, blobKey(digest));
  }

  /** Requests for blobs' bytes. */
  blobReads(): S3Request[] {
    return this.requests.filter(({ method, digest }) => method === "GET" && digest !== null);
  }

  clear(): void {
    this.requests.length = 0;
  }
}

/** Starts a storage. */
export function startS3(options: S3Options): S3 {
  return new S3(options);
}

/** What may differ in a registry on the storage. */
export interface S3RegistryOptions extends Omit<RegistryOptions, "storage" | "readonly"> {
  /** The storage's base in the URLs that are handed out. Default: its own. */
  endpoint?: string;
}

/** Starts a read-only registry on the storage: its blobs answer 307 with presigned URLs. */
export function startS3Registry(s3: S3, options: S3RegistryOptions = {}): Promise<Registry> {
  const { endpoint = s3.url, ...rest } = options;
  const storage = { kind: "s3", endpoint, bucket: s3.bucket, ...S3_KEYS } as const;
  return startRegistry({ ...rest, readonly: true, storage });
}

function blobKey(digest: string): string {
  const hex = digest.replace("sha256:", "");
  return `docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
}

function recordOf(request: Request): S3Request {
  const url = new URL(request.url);
  const hex = /\/blobs\/sha256\/..\/([0-9a-f]{64})\/data$/.exec(url.pathname)?.[1];
  return {
    method: request.method,
    path: url.pathname,
    host: requestHost(request),
    digest: hex === undefined ? null : `sha256:${hex}`,
    isPresigned: url.searchParams.has("X-Amz-Signature"),
    hasAuthorization: request.headers.has("authorization"),
    headerNames: [...request.headers.keys()],
    range: request.headers.get("range"),
    userAgent: request.headers.get("user-agent") ?? "",
    status: 0,
    bytes: 0,
  };
}

async function answer(
  request: Request,
  root: string,
  bucket: string,
  flavour: S3Flavour,
  intercept: S3Interceptor | undefined,
): Promise<Response> {
  try {
    const headers = new Headers(request.headers);
    headers.set("host", requestHost(request));
    const { method } = request;
    verifyRequest({ method, target: requestTarget(request), headers }, S3_KEYS, flavour);
    const serve = () => serveObject(request, root, bucket);
    return await intercept?.(request, serve) ?? await serve();
  } catch (error) {
    if (error instanceof S3Error) return error.response(request.method, flavour);
    throw error;
  }
}

async function serveObject(request: Request, root: string, bucket: string): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw new S3Error(501, "NotImplemented", "This storage is read-only.");
  }
  const url = new URL(request.url);
  const path = decodeURIComponent(url.pathname);
  if (path === `/${bucket}` || path === `/${bucket}/`) return await listObjects(url, root, bucket);
  if (!path.startsWith(`/${bucket}/`)) {
    throw new S3Error(404, "NoSuchBucket", "The specified bucket does not exist.");
  }
  const file = join(root, path.slice(bucket.length + 2));
  const info = await Deno.stat(file).catch(() => null);
  if (info === null || !info.isFile) {
    throw new S3Error(404, "NoSuchKey", "The specified key does not exist.");
  }
  return await serveFile(request, file, info);
}

function counted(response: Response, record: S3Request): Response {
  if (response.body === null) return response;
  const body = response.body.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        record.bytes += chunk.length;
        controller.enqueue(chunk);
      },
    }),
  );
  return new Response(body, response);
}
