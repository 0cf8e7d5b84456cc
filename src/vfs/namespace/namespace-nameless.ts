// Files that another client deleted while a program here may have them open: they have no name, but their inode stays, and with
// it every handle. Remembers what they were called, in its own table; bounded in number and time. Used by the namespace.

import type { StatementSync } from 'node:sqlite';
import type { Clock } from '../../shared/log.ts';
import { applySchema } from '../storage/catalogue-database.ts';
import type { NamespaceView } from './namespace-view.ts';
import type { CatalogueDatabase } from '../parts.ts';

/** For so long after the deletion, or the last READ, a program that waits finds its file as it was. */
export const namelessMaxAgeMs = 24 * 3_600_000;
export const mostNamelessFiles = 10_000;

const schema = [
  `-- Folders are remembered as long as a file is that was below them. remote_name: as the Hub has it, JSON text.
   CREATE TABLE nameless (
     ino INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name TEXT NOT NULL, remote_name TEXT NOT NULL,
     is_folder INTEGER NOT NULL, is_used INTEGER NOT NULL, since REAL NOT NULL
   ) STRICT;`,
];

export interface FormerName {
  /** Inode number of the folder, which may be gone as well. */
  readonly parent: number;
  readonly name: string;
  readonly remoteName: string;
}

interface NamelessFile extends FormerName {
  /** A program has read or written it: one that nobody has goes before it. */
  readonly isUsed: boolean;
  /** Milliseconds since the epoch. */
  readonly sinceMs: number;
}

