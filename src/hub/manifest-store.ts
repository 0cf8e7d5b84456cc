// Keeps chunk lists of files on disk (SQLite), by file hash, and finds chunks in them by hash. A cache: bounded, least
// recently used leave first; a damaged database is set aside and begun anew, and one that fails in use counts as empty. One
// database per endpoint, because what one CAS has, another need not have.

import { createHash } from 'node:crypto';
import { mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { equalHashes, hashToHex } from '../xet/hash.ts';
import { Manifest, type PlacedChunk } from './manifest.ts';
import type { HubLog } from './surroundings.ts';

export interface ManifestStoreOptions {
  readonly directory: string;
  readonly endpoint: string;
  readonly log: HubLog;
  /** Bytes of chunk lists kept; some 46 bytes stand for 64 KiB of file. */
  readonly limitBytes?: number;
}

const defaultLimitBytes = 256 * 1024 * 1024;
/** Space is freed in steps, so that not every addition pays for it. */
const evictToPart = 0.8;
const maxInMemory = 16;
/** Rows written between two turns of the event loop. */
const indexRowsPerTurn = 512;
/** The caller's thread serves files; another process at the same database makes this a miss, not a wait. */
const busyTimeoutMs = 50;

const schema = `
  CREATE TABLE IF NOT EXISTS manifest (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    file_hash BLOB NOT NULL UNIQUE,
    used INTEGER NOT NULL,
    body BLOB NOT NULL
  );
  CREATE INDEX IF NOT EXISTS manifest_used ON manifest (used);
  CREATE TABLE IF NOT EXISTS chunk (prefix INTEGER PRIMARY KEY, manifest INTEGER NOT NULL, position INTEGER NOT NULL);
`;

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: busyTimeoutMs });
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    database.exec(schema);
    return database;
  } catch (cause) {
    database.close();
    throw cause;
  }
}

/** A row may lie in another file's list: 48 bits name a chunk well enough to look, and the full hash is compared. */
function prefixOf(hash: Uint8Array): number {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).readUIntLE(0, 6);
}

interface Loaded {
  readonly id: number;
  readonly manifest: Manifest;
}

export class ManifestStore {
  readonly #database: DatabaseSync;
  readonly #limitBytes: number;
  readonly #log: HubLog;
  readonly #byHash: StatementSync;
  readonly #byId: StatementSync;
  readonly #touch: StatementSync;
  readonly #insert: StatementSync;
  readonly #insertChunk: StatementSync;
  readonly #findChunk: StatementSync;
  /** Most recently used last. */
  readonly #loaded = new Map<string, Loaded>();
  readonly #hashOfId = new Map<number, string>();
  #totalBytes: number;
  #useCounter: number;
  #closed = false;

