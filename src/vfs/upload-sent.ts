// Remembers which content was put where by requests whose outcome may be unknown (lost reply, crash) or not yet known to
// what was logged meanwhile. A version found on the Hub that is remembered here is our own, not another client's. Own table;
// used by the committer around every request.

import type { StatementSync } from 'node:sqlite';
import { applySchema } from './catalogue-database.ts';
import type { CatalogueDatabase } from './parts.ts';

const schema = [
  `CREATE TABLE upload_sent (
     key TEXT NOT NULL,
     path TEXT NOT NULL,
     ino INTEGER,
     PRIMARY KEY (key, path)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX upload_sent_path ON upload_sent (path);
   CREATE INDEX upload_sent_ino ON upload_sent (key, ino);`,
];

export class SentVersions {
  readonly #database: CatalogueDatabase;
  readonly #insert: StatementSync;
  readonly #find: StatementSync;
  readonly #forget: StatementSync;
  #empty: boolean;

  constructor(database: CatalogueDatabase) {
    this.#database = database;
    applySchema(database, 'upload-sent', schema);
    const { handle } = database;
    this.#insert = handle.prepare('INSERT OR REPLACE INTO upload_sent (key, path, ino) VALUES (?, ?, ?)');
    this.#find = handle.prepare(
      `SELECT 1 FROM upload_sent WHERE key = ?1 AND path = ?2
       UNION ALL SELECT 1 FROM upload_sent WHERE key = ?1 AND ino = ?3 LIMIT 1`,
    );
    this.#forget = handle.prepare('DELETE FROM upload_sent WHERE path = ?');
    this.#empty = handle.prepare('SELECT 1 FROM upload_sent LIMIT 1').get() === undefined;
  }

  /** Joins the open transaction. `ino` lets the version be known also where a rename of its folder took it. */
  remember(key: string, path: string, ino: number | null): void {
    this.#insert.run(key, path, ino);
    this.#empty = false;
  }

  has(key: string, path: string, ino: number | null): boolean {
    return !this.#empty && this.#find.get(key, path, ino) !== undefined;
  }

  /** Joins the open transaction. */
  forget(path: string): void {
    this.#forget.run(path);
  }

  /** Nothing is pending any more, so every outcome is known. */
  clear(): void {
    if (this.#empty) return;
    this.#database.transaction(() => this.#database.handle.exec('DELETE FROM upload_sent'));
    this.#empty = true;
  }
}
