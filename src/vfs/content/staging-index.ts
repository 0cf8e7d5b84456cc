// The durable half of staging: which staging files exist, what they change, and which of their bytes may be trusted after a
// crash (tables of the content part in the catalogue). Memory knows more; here stands only what was synced.

import type { StatementSync } from 'node:sqlite';
import type { ByteRange, ContentRef } from '../../hub/remote-store.ts';
import { applySchema } from '../storage/catalogue-database.ts';
import { ExtentMap } from '../storage/extents.ts';
import type { CatalogueDatabase } from '../parts.ts';

/** Rows removed in one go: a file with a million changed ranges must not stop the serving thread. */
const removalBatch = 4096;

/** `dropped`: no longer wanted, the file is to be deleted. `damaged`: the file was not as recorded and is set aside. */
export type LayerState = 'live' | 'dropped' | 'damaged';

export interface LayerRow {
  readonly id: number;
  readonly ino: number;
  readonly state: LayerState;
  /** Of the bottom layer only; null above another layer and for a file the Hub never had. */
  readonly base: ContentRef | null;
  /** Bytes of what lies below that are valid below this offset. */
  readonly baseLimit: number;
  readonly dirtyBytes: number;
}

const schemaSteps = [
  `
  CREATE TABLE staged_layer (
    id INTEGER PRIMARY KEY,
    ino INTEGER NOT NULL,
    state TEXT NOT NULL,
    base_key TEXT,
    base_bytes INTEGER,
    base_path TEXT,
    base_limit INTEGER NOT NULL,
    dirty_bytes INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE staged_extent (
    layer INTEGER NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    PRIMARY KEY (layer, start)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE staged_verifier (verifier BLOB NOT NULL) STRICT;
  `,
];

export class StagingIndex {
  readonly #database: CatalogueDatabase;
  readonly #put: StatementSync;
  readonly #setState: StatementSync;
  readonly #setBase: StatementSync;
  readonly #setLimit: StatementSync;
  readonly #remove: StatementSync;
  readonly #extents: StatementSync;
  readonly #lastEnd: StatementSync;
  readonly #touching: StatementSync;
  readonly #bytesFrom: StatementSync;
  readonly #removeWithin: StatementSync;
  readonly #removeSome: StatementSync;
  readonly #insert: StatementSync;
  readonly #addBytes: StatementSync;

