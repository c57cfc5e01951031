/** The tables of the SQLite index, and the statements over them. */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { INVENTORY_SCHEMA, PINNED } from "./sqlite_inventory.ts";
import { TRAFFIC_SCHEMA } from "./traffic.ts";

const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS content (
    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, used_at INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX IF NOT EXISTS content_used_at ON content (used_at);
  CREATE TABLE IF NOT EXISTS link (
    registry TEXT NOT NULL, repository TEXT NOT NULL, digest TEXT NOT NULL,
    media_type TEXT, linked_at INTEGER NOT NULL,
    PRIMARY KEY (registry, repository, digest)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE IF NOT EXISTS child (
    manifest TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (manifest, digest)
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX IF NOT EXISTS child_digest ON child (digest);
  CREATE TABLE IF NOT EXISTS tag (
    registry TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,
    digest TEXT NOT NULL, checked_at INTEGER NOT NULL,
    PRIMARY KEY (registry, repository, tag)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE IF NOT EXISTS public_repository (
    registry TEXT NOT NULL, repository TEXT NOT NULL, proven_at INTEGER NOT NULL,
    PRIMARY KEY (registry, repository)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE IF NOT EXISTS counter (
    name TEXT PRIMARY KEY, value INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
`;

const STATEMENTS = {
  putContent:
    "INSERT INTO content VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET size = excluded.size, used_at = excluded.used_at",
  dropContent: "DELETE FROM content WHERE digest = ?",
  contentSize: "SELECT size FROM content WHERE digest = ?",
  touch: "UPDATE content SET used_at = ? WHERE digest = ?",
  touchChildren:
    "UPDATE content SET used_at = ? WHERE digest IN (SELECT digest FROM child WHERE manifest = ?)",
  leastUsed:
    `WITH RECURSIVE ${PINNED} SELECT digest, size FROM content WHERE digest NOT IN (SELECT digest FROM pinned) ORDER BY used_at LIMIT ?`,
  unusedSince:
    `WITH RECURSIVE ${PINNED} SELECT digest, size FROM content WHERE used_at < ? AND digest NOT IN (SELECT digest FROM pinned) ORDER BY used_at`,
  contents: "SELECT digest, size FROM content",
  putLink:
    "INSERT INTO link VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET media_type = coalesce(excluded.media_type, media_type), linked_at = excluded.linked_at",
  link: "SELECT media_type FROM link WHERE registry = ? AND repository = ? AND digest = ?",
  dropLink: "DELETE FROM link WHERE registry = ? AND repository = ? AND digest = ?",
  anyManifest:
    "SELECT digest FROM link WHERE registry = ? AND repository = ? AND media_type IS NOT NULL ORDER BY linked_at DESC LIMIT 1",
  layout:
    "SELECT l.registry, l.repository, l.digest, l.media_type, c.size, t.tag, t.checked_at, p.proven_at, (SELECT group_concat(k.digest, ' ') FROM child k JOIN link b ON b.registry = l.registry AND b.repository = l.repository AND b.digest = k.digest WHERE k.manifest = l.digest AND b.media_type IS NULL) AS blobs FROM link l JOIN content c USING (digest) LEFT JOIN tag t USING (registry, repository, digest) LEFT JOIN public_repository p USING (registry, repository) WHERE l.media_type IS NOT NULL",
  putChild: "INSERT INTO child VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
  childSize:
    "SELECT c.size FROM child c JOIN link l ON l.digest = c.manifest WHERE c.digest = ? AND l.registry = ? AND l.repository = ? LIMIT 1",
  putTag:
    "INSERT INTO tag VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET digest = excluded.digest, checked_at = excluded.checked_at",
  tag: "SELECT digest, checked_at FROM tag WHERE registry = ? AND repository = ? AND tag = ?",
  dropTag: "DELETE FROM tag WHERE registry = ? AND repository = ? AND tag = ?",
  putPublic:
    "INSERT INTO public_repository VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET proven_at = excluded.proven_at",
  publicAt: "SELECT proven_at FROM public_repository WHERE registry = ? AND repository = ?",
  dropPublic: "DELETE FROM public_repository WHERE registry = ? AND repository = ?",
  count:
    "INSERT INTO counter VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
  counters: "SELECT name, value FROM counter",
  totals:
    "SELECT count(*) AS content, coalesce(sum(size), 0) AS bytes, (SELECT count(DISTINCT l.digest) FROM link l JOIN content c USING (digest) WHERE l.media_type IS NOT NULL) AS manifests FROM content",
} as const;

/** A prepared statement for each text. */
export type Statements = { readonly [Name in keyof typeof STATEMENTS]: StatementSync };

/** An open index file. */
export interface Database {
  readonly db: DatabaseSync;
  readonly sql: Statements;
}

/** The index file was made by a later version of this program; it is whole and must be kept. */
export class LaterVersionError extends Error {
  override readonly name = "LaterVersionError";
}

/**
 * Opens or makes the file. WAL, so that a kill loses no committed row.
 *
 * @throws {LaterVersionError}
 * @throws where the file cannot be opened or is corrupt.
 */
export function openDatabase(path: string): Database {
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;");
    const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
    if (version > SCHEMA_VERSION) {
      throw new LaterVersionError(`${path} was made by a later version; use another CACHE_DIR`);
    }
    const check = db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
    if (check !== "ok") throw new Error(`${path} is corrupt: ${check}`);
    db.exec(SCHEMA + INVENTORY_SCHEMA + TRAFFIC_SCHEMA);
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    const prepare = (name: keyof typeof STATEMENTS) => db.prepare(STATEMENTS[name]);
    return {
      db,
      sql: {
        putContent: prepare("putContent"),
        dropContent: prepare("dropContent"),
        contentSize: prepare("contentSize"),
        touch: prepare("touch"),
        touchChildren: prepare("touchChildren"),
        leastUsed: prepare("leastUsed"),
        unusedSince: prepare("unusedSince"),
        contents: prepare("contents"),
        putLink: prepare("putLink"),
        link: prepare("link"),
        dropLink: prepare("dropLink"),
        anyManifest: prepare("anyManifest"),
        layout: prepare("layout"),
        putChild: prepare("putChild"),
        childSize: prepare("childSize"),
        putTag: prepare("putTag"),
        tag: prepare("tag"),
        dropTag: prepare("dropTag"),
        putPublic: prepare("putPublic"),
        publicAt: prepare("publicAt"),
        dropPublic: prepare("dropPublic"),
        count: prepare("count"),
        counters: prepare("counters"),
        totals: prepare("totals"),
      },
    };
  } catch (error) {
    db.close();
    throw error;
  }
}
