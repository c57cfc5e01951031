/** The inventory in SQLite, over the tables of the index and two of its own. */
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { type Digest, parseDigest, parseRepository, parseTag } from "../reference.ts";
import type { Place } from "./index.ts";
import type {
  BlobEntry,
  ChildEntry,
  ImageEntry,
  ImageKey,
  ImagePage,
  ImageQuery,
  Inventory,
  Purged,
  RegistryEntry,
} from "./inventory.ts";

/**
 * Pins by tag or digest, how often manifests were served, and ways to find links by what they are
 * and whose they are.
 */
export const INVENTORY_SCHEMA = `
  CREATE TABLE IF NOT EXISTS pin (
    registry TEXT NOT NULL, repository TEXT NOT NULL, reference TEXT NOT NULL,
    PRIMARY KEY (registry, repository, reference)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE IF NOT EXISTS pull (
    registry TEXT NOT NULL, repository TEXT NOT NULL, digest TEXT NOT NULL, pulls INTEGER NOT NULL,
    PRIMARY KEY (registry, repository, digest)
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX IF NOT EXISTS link_digest ON link (digest);
  CREATE INDEX IF NOT EXISTS link_manifest ON link (digest, registry, repository, media_type)
    WHERE media_type IS NOT NULL;
`;

/** For a WITH RECURSIVE: `pinned(digest)` is all that pinned images need. */
export const PINNED = `pinned(digest) AS (
  SELECT t.digest FROM pin p JOIN tag t
    ON t.registry = p.registry AND t.repository = p.repository AND t.tag = p.reference
  UNION SELECT reference FROM pin WHERE instr(reference, ':') > 0
  UNION SELECT c.digest FROM child c JOIN pinned ON c.manifest = pinned.digest
)`;

/** Tags, and manifests that neither a tag nor an index of their repository names. */
const IMAGE = `image(registry, repository, tag, digest, media_type, used_at) AS (
  SELECT t.registry, t.repository, t.tag, t.digest, l.media_type, content.used_at
    FROM tag t JOIN link l USING (registry, repository, digest)
    JOIN content ON content.digest = t.digest
    WHERE l.media_type IS NOT NULL
  UNION ALL
  SELECT l.registry, l.repository, NULL, l.digest, l.media_type, content.used_at
    FROM link l JOIN content ON content.digest = l.digest
    WHERE l.media_type IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.registry = l.registry
        AND t.repository = l.repository AND t.digest = l.digest)
      AND NOT EXISTS (SELECT 1 FROM child c JOIN link p ON p.digest = c.manifest
        WHERE c.digest = l.digest AND p.registry = l.registry AND p.repository = l.repository)
)`;

const MATCHES = `(?1 IS NULL OR registry = ?1)
  AND (?2 = '' OR instr(lower(registry || '/' || repository || ':' || coalesce(tag, digest)), ?2) > 0)`;

const BYTES = `(WITH RECURSIVE part(digest) AS (
    SELECT i.digest UNION SELECT c.digest FROM child c JOIN part ON c.manifest = part.digest
  ) SELECT coalesce(sum(size), 0) FROM content WHERE digest IN (SELECT digest FROM part))`;

