/**
 * ListObjectsV2 over a directory: what docker-registry's S3 driver asks before it reads.
 */
import { join } from "node:path";
import { escapeXml } from "./s3_auth.ts";

/** Answers a listing with its prefix, delimiter and maximum; nothing is ever truncated. */
export async function listObjects(url: URL, root: string, bucket: string): Promise<Response> {
  const prefix = url.searchParams.get("prefix") ?? "";
  const delimiter = url.searchParams.get("delimiter") ?? "";
  const max = Number(url.searchParams.get("max-keys") ?? 1000);
  const contents: string[] = [];
  const groups = new Set<string>();
  for await (const key of keysUnder(root, prefix)) {
    if (contents.length + groups.size >= max) break;
    const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    if (end >= 0) groups.add(key.slice(0, end + delimiter.length));
    else contents.push(await describeObject(root, key));
  }
  const common = [...groups].map((group) =>
    `<CommonPrefixes><Prefix>${escapeXml(group)}</Prefix></CommonPrefixes>`
  );
  const body = '<?xml version="1.0" encoding="UTF-8"?>' +
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
    `<Name>${bucket}</Name><Prefix>${escapeXml(prefix)}</Prefix>` +
    `<KeyCount>${contents.length + groups.size}</KeyCount><MaxKeys>${max}</MaxKeys>` +
    `<IsTruncated>false</IsTruncated>${contents.join("")}${common.join("")}</ListBucketResult>`;
  return new Response(body, { headers: { "content-type": "application/xml" } });
}

async function describeObject(root: string, key: string): Promise<string> {
  const { size, mtime } = await Deno.stat(join(root, key));
  return `<Contents><Key>${escapeXml(key)}</Key>` +
    `<LastModified>${(mtime ?? new Date(0)).toISOString()}</LastModified>` +
    `<ETag>"${size.toString(16)}"</ETag><Size>${size}</Size>` +
    "<StorageClass>STANDARD</StorageClass></Contents>";
}

/** Keys that begin with a prefix, in order; only the folder that the prefix names is walked. */
async function* keysUnder(root: string, prefix: string): AsyncIterable<string> {
  const info = await Deno.stat(join(root, prefix)).catch(() => null);
  if (info?.isFile) {
    yield prefix;
    return;
  }
  for await (const key of walk(root, prefix.slice(0, prefix.lastIndexOf("/") + 1))) {
    if (key.startsWith(prefix)) yield key;
  }
}

async function* walk(root: string, folder: string): AsyncIterable<string> {
  const entries: Deno.DirEntry[] = [];
  try {
    for await (const entry of Deno.readDir(join(root, folder))) entries.push(entry);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  entries.sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isDirectory } of entries) {
    if (isDirectory) yield* walk(root, `${folder}${name}/`);
    else yield folder + name;
  }
}
