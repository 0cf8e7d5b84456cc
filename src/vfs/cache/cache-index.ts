// The table of what the content cache holds (`cache.db`), shared by every mount: one row per cached content with the ranges
// that are surely on disk. Used by content-cache.ts only; it touches no cache file.
//
// A row's number is part of the file's name and is never used again. So a file can only be met with the ranges of its own
// row, whoever evicts and fetches the same content meanwhile, and a file whose row is gone is garbage for ever.

import { renameSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { ContentRef } from '../../hub/remote-store.ts';
import type { Log } from '../../shared/log.ts';
import { ExtentMap, decodeExtents } from '../storage/extents.ts';

const schemaVersion = 1;
/** Another thread's transaction takes milliseconds; this is for a stalled disk. */
const busyTimeoutMs = 5000;

const schema = `
  CREATE TABLE content (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    used_at REAL NOT NULL,
    extents BLOB NOT NULL,
    origin_key TEXT,
    origin_bytes INTEGER,
    origin_same BLOB
  ) STRICT;
  CREATE INDEX content_used ON content (used_at);
  CREATE TABLE total (bytes INTEGER NOT NULL) STRICT;
  INSERT INTO total VALUES (0);
  CREATE TRIGGER content_added AFTER INSERT ON content BEGIN UPDATE total SET bytes = bytes + NEW.bytes; END;
  CREATE TRIGGER content_changed AFTER UPDATE OF bytes ON content BEGIN UPDATE total SET bytes = bytes + NEW.bytes - OLD.bytes; END;
  CREATE TRIGGER content_removed AFTER DELETE ON content BEGIN UPDATE total SET bytes = bytes - OLD.bytes; END;
`;

/** Another content that has the same bytes at the same places within `same`: an edited file and what it was before. */
export interface CacheOrigin {
  readonly content: ContentRef;
  readonly same: ExtentMap;
}

export interface CacheRow {
  readonly id: number;
  /** Rises with every change of the row except its use. */
  readonly revision: number;
  readonly extents: ExtentMap;
  readonly origin: CacheOrigin | null;
}

export interface EvictionCandidate {
  readonly id: number;
  readonly key: string;
  readonly bytes: number;
}

/** Of later versions than the rest; a file without them is complete. */
const checksumSchema = `
  CREATE TABLE IF NOT EXISTS checksum (
    content INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    sums BLOB NOT NULL,
    PRIMARY KEY (content, segment)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER IF NOT EXISTS checksum_removed AFTER DELETE ON content BEGIN DELETE FROM checksum WHERE content = OLD.id; END;
`;

export class CacheIndex {
  readonly #database: DatabaseSync;
  readonly #find: StatementSync;
  readonly #revision: StatementSync;
  readonly #create: StatementSync;
  readonly #merge: StatementSync;
  readonly #setOrigin: StatementSync;
  readonly #touch: StatementSync;
  readonly #remove: StatementSync;
  readonly #oldest: StatementSync;
  readonly #total: StatementSync;
  readonly #sums: StatementSync;
  readonly #putSums: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#find = database.prepare('SELECT * FROM content WHERE key = ?');
    this.#revision = database.prepare('SELECT revision FROM content WHERE id = ?');
    this.#create = database.prepare(
      `INSERT INTO content (key, size_bytes, bytes, revision, used_at, extents) VALUES (?, ?, 0, 0, ?, x'') ON CONFLICT DO NOTHING`,
    );
    this.#merge = database.prepare(
      'UPDATE content SET bytes = ?, revision = revision + 1, used_at = ?, extents = ? WHERE id = ?',
    );
    this.#setOrigin = database.prepare(
      'UPDATE content SET origin_key = ?, origin_bytes = ?, origin_same = ?, revision = revision + 1 WHERE id = ?',
    );
    this.#touch = database.prepare('UPDATE content SET used_at = ? WHERE id = ?');
    this.#remove = database.prepare('DELETE FROM content WHERE id = ? RETURNING bytes');
    this.#oldest = database.prepare('SELECT id, key, bytes FROM content ORDER BY used_at LIMIT ?');
    this.#total = database.prepare('SELECT bytes FROM total');
    this.#sums = database.prepare('SELECT sums FROM checksum WHERE content = ? AND segment = ?');
    this.#putSums = database.prepare(
      `INSERT OR REPLACE INTO checksum (content, segment, sums)
       SELECT id, ?, ? FROM content WHERE id = ?`,
    );
  }

  /** The row of `key`; a row that contradicts `sizeBytes` or itself counts as empty. */
  find(key: string, sizeBytes: number): CacheRow | null {
    const row = this.#find.get(key);
    if (row === undefined) return null;
    const extents =
      row['size_bytes'] === sizeBytes && row['extents'] instanceof Uint8Array
        ? decodeExtents(row['extents'], sizeBytes)
        : null;
    return {
      id: toNumber(row['id']),
      revision: toNumber(row['revision']),
      extents: extents ?? new ExtentMap(),
      origin: toOrigin(row, sizeBytes),
    };
  }

  /** Replaces the origin; null where there is none any more. */
  setOrigin(id: number, origin: CacheOrigin | null): void {
    this.#setOrigin.run(
      origin?.content.key ?? null,
      origin?.content.sizeBytes ?? null,
      origin?.same.encode() ?? null,
      id,
    );
  }

  /** Null when the row is gone. */
  revisionOf(id: number): number | null {
    const row = this.#revision.get(id);
    return row === undefined ? null : toNumber(row['revision']);
  }

  /** Makes the row of `key` unless another thread just did. */
  create(
    key: string,
    sizeBytes: number,
    usedAtMs: number,
  ): { readonly row: CacheRow; readonly isNew: boolean } {
    return this.#transaction(() => {
      const { changes } = this.#create.run(key, sizeBytes, usedAtMs);
      const row = this.find(key, sizeBytes);
      if (row === null) throw new Error(`cache row of "${key}" vanished inside its transaction`);
      return { row, isNew: changes > 0 };
    });
  }

  /** Adds ranges whose bytes are on disk. Null when the row is gone: the caller's file is no cache any more. */
  merge(id: number, key: string, sizeBytes: number, added: ExtentMap, usedAtMs: number): CacheRow | null {
    return this.#transaction(() => {
      const row = this.find(key, sizeBytes);
      if (row === null || row.id !== id) return null;
      row.extents.addAll(added);
      this.#merge.run(row.extents.totalBytes, usedAtMs, row.extents.encode(), id);
      return { ...row, revision: row.revision + 1 };
    });
  }

  /** Returns the numbers whose rows are gone. */
  touch(ids: readonly number[], usedAtMs: number): number[] {
    return this.#transaction(() => ids.filter((id) => this.#touch.run(usedAtMs, id).changes === 0));
  }

  /** Bytes the row had, null when it was gone already. The caller then deletes the file. */
  remove(id: number): number | null {
    const row = this.#remove.get(id);
    return row === undefined ? null : toNumber(row['bytes']);
  }

  oldest(count: number): EvictionCandidate[] {
    return this.#oldest.all(count).map((row) => ({
      id: toNumber(row['id']),
      key: String(row['key']),
      bytes: toNumber(row['bytes']),
    }));
  }

  /** See cache-checksums.ts. */
  sums(id: number, segment: number): Uint8Array | null {
    const sums = this.#sums.get(id, segment)?.['sums'];
    return sums instanceof Uint8Array ? sums : null;
  }

  /** Does nothing where the row of the content is gone. */
  putSums(id: number, segment: number, sums: Uint8Array): void {
    this.#putSums.run(segment, sums, id);
  }

  usedBytes(): number {
    return toNumber(this.#total.get()?.['bytes']);
  }

  close(): void {
    this.#database.close();
  }

  #transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

/** Opens or makes `cache.db`. A damaged one is put aside and replaced: cached bytes can be fetched again. */
export function openCacheIndex(path: string, log: Log): CacheIndex {
  try {
    return new CacheIndex(openDatabase(path));
  } catch (error) {
    log.warn('the cache index was unusable and starts anew', { path, cause: String(error) });
    renameSync(path, `${path}.damaged`);
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
    return new CacheIndex(openDatabase(path));
  }
}

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs });
  try {
    // NORMAL keeps the file sound across power loss; a lost last transaction only loses cache.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    database.exec('BEGIN IMMEDIATE');
    const version = toNumber(database.prepare('PRAGMA user_version').get()?.['user_version']);
    if (version === 0) database.exec(`${schema} PRAGMA user_version = ${schemaVersion};`);
    else if (version !== schemaVersion) throw new Error(`cache index version ${version} is unknown`);
    database.exec(checksumSchema);
    database.exec('COMMIT');
    const found = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
    if (found !== 'ok') throw new Error(`the cache index is damaged: ${String(found)}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function toOrigin(row: Record<string, SQLOutputValue>, sizeBytes: number): CacheOrigin | null {
  const { origin_key: key, origin_same: encoded } = row;
  if (typeof key !== 'string' || !(encoded instanceof Uint8Array)) return null;
  const originBytes = toNumber(row['origin_bytes']);
  const same = decodeExtents(encoded, Math.min(sizeBytes, originBytes));
  return same === null ? null : { content: { key, sizeBytes: originBytes, path: '' }, same };
}

function toNumber(value: SQLOutputValue | undefined): number {
  return typeof value === 'number' ? value : Number(value ?? 0);
}
