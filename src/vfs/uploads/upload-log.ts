// The persistent, ordered log of changes of names that the Hub must still be told, in its own table. Rows are read in
// pages; in memory are only the paths they touch. Used by the queue (appends) and the committer (works it off).
//
// A row is `held` while something keeps it back: the number of a failing or running operation, or the negative inode
// number of a file whose content should go in the same batch. Held rows are skipped without being read again.

import type { StatementSync } from 'node:sqlite';
import type { ContentRef } from '../../hub/remote-store.ts';
import type { Log } from '../../shared/log.ts';
import { applySchema } from '../storage/catalogue-database.ts';
import type { CatalogueDatabase, NamespaceOperation } from '../parts.ts';
import { MoveMap } from './upload-moves.ts';
import { HeldPaths, PathCounts, type Holder } from './upload-paths.ts';

interface Numbered {
  readonly seq: number;
  readonly holder: Holder;
}

export type LoggedOperation = Numbered &
  (
    | Extract<NamespaceOperation, { type: 'delete' | 'move' }>
    | { readonly type: 'moveTree'; readonly from: string; readonly to: string; readonly deleting: boolean }
    | (Extract<NamespaceOperation, { type: 'copy' }> & {
        /** What `path` is believed to hold before; null for nothing. */
        readonly expect: string | null;
      })
  );

export type LoggedTree = Extract<LoggedOperation, { type: 'moveTree' }>;

/** The one or two paths an operation touches. */
export function pathsOf(operation: NamespaceOperation | LoggedOperation): readonly string[] {
  return 'path' in operation ? [operation.path] : [operation.from, operation.to];
}

const schema = [
  `CREATE TABLE upload_log (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     type TEXT NOT NULL,
     path TEXT NOT NULL,
     to_path TEXT,
     key TEXT,
     size INTEGER,
     content_path TEXT,
     mtime REAL,
     expect TEXT,
     held INTEGER NOT NULL DEFAULT 0,
     deleting INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   CREATE INDEX upload_log_held ON upload_log (held, seq);`,
];

/** Holder of rows that cannot be understood: kept for a person to look at, never worked. */
const damaged: Holder = Number.MIN_SAFE_INTEGER;

export class UploadLog {
  readonly #database: CatalogueDatabase;
  readonly #log: Log;
  readonly #touched = new PathCounts();
  readonly #held = new HeldPaths();
  readonly #moves = new MoveMap();
  readonly #releasing = new Set<Holder>();
  readonly #insert: StatementSync;
  readonly #ready: StatementSync;
  readonly #one: StatementSync;
  readonly #setHeld: StatementSync;
  readonly #heldBy: StatementSync;
  readonly #delete: StatementSync;
  #count = 0;
  #lastSeq = 0;

