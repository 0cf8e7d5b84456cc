// The namespace's tables in the catalogue, and loading them. Statements only; what to write and when is the namespace
// tree's business. Rows are read in slices, so that a large catalogue never holds a turn for long.

import type { StatementSync } from 'node:sqlite';
import type { Time } from '../file-system.ts';
import type { CatalogueDatabase } from '../parts.ts';
import { applySchema } from '../storage/catalogue-database.ts';

const schema = [
  `
  -- type: 0 file, 1 directory, 2 symlink. base_key: 32 bytes of a xet hash or 20 of a git hash.
  CREATE TABLE inode (
    ino INTEGER PRIMARY KEY, type INTEGER NOT NULL, mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
    size INTEGER NOT NULL, atime_s INTEGER NOT NULL, atime_ns INTEGER NOT NULL, mtime_s INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, ctime_s INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, flags INTEGER NOT NULL,
    next_cookie INTEGER NOT NULL, base_key BLOB, base_size INTEGER NOT NULL, target TEXT, verifier BLOB
  ) STRICT;
  -- remote_name: JSON text (a Hub name may be no well-formed Unicode), NULL for the same as name.
  -- expect: what the Hub holds at this name: NULL nothing, '' the inode's base, else a key as above.
  CREATE TABLE entry (
    parent INTEGER NOT NULL, cookie INTEGER NOT NULL, ino INTEGER NOT NULL, name TEXT NOT NULL, remote_name TEXT,
    expect BLOB, PRIMARY KEY (parent, cookie)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE namespace_fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  `,
];

export interface InodeRow {
  readonly ino: number;
  readonly type: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly atime: Time;
  readonly mtime: Time;
  readonly ctime: Time;
  readonly flags: number;
  readonly nextCookie: number;
  readonly baseKey: string | null;
  readonly baseSizeBytes: number;
  readonly target: string | null;
  readonly verifier: Uint8Array | null;
}

export interface EntryRow {
  readonly parent: number;
  readonly cookie: number;
  readonly ino: number;
  readonly name: string;
  readonly remoteName: string | null;
  /** `base`: the same as the inode's base. */
  readonly expect: 'nothing' | 'base' | { readonly other: string };
}

const inodeColumns =
  'ino, type, mode, uid, gid, size, atime_s, atime_ns, mtime_s, mtime_ns, ctime_s, ctime_ns, flags, next_cookie, base_key, base_size, target, verifier';

export class NamespaceStore {
  readonly database: CatalogueDatabase;
  readonly #insertInode: StatementSync;
  readonly #deleteInode: StatementSync;
  readonly #insertEntry: StatementSync;
  readonly #deleteEntry: StatementSync;
  readonly #setExpect: StatementSync;
  readonly #setFact: StatementSync;
  readonly #getFact: StatementSync;

