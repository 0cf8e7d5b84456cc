// Buckets in the index: their files by path, listing with the Hub's prefix rules, and the one operation that changes
// them. Paths are kept exactly as given; SQLite orders them by their UTF-8 bytes, which listing relies on.

import { hashFromHex, hashToHex } from '../xet/hash.ts';
import type { HubDatabase, Row, Statement } from './database.ts';

export interface Bucket {
  readonly id: number;
  readonly namespace: string;
  readonly name: string;
  readonly private: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly sizeBytes: number;
  readonly totalFiles: number;
  readonly region: string | null;
}

/** Times in milliseconds since the epoch. */
export interface BucketFile {
  readonly path: string;
  /** Display form. */
  readonly xetHash: string;
  readonly sizeBytes: number;
  readonly mtime: number;
  readonly uploadedAt: number;
  readonly contentType: string | null;
}

export type BucketEntry =
  | ({ readonly type: 'file' } & BucketFile)
  | { readonly type: 'directory'; readonly path: string; readonly uploadedAt: number };

export interface BucketPage {
  readonly entries: readonly BucketEntry[];
  /** Where the next page starts, or null at the end. */
  readonly next: string | null;
}

/** One thing that happened to a path, as event streams tell it. */
export interface BucketChange {
  readonly path: string;
  readonly op: 'add' | 'update' | 'delete';
  readonly size?: number;
  readonly xetHash?: string;
  /** ISO 8601. */
  readonly uploadedAt?: string;
  readonly mtime?: string;
}

export type BucketEdit =
  | {
      readonly type: 'put';
      readonly path: string;
      readonly xetHash: string;
      readonly sizeBytes: number;
      readonly mtime: number;
      readonly contentType: string | null;
    }
  | { readonly type: 'delete'; readonly path: string };

const fileColumns = 'path, hash, size, mtime, uploaded_at, content_type';

export class BucketStore {
  readonly #db: HubDatabase;
  readonly #byName: Statement;
  readonly #file: Statement;
  readonly #from: Statement;
  readonly #next: Statement;
  readonly #put: Statement;
  readonly #delete: Statement;
  readonly #touch: Statement;