const SQL = {
  images: `WITH ${IMAGE}, i AS (
      SELECT *, count(*) OVER () AS total FROM image WHERE ${MATCHES}
      ORDER BY used_at DESC, registry, repository, tag LIMIT ?3 OFFSET ?4
    ) SELECT i.*, ${BYTES} AS bytes,
      coalesce((SELECT pulls FROM pull WHERE pull.registry = i.registry
        AND pull.repository = i.repository AND pull.digest = i.digest), 0) AS pulls,
      EXISTS (SELECT 1 FROM pin WHERE pin.registry = i.registry AND pin.repository = i.repository
        AND pin.reference IN (i.tag, i.digest)) AS pinned
    FROM i ORDER BY used_at DESC, registry, repository, tag`,
  countImages: `WITH ${IMAGE} SELECT count(*) AS total FROM image WHERE ${MATCHES}`,
  registries: `SELECT registry, count(DISTINCT repository) AS repositories
    FROM link JOIN content USING (digest) WHERE media_type IS NOT NULL
    GROUP BY registry ORDER BY registry`,
  blobs: `WITH page AS (
      SELECT * FROM content ORDER BY size DESC, digest LIMIT ? OFFSET ?
    ) SELECT page.*,
      (SELECT count(*) FROM link WHERE link.digest = page.digest) AS repositories
    FROM page ORDER BY size DESC, digest`,
  children: `SELECT child.digest, child.size, content.digest IS NOT NULL AS cached
    FROM child LEFT JOIN content USING (digest) WHERE manifest = ?`,
  notePull: `INSERT INTO pull VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET pulls = pulls + excluded.pulls`,
  tagged: "SELECT digest FROM tag WHERE registry = ? AND repository = ? AND tag = ?",
  linked: `SELECT digest FROM link
    WHERE registry = ? AND repository = ? AND digest = ? AND media_type IS NOT NULL`,
  isTagged: "SELECT 1 FROM tag WHERE registry = ? AND repository = ? AND digest = ?",
  pin: "INSERT INTO pin VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
  unpin: "DELETE FROM pin WHERE registry = ? AND repository = ? AND reference = ?",
  dropTag: "DELETE FROM tag WHERE registry = ? AND repository = ? AND tag = ?",
  // What the image needs, without what the repository's other manifests need.
  needless: `WITH RECURSIVE mine(digest) AS (
      SELECT ?3 UNION SELECT c.digest FROM child c JOIN mine ON c.manifest = mine.digest
    ), theirs(digest) AS (
      SELECT digest FROM link WHERE registry = ?1 AND repository = ?2 AND media_type IS NOT NULL
        AND digest NOT IN (SELECT digest FROM mine)
      UNION SELECT digest FROM tag WHERE registry = ?1 AND repository = ?2
      UNION SELECT c.digest FROM child c JOIN theirs ON c.manifest = theirs.digest
    ) SELECT digest FROM mine WHERE digest NOT IN (SELECT digest FROM theirs)`,
  allOfRepository: "SELECT digest FROM link WHERE registry = ? AND repository = ?",
  dropLink: "DELETE FROM link WHERE registry = ? AND repository = ? AND digest = ?",
  dropPull: "DELETE FROM pull WHERE registry = ? AND repository = ? AND digest = ?",
  isLinked: "SELECT 1 FROM link WHERE digest = ? LIMIT 1",
  dropTags: "DELETE FROM tag WHERE registry = ? AND repository = ?",
  dropPins: "DELETE FROM pin WHERE registry = ? AND repository = ?",
} as const;

type Row = Record<string, unknown>;

/** The inventory, with what it collects. */
export interface SqliteInventory extends Inventory {
  /** Writes the pulls that are collected. */
  flushPulls(): void;
}