  constructor(options: ManifestStoreOptions) {
    mkdirSync(options.directory, { recursive: true });
    const name = createHash('sha256').update(options.endpoint).digest('hex').slice(0, 12);
    const file = path.join(options.directory, `manifests-${name}.db`);
    this.#database = openOrReplace(file, options.log);
    this.#log = options.log;
    this.#limitBytes = options.limitBytes ?? defaultLimitBytes;
    this.#byHash = this.#database.prepare('SELECT id, body FROM manifest WHERE file_hash = ?');
    this.#byId = this.#database.prepare('SELECT file_hash, body FROM manifest WHERE id = ?');
    this.#touch = this.#database.prepare('UPDATE manifest SET used = ? WHERE id = ?');
    this.#insert = this.#database.prepare(
      'INSERT OR IGNORE INTO manifest (file_hash, used, body) VALUES (?, ?, ?) RETURNING id',
    );
    this.#insertChunk = this.#database.prepare(
      'INSERT OR REPLACE INTO chunk (prefix, manifest, position) VALUES (?, ?, ?)',
    );
    this.#findChunk = this.#database.prepare('SELECT manifest, position FROM chunk WHERE prefix = ?');
    const row = this.#database
      .prepare('SELECT ifnull(sum(length(body)), 0) AS total, ifnull(max(used), 0) AS used FROM manifest')
      .get();
    this.#totalBytes = Number(row?.['total'] ?? 0);
    this.#useCounter = Number(row?.['used'] ?? 0);
  }

  get(fileHash: Uint8Array): Manifest | null {
    return this.#tolerate(null, () => this.#get(fileHash));
  }

  #get(fileHash: Uint8Array): Manifest | null {
    const key = hashToHex(fileHash);
    const loaded = this.#loaded.get(key);
    if (loaded !== undefined) {
      this.#loaded.delete(key);
      this.#loaded.set(key, loaded);
      return loaded.manifest;
    }
    const row = this.#byHash.get(fileHash);
    if (row === undefined) return null;
    return this.#load(key, Number(row['id']), row['body']);
  }

  /** Keeps the list of a file whose hash was verified. Its chunks can be found at once for those in memory, else a little later. */
  async put(fileHash: Uint8Array, manifest: Manifest): Promise<void> {
    const id = this.#tolerate(null, () => this.#add(fileHash, manifest));
    if (id === null) return;
    for (let at = 0; at < manifest.count && !this.#closed; at += indexRowsPerTurn) {
      const end = Math.min(manifest.count, at + indexRowsPerTurn);
      this.#tolerate(undefined, () => this.#indexRows(id, manifest, at, end));
      await nextTurn();
    }
  }

  /** The row's id, null if the list is there already or is too long to keep. */
  #add(fileHash: Uint8Array, manifest: Manifest): number | null {
    if (manifest.count === 0) return null;
    const body = manifest.encode();
    if (body.length > this.#limitBytes * evictToPart) return null;
    this.#useCounter += 1;
    const row = this.#insert.get(fileHash, this.#useCounter, body);
    if (row === undefined) return null;
    const id = Number(row['id']);
    this.#remember(hashToHex(fileHash), { id, manifest });
    this.#totalBytes += body.length;
    if (this.#totalBytes > this.#limitBytes) this.#evict();
    return id;
  }

  /** Where the CAS has a chunk of this hash, as far as any kept list knows. */
  findChunk(hash: Uint8Array): PlacedChunk | null {
    return this.#tolerate(null, () => this.#find(hash));
  }

  #find(hash: Uint8Array): PlacedChunk | null {
    const row = this.#findChunk.get(prefixOf(hash));
    if (row === undefined) return null;
    const manifest = this.#byManifestId(Number(row['manifest']));
    const position = Number(row['position']);
    if (manifest === null || position >= manifest.count) return null;
    const chunk = manifest.chunkAt(position);
    return equalHashes(chunk.hash, hash) ? chunk : null;
  }

  /** The list proved wrong. */
  forget(fileHash: Uint8Array): void {
    this.#loaded.delete(hashToHex(fileHash));
    this.#tolerate(undefined, () => {
      this.#database.prepare('DELETE FROM manifest WHERE file_hash = ?').run(fileHash);
    });
  }

  /** The CAS refused chunks it was believed to have: none of the lists can be trusted for deduplication. */
  forgetAll(): void {
    this.#loaded.clear();
    this.#hashOfId.clear();
    this.#totalBytes = 0;
    this.#tolerate(undefined, () => this.#database.exec('DELETE FROM manifest; DELETE FROM chunk;'));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#loaded.clear();
    this.#database.close();
  }

  /** A full disk or a damaged page costs knowledge, never a read or an upload. */
  #tolerate<T>(instead: T, work: () => T): T {
    if (this.#closed) return instead;
    try {
      return work();
    } catch (cause) {
      this.#log.warn('The database of chunk lists failed', {
        cause: cause instanceof Error ? cause.message : null,
      });
      return instead;
    }
  }

  #indexRows(id: number, manifest: Manifest, start: number, end: number): void {
    this.#database.exec('BEGIN');
    try {
      for (let i = start; i < end; i += 1) this.#insertChunk.run(prefixOf(manifest.hashAt(i)), id, i);
      this.#database.exec('COMMIT');
    } catch (cause) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw cause;
    }
  }

  #byManifestId(id: number): Manifest | null {
    const key = this.#hashOfId.get(id);
    const loaded = key === undefined ? undefined : this.#loaded.get(key);
    if (loaded !== undefined) return loaded.manifest;
    const row = this.#byId.get(id);
    const hash = row?.['file_hash'];
    if (row === undefined || !(hash instanceof Uint8Array)) return null;
    return this.#load(hashToHex(hash), id, row['body']);
  }

  #load(key: string, id: number, body: unknown): Manifest | null {
    const manifest = body instanceof Uint8Array ? Manifest.decode(body) : null;
    if (manifest === null) return null;
    this.#useCounter += 1;
    this.#touch.run(this.#useCounter, id);
    this.#remember(key, { id, manifest });
    return manifest;
  }

  #remember(key: string, loaded: Loaded): void {
    this.#loaded.set(key, loaded);
    this.#hashOfId.set(loaded.id, key);
    if (this.#loaded.size <= maxInMemory) return;
    const [oldest] = this.#loaded;
    if (oldest === undefined) return;
    this.#loaded.delete(oldest[0]);
    this.#hashOfId.delete(oldest[1].id);
  }

  #evict(): void {
    const rows = this.#database
      .prepare('SELECT id, length(body) AS size FROM manifest ORDER BY used')
      .iterate();
    const victims: number[] = [];
    for (const row of rows) {
      if (this.#totalBytes <= this.#limitBytes * evictToPart) break;
      victims.push(Number(row['id']));
      this.#totalBytes -= Number(row['size']);
    }
    const remove = this.#database.prepare('DELETE FROM manifest WHERE id = ?');
    for (const id of victims) remove.run(id);
    this.#database.exec('DELETE FROM chunk WHERE manifest NOT IN (SELECT id FROM manifest)');
  }
}

function openOrReplace(file: string, log: HubLog): DatabaseSync {
  try {
    return openDatabase(file);
  } catch (cause) {
    const aside = `${file}.damaged-${Date.now()}`;
    log.warn('The database of chunk lists is damaged; it is set aside and begun anew', {
      file: aside,
      cause: cause instanceof Error ? cause.message : null,
    });
    renameSync(file, aside);
    return openDatabase(file);
  }
}
