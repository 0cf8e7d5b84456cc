// Opens the one SQLite database of a source (`catalogue.db`) for all parts of VirtualFs: transactions that nest, a
// shared off-thread sync of the write-ahead log, and the schema steps of each part. It knows no table but its own.

import { closeSync, fdatasync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { isDiskFull, isPassing } from './disk-error.ts';
import { FsError } from '../fs-error.ts';
import type { CatalogueDatabase } from '../parts.ts';
import { SharedSync } from './shared-sync.ts';

const syncDescriptor = promisify(fdatasync);

export interface OpenCatalogueDatabase extends CatalogueDatabase {
  /** Waits for a running sync, then closes; a later call does nothing. */
  close(): Promise<void>;
}

/**
 * Brings the tables of one part up to date, in one transaction. `steps` are SQL scripts, oldest first; released steps
 * never change, a new version appends one. Call at construction, outside of any transaction.
 */
export function applySchema(database: CatalogueDatabase, part: string, steps: readonly string[]): void {
  const { handle } = database;
  const row = handle.prepare('SELECT version FROM part_schema WHERE part = ?').get(part);
  const version = typeof row?.['version'] === 'number' ? row['version'] : 0;
  if (version > steps.length) {
    throw new FsError('EIO', 'open', {
      message: `the catalogue's "${part}" tables have version ${version}, this program knows ${steps.length}; use the newer program`,
    });
  }
  if (version === steps.length) return;
  database.transaction(() => {
    for (const step of steps.slice(version)) handle.exec(step);
    handle
      .prepare(
        'INSERT INTO part_schema (part, version) VALUES (?, ?) ON CONFLICT DO UPDATE SET version = excluded.version',
      )
      .run(part, steps.length);
  });
}

/** Creates the file where it is absent; its folder must exist. Throws FsError EIO naming the file where it is no usable database. */
export function openCatalogueDatabase(path: string): OpenCatalogueDatabase {
  try {
    return new SqliteCatalogue(path);
  } catch (cause) {
    if (cause instanceof FsError) throw cause;
    throw new FsError('EIO', 'open', { path, message: 'the catalogue cannot be opened', cause });
  }
}

class SqliteCatalogue implements OpenCatalogueDatabase {
  readonly handle: DatabaseSync;
  readonly #walDescriptor: number;
  #depth = 0;
  #afterCommit: (() => void)[] = [];
  #onRollback: (() => void)[] = [];
  readonly #log = new SharedSync(() => this.#syncLog());
  readonly #countChanges: StatementSync;
  /** SQLite's count of changed rows when the running sync started, and of those known to be on disk. */
  #startedChanges = -1;
  #syncedChanges = -1;
  /** A failed fdatasync may have marked pages clean that are not on disk, so only a checkpoint can be believed then. */
  #suspect = false;
  #closed = false;

  constructor(path: string) {
    this.handle = new DatabaseSync(path);
    try {
      // NORMAL: a commit is in the page cache (survives SIGKILL); `sync` makes it durable. SQLite syncs around checkpoints itself.
      this.handle.exec(`
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA busy_timeout = 2000;
        PRAGMA temp_store = MEMORY;
        PRAGMA journal_size_limit = 67108864;
        CREATE TABLE IF NOT EXISTS part_schema (part TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        UPDATE part_schema SET version = version;
      `);
      // The log has no POSIX locks on it (those are on -shm), so a descriptor of our own does no harm.
      this.#walDescriptor = openWal(this.handle, path);
      syncFolder(dirname(path));
      this.#countChanges = this.handle.prepare('SELECT total_changes() AS changes');
    } catch (cause) {
      this.handle.close();
      throw cause;
    }
  }

  transaction<T>(work: () => T): T {
    if (this.#depth > 0) {
      this.#depth += 1;
      try {
        return work();
      } finally {
        this.#depth -= 1;
      }
    }
    let result: T;
    try {
      this.handle.exec('BEGIN IMMEDIATE');
      this.#depth = 1;
      result = work();
      this.handle.exec('COMMIT');
    } catch (cause) {
      this.#rollBack();
      if (cause instanceof FsError) throw cause;
      if (isDiskFull(cause))
        throw new FsError('ENOSPC', 'catalogue', { message: 'there is no room for the catalogue', cause });
      if (isPassing(cause))
        throw new FsError('EAGAIN', 'catalogue', { message: 'the catalogue is in use', cause });
      throw cause;
    }
    this.#depth = 0;
    this.#onRollback = [];
    const callbacks = this.#afterCommit;
    if (callbacks.length > 0) {
      this.#afterCommit = [];
      for (const callback of callbacks) callback();
    }
    return result;
  }

  #rollBack(): void {
    this.#depth = 0;
    this.#afterCommit = [];
    const callbacks = this.#onRollback;
    this.#onRollback = [];
    // SQLite has already rolled back by itself after some errors (a full disk).
    if (this.handle.isTransaction) this.handle.exec('ROLLBACK');
    for (const callback of callbacks.toReversed()) callback();
  }

  afterCommit(callback: () => void): void {
    if (this.#depth === 0) callback();
    else this.#afterCommit.push(callback);
  }

  onRollback(callback: () => void): void {
    if (this.#depth > 0) this.#onRollback.push(callback);
  }

  sync(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const changes = this.#changes();
    const { running } = this.#log;
    if (running === null && changes === this.#syncedChanges) return Promise.resolve();
    return running !== null && changes === this.#startedChanges ? running : this.#log.run();
  }

  #changes(): number {
    const changes = this.#countChanges.get()?.['changes'];
    return typeof changes === 'number' ? changes : -2;
  }

  async #syncLog(): Promise<void> {
    const changes = this.#changes();
    this.#startedChanges = changes;
    try {
      if (this.#suspect) {
        this.#checkpoint();
        this.#suspect = false;
      } else {
        await syncDescriptor(this.#walDescriptor);
      }
    } catch (cause) {
      this.#suspect = true;
      throw new FsError('EIO', 'sync', { message: 'the catalogue could not be written to this disk', cause });
    }
    this.#syncedChanges = changes;
  }

  #checkpoint(): void {
    const row = this.handle.prepare('PRAGMA wal_checkpoint(FULL)').get();
    if (row?.['busy'] !== 0) throw new Error('the catalogue is in use by another program');
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#log.idle();
    closeSync(this.#walDescriptor);
    this.handle.close();
  }
}

function openWal(handle: DatabaseSync, path: string): number {
  try {
    return openSync(`${path}-wal`, 'r+');
  } catch (cause) {
    // An empty UPDATE writes no frame: a fresh log appears with the first real change.
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause;
    handle.exec("INSERT OR REPLACE INTO part_schema (part, version) VALUES ('catalogue', 1)");
    return openSync(`${path}-wal`, 'r+');
  }
}

function syncFolder(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
