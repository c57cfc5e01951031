/**
 * Object storage that takes writes, for registries that are pushed to: an S3 server from npm, which
 * verifies signatures, with the two listings that the registry's driver needs and it lacks.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
// @ts-types="./s3rver.d.ts"
import S3rver, { type Context } from "@20minutes/s3rver";
import { freePort } from "./ports.ts";
import type { S3Storage } from "./registry.ts";
import { tempDir } from "./temp.ts";

const BUCKET = "registry";
/** The key pair that the server knows. */
const KEY = "S3RVER";

/** A running storage. */
export interface WritableS3 extends AsyncDisposable {
  /** How a registry reaches it. */
  readonly storage: S3Storage;
  /** Requests that came by a signed URL. */
  signedReads(): number;
}

/** Starts a storage that is empty. */
export async function startWritableS3(): Promise<WritableS3> {
  const folder = await tempDir("s3");
  const port = freePort();
  const server = new S3rver({
    port,
    address: "127.0.0.1",
    silent: true,
    directory: folder.path,
    configureBuckets: [{ name: BUCKET }],
    vhostBuckets: false,
  });
  let signedReads = 0;
  const uploads = server.store.getResourcePath(BUCKET, undefined, "uploads");
  server.middleware.unshift(async (context, next) => {
    const { method, query, path } = context;
    const isSigned = "authorization" in context.headers || "X-Amz-Signature" in query;
    if ("X-Amz-Signature" in query && method === "GET") signedReads++;
    const key = decodeURIComponent(path.split("/").slice(2).join("/"));
    if (!isSigned) refuse(context);
    else if (method === "GET" && "uploads" in query && key === "") listUploads(context, uploads);
    else if (method === "GET" && query["uploadId"] !== undefined) {
      listParts(context, key, join(uploads, query["uploadId"]));
    } else await next();
  });
  await server.run();
  return {
    storage: {
      kind: "s3",
      endpoint: `http://127.0.0.1:${port}`,
      bucket: BUCKET,
      accessKey: KEY,
      secretKey: KEY,
    },
    signedReads: () => signedReads,
    async [Symbol.asyncDispose]() {
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** As a private bucket does; the server itself lets unsigned requests through. */
function refuse(context: Context): void {
  context.status = 403;
  context.type = "application/xml";
  context.body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
}

function listUploads(context: Context, folder: string): void {
  const prefix = context.query["prefix"] ?? "";
  const found = namesIn(folder).map((id) => ({
    id,
    key: Deno.readTextFileSync(join(folder, id, "key")),
  })).filter(({ key }) => key.startsWith(prefix));
  const items = found.map(({ id, key }) =>
    `<Upload><Key>${escapeXml(key)}</Key><UploadId>${id}</UploadId>` +
    `<Initiated>${new Date().toISOString()}</Initiated></Upload>`
  );
  answer(context, "ListMultipartUploadsResult", items.join(""));
}

function listParts(context: Context, key: string, folder: string): void {
  const parts = namesIn(folder).filter((name) => /^\d+$/.test(name)).map(Number)
    .toSorted((a, b) => a - b);
  const items = parts.map((part) => {
    const bytes = Deno.readFileSync(join(folder, String(part)));
    const etag = createHash("md5").update(bytes).digest("hex");
    return `<Part><PartNumber>${part}</PartNumber><ETag>"${etag}"</ETag>` +
      `<Size>${bytes.length}</Size><LastModified>${new Date().toISOString()}</LastModified></Part>`;
  });
  answer(context, "ListPartsResult", `<Key>${escapeXml(key)}</Key>${items.join("")}`);
}

function answer(context: Context, name: string, items: string): void {
  context.type = "application/xml";
  context.body = `<${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
    `<Bucket>${BUCKET}</Bucket><IsTruncated>false</IsTruncated>${items}</${name}>`;
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
