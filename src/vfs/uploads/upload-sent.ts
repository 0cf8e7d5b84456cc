// Remembers which content was put where by requests whose outcome may be unknown (lost reply, crash) or not yet known to
// what was logged meanwhile. A version found on the Hub that is remembered here is our own, not another client's. Own table;
// used by the committer around every request.

import type { StatementSync } from 'node:sqlite';
import { applySchema } from '../storage/catalogue-database.ts';
import type { CatalogueDatabase } from '../parts.ts';

const schema = [
  `CREATE TABLE upload_sent (
     key TEXT NOT NULL,
     path TEXT NOT NULL,
     sender INTEGER NOT NULL,
     PRIMARY KEY (key, path, sender)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX upload_sent_path ON upload_sent (path);
   CREATE INDEX upload_sent_sender ON upload_sent (sender, key);`,
];

/**
 * Who sent a version: the inode number of a file, 0 for a logged operation, or the negative number of a folder move. The
 * last moves versions that nobody here may have seen, so they count as ours only for that move itself.
 */
export type Sender = number;

export class SentVersions {
  readonly #database: CatalogueDatabase;
  readonly #insert: StatementSync;
  readonly #find: StatementSync;
  readonly #keyAt: StatementSync;
  readonly #forget: StatementSync;
  readonly #forgetOne: StatementSync;
  readonly #forgetSender: StatementSync;
  #empty: boolean;

  constructor(database: CatalogueDatabase) {
    this.#database = database;
    applySchema(database, 'upload-sent', schema);
    const { handle } = database;
    this.#insert = handle.prepare('INSERT OR IGNORE INTO upload_sent (key, path, sender) VALUES (?, ?, ?)');
    // A file's own version is also known where the rename of its folder took it.
    this.#find = handle.prepare(
      `SELECT 1 FROM upload_sent WHERE key = ?1 AND path = ?2 AND (+sender >= 0 OR +sender = ?3)
       UNION ALL SELECT 1 FROM upload_sent WHERE sender = ?3 AND key = ?1 AND ?3 > 0 LIMIT 1`,
    );
    this.#keyAt = handle.prepare('SELECT key FROM upload_sent WHERE path = ? AND +sender >= 0 LIMIT 1');
    // The plus signs keep SQLite from walking all that one sender sent.
    this.#forget = handle.prepare('DELETE FROM upload_sent WHERE path = ? AND +sender >= 0');
    this.#forgetOne = handle.prepare('DELETE FROM upload_sent WHERE path = ? AND +sender = ?');
    this.#forgetSender = handle.prepare('DELETE FROM upload_sent WHERE sender = ?');
    this.#empty = handle.prepare('SELECT 1 FROM upload_sent LIMIT 1').get() === undefined;
  }

  /** Joins the open transaction. */
  remember(key: string, path: string, sender: Sender): void {
    this.#insert.run(key, path, sender);
    this.#empty = false;
  }

  has(key: string, path: string, sender: Sender): boolean {
    return !this.#empty && this.#find.get(key, path, sender) !== undefined;
  }

  /** What a file or logged operation may have put there; null for nothing. */
  keyAt(path: string): string | null {
    if (this.#empty) return null;
    const key = this.#keyAt.get(path)?.['key'];
    return typeof key === 'string' ? key : null;
  }

  /** What files may have put where, for those that an earlier run left. */
  filesSent(): readonly { readonly key: string; readonly path: string }[] {
    if (this.#empty) return [];
    const rows = this.#database.handle.prepare('SELECT key, path FROM upload_sent WHERE sender > 0').all();
    return rows.flatMap(({ key, path }) =>
      typeof key === 'string' && typeof path === 'string' ? [{ key, path }] : [],
    );
  }

  /** What files and logged operations sent there. Joins the open transaction. */
  forget(path: string): void {
    this.#forget.run(path);
  }

  /** Joins the open transaction. */
  forgetOne(path: string, sender: Sender): void {
    this.#forgetOne.run(path, sender);
  }

  /** Joins the open transaction. */
  forgetSender(sender: Sender): void {
    this.#forgetSender.run(sender);
  }

  /** Nothing is pending any more, so every outcome is known. */
  clear(): void {
    if (this.#empty) return;
    this.#database.transaction(() => this.#database.handle.exec('DELETE FROM upload_sent'));
    this.#empty = true;
  }
}