  constructor(database: CatalogueDatabase) {
    this.database = database;
    applySchema(database, 'namespace', schema);
    const handle = database.handle;
    this.#insertInode = handle.prepare(
      `INSERT OR REPLACE INTO inode (${inodeColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#deleteInode = handle.prepare('DELETE FROM inode WHERE ino = ?');
    this.#insertEntry = handle.prepare(
      'INSERT INTO entry (parent, cookie, ino, name, remote_name, expect) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#deleteEntry = handle.prepare('DELETE FROM entry WHERE parent = ? AND cookie = ?');
    this.#setExpect = handle.prepare('UPDATE entry SET expect = ? WHERE parent = ? AND cookie = ?');
    this.#setFact = handle.prepare('INSERT OR REPLACE INTO namespace_fact (name, value) VALUES (?, ?)');
    this.#getFact = handle.prepare('SELECT value FROM namespace_fact WHERE name = ?');
  }

  putInode(row: InodeRow): void {
    this.#insertInode.run(
      row.ino,
      row.type,
      row.mode,
      row.uid,
      row.gid,
      row.sizeBytes,
      row.atime.sec,
      row.atime.nsec,
      row.mtime.sec,
      row.mtime.nsec,
      row.ctime.sec,
      row.ctime.nsec,
      row.flags,
      row.nextCookie,
      keyToBytes(row.baseKey),
      row.baseSizeBytes,
      row.target,
      row.verifier,
    );
  }

  deleteInode(ino: number): void {
    this.#deleteInode.run(ino);
  }

  putEntry(row: EntryRow): void {
    this.#insertEntry.run(
      row.parent,
      row.cookie,
      row.ino,
      row.name,
      row.remoteName,
      expectToBytes(row.expect),
    );
  }

  deleteEntry(parent: number, cookie: number): void {
    this.#deleteEntry.run(parent, cookie);
  }

  setExpect(parent: number, cookie: number, expect: EntryRow['expect']): void {
    this.#setExpect.run(expectToBytes(expect), parent, cookie);
  }

  fact(name: string): number | null {
    const value = this.#getFact.get(name)?.['value'];
    return typeof value === 'number' ? value : null;
  }

  setFact(name: string, value: number): void {
    this.#setFact.run(name, value);
  }

  /** All inodes in rising order of number, at most `limit` a slice. */
  *inodes(limit: number): Generator<readonly InodeRow[]> {
    // As text: an array of bytes for each row takes a third of the time of a load.
    const columns = inodeColumns.replace('base_key', 'lower(hex(base_key))');
    const select = this.database.handle.prepare(
      `SELECT ${columns} FROM inode WHERE ino > ? ORDER BY ino LIMIT ?`,
    );
    select.setReturnArrays(true);
    for (let after = 0; ;) {
      const rows = select.all(after, limit).map((row) => parseInode(columnsOf(row)));
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows;
      after = last.ino;
    }
  }

  /** All names in rising order of folder and cookie, at most `limit` a slice. */
  *entries(limit: number): Generator<readonly EntryRow[]> {
    const select = this.database.handle.prepare(
      `SELECT parent, cookie, ino, name, remote_name, iif(expect IS NULL, NULL, lower(hex(expect)))
       FROM entry
       WHERE (parent, cookie) > (?, ?) ORDER BY parent, cookie LIMIT ?`,
    );
    select.setReturnArrays(true);
    for (let parent = 0, cookie = 0; ;) {
      const rows = select.all(parent, cookie, limit).map((row) => parseEntry(columnsOf(row)));
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows;
      ({ parent, cookie } = last);
    }
  }
}

/** The typings know only rows as objects; `setReturnArrays` makes them arrays. */
function columnsOf(row: unknown): readonly unknown[] {
  return Array.isArray(row) ? row : [];
}

function parseInode(row: readonly unknown[]): InodeRow {
  return {
    ino: integer(row[0]),
    type: integer(row[1]),
    mode: integer(row[2]),
    uid: integer(row[3]),
    gid: integer(row[4]),
    sizeBytes: integer(row[5]),
    atime: { sec: integer(row[6]), nsec: integer(row[7]) },
    mtime: { sec: integer(row[8]), nsec: integer(row[9]) },
    ctime: { sec: integer(row[10]), nsec: integer(row[11]) },
    flags: integer(row[12]),
    nextCookie: integer(row[13]),
    baseKey: hexToKey(row[14]),
    baseSizeBytes: integer(row[15]),
    target: textOrNull(row[16]),
    verifier: row[17] instanceof Uint8Array ? row[17] : null,
  };
}

function parseEntry(row: readonly unknown[]): EntryRow {
  return {
    parent: integer(row[0]),
    cookie: integer(row[1]),
    ino: integer(row[2]),
    name: textOrNull(row[3]) ?? '',
    remoteName: remoteNameOrNull(row[4]),
    expect: hexToExpect(row[5]),
  };
}

/** The STRICT tables promise integers; anything else is damage and reads as 0. */
function integer(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function remoteNameOrNull(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  try {
    const name: unknown = JSON.parse(value);
    return textOrNull(name);
  } catch {
    return value; // damaged; a listing will put it right
  }
}

function keyToBytes(key: string | null): Uint8Array | null {
  return key === null ? null : Buffer.from(key.slice(4), 'hex');
}

/** Null also for what is of no known length. */
function hexToKey(hex: unknown): string | null {
  if (typeof hex !== 'string') return null;
  if (hex.length === 64) return `xet:${hex}`;
  return hex.length === 40 ? `git:${hex}` : null;
}

const sameAsBase = new Uint8Array(0);

function expectToBytes(expect: EntryRow['expect']): Uint8Array | null {
  if (expect === 'nothing') return null;
  return expect === 'base' ? sameAsBase : keyToBytes(expect.other);
}

function hexToExpect(hex: unknown): EntryRow['expect'] {
  if (typeof hex !== 'string') return 'nothing';
  const key = hexToKey(hex);
  return key === null ? 'base' : { other: key };
}
