/** The index in SQLite, which is part of the runtime. WAL, so that a kill loses no committed row. */
import { DatabaseSync } from "node:sqlite";
import { type Digest, parseDigest } from "../reference.ts";
import type { CacheIndex, CacheTotals, Counter, Link, Place, TagEntry } from "./index.ts";

const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS content (
    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, created_at INTEGER NOT NULL, used_at INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE IF NOT EXISTS link (
    registry TEXT NOT NULL, repository TEXT NOT NULL, digest TEXT NOT NULL,
    media_type TEXT, linked_at INTEGER NOT NULL,
    PRIMARY KEY (registry, repository, digest)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE IF NOT EXISTS child (
    digest TEXT NOT NULL, manifest TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (digest, manifest)
  ) WITHOUT ROWID, STRICT;
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

/** A use is written at most this often per digest: hits must stay cheap. */
const USE_GRAIN_MS = 60_000;

/**
 * Opens or makes the index. `path` may be `:memory:`.
 *
 * @throws where the file cannot be opened, is corrupt, or is of a later version.
 */
export function openSqliteIndex(path: string, now: () => number = Date.now): CacheIndex {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;");
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (version > SCHEMA_VERSION) {
    db.close();
    throw new Error(`${path} was made by a later version; use another CACHE_DIR`);
  }
  db.exec(SCHEMA);
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);

  const sql = {
    putContent: db.prepare(
      "INSERT INTO content VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET size = excluded.size, used_at = excluded.used_at",
    ),
    dropContent: db.prepare("DELETE FROM content WHERE digest = ?"),
    content: db.prepare("SELECT size, used_at FROM content WHERE digest = ?"),
    touch: db.prepare("UPDATE content SET used_at = ? WHERE digest = ?"),
    putLink: db.prepare(
      "INSERT INTO link VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET media_type = coalesce(excluded.media_type, media_type), linked_at = excluded.linked_at",
    ),
    link: db.prepare(
      "SELECT media_type FROM link WHERE registry = ? AND repository = ? AND digest = ?",
    ),
    dropLink: db.prepare("DELETE FROM link WHERE registry = ? AND repository = ? AND digest = ?"),
    anyManifest: db.prepare(
      "SELECT digest FROM link WHERE registry = ? AND repository = ? AND media_type IS NOT NULL ORDER BY linked_at DESC LIMIT 1",
    ),
    putChild: db.prepare("INSERT INTO child VALUES (?, ?, ?) ON CONFLICT DO NOTHING"),
    childSize: db.prepare(
      "SELECT c.size FROM child c JOIN link l ON l.digest = c.manifest WHERE c.digest = ? AND l.registry = ? AND l.repository = ? LIMIT 1",
    ),
    putTag: db.prepare(
      "INSERT INTO tag VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET digest = excluded.digest, checked_at = excluded.checked_at",
    ),
    tag: db.prepare(
      "SELECT digest, checked_at FROM tag WHERE registry = ? AND repository = ? AND tag = ?",
    ),
    dropTag: db.prepare("DELETE FROM tag WHERE registry = ? AND repository = ? AND tag = ?"),
    putPublic: db.prepare(
      "INSERT INTO public_repository VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET proven_at = excluded.proven_at",
    ),
    publicAt: db.prepare(
      "SELECT proven_at FROM public_repository WHERE registry = ? AND repository = ?",
    ),
    dropPublic: db.prepare("DELETE FROM public_repository WHERE registry = ? AND repository = ?"),
    count: db.prepare(
      "INSERT INTO counter VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1",
    ),
    counters: db.prepare("SELECT name, value FROM counter"),
    totals: db.prepare(
      "SELECT count(*) AS content, coalesce(sum(size), 0) AS bytes, (SELECT count(DISTINCT l.digest) FROM link l JOIN content c USING (digest) WHERE l.media_type IS NOT NULL) AS manifests FROM content",
    ),
  };

  function key({ registry, repository }: Place): [string, string] {
    return [registry, repository];
  }

  function readDigest(value: unknown): Digest | undefined {
    return typeof value === "string" ? parseDigest(value) : undefined;
  }

  return {
    putContent(digest, size) {
      sql.putContent.run(digest, size, now(), now());
    },
    dropContent(digest) {
      sql.dropContent.run(digest);
    },
    contentSize(digest) {
      const row = sql.content.get(digest);
      if (row === undefined) return undefined;
      if (now() - Number(row["used_at"]) > USE_GRAIN_MS) sql.touch.run(now(), digest);
      return Number(row["size"]);
    },
    putLink(place, digest, mediaType) {
      sql.putLink.run(...key(place), digest, mediaType, now());
    },
    link(place, digest): Link | undefined {
      const row = sql.link.get(...key(place), digest);
      if (row === undefined) return undefined;
      const mediaType = row["media_type"];
      return { mediaType: typeof mediaType === "string" ? mediaType : null };
    },
    dropLink(place, digest) {
      sql.dropLink.run(...key(place), digest);
    },
    anyManifest(place) {
      return readDigest(sql.anyManifest.get(...key(place))?.["digest"]);
    },
    putChildren(manifest, children) {
      for (const { digest, size } of children) sql.putChild.run(digest, manifest, size);
    },
    childSize(place, digest) {
      const row = sql.childSize.get(digest, ...key(place));
      return row === undefined ? undefined : Number(row["size"]);
    },
    putTag(place, tag, entry) {
      sql.putTag.run(...key(place), tag, entry.digest, entry.checkedAt);
    },
    tag(place, tag): TagEntry | undefined {
      const row = sql.tag.get(...key(place), tag);
      const digest = readDigest(row?.["digest"]);
      if (row === undefined || digest === undefined) return undefined;
      return { digest, checkedAt: Number(row["checked_at"]) };
    },
    dropTag(place, tag) {
      sql.dropTag.run(...key(place), tag);
    },
    putPublic(place, provenAt) {
      sql.putPublic.run(...key(place), provenAt);
    },
    publicAt(place) {
      const row = sql.publicAt.get(...key(place));
      return row === undefined ? undefined : Number(row["proven_at"]);
    },
    dropPublic(place) {
      sql.dropPublic.run(...key(place));
    },
    count(counter) {
      sql.count.run(counter);
    },
    counters() {
      return new Map(
        sql.counters.all().flatMap((row): [Counter, number][] => {
          const name = row["name"];
          return isCounter(name) ? [[name, Number(row["value"])]] : [];
        }),
      );
    },
    totals(): CacheTotals {
      const row = sql.totals.get();
      const manifests = Number(row?.["manifests"] ?? 0);
      return {
        blobs: Number(row?.["content"] ?? 0) - manifests,
        manifests,
        bytes: Number(row?.["bytes"] ?? 0),
      };
    },
    [Symbol.dispose]() {
      db.close();
    },
  };
}

const COUNTERS: ReadonlySet<unknown> = new Set<Counter>([
  "blob_hits",
  "blob_misses",
  "manifest_hits",
  "manifest_misses",
  "joins",
  "fills",
]);

function isCounter(value: unknown): value is Counter {
  return COUNTERS.has(value);
}