export class NamelessFiles {
  readonly #database: CatalogueDatabase;
  readonly #clock: Clock;
  /** Oldest first, both. */
  readonly #used = new Map<number, NamelessFile>();
  readonly #unused = new Map<number, NamelessFile>();
  readonly #folders = new Map<number, FormerName>();
  /** How many of the above were in a folder, whether that is there or not. */
  readonly #children = new Map<number, number>();
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: CatalogueDatabase, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    applySchema(database, 'nameless', schema);
    this.#insert = database.handle.prepare(
      `INSERT OR REPLACE INTO nameless (ino, parent, name, remote_name, is_folder, is_used, since)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#delete = database.handle.prepare('DELETE FROM nameless WHERE ino = ?');
    for (const row of database.handle.prepare('SELECT * FROM nameless ORDER BY since').iterate())
      this.#load(row);
  }

  #load(row: Readonly<Record<string, unknown>>): void {
    const { ino, parent, name, remote_name: stored, is_folder: isFolder, is_used: isUsed, since } = row;
    if (typeof ino !== 'number' || typeof parent !== 'number' || typeof name !== 'string') return;
    const former = { parent, name, remoteName: parseName(stored) ?? name };
    if (isFolder === 1) this.#putFolder(ino, former);
    else this.#put(ino, { ...former, isUsed: isUsed === 1, sinceMs: typeof since === 'number' ? since : 0 });
  }

  /** Forgets what the namespace says is not so: a damaged catalogue may have lost rows of either. */
  keepOnly(isNameless: (ino: number) => boolean): void {
    for (const ino of [...this.#unused.keys(), ...this.#used.keys()]) if (!isNameless(ino)) this.delete(ino);
  }

  get size(): number {
    return this.#used.size + this.#unused.size;
  }

  get(ino: number): FormerName | null {
    return this.#used.get(ino) ?? this.#unused.get(ino) ?? null;
  }

  /** Joins the open transaction, as all that changes here. */
  add(ino: number, former: FormerName, isUsed: boolean): void {
    const file = { ...former, isUsed, sinceMs: this.#clock.now() };
    this.#write(ino, file);
    this.#put(ino, file);
    this.#database.onRollback(() => this.#drop(ino));
  }

  delete(ino: number): void {
    const file = this.#used.get(ino) ?? this.#unused.get(ino);
    if (file === undefined) return;
    this.#delete.run(ino);
    this.#drop(ino);
    this.#database.onRollback(() => this.#put(ino, file));
    this.#deleteUnneeded(file.parent);
  }

  /** The file is in use: its time starts anew. */
  renew(ino: number): void {
    const file = this.#used.get(ino) ?? this.#unused.get(ino);
    if (file === undefined) return;
    this.delete(ino);
    this.add(ino, file, true);
  }

  /** A folder goes, whoever removed it. Call before it loses its name. */
  noteFolderGone(ino: number, former: FormerName): void {
    if (!this.#children.has(ino)) return;
    this.#insert.run(ino, former.parent, former.name, JSON.stringify(former.remoteName), 1, 0, 0);
    this.#putFolder(ino, former);
    this.#database.onRollback(() => this.#dropFolder(ino));
  }

  /** The deepest folder above a former name that is there, and the ones below it that are gone, from the top down. */
  placeOf(
    former: FormerName,
    tree: NamespaceView,
  ): { readonly slot: number; readonly gone: readonly FormerName[] } {
    const gone: FormerName[] = [];
    for (let at = former; ;) {
      const slot = tree.index.slotOf(at.parent);
      if (slot !== -1) return { slot, gone: gone.toReversed() };
      const folder = this.#folders.get(at.parent);
      if (folder === undefined) return { slot: tree.slot(1, 'write'), gone: gone.toReversed() };
      gone.push(folder);
      at = folder;
    }
  }

  /** What the Hub had the file under; for messages, and for content that is found by path. */
  pathOf(ino: number, tree: NamespaceView): string | null {
    const former = this.get(ino);
    if (former === null) return null;
    const { slot, gone } = this.placeOf(former, tree);
    const below = [...gone, former].map(({ remoteName }) => remoteName).join('/');
    const above = tree.remotePathOfDirectory(slot);
    return above === '' ? below : `${above}/${below}`;
  }

  /** Those that must go: too many, or too old. At most `limit`. */
  surplus(limit: number): number[] {
    const tooOldMs = this.#clock.now() - namelessMaxAgeMs;
    const tooMany = this.size - mostNamelessFiles;
    const found: number[] = [];
    for (const files of [this.#unused, this.#used]) {
      for (const [ino, { sinceMs }] of files) {
        if (found.length >= limit || (found.length >= tooMany && sinceMs > tooOldMs)) break;
        found.push(ino);
      }
    }
    return found;
  }

  isTooOld(ino: number): boolean {
    const file = this.#used.get(ino) ?? this.#unused.get(ino);
    return file !== undefined && file.sinceMs <= this.#clock.now() - namelessMaxAgeMs;
  }

  #write(ino: number, { parent, name, remoteName, isUsed, sinceMs }: NamelessFile): void {
    this.#insert.run(ino, parent, name, JSON.stringify(remoteName), 0, isUsed ? 1 : 0, sinceMs);
  }

  #put(ino: number, file: NamelessFile): void {
    (file.isUsed ? this.#used : this.#unused).set(ino, file);
    this.#countChild(file.parent, 1);
  }

  #drop(ino: number): void {
    const file = this.#used.get(ino) ?? this.#unused.get(ino);
    if (file === undefined) return;
    this.#used.delete(ino);
    this.#unused.delete(ino);
    this.#countChild(file.parent, -1);
  }

  #putFolder(ino: number, former: FormerName): void {
    this.#folders.set(ino, former);
    this.#countChild(former.parent, 1);
  }

  #dropFolder(ino: number): void {
    const former = this.#folders.get(ino);
    if (former === undefined) return;
    this.#folders.delete(ino);
    this.#countChild(former.parent, -1);
  }

  #countChild(folder: number, by: number): void {
    const count = (this.#children.get(folder) ?? 0) + by;
    if (count > 0) this.#children.set(folder, count);
    else this.#children.delete(folder);
  }

  /** Folders that are gone and below which nothing is remembered any more. */
  #deleteUnneeded(ino: number): void {
    for (let at = ino; !this.#children.has(at);) {
      const former = this.#folders.get(at);
      if (former === undefined) return;
      const gone = at;
      this.#delete.run(gone);
      this.#dropFolder(gone);
      this.#database.onRollback(() => this.#putFolder(gone, former));
      at = former.parent;
    }
  }
}

function parseName(stored: unknown): string | null {
  if (typeof stored !== 'string') return null;
  try {
    const name: unknown = JSON.parse(stored);
    return typeof name === 'string' ? name : null;
  } catch {
    return null; // damaged: the shown name will do
  }
}