  constructor(database: CatalogueDatabase) {
    applySchema(database, 'content', schemaSteps);
    this.#database = database;
    const prepare = (sql: string): StatementSync => database.handle.prepare(sql);
    this.#put = prepare(
      `INSERT INTO staged_layer (id, ino, state, base_key, base_bytes, base_path, base_limit, dirty_bytes)
       VALUES (?, ?, 'live', ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING`,
    );
    this.#setState = prepare('UPDATE staged_layer SET state = ? WHERE id = ?');
    this.#setBase = prepare(
      'UPDATE staged_layer SET base_key = ?, base_bytes = ?, base_path = ? WHERE id = ?',
    );
    this.#setLimit = prepare('UPDATE staged_layer SET base_limit = min(base_limit, ?) WHERE id = ?');
    this.#remove = prepare('DELETE FROM staged_layer WHERE id = ?');
    this.#extents = prepare('SELECT start, end FROM staged_extent WHERE layer = ? ORDER BY start');
    this.#lastEnd = prepare('SELECT end FROM staged_extent WHERE layer = ? ORDER BY start DESC LIMIT 1');
    this.#touching = prepare(
      'SELECT start, end FROM staged_extent WHERE layer = ? AND start <= ? ORDER BY start DESC',
    );
    this.#bytesFrom = prepare(
      'SELECT sum(end - start) AS bytes FROM staged_extent WHERE layer = ? AND start >= ?',
    );
    this.#removeWithin = prepare('DELETE FROM staged_extent WHERE layer = ? AND start >= ? AND start <= ?');
    this.#removeSome = prepare(
      `DELETE FROM staged_extent WHERE layer = ?1 AND start IN
       (SELECT start FROM staged_extent WHERE layer = ?1 ORDER BY start LIMIT ${removalBatch})`,
    );
    this.#insert = prepare('INSERT INTO staged_extent (layer, start, end) VALUES (?, ?, ?)');
    this.#addBytes = prepare('UPDATE staged_layer SET dirty_bytes = dirty_bytes + ? WHERE id = ?');
  }

  /** By rising id, which is the order of layers of one inode from the bottom. */
  layers(): LayerRow[] {
    const rows = this.#database.handle.prepare('SELECT * FROM staged_layer ORDER BY id').all();
    return rows.map((row) => ({
      id: Number(row['id']),
      ino: Number(row['ino']),
      state: row['state'] === 'live' || row['state'] === 'dropped' ? row['state'] : 'damaged',
      base:
        typeof row['base_key'] === 'string'
          ? { key: row['base_key'], sizeBytes: Number(row['base_bytes']), path: String(row['base_path']) }
          : null,
      baseLimit: Number(row['base_limit']),
      dirtyBytes: Number(row['dirty_bytes']),
    }));
  }

  /** Does nothing where the row exists. */
  put(id: number, ino: number, base: ContentRef | null, baseLimit: number): void {
    this.#put.run(id, ino, base?.key ?? null, base?.sizeBytes ?? null, base?.path ?? null, baseLimit);
  }

  setState(id: number, state: LayerState): void {
    this.#setState.run(state, id);
  }

  setBase(id: number, base: ContentRef | null): void {
    this.#setBase.run(base?.key ?? null, base?.sizeBytes ?? null, base?.path ?? null, id);
  }

  extents(id: number): ExtentMap {
    const map = new ExtentMap();
    for (const row of this.#extents.iterate(id)) map.add(Number(row['start']), Number(row['end']));
    return map;
  }

  /** End of the last trusted byte: the file must be at least this long. */
  lastEnd(id: number): number {
    return Number(this.#lastEnd.get(id)?.['end'] ?? 0);
  }

  /** Trusts further bytes, in one transaction. */
  addExtents(id: number, ranges: readonly ByteRange[]): void {
    if (ranges.length === 0) return;
    this.#database.transaction(() => {
      for (const { start, end } of ranges) {
        let from = start;
        let to = end;
        let known = 0;
        for (const row of this.#touching.iterate(id, end)) {
          const rowStart = Number(row['start']);
          const rowEnd = Number(row['end']);
          if (rowEnd < start) break;
          known += rowEnd - rowStart;
          from = Math.min(from, rowStart);
          to = Math.max(to, rowEnd);
        }
        if (known === to - from) continue;
        this.#removeWithin.run(id, from, to);
        this.#insert.run(id, from, to);
        this.#addBytes.run(to - from - known, id);
      }
    });
  }

  /** Forgets everything at and after `sizeBytes`, of the layer and of what lies below it. */
  cut(id: number, sizeBytes: number): void {
    this.#database.transaction(() => {
      const row = this.#touching.get(id, sizeBytes - 1);
      const start = Number(row?.['start'] ?? 0);
      const end = Number(row?.['end'] ?? 0);
      const behind = Number(this.#bytesFrom.get(id, sizeBytes)?.['bytes'] ?? 0);
      const cutBytes = Math.max(0, end - sizeBytes);
      if (behind > 0) this.#removeWithin.run(id, sizeBytes, Number.MAX_SAFE_INTEGER);
      if (cutBytes > 0) {
        this.#removeWithin.run(id, start, start);
        this.#insert.run(id, start, sizeBytes);
      }
      if (behind + cutBytes > 0) this.#addBytes.run(-(behind + cutBytes), id);
      this.#setLimit.run(sizeBytes, id);
    });
  }

  /** Removes a part of the layer's rows; false when there is more to remove. */
  removeSome(id: number): boolean {
    return this.#database.transaction(() => {
      if (Number(this.#removeSome.run(id).changes) === removalBatch) return false;
      this.#remove.run(id);
      return true;
    });
  }

  /** The verifier that a clean close left; it is gone afterwards, so that a crash cannot bring it back. */
  takeVerifier(): Uint8Array | null {
    const row = this.#database.handle.prepare('DELETE FROM staged_verifier RETURNING verifier').all()[0];
    return row?.['verifier'] instanceof Uint8Array && row['verifier'].length === 8 ? row['verifier'] : null;
  }

  keepVerifier(verifier: Uint8Array): void {
    this.#database.handle.prepare('INSERT INTO staged_verifier (verifier) VALUES (?)').run(verifier);
  }
}