  constructor(database: CatalogueDatabase, log: Log) {
    this.#database = database;
    this.#log = log;
    applySchema(database, 'upload-log', schema);
    const { handle } = database;
    this.#insert = handle.prepare(
      `INSERT INTO upload_log (type, path, to_path, key, size, content_path, mtime, expect) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#ready = handle.prepare('SELECT * FROM upload_log WHERE held = 0 AND seq <= ? ORDER BY seq LIMIT ?');
    this.#one = handle.prepare('SELECT * FROM upload_log WHERE seq = ?');
    this.#setHeld = handle.prepare('UPDATE upload_log SET held = ? WHERE seq = ?');
    this.#heldBy = handle.prepare('SELECT * FROM upload_log WHERE held = ? ORDER BY seq LIMIT ?');
    this.#delete = handle.prepare('DELETE FROM upload_log WHERE seq = ?');
    handle.prepare('UPDATE upload_log SET held = 0 WHERE held NOT IN (0, ?)').run(damaged);
    for (const row of handle.prepare('SELECT * FROM upload_log ORDER BY seq').iterate()) {
      const operation = this.#parse(row);
      if (operation !== null) this.#remember(operation);
    }
  }

  /** Operations not done yet. */
  get count(): number {
    return this.#count;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Joins the open transaction. `expect` only matters for copies. */
  append(operation: NamespaceOperation, expect: string | null = null): number {
    const content = 'content' in operation ? operation.content : null;
    const { lastInsertRowid } = this.#insert.run(
      operation.type,
      'path' in operation ? operation.path : operation.from,
      'to' in operation ? operation.to : null,
      content?.key ?? null,
      content?.sizeBytes ?? null,
      content?.path ?? null,
      'mtimeMs' in operation ? operation.mtimeMs : null,
      operation.type === 'delete'
        ? operation.expect
        : operation.type === 'move'
          ? operation.expectTo
          : expect,
    );
    const seq = Number(lastInsertRowid);
    const logged = asLogged(operation, seq, expect);
    this.#remember(logged);
    this.#database.onRollback(() => this.#forget(logged));
    return seq;
  }

  /** The first operations up to `lastSeq` that nothing holds, in order. */
  ready(lastSeq: number, limit: number): readonly LoggedOperation[] {
    return this.#ready.all(lastSeq, limit).flatMap((row) => this.#parse(row) ?? []);
  }

  /** Missing ones are left out. */
  read(seqs: readonly number[]): readonly LoggedOperation[] {
    return seqs.flatMap((seq) => {
      const row = this.#one.get(seq);
      return row === undefined ? [] : (this.#parse(row) ?? []);
    });
  }

  /** The oldest ones, for people to look at. */
  first(limit: number): readonly LoggedOperation[] {
    const rows = this.#database.handle.prepare('SELECT * FROM upload_log ORDER BY seq LIMIT ?').all(limit);
    return rows.flatMap((row) => this.#parse(row) ?? []);
  }

  hold(operation: LoggedOperation, holder: Holder): void {
    if (operation.holder === holder) return;
    this.#database.transaction(() => this.#setHeld.run(holder, operation.seq));
    this.#moveHold(operation, operation.holder, holder);
    this.#database.onRollback(() => this.#moveHold(operation, holder, operation.holder));
  }

  #moveHold(operation: LoggedOperation, from: Holder, to: Holder): void {
    for (const path of pathsOf(operation)) {
      if (from !== 0) this.#held.remove(path, from);
      if (to !== 0) this.#held.add(path, to);
    }
  }

  /** Everything that `holder` keeps back becomes ready again, in order, as `releaseSome` comes to it. */
  release(holder: Holder): void {
    if (this.#count > 0) this.#releasing.add(holder);
  }

  /** Makes up to `limit` operations of a released holder ready; false when there are no more. */
  releaseSome(limit: number): boolean {
    for (const holder of this.#releasing) {
      const operations = this.#heldBy.all(holder, limit).flatMap((row) => this.#parse(row) ?? []);
      this.#database.transaction(() => {
        for (const { seq } of operations) this.#setHeld.run(0, seq);
      });
      for (const operation of operations) this.#moveHold(operation, holder, 0);
      this.#database.onRollback(() => {
        for (const operation of operations) this.#moveHold(operation, 0, holder);
        this.#releasing.add(holder);
      });
      if (operations.length === limit) return true;
      this.#releasing.delete(holder);
      if (operations.length > 0) return true;
    }
    return false;
  }

  /** Joins the open transaction. The operations must be as the log has them. */
  remove(operations: readonly LoggedOperation[]): void {
    for (const { seq } of operations) this.#delete.run(seq);
    this.#database.afterCommit(() => {
      for (const operation of operations) this.#forget(operation);
    });
  }

  setDeleting(tree: LoggedTree): LoggedTree {
    this.#database.transaction(() =>
      this.#database.handle.prepare('UPDATE upload_log SET deleting = 1 WHERE seq = ?').run(tree.seq),
    );
    this.#moves.setDeleting(tree.seq, tree.to);
    return { ...tree, deleting: true };
  }

  /** How often paths of the log overlap `path`. */
  overlaps(path: string): number {
    return this.#count === 0 ? 0 : this.#touched.overlaps(path);
  }

  holderOf(path: string): Holder | null {
    return this.#held.holderOf(path);
  }

  pathNow(path: string): string {
    return this.#moves.pathNow(path);
  }

  /** Where the pending renames of folders will take what is at `path` now. Reads the log: for conflicts only. */
  pathAfter(path: string): string {
    return this.#treesAfter(0).reduce((then, tree) => throughTree(then, tree), path);
  }

  /**
   * Where what operation `seq` puts at `path` will be in the end; null where a later operation moves, replaces or deletes it
   * by name. Reads the log: for conflicts only.
   */
  restingPlace(seq: number, path: string): string | null {
    let then = path;
    let from = seq;
    for (const tree of this.#treesAfter(seq)) {
      if (this.#isNamed(then, from, tree.seq)) return null;
      then = throughTree(then, tree);
      from = tree.seq;
    }
    return this.#isNamed(then, from, Number.MAX_SAFE_INTEGER) ? null : then;
  }

  isNamed(path: string): boolean {
    return this.#isNamed(path, 0, Number.MAX_SAFE_INTEGER);
  }

  #isNamed(path: string, after: number, before: number): boolean {
    const named = this.#database.handle.prepare(
      `SELECT 1 FROM upload_log
       WHERE seq > ? AND seq < ? AND type <> 'moveTree' AND (path = ? OR to_path = ?) LIMIT 1`,
    );
    return named.get(after, before, path, path) !== undefined;
  }

  #treesAfter(seq: number): readonly LoggedTree[] {
    const trees = this.#database.handle.prepare(
      "SELECT * FROM upload_log WHERE type = 'moveTree' AND seq > ? ORDER BY seq",
    );
    return trees.all(seq).flatMap((row) => {
      const tree = this.#parse(row);
      return tree?.type === 'moveTree' ? [tree] : [];
    });
  }

  #remember(operation: LoggedOperation): void {
    this.#count += 1;
    this.#lastSeq = Math.max(this.#lastSeq, operation.seq);
    for (const path of pathsOf(operation)) this.#touched.add(path);
    if (operation.type === 'move' || operation.type === 'moveTree') {
      const tree = operation.type === 'moveTree';
      this.#moves.add(operation.seq, operation.from, operation.to, tree, tree && operation.deleting);
    }
  }

  #forget(operation: LoggedOperation): void {
    this.#count -= 1;
    for (const path of pathsOf(operation)) {
      this.#touched.remove(path);
      if (operation.holder !== 0) this.#held.remove(path, operation.holder);
    }
    if ('from' in operation) this.#moves.remove(operation.seq, operation.from, operation.to);
  }

  #parse(row: Readonly<Record<string, unknown>>): LoggedOperation | null {
    const operation = parseRow(row);
    if (operation === null && row['held'] !== damaged) {
      this.#log.error('A logged change of names cannot be read and is set aside', {
        seq: Number(row['seq']),
      });
      this.#database.handle
        .prepare('UPDATE upload_log SET held = ? WHERE seq = ?')
        .run(damaged, Number(row['seq']));
    }
    return operation;
  }
}

function throughTree(path: string, { from, to }: LoggedTree): string {
  return path.startsWith(`${from}/`) ? to + path.slice(from.length) : path;
}

function asLogged(operation: NamespaceOperation, seq: number, expect: string | null): LoggedOperation {
  if (operation.type === 'moveTree') return { ...operation, seq, holder: 0, deleting: false };
  if (operation.type === 'copy') return { ...operation, seq, holder: 0, expect };
  return { ...operation, seq, holder: 0 };
}

function parseRow(row: Readonly<Record<string, unknown>>): LoggedOperation | null {
  const { seq, held: holder, type, path, to_path: to, mtime: mtimeMs, expect } = row;
  if (typeof seq !== 'number' || typeof holder !== 'number' || typeof path !== 'string' || path === '')
    return null;
  if (expect !== null && typeof expect !== 'string') return null;
  const content = parseContent(row);
  switch (type) {
    case 'delete':
      return expect === null ? null : { seq, holder, type, path, expect };
    case 'move':
      if (content === null || typeof to !== 'string' || typeof mtimeMs !== 'number') return null;
      return { seq, holder, type, from: path, to, content, mtimeMs, expectTo: expect };
    case 'moveTree':
      if (typeof to !== 'string') return null;
      return { seq, holder, type, from: path, to, deleting: row['deleting'] === 1 };
    case 'copy':
      if (content === null || typeof mtimeMs !== 'number') return null;
      return { seq, holder, type, path, content, mtimeMs, expect };
    default:
      return null;
  }
}

function parseContent(row: Readonly<Record<string, unknown>>): ContentRef | null {
  const { key, size: sizeBytes, content_path: path } = row;
  if (typeof key !== 'string' || typeof sizeBytes !== 'number' || typeof path !== 'string') return null;
  return { key, sizeBytes, path };
}
