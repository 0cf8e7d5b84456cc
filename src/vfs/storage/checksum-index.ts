// The tables of checksums of staged bytes: one row for each segment of a staging file that was checksummed and not written to since, and
// the ranges that were found to be damaged. Used by layer-checksums.ts and staging-area.ts.

import type { StatementSync } from 'node:sqlite';
import { applySchema } from './catalogue-database.ts';
import { ExtentMap } from './extents.ts';
import type { CatalogueDatabase } from '../parts.ts';

const removalBatch = 4096;

const schemaSteps = [
  `
  CREATE TABLE staged_checksum (
    layer INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    sums BLOB NOT NULL,
    PRIMARY KEY (layer, segment)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE staged_damage (
    layer INTEGER NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    PRIMARY KEY (layer, start)
  ) STRICT, WITHOUT ROWID;
  `,
];

export class ChecksumIndex {
  readonly database: CatalogueDatabase;
  readonly #segments: StatementSync;
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #removeWithin: StatementSync;
  readonly #removeSome: StatementSync;
  readonly #removeDamage: StatementSync;
  readonly #addDamage: StatementSync;

  constructor(database: CatalogueDatabase) {
    applySchema(database, 'content-checksums', schemaSteps);
    this.database = database;
    const prepare = (sql: string): StatementSync => database.handle.prepare(sql);
    this.#segments = prepare('SELECT segment FROM staged_checksum WHERE layer = ? ORDER BY segment');
    this.#find = prepare('SELECT sums FROM staged_checksum WHERE layer = ? AND segment = ?');
    this.#put = prepare('INSERT OR REPLACE INTO staged_checksum (layer, segment, sums) VALUES (?, ?, ?)');
    this.#removeWithin = prepare(
      'DELETE FROM staged_checksum WHERE layer = ? AND segment >= ? AND segment <= ?',
    );
    this.#removeSome = prepare(
      `DELETE FROM staged_checksum WHERE layer = ?1 AND segment IN
       (SELECT segment FROM staged_checksum WHERE layer = ?1 ORDER BY segment LIMIT ${removalBatch})`,
    );
    this.#removeDamage = prepare('DELETE FROM staged_damage WHERE layer = ?');
    this.#addDamage = prepare('INSERT INTO staged_damage (layer, start, end) VALUES (?, ?, ?)');
  }

  /** In numbers of segments. */
  segments(layer: number): ExtentMap {
    const map = new ExtentMap();
    for (const row of this.#segments.iterate(layer)) {
      const segment = Number(row['segment']);
      map.add(segment, segment + 1);
    }
    return map;
  }

  find(layer: number, segment: number): Uint8Array | null {
    const sums = this.#find.get(layer, segment)?.['sums'];
    return sums instanceof Uint8Array ? sums : null;
  }

  put(layer: number, segment: number, sums: Uint8Array): void {
    this.#put.run(layer, segment, sums);
  }

  removeWithin(layer: number, first: number, last: number): void {
    this.#removeWithin.run(layer, first, last);
  }

  /** Of all layers that have some. */
  damage(): ReadonlyMap<number, ExtentMap> {
    const found = new Map<number, ExtentMap>();
    for (const row of this.database.handle.prepare('SELECT layer, start, end FROM staged_damage').iterate()) {
      const layer = Number(row['layer']);
      const map = found.get(layer) ?? new ExtentMap();
      map.add(Number(row['start']), Number(row['end']));
      found.set(layer, map);
    }
    return found;
  }

  setDamage(layer: number, damage: ExtentMap): void {
    this.database.transaction(() => {
      this.#removeDamage.run(layer);
      for (const { start, end } of damage.ranges()) this.#addDamage.run(layer, start, end);
    });
  }

  /** Removes a part of what is known of the layer; false when there is more to remove. */
  removeSome(layer: number): boolean {
    return this.database.transaction(() => {
      this.#removeDamage.run(layer);
      return Number(this.#removeSome.run(layer).changes) < removalBatch;
    });
  }
}