  constructor(db: HubDatabase) {
    this.#db = db;
    this.#byName = db.prepare('SELECT * FROM buckets WHERE namespace = ? AND name = ?');
    this.#file = db.prepare(`SELECT ${fileColumns} FROM bucket_files WHERE bucket = ? AND path = ?`);
    this.#from = db.prepare(
      `SELECT ${fileColumns} FROM bucket_files WHERE bucket = ? AND path >= ? AND path < ? ORDER BY path LIMIT ?`,
    );
    this.#next = db.prepare(
      `SELECT ${fileColumns} FROM bucket_files WHERE bucket = ? AND path >= ? AND path < ? ORDER BY path LIMIT 1`,
    );
    this.#put = db.prepare('INSERT OR REPLACE INTO bucket_files VALUES (?, ?, ?, ?, ?, ?, ?)');
    this.#delete = db.prepare('DELETE FROM bucket_files WHERE bucket = ? AND path = ?');
    this.#touch = db.prepare(
      'UPDATE buckets SET updated_at = max(?, updated_at + 1), size = size + ?, total_files = total_files + ? WHERE id = ?',
    );
  }

  find(namespace: string, name: string): Bucket | null {
    const row = this.#byName.get(namespace, name);
    return row === null ? null : readBucket(row);
  }

  /** By name, those that match `search` anywhere in it, after the name `after`. */
  list(namespace: string, search: string, after: string, limit: number): Bucket[] {
    return this.#db
      .prepare(
        'SELECT * FROM buckets WHERE namespace = ? AND name > ? AND instr(lower(name), lower(?)) > 0 ORDER BY name LIMIT ?',
      )
      .all(namespace, after, search, limit)
      .map(readBucket);
  }

  /** The caller has checked that the name is free. */
  create(namespace: string, name: string, isPrivate: boolean, region: string | null, now: number): Bucket {
    this.#db
      .prepare(
        'INSERT INTO buckets (namespace, name, private, created_at, updated_at, region) VALUES (?, ?, ?, ?, ?, ?)',
      )
      .run(namespace, name, isPrivate ? 1 : 0, now, now, region);
    const bucket = this.find(namespace, name);
    if (bucket === null) throw new Error(`Bucket ${namespace}/${name} vanished while it was created`);
    return bucket;
  }

  remove(bucket: Bucket): void {
    this.#db.transaction(() => {
      for (const table of ['bucket_files', 'bucket_events']) {
        this.#db.prepare(`DELETE FROM ${table} WHERE bucket = ?`).run(bucket.id);
      }
      this.#db.prepare('DELETE FROM buckets WHERE id = ?').run(bucket.id);
    });
  }

  rename(bucket: Bucket, namespace: string, name: string): void {
    this.#db
      .prepare('UPDATE buckets SET namespace = ?, name = ? WHERE id = ?')
      .run(namespace, name, bucket.id);
  }

  setPrivate(bucket: Bucket, isPrivate: boolean): void {
    this.#db.prepare('UPDATE buckets SET private = ? WHERE id = ?').run(isPrivate ? 1 : 0, bucket.id);
  }

  file(bucket: Bucket, path: string): BucketFile | null {
    const row = this.#file.get(bucket.id, path);
    return row === null ? null : readFile(row);
  }

  /**
   * Applies the edits in order, all or nothing, and moves `updatedAt` forward by at least a millisecond if anything
   * changed. Deleting what is not there is not a change.
   */
  apply(bucket: Bucket, edits: readonly BucketEdit[], now: number): BucketChange[] {
    return this.#db.transaction(() => {
      const changes: BucketChange[] = [];
      let bytes = 0;
      let files = 0;
      for (const edit of edits) {
        const before = this.file(bucket, edit.path);
        if (before !== null) {
          bytes -= before.sizeBytes;
          files--;
        }
        if (edit.type === 'delete') {
          if (this.#delete.run(bucket.id, edit.path) > 0) changes.push({ path: edit.path, op: 'delete' });
          continue;
        }
        bytes += edit.sizeBytes;
        files++;
        const hash = hashFromHex(edit.xetHash);
        this.#put.run(bucket.id, edit.path, hash, edit.sizeBytes, edit.mtime, now, edit.contentType);
        changes.push({
          path: edit.path,
          op: before?.xetHash === edit.xetHash ? 'update' : 'add',
          size: edit.sizeBytes,
          xetHash: edit.xetHash,
          uploadedAt: new Date(now).toISOString(),
          mtime: new Date(edit.mtime).toISOString(),
        });
      }
      if (changes.length > 0) this.#touch.run(now, bytes, files, bucket.id);
      return changes;
    });
  }

  /**
   * One page below `prefix` ('' for all). Recursive: files only, the whole subtree. Otherwise one level, with
   * directories. Matching is on the raw string as on the Hub, so `logs` also finds `logs_old/…`.
   */
  page(bucket: Bucket, prefix: string, recursive: boolean, from: string, limit: number): BucketPage {
    const end = after(prefix);
    const start = from > prefix ? from : prefix;
    if (recursive) {
      const rows = this.#from.all(bucket.id, start, end, limit + 1).map(readFile);
      const next = rows.length > limit ? (rows.pop()?.path ?? null) : null;
      return { entries: rows.map((file) => ({ type: 'file', ...file })), next };
    }
    const entries: BucketEntry[] = [];
    const levelAt = prefix === '' ? 0 : prefix.length;
    let at = start;
    for (;;) {
      const row = this.#next.get(bucket.id, at, end);
      if (row === null) return { entries, next: null };
      const file = readFile(row);
      if (entries.length === limit) return { entries, next: file.path };
      // The children of `prefix` begin after its slash; a sibling that merely begins alike is cut at its own.
      const inside = prefix !== '' && file.path.startsWith(`${prefix}/`);
      const slash = file.path.indexOf('/', inside ? levelAt + 1 : levelAt);
      if (slash < 0) {
        entries.push({ type: 'file', ...file });
        at = `${file.path}\u0000`;
      } else {
        const path = file.path.slice(0, slash);
        entries.push({ type: 'directory', path, uploadedAt: file.uploadedAt });
        at = after(`${path}/`);
      }
    }
  }

  /** Whether any file or directory of the bucket has content with this hash. */
  holds(bucket: Bucket, xetHash: string): boolean {
    return (
      this.#db
        .prepare('SELECT 1 AS one FROM bucket_files WHERE bucket = ? AND hash = ? LIMIT 1')
        .get(bucket.id, hashFromHex(xetHash)) !== null
    );
  }
}

/** The smallest string that sorts after every string beginning with `prefix`, by UTF-8 bytes. */
function after(prefix: string): string {
  return `${prefix}\u{10ffff}\u{10ffff}`;
}

function readBucket(row: Row): Bucket {
  return {
    id: row.number('id'),
    namespace: row.text('namespace'),
    name: row.text('name'),
    private: row.number('private') !== 0,
    createdAt: row.number('created_at'),
    updatedAt: row.number('updated_at'),
    sizeBytes: row.number('size'),
    totalFiles: row.number('total_files'),
    region: row.textOrNull('region'),
  };
}

function readFile(row: Row): BucketFile {
  return {
    path: row.text('path'),
    xetHash: hashToHex(row.bytes('hash')),
    sizeBytes: row.number('size'),
    mtime: row.number('mtime'),
    uploadedAt: row.number('uploaded_at'),
    contentType: row.textOrNull('content_type'),
  };
}
