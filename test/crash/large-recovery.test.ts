// A start with a large catalogue and many unsent files: counts what it does, since time depends on the machine.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { silentLog } from '../../src/shared/log.ts';
import type { OpenCatalogueDatabase } from '../../src/vfs/storage/catalogue-database.ts';
import { nodeDisk, type StagingDisk } from '../../src/vfs/storage/staging-disk.ts';
import { VirtualFs } from '../../src/vfs/virtual-fs.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';

const entries = 100_000;
const folders = 100;
const pending = 1000;
const firstIno = 10_000_000;

function options(folder: string) {
  return {
    remote: new MemoryRemoteStore(),
    dataDir: join(folder, 'data'),
    cacheDir: join(folder, 'cache'),
    cacheLimitBytes: 1 << 30,
    owner: { uid: 1000, gid: 1000 },
    hostName: 'laptop',
    clock: new ManualClock(),
    log: silentLog,
  };
}

/** Written straight into the tables: making them one by one is another test's business. */
function fillCatalogue(path: string): void {
  const database = new DatabaseSync(path);
  database.exec('BEGIN');
  const inode = database.prepare(
    `INSERT INTO inode VALUES (?, ?, ?, 1000, 1000, ?, 1700000000, 1, 1700000000, 1, 1700000000, 1, ?, ?, ?, ?, NULL, NULL)`,
  );
  const entry = database.prepare('INSERT INTO entry VALUES (?, ?, ?, ?, NULL, ?)');
  const layer = database.prepare("INSERT INTO staged_layer VALUES (?, ?, 'live', NULL, NULL, NULL, 0, 4)");
  const extent = database.prepare('INSERT INTO staged_extent VALUES (?, 0, 4)');
  const upload = database.prepare('INSERT INTO upload_files VALUES (?)');
  const perFolder = entries / folders;
  let ino = firstIno;
  for (let folder = 0; folder < folders; folder += 1) {
    const parent = ino++;
    inode.run(parent, 1, 0o755, 0, 3, 3 + perFolder, null, 0);
    entry.run(1, 3 + folder, parent, `folder ${folder}`, null);
    for (let index = 0; index < perFolder; index += 1, ino += 1) {
      const isPending = index < pending / folders;
      const key = isPending ? null : Buffer.alloc(32, index % 251);
      inode.run(ino, 0, 0o644, isPending ? 4 : 1000, 0, 0, key, isPending ? 0 : 1000);
      entry.run(parent, 3 + index, ino, `file number ${index}.parquet`, isPending ? null : Buffer.alloc(0));
      if (!isPending) continue;
      layer.run(ino, ino);
      extent.run(ino);
      upload.run(ino);
    }
  }
  database.prepare('UPDATE inode SET next_cookie = ? WHERE ino = 1').run(3 + folders);
  database.prepare("INSERT OR REPLACE INTO namespace_fact VALUES ('next_ino', ?)").run(ino);
  database.exec('COMMIT');
  database.close();
}

function writeStagingFiles(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const perFolder = entries / folders;
  for (let index = 0; index < folders; index += 1) {
    for (let file = 0; file < pending / folders; file += 1) {
      const ino = firstIno + index * (perFolder + 1) + 1 + file;
      writeFileSync(join(folder, `${ino}-${ino}.dat`), 'data');
    }
  }
}

function countingDisk(counts: Record<string, number>): StagingDisk {
  const count = (name: string): void => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  return {
    ...nodeDisk,
    open: (path, access, create) => {
      count('open');
      return nodeDisk.open(path, access, create);
    },
    sizeOf: (path) => {
      count('sizeOf');
      return nodeDisk.sizeOf(path);
    },
    list: (path) => {
      count('list');
      return nodeDisk.list(path);
    },
    rename: (from, to) => {
      count('rename');
      nodeDisk.rename(from, to);
    },
  };
}

test('a start with 100,000 entries and 1,000 unsent files opens none of them and gives others their turns', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'large-recovery-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const first = await VirtualFs.open(options(folder));
  await first.close();
  fillCatalogue(join(folder, 'data', 'catalogue.db'));
  writeStagingFiles(join(folder, 'data', 'staging'));

  const counts: Record<string, number> = {};
  let transactions = 0;
  let turns = 0;
  let isOpen = false;
  const turn = (): void => {
    turns += 1;
    if (!isOpen) setImmediate(turn);
  };
  setImmediate(turn);
  const startedAt = performance.now();
  const fs = await VirtualFs.open({
    ...options(folder),
    disk: countingDisk(counts),
    wrapDatabase: (database): OpenCatalogueDatabase => {
      const transaction = database.transaction.bind(database);
      database.transaction = (work) => {
        transactions += 1;
        return transaction(work);
      };
      return database;
    },
  });
  isOpen = true;
  t.diagnostic(
    `opened in ${Math.round(performance.now() - startedAt)} ms, ${turns} turns, ${transactions} transactions`,
  );
  t.after(() => fs.close());

  assert.equal(fs.status().inodes, entries + folders + 1);
  assert.deepEqual(fs.uploads.pendingTotals(), { files: pending, bytes: pending * 4 });
  assert.equal(counts['open'] ?? 0, 0, 'no staging file is opened');
  assert.equal(counts['rename'] ?? 0, 0, 'nothing is set aside');
  assert.ok((counts['sizeOf'] ?? 0) <= pending + 10, 'each staging file is looked at once');
  assert.ok(transactions < 50, `${transactions} transactions: their number does not grow with the files`);
  // 500 rows or 100 files a turn.
  assert.ok(turns > (entries * 2) / 500, `${turns} turns for others`);

  const directory = await fs.lookup(fs.rootIno, 'folder 42');
  const file = await fs.lookup(directory.ino, 'file number 3.parquet');
  const target = new Uint8Array(10);
  assert.deepEqual(await fs.read(file.ino, 0, target), { bytesRead: 4, eof: true });
  assert.equal(Buffer.from(target.subarray(0, 4)).toString(), 'data');
});
