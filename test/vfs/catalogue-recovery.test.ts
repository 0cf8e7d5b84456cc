// Damages catalogues of both sizes (checked at once, and on a thread) in every kind of page, and checks that nothing of them is
// believed. What becomes of a whole mount is tested in test/crash/damage.test.ts.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { silentLog } from '../../src/shared/log.ts';
import { loadOrRebuildCatalogue } from '../../src/vfs/namespace/catalogue-recovery.ts';
import {
  applySchema,
  openCatalogueDatabase,
  type OpenCatalogueDatabase,
} from '../../src/vfs/storage/catalogue-database.ts';
import { ManualClock } from '../support/manual-clock.ts';

const pageBytes = 4096;
/** https://sqlite.org/fileformat2.html#b_tree_pages */
const leafOfTable = 0x0d;
const leafOfIndex = 0x0a;
const firstFreePageAt = 32;
const sizes = [
  { name: 'small', rows: 2000, least: 100_000, most: 4 * 1024 * 1024 },
  { name: 'large', rows: 120_000, least: 4 * 1024 * 1024, most: 64 * 1024 * 1024 },
];

interface Seen {
  readonly rows: number;
  readonly isDamaged: boolean;
}

/** A table, an index and free pages, all in the main file. */
async function makeCatalogue(t: TestContext, rows: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'hubdrive-recovery-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const database = openCatalogueDatabase(join(folder, 'catalogue.db'));
  applySchema(database, 'pets', ['CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT) STRICT']);
  applySchema(database, 'index', ['CREATE INDEX pet_name ON pet (name)']);
  const insert = database.handle.prepare('INSERT INTO pet VALUES (?, ?)');
  database.transaction(() => {
    for (let row = 0; row < rows; row += 1) insert.run(row, `pet number ${row} of many`);
  });
  database.handle.exec(`DELETE FROM pet WHERE id > ${Math.floor(rows * 0.8)}`);
  await database.close();
  return folder;
}

async function load(
  folder: string,
  between?: () => Promise<void>,
): Promise<Seen & { damage: string | null }> {
  const { loaded, damage } = await loadOrRebuildCatalogue(
    folder,
    new ManualClock(),
    silentLog,
    async (database, isDamaged, sound) => {
      await between?.();
      await sound;
      const rows = countRows(database);
      await database.close();
      return { rows, isDamaged };
    },
  );
  return { ...loaded, damage };
}

function countRows({ handle }: OpenCatalogueDatabase): number {
  const isThere = handle.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'pet'").get() !== undefined;
  return isThere ? Number(handle.prepare('SELECT count(*) AS n FROM pet').get()?.['n']) : -1;
}

function change(folder: string, work: (bytes: Buffer) => void): void {
  const path = join(folder, 'catalogue.db');
  const bytes = readFileSync(path);
  work(bytes);
  writeFileSync(path, bytes);
}

/** Overwrites the head of a page of this kind near the middle of the file. */
function breakPage(bytes: Buffer, kind: number): void {
  const pages = bytes.length / pageBytes;
  for (let page = Math.floor(pages / 2); page < pages; page += 1) {
    if (bytes[page * pageBytes] !== kind) continue;
    bytes.fill(0xff, page * pageBytes, page * pageBytes + 8);
    return;
  }
  assert.fail(`no page of kind ${kind}`);
}

const damages: readonly (readonly [name: string, (bytes: Buffer) => void])[] = [
  ['a leaf of a table', (bytes) => breakPage(bytes, leafOfTable)],
  ['a page of an index', (bytes) => breakPage(bytes, leafOfIndex)],
  [
    'the list of free pages',
    (bytes) => {
      const page = bytes.readUInt32BE(firstFreePageAt);
      assert.ok(page > 0, 'there are free pages');
      bytes.fill(0xff, (page - 1) * pageBytes + 4, (page - 1) * pageBytes + 8);
    },
  ],
  ['the order of rows', (bytes) => swapCells(bytes)],
];

/** Exchanges two rows of a table's leaf, which reading them one after the other would not notice. */
function swapCells(bytes: Buffer): void {
  const pages = bytes.length / pageBytes;
  for (let page = Math.floor(pages / 2); page < pages; page += 1) {
    const at = page * pageBytes;
    if (bytes[at] !== leafOfTable) continue;
    const first = bytes.readUInt16BE(at + 8);
    bytes.writeUInt16BE(bytes.readUInt16BE(at + 10), at + 8);
    bytes.writeUInt16BE(first, at + 10);
    return;
  }
  assert.fail('no leaf of a table');
}

for (const { name: size, rows, least, most } of sizes) {
  test(`a whole ${size} catalogue is loaded as it is`, async (t) => {
    const folder = await makeCatalogue(t, rows);
    const sizeBytes = statSync(join(folder, 'catalogue.db')).size;
    assert.ok(sizeBytes > least && sizeBytes <= most, `${sizeBytes} bytes`);
    assert.deepEqual(await load(folder), {
      rows: Math.floor(rows * 0.8) + 1,
      isDamaged: false,
      damage: null,
    });
    assert.ok(!existsSync(join(folder, 'set-aside')));
  });

  for (const [place, damage] of damages) {
    test(`damage to ${place} of a ${size} catalogue has it set aside before anything of it is believed`, async (t) => {
      const folder = await makeCatalogue(t, rows);
      change(folder, damage);
      const damaged = readFileSync(join(folder, 'catalogue.db'));
      const seen = await load(folder);
      assert.equal(seen.rows, -1, 'a new catalogue');
      assert.equal(seen.isDamaged, true);
      assert.match(seen.damage ?? '', /damaged and is made anew/);
      const [aside = ''] = readdirSync(join(folder, 'set-aside'));
      const kept = readFileSync(join(folder, 'set-aside', aside, 'catalogue.db'));
      // The first page counts changes.
      assert.ok(kept.subarray(pageBytes).equals(damaged.subarray(pageBytes)), 'it is kept as it was');
    });
  }
}

test('a load that fails over damaged rows is told as damage once the check is done', async (t) => {
  const folder = await makeCatalogue(t, 120_000);
  change(folder, (bytes) => breakPage(bytes, leafOfTable));
  let loads = 0;
  const seen = await load(folder, async () => {
    loads += 1;
    if (loads === 1) throw new RangeError('rows of no sense');
  });
  assert.equal(loads, 2);
  assert.equal(seen.isDamaged, true);
});

test('a load that fails for another reason leaves the catalogue where it is, closed', async (t) => {
  const folder = await makeCatalogue(t, 120_000);
  const failing = load(folder, () => Promise.reject(new Error('no')));
  await assert.rejects(failing, /^Error: no$/);
  assert.deepEqual(readdirSync(folder), ['catalogue.db']);
  assert.equal((await load(folder)).isDamaged, false);
});
