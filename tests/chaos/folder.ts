/** The cache's folder, read when no process has it open. */
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";

/** What of the folder and its index does not belong together. */
export interface Orphans {
  /** Content that the index does not know. */
  readonly files: string[];
  /** Rows without content, or of another size. */
  readonly rows: string[];
}

/** Compares the index with the folder. */
export function findOrphans(cacheDir: string): Orphans {
  const files = new Map<string, number>();
  for (const { name } of Deno.readDirSync(join(cacheDir, "blobs", "sha256"))) {
    files.set(`sha256:${name}`, Deno.statSync(join(cacheDir, "blobs", "sha256", name)).size);
  }
  const db = new DatabaseSync(join(cacheDir, "index.sqlite"), { readOnly: true });
  try {
    const rows: string[] = [];
    for (const row of db.prepare("SELECT digest, size FROM content").all()) {
      const digest = String(row["digest"]);
      if (files.get(digest) !== Number(row["size"])) rows.push(digest);
      files.delete(digest);
    }
    return { files: [...files.keys()], rows };
  } finally {
    db.close();
  }
}

/** The names and sizes of partial files. */
export function partialFiles(cacheDir: string): { name: string; size: number }[] {
  const folder = join(cacheDir, "partial");
  return [...Deno.readDirSync(folder)].map(({ name }) => ({
    name,
    size: Deno.statSync(join(folder, name)).size,
  }));
}
