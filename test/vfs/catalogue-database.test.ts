// Opens throw-away catalogues and checks transactions, syncs and schema steps.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { applySchema, openCatalogueDatabase } from '../../src/vfs/storage/catalogue-database.ts';

function temporaryFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'hubdrive-catalogue-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'catalogue.db');
}

const steps = ['CREATE TABLE pet (name TEXT) STRICT'];

test('a nested transaction joins the outer one and is rolled back with it', async (t) => {
  const database = openCatalogueDatabase(temporaryFile(t));
  t.after(() => database.close());
  applySchema(database, 'pets', steps);
  assert.throws(() =>
    database.transaction(() => {
      database.transaction(() => database.handle.exec("INSERT INTO pet VALUES ('cat')"));
      throw new Error('no');
    }),
  );
  assert.equal(database.handle.prepare('SELECT count(*) AS n FROM pet').get()?.['n'], 0);
  database.transaction(() =>
    database.transaction(() => database.handle.exec("INSERT INTO pet VALUES ('dog')")),
  );
  assert.equal(database.handle.prepare('SELECT count(*) AS n FROM pet').get()?.['n'], 1);
});

test('callbacks run after the outermost commit, or newest first at a rollback', async (t) => {
  const database = openCatalogueDatabase(temporaryFile(t));
  t.after(() => database.close());
  const seen: string[] = [];
  database.transaction(() => {
    database.transaction(() => database.afterCommit(() => seen.push('committed')));
    database.onRollback(() => seen.push('never'));
    seen.push('inside');
  });
  assert.throws(() =>
    database.transaction(() => {
      database.afterCommit(() => seen.push('never'));
      database.onRollback(() => seen.push('first'));
      database.onRollback(() => seen.push('second'));
      throw new Error('no');
    }),
  );
  database.afterCommit(() => seen.push('at once'));
  assert.deepEqual(seen, ['inside', 'committed', 'second', 'first', 'at once']);
});

test('committed rows are there after a copy of the files is opened, and syncs share their work', async (t) => {
  const path = temporaryFile(t);
  const database = openCatalogueDatabase(path);
  applySchema(database, 'pets', steps);
  database.transaction(() => database.handle.exec("INSERT INTO pet VALUES ('cat')"));
  const first = database.sync();
  assert.equal(first, database.sync());
  database.transaction(() => database.handle.exec("INSERT INTO pet VALUES ('bird')"));
  assert.equal(first, database.sync(), 'what comes in the same turn goes with it');
  // It starts at the end of the turn, and the disk cannot answer before the next one.
  await Promise.resolve();
  assert.equal(first, database.sync(), 'nothing came since');
  database.transaction(() => database.handle.exec("INSERT INTO pet VALUES ('dog')"));
  const second = database.sync();
  assert.notEqual(first, second);
  assert.equal(second, database.sync());
  await Promise.all([first, second, database.sync()]);
  const again = openCatalogueDatabase(path);
  assert.equal(again.handle.prepare('SELECT name FROM pet').get()?.['name'], 'cat');
  await again.close();
  await database.close();
  await database.close();
});

test('each part runs only the schema steps it has not run, and a newer catalogue is refused', async (t) => {
  const path = temporaryFile(t);
  const first = openCatalogueDatabase(path);
  applySchema(first, 'pets', steps);
  await first.close();
  const second = openCatalogueDatabase(path);
  const more = [...steps, 'ALTER TABLE pet ADD COLUMN age INTEGER'];
  applySchema(second, 'pets', more);
  applySchema(second, 'pets', more);
  second.handle.exec("INSERT INTO pet VALUES ('cat', 3)");
  assert.throws(() => applySchema(second, 'pets', steps), /newer program/);
  await second.close();
});

test('a file that is no database is refused by name and left as it is', (t) => {
  const path = temporaryFile(t);
  writeFileSync(path, 'x'.repeat(5000));
  assert.throws(() => openCatalogueDatabase(path), { code: 'EIO', path });
});

test('a catalogue that another program holds is busy for the moment, not broken', async (t) => {
  const path = temporaryFile(t);
  const database = openCatalogueDatabase(path);
  t.after(() => database.close());
  applySchema(database, 'pets', steps);
  database.handle.exec('PRAGMA busy_timeout = 0');
  const other = new DatabaseSync(path);
  t.after(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  const rolledBack: string[] = [];
  assert.throws(
    () =>
      database.transaction(() => {
        database.onRollback(() => rolledBack.push('undone'));
        database.handle.exec("INSERT INTO pet VALUES ('cat')");
      }),
    { code: 'EAGAIN' },
  );
  assert.deepEqual(rolledBack, []);
  other.exec('ROLLBACK');
  database.transaction(() => database.handle.exec("INSERT INTO pet VALUES ('cat')"));
});