/** Makes the inventory; the tables are there. `onChange` is told where names or links are gone. */
export function createSqliteInventory(db: DatabaseSync, onChange: () => void): SqliteInventory {
  /** Pulls that are not written yet: a busy manifest is pulled thousands of times a second. */
  const pulls = new Map<string, { place: Place; digest: Digest; count: number }>();
  const prepared = new Map<string, ReturnType<DatabaseSync["prepare"]>>();

  function statement(name: keyof typeof SQL): ReturnType<DatabaseSync["prepare"]> {
    const known = prepared.get(name) ?? db.prepare(SQL[name]);
    prepared.set(name, known);
    return known;
  }

  function all(name: keyof typeof SQL, ...values: SQLInputValue[]): Row[] {
    return statement(name).all(...values);
  }

  function flushPulls(): void {
    for (const { place, digest, count } of pulls.values()) {
      statement("notePull").run(...keyOf(place), digest, count);
    }
    pulls.clear();
  }

  function images({ search, registry, offset, limit }: ImageQuery): ImagePage {
    flushPulls();
    const wanted = [registry, search.toLowerCase()];
    const rows = all("images", ...wanted, limit, offset);
    // Behind the last page no row tells of the others.
    const [counted] = rows.length > 0 ? rows : all("countImages", ...wanted);
    const total = Number(counted?.["total"] ?? 0);
    return { images: rows.flatMap(toImage), total };
  }

  function digestOf({ place, reference }: ImageKey): Digest | undefined {
    const name = parseDigest(reference) === undefined ? "tagged" : "linked";
    const [row] = all(name, ...keyOf(place), reference);
    return row === undefined ? undefined : toDigest(row);
  }

  function purge(image: ImageKey): Purged {
    onChange();
    const { place, reference } = image;
    return inTransaction(db, () => {
      const digest = digestOf(image);
      statement("unpin").run(...keyOf(place), reference);
      if (digest === undefined) return { contents: [] };
      if (digest !== reference) statement("dropTag").run(...keyOf(place), reference);
      if (all("isTagged", ...keyOf(place), digest).length > 0) return { contents: [] };
      return drop(place, all("needless", ...keyOf(place), digest));
    });
  }

  function purgeRepository(place: Place): Purged {
    onChange();
    return inTransaction(db, () => {
      statement("dropTags").run(...keyOf(place));
      statement("dropPins").run(...keyOf(place));
      return drop(place, all("allOfRepository", ...keyOf(place)));
    });
  }

  /** Parts the repository from these; gives what no repository holds any more. */
  function drop(place: Place, rows: readonly Row[]): Purged {
    const digests = rows.map(toDigest).filter((digest) => digest !== undefined);
    for (const digest of digests) {
      statement("dropLink").run(...keyOf(place), digest);
      statement("dropPull").run(...keyOf(place), digest);
    }
    return { contents: digests.filter((digest) => all("isLinked", digest).length === 0) };
  }

  return {
    images,
    registries: () =>
      all("registries").map((row): RegistryEntry => ({
        registry: String(row["registry"]),
        repositories: Number(row["repositories"]),
      })),
    blobs: ({ limit, offset }) => all("blobs", limit, offset).flatMap(toBlob),
    childrenOf: (manifest) => all("children", manifest).flatMap(toChild),
    notePull(place, digest) {
      const key = JSON.stringify([...keyOf(place), digest]);
      const known = pulls.get(key);
      if (known === undefined) pulls.set(key, { place, digest, count: 1 });
      else known.count++;
    },
    flushPulls,
    has: (image) => digestOf(image) !== undefined,
    pin: ({ place, reference }) => void statement("pin").run(...keyOf(place), reference),
    unpin: ({ place, reference }) => void statement("unpin").run(...keyOf(place), reference),
    purge,
    purgeRepository,
  };
}

function inTransaction<Result>(db: DatabaseSync, work: () => Result): Result {
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

function keyOf({ registry, repository }: Place): [string, string] {
  return [registry, repository];
}

function toDigest(row: Row): Digest | undefined {
  return parseDigest(String(row["digest"]));
}

function toImage(row: Row): ImageEntry[] {
  const digest = toDigest(row);
  const repository = parseRepository(String(row["repository"]));
  if (digest === undefined || repository === undefined) return [];
  return [{
    place: { registry: String(row["registry"]), repository },
    tag: typeof row["tag"] === "string" ? parseTag(row["tag"]) ?? null : null,
    digest,
    mediaType: String(row["media_type"]),
    bytes: Number(row["bytes"]),
    usedAt: toMs(row["used_at"]),
    pulls: Number(row["pulls"]),
    isPinned: Number(row["pinned"]) === 1,
  }];
}

function toBlob(row: Row): BlobEntry[] {
  const digest = toDigest(row);
  if (digest === undefined) return [];
  return [{
    digest,
    size: Number(row["size"]),
    usedAt: toMs(row["used_at"]),
    repositories: Number(row["repositories"]),
  }];
}

function toChild(row: Row): ChildEntry[] {
  const digest = toDigest(row);
  if (digest === undefined) return [];
  return [{ digest, size: Number(row["size"]), isCached: Number(row["cached"]) === 1 }];
}

/** Uses are ordered within a millisecond: the index keeps them in microseconds. */
function toMs(value: unknown): number {
  return Math.floor(Number(value) / 1000);
}
