/** The index in SQLite, which is part of the runtime. Uses and counts are collected and written together. */
import { getLogger } from "@logtape/logtape";
import { describeCause } from "../log.ts";
import { type Digest, parseDigest, parseRepository, parseTag } from "../reference.ts";
import type {
  CacheIndex,
  CacheTotals,
  ContentEntry,
  Counter,
  LayoutEntry,
  Link,
  Place,
  TagEntry,
} from "./index.ts";
import { COUNTERS } from "./index.ts";
import type { Inventory } from "./inventory.ts";
import { createSqliteInventory } from "./sqlite_inventory.ts";
import { createTrafficLog, type TrafficLog } from "./traffic.ts";
import { openDatabase } from "./sqlite_schema.ts";

const log = getLogger(["entrepot", "index"]);
const FLUSH_MS = 1000;
const COMPLAIN_MS = 10_000;

type Row = Record<string, unknown>;

/** The index with what else its file keeps. */
export interface SqliteIndex extends CacheIndex {
  readonly inventory: Inventory;
  readonly traffic: TrafficLog;
}

/**
 * Opens or makes the index. `path` may be `:memory:`.
 *
 * @throws where the file cannot be opened, is corrupt, or is of a later version.
 */
export function openSqliteIndex(path: string, now: () => number = Date.now): SqliteIndex {
  const { db, sql } = openDatabase(path);
  const touched = new Map<Digest, number>();
  const counted = new Map<Counter, number>();
  let lastTick = 0;
  let complainedAt = -Infinity;
  let revision = 0;
  const traffic = createTrafficLog(db, attempt, now);
  const inventory = createSqliteInventory(db, () => revision++);
  const timer = setInterval(flush, FLUSH_MS);
  Deno.unrefTimer(timer);

  /** Uses are ordered even within a millisecond. */
  function tick(): number {
    lastTick = Math.max(now() * 1000, lastTick + 1);
    return lastTick;
  }

  /** A full or failing disk must not fail a pull; nothing is remembered then. */
  function attempt<Result>(work: () => Result): Result | undefined {
    try {
      return work();
    } catch (error) {
      if (now() - complainedAt > COMPLAIN_MS) {
        complainedAt = now();
        log.error("the cache index fails: {cause}", { cause: describeCause(error) });
      }
      return undefined;
    }
  }

  function flush(): void {
    traffic.flush();
    if (touched.size === 0 && counted.size === 0) return;
    attempt(() => {
      db.exec("BEGIN");
      try {
        inventory.flushPulls();
        for (const [digest, at] of touched) {
          sql.touch.run(at, digest);
          sql.touchChildren.run(at, digest);
        }
        for (const [counter, value] of counted) sql.count.run(counter, value);
        db.exec("COMMIT");
        touched.clear();
        counted.clear();
      } catch (error) {
        // Some failures, such as a full disk, have rolled back already.
        if (db.isTransaction) db.exec("ROLLBACK");
        throw error;
      }
    });
  }

  return {
    inventory,
    traffic,
    putContent: (digest, size) => void attempt(() => sql.putContent.run(digest, size, tick())),
    dropContent(digest) {
      revision++;
      attempt(() => sql.dropContent.run(digest));
    },
    contentSize: (digest) => toNumber(attempt(() => sql.contentSize.get(digest))?.["size"]),
    touch(digest) {
      touched.set(digest, tick());
    },
    leastUsed(limit) {
      flush();
      return (attempt(() => sql.leastUsed.all(limit)) ?? []).flatMap(toContent);
    },
    unusedSince(time) {
      flush();
      return (attempt(() => sql.unusedSince.all(time * 1000)) ?? []).flatMap(toContent);
    },
    *contents() {
      for (const row of sql.contents.iterate()) yield* toContent(row);
    },
    putLink(place, digest, mediaType) {
      revision++;
      attempt(() => sql.putLink.run(...key(place), digest, mediaType, now()));
    },
    link(place, digest): Link | undefined {
      const row = attempt(() => sql.link.get(...key(place), digest));
      if (row === undefined) return undefined;
      const mediaType = row["media_type"];
      return { mediaType: typeof mediaType === "string" ? mediaType : null };
    },
    dropLink(place, digest) {
      revision++;
      attempt(() => sql.dropLink.run(...key(place), digest));
    },
    anyManifest: (place) => toDigest(attempt(() => sql.anyManifest.get(...key(place)))?.["digest"]),
    *layout() {
      for (const row of sql.layout.iterate()) yield* toLayout(row);
    },
    revision: () => revision,
    putChildren(manifest, children) {
      attempt(() => {
        for (const { digest, size } of children) sql.putChild.run(manifest, digest, size);
      });
    },
    childSize: (place, digest) =>
      toNumber(attempt(() => sql.childSize.get(digest, ...key(place)))?.["size"]),
    putTag(place, tag, entry) {
      revision++;
      attempt(() => sql.putTag.run(...key(place), tag, entry.digest, entry.checkedAt));
    },
    tag(place, tag): TagEntry | undefined {
      const row = attempt(() => sql.tag.get(...key(place), tag));
      const digest = toDigest(row?.["digest"]);
      if (row === undefined || digest === undefined) return undefined;
      return { digest, checkedAt: Number(row["checked_at"]) };
    },
    dropTag(place, tag) {
      revision++;
      attempt(() => sql.dropTag.run(...key(place), tag));
    },
    putPublic: (place, provenAt) => void attempt(() => sql.putPublic.run(...key(place), provenAt)),
    publicAt: (place) => toNumber(attempt(() => sql.publicAt.get(...key(place)))?.["proven_at"]),
    dropPublic: (place) => void attempt(() => sql.dropPublic.run(...key(place))),
    count(counter) {
      counted.set(counter, (counted.get(counter) ?? 0) + 1);
    },
    counters() {
      flush();
      const rows = attempt(() => sql.counters.all()) ?? [];
      const values = new Map(rows.map((row) => [row["name"], Number(row["value"])]));
      return new Map(COUNTERS.map((counter) => [counter, values.get(counter) ?? 0]));
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
    flush,
    [Symbol.dispose]() {
      clearInterval(timer);
      flush();
      db.close();
    },
  };
}

function key({ registry, repository }: Place): [string, string] {
  return [registry, repository];
}

function toNumber(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function toDigest(value: unknown): Digest | undefined {
  return typeof value === "string" ? parseDigest(value) : undefined;
}

function toContent(row: Row): ContentEntry[] {
  const digest = toDigest(row["digest"]);
  return digest === undefined ? [] : [{ digest, size: Number(row["size"]) }];
}

function toLayout(row: Row): LayoutEntry[] {
  const repository = parseRepository(String(row["repository"]));
  if (repository === undefined) return [];
  const blobs = String(row["blobs"] ?? "").split(" ").flatMap((text) => parseDigest(text) ?? []);
  return toContent(row).map((content) => ({
    ...content,
    place: { registry: String(row["registry"]), repository },
    mediaType: String(row["media_type"]),
    tag: typeof row["tag"] === "string" ? parseTag(row["tag"]) ?? null : null,
    checkedAt: toNumber(row["checked_at"]) ?? 0,
    publicAt: toNumber(row["proven_at"]) ?? null,
    blobs,
  }));
}
