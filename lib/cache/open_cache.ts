/** Opens the cache at start: the folder, the index, and one truth between them. */
import { statfsSync } from "node:fs";
import { getLogger } from "@logtape/logtape";
// @ts-types="../std_path.d.ts"
import { join } from "@std/path";
import type { Config } from "../config/config.ts";
import { describeCause } from "../log.ts";
import { createBoundedStore } from "./bounded_store.ts";
import { type DiskStore, openDiskStore } from "./disk_store.ts";
import type { CacheIndex } from "./index.ts";
import { readLayoutIndex, writeLayoutIndex } from "./layout_index.ts";
import { occupied, Room } from "./room.ts";
import type { Inventory } from "./inventory.ts";
import { openSqliteIndex, type SqliteIndex } from "./sqlite_index.ts";
import { LaterVersionError } from "./sqlite_schema.ts";
import type { TrafficLog } from "./traffic.ts";
import { type ContentStore, NO_STORE } from "./store.ts";

const log = getLogger(["entrepot", "cache"]);
const PARTIAL_MAX_AGE_MS = 7 * 86_400_000;
/** How often what other tools read is brought up to date. */
const LAYOUT_MS = 30_000;
const SWEEP_MS = 3_600_000;
const INDEX_FILES = ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"];

/** The parts of an open cache. */
export interface Cache extends Disposable {
  readonly index: CacheIndex;
  readonly inventory: Inventory;
  readonly traffic: TrafficLog;
  readonly store: ContentStore;
  /** The bounds; undefined where nothing is cached. */
  readonly room: Room | undefined;
  /** Takes other bounds, ages and shares; neither the folder nor whether there is one. */
  configure(config: Config["cache"]): void;
}

/**
 * Opens the cache that the configuration names, and makes folder and index agree.
 *
 * @throws where the folder cannot be used, or its index is of a later version.
 */
export function openCache(config: Config["cache"]): Cache {
  if (!config.enabled) {
    const index = openSqliteIndex(":memory:");
    return {
      index,
      inventory: index.inventory,
      traffic: index.traffic,
      store: NO_STORE,
      room: undefined,
      configure: () => undefined,
      [Symbol.dispose]: () => index[Symbol.dispose](),
    };
  }
  let settings = config;
  const disk = openDiskStore(config.dir);
  const { index, isNew } = openIndex(config.dir);
  const usedBytes = reconcile(disk, index);
  const room = new Room({
    index,
    remove: (digest) => disk.remove(digest),
    bounds: config,
    freeBytes: () => freeBytes(config.dir),
    indexBytes: () => indexBytes(config.dir),
  }, usedBytes);
  room.shrink();
  const store = createBoundedStore({
    disk,
    index,
    room,
    verifyReads: () => settings.verifyReads,
    random: Math.random,
  });
  if (isNew) recall(config.dir, index, store);
  const upkeep = keepUp(() => settings, index, room);
  return {
    index,
    inventory: index.inventory,
    traffic: index.traffic,
    store,
    room,
    configure(next) {
      settings = next;
      room.setBounds(next);
    },
    [Symbol.dispose]() {
      upkeep[Symbol.dispose]();
      index[Symbol.dispose]();
    },
  };
}

/** What is done now and then while the cache is open, and once more when it is closed. */
function keepUp(settings: () => Config["cache"], index: CacheIndex, room: Room): Disposable {
  let written = -1;
  const writeLayout = (): void => {
    const revision = index.revision();
    if (revision === written) return;
    try {
      writeLayoutIndex(settings().dir, index);
      written = revision;
    } catch (error) {
      log.warn("the layout's index.json cannot be written: {cause}", {
        cause: describeCause(error),
      });
    }
  };
  const sweep = (): void => room.evictUnusedSince(Date.now() - settings().blobTtlSeconds * 1000);
  sweep();
  const timers = [setInterval(writeLayout, LAYOUT_MS), setInterval(sweep, SWEEP_MS)];
  timers.forEach(Deno.unrefTimer);
  return {
    [Symbol.dispose]() {
      timers.forEach(clearInterval);
      writeLayout();
    },
  };
}

/** An index that was made anew gets tags and links from the layout that lies beside it. */
function recall(dir: string, index: CacheIndex, store: ContentStore): void {
  const count = readLayoutIndex(dir, index, store);
  if (count > 0) log.info("{count} manifests have their names again", { count });
}

/** A corrupt index is put aside and made anew from the folder: it holds nothing but knowledge. */
function openIndex(dir: string): { index: SqliteIndex; isNew: boolean } {
  const path = join(dir, "index.sqlite");
  const isNew = !exists(path);
  try {
    return { index: openSqliteIndex(path), isNew };
  } catch (error) {
    if (error instanceof LaterVersionError) throw error;
    log.error("the cache index cannot be read and is made anew: {cause}", {
      cause: describeCause(error),
    });
    for (const name of INDEX_FILES) {
      try {
        Deno.renameSync(join(dir, name), join(dir, `${name}.corrupt`));
      } catch (missing) {
        if (!(missing instanceof Deno.errors.NotFound)) throw missing;
      }
    }
    return { index: openSqliteIndex(path), isNew: true };
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Makes the index know exactly what the folder has: a kill between a commit and its row leaves one
 * without the other. Gives the bytes that lie there, partial files included.
 */
function reconcile(disk: DiskStore, index: CacheIndex): number {
  const onDisk = new Set(disk.digests());
  let usedBytes = 0;
  let lost = 0;
  for (const { digest, size } of [...index.contents()]) {
    if (onDisk.delete(digest)) {
      usedBytes += occupied(size);
    } else {
      index.dropContent(digest);
      lost++;
    }
  }
  // What is left is content without a row: it was verified before it got its name.
  for (const digest of onDisk) {
    const size = disk.sizeOf(digest) ?? 0;
    index.putContent(digest, size);
    usedBytes += occupied(size);
  }
  if (lost + onDisk.size > 0) {
    log.info("reconciled the cache: {found} contents found, {lost} lost", {
      found: onDisk.size,
      lost,
    });
  }
  for (const { size } of disk.sweepPartials(PARTIAL_MAX_AGE_MS)) usedBytes += occupied(size);
  return usedBytes;
}

function freeBytes(dir: string): number {
  try {
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize;
  } catch {
    // Where the disk does not say, only the other bound counts.
    return Number.POSITIVE_INFINITY;
  }
}

function indexBytes(dir: string): number {
  let bytes = 0;
  for (const name of INDEX_FILES) {
    try {
      bytes += occupied(Deno.statSync(join(dir, name)).size);
    } catch {
      // A file that is not there takes no room.
    }
  }
  return bytes;
}
