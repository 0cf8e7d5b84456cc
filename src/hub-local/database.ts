// The SQLite index of the embedded Hub (`index.db`): schema, opening, transactions. Which rows mean what is the business
// of the stores. WAL with synchronous NORMAL: a killed process loses nothing, a power cut at most the last commits.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const schema = `
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, kind TEXT NOT NULL, token TEXT, id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (org TEXT, user TEXT, PRIMARY KEY (org, user)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS xorbs (
  id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, stored_bytes INTEGER NOT NULL, chunks BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (hash BLOB PRIMARY KEY, xorb INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
  hash BLOB PRIMARY KEY, size INTEGER NOT NULL, segments BLOB NOT NULL, sha256 TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_by_sha256 ON files (sha256) WHERE sha256 IS NOT NULL;

CREATE TABLE IF NOT EXISTS buckets (
  id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, private INTEGER NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, size INTEGER NOT NULL DEFAULT 0,
  total_files INTEGER NOT NULL DEFAULT 0, region TEXT, trimmed_seq INTEGER NOT NULL DEFAULT 0,
  trimmed_at INTEGER NOT NULL DEFAULT 0, UNIQUE (namespace, name));
CREATE TABLE IF NOT EXISTS bucket_files (
  bucket INTEGER NOT NULL, path TEXT NOT NULL, hash BLOB NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,
  uploaded_at INTEGER NOT NULL, content_type TEXT, PRIMARY KEY (bucket, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bucket_events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, bucket INTEGER NOT NULL, at INTEGER NOT NULL, changes TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS bucket_events_by_bucket ON bucket_events (bucket, seq);

CREATE TABLE IF NOT EXISTS repos (
  id INTEGER PRIMARY KEY, type TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, private INTEGER NOT NULL,
  gated TEXT, disabled INTEGER NOT NULL DEFAULT 0, sdk TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  UNIQUE (type, namespace, name));
CREATE TABLE IF NOT EXISTS refs (
  repo INTEGER NOT NULL, ref TEXT NOT NULL, commit_oid TEXT NOT NULL, PRIMARY KEY (repo, ref)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commits (
  repo INTEGER NOT NULL, oid TEXT NOT NULL, parent TEXT, title TEXT NOT NULL, message TEXT NOT NULL,
  author TEXT NOT NULL, date INTEGER NOT NULL, PRIMARY KEY (repo, oid)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS repo_files (
  repo INTEGER NOT NULL, commit_oid TEXT NOT NULL, path TEXT NOT NULL, oid TEXT NOT NULL, size INTEGER NOT NULL,
  sha256 TEXT, xet BLOB, changed_by TEXT NOT NULL, PRIMARY KEY (repo, commit_oid, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS renames (
  type TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, target TEXT NOT NULL,
  PRIMARY KEY (type, namespace, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blobs (oid TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
`;

const schemaVersion = 1;

export class HubDatabase {
  readonly #db: DatabaseSync;

  constructor(dataDir: string) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const path = join(dataDir, 'index.db');
    this.#db = new DatabaseSync(path);
    try {
      // Exclusive: a second Hub on the same data would serve stale caches.
      this.#db.exec(
        'PRAGMA busy_timeout = 1000; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;',
      );
      this.#db.exec('PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; COMMIT;');
      const version = Number(this.#db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
      if (version > schemaVersion) throw new Error('it was written by a newer version');
      this.#db.exec(schema);
      this.#db.exec(`PRAGMA user_version = ${schemaVersion}`);
    } catch (cause) {
      this.#db.close();
      const reason = cause instanceof Error ? cause.message : String(cause);
      const locked = /locked|busy/i.test(reason) ? 'another embedded Hub uses it' : reason;
      throw new Error(`Cannot open ${path}: ${locked}. Choose another data directory.`, { cause });
    }
  }

  prepare(sql: string): Statement {
    return new Statement(this.#db, sql);
  }

  /** All or nothing. `work` is synchronous; transactions do not nest. */
  transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  meta(key: string): string | null {
    const row = this.prepare('SELECT value FROM meta WHERE key = ?').get(key);
    return row === null ? null : row.text('value');
  }

  setMeta(key: string, value: string): void {
    this.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(key, value);
  }

  close(): void {
    this.#db.close();
  }
}

export type SqlValue = string | number | Uint8Array | null;

/** A prepared statement with checked reading of its rows. */
export class Statement {
  readonly #statement: ReturnType<DatabaseSync['prepare']>;

  constructor(db: DatabaseSync, sql: string) {
    this.#statement = db.prepare(sql);
  }

  get(...values: SqlValue[]): Row | null {
    const row = this.#statement.get(...values);
    return row === undefined ? null : new Row(row);
  }

  all(...values: SqlValue[]): Row[] {
    return this.#statement.all(...values).map((row) => new Row(row));
  }

  /** The number of rows changed. */
  run(...values: SqlValue[]): number {
    return Number(this.#statement.run(...values).changes);
  }

  /** The rowid of the inserted row. */
  insert(...values: SqlValue[]): number {
    return Number(this.#statement.run(...values).lastInsertRowid);
  }
}

export class Row {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  text(column: string): string {
    const value = this.#values[column];
    if (typeof value !== 'string') throw new TypeError(`Column ${column} of the index holds no text`);
    return value;
  }

  textOrNull(column: string): string | null {
    return this.#values[column] === null ? null : this.text(column);
  }

  isNull(column: string): boolean {
    return this.#values[column] === null;
  }

  number(column: string): number {
    const value = this.#values[column];
    if (typeof value !== 'number') throw new TypeError(`Column ${column} of the index holds no number`);
    return value;
  }

  bytes(column: string): Uint8Array {
    const value = this.#values[column];
    if (!(value instanceof Uint8Array)) throw new TypeError(`Column ${column} of the index holds no bytes`);
    return value;
  }

  bytesOrNull(column: string): Uint8Array | null {
    return this.#values[column] === null ? null : this.bytes(column);
  }
}
