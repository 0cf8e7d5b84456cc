// What counts as damage to a write-ahead log, and what an ordinary crash leaves.

import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { findWalDamage } from '../../src/vfs/storage/wal-check.ts';

const frameBytes = 24 + 4096;

/** A log with some transactions, as a killed process leaves it, and a path to write changed copies to. */
function killedLog(t: TestContext, transactions: number): { bytes: Buffer; path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'hubdrive-wal-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const database = new DatabaseSync(join(folder, 'a.db'));
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE pet (name TEXT)');
  for (let count = 0; count < transactions; count += 1) {
    database.prepare('INSERT INTO pet VALUES (?)').run(`pet ${count} ${'x'.repeat(count * 50)}`);
  }
  const path = join(folder, 'copy.db-wal');
  copyFileSync(join(folder, 'a.db-wal'), path);
  database.close();
  return { bytes: readFileSync(path), path };
}

function damageOf(path: string, bytes: Buffer): Promise<string | null> {
  writeFileSync(path, bytes);
  return findWalDamage(path);
}

function flipped(bytes: Buffer, offset: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[offset] = (copy[offset] ?? 0) ^ 4;
  return copy;
}

test('a whole log, an empty one, and none at all are no damage', async (t) => {
  const { bytes, path } = killedLog(t, 20);
  assert.equal(await damageOf(path, bytes), null);
  assert.equal(await damageOf(path, Buffer.alloc(0)), null);
  rmSync(path);
  assert.equal(await findWalDamage(path), null);
});

test('a last transaction that was cut short is no damage', async (t) => {
  const { bytes, path } = killedLog(t, 20);
  assert.equal(await damageOf(path, bytes.subarray(0, bytes.length - 100)), null);
  assert.equal(await damageOf(path, flipped(bytes, bytes.length - 100)), null);
});

test('frames of an earlier use behind the end are no damage', async (t) => {
  const { bytes, path } = killedLog(t, 20);
  const old = Buffer.from(bytes.subarray(32, 32 + 5 * frameBytes));
  for (let frame = 0; frame < 5; frame += 1) old.writeUInt32BE(12345, frame * frameBytes + 8);
  assert.equal(await damageOf(path, Buffer.concat([bytes, old])), null);
});

test('damage near the end of a long log is found', async (t) => {
  const { bytes, path } = killedLog(t, 180);
  assert.equal(await damageOf(path, bytes), null);
  const frames = Math.floor((bytes.length - 32) / frameBytes);
  assert.ok(frames > 300);
  const damaged = flipped(bytes, 32 + (frames - 20) * frameBytes + 500);
  assert.match((await damageOf(path, damaged)) ?? '', /frame \d+ of its log/);
});

test('a changed bit anywhere before the last transaction is damage', async (t) => {
  const { bytes, path } = killedLog(t, 20);
  assert.match((await damageOf(path, flipped(bytes, 1))) ?? '', /does not begin/);
  assert.match((await damageOf(path, flipped(bytes, 20))) ?? '', /head/);
  for (const offset of [32 + 5, 32 + 24 + 4000, 32 + 7 * frameBytes + 17, 32 + 9 * frameBytes + 500]) {
    assert.match(
      (await damageOf(path, flipped(bytes, offset))) ?? '',
      /frame \d+ of its log/,
      `offset ${offset}`,
    );
  }
});
