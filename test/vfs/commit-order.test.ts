// What COMMIT waits for, in which order, and what commits share.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { nodeDisk } from '../../src/vfs/storage/staging-disk.ts';
import { ContentBench, pattern } from '../support/content-bench.ts';

/** A store whose syncs are told in `log`, and wait while they are held. */
async function watchedBench(t: TestContext) {
  const log: string[] = [];
  const held = new Map<string, PromiseWithResolvers<void>>();
  const pass = async (name: string, sync: () => Promise<void>): Promise<void> => {
    log.push(`${name} asked`);
    await held.get(name)?.promise;
    await sync();
    log.push(`${name} done`);
  };
  const bench = await ContentBench.open({
    disk: {
      syncData: (descriptor) => pass('data', () => nodeDisk.syncData(descriptor)),
      syncDirectory: (path) => pass('folder', () => nodeDisk.syncDirectory(path)),
    },
    onStep: (step) => {
      if (step === 'index-written') log.push('index written');
    },
    onDatabase: (database) => {
      const sync = database.sync.bind(database);
      database.sync = () => pass('log', sync);
    },
  });
  t.after(() => bench.dispose());
  return {
    bench,
    log,
    hold(name: 'data' | 'folder' | 'log'): () => void {
      const gate = Promise.withResolvers<void>();
      held.set(name, gate);
      return () => {
        held.delete(name);
        gate.resolve();
      };
    },
    async until(entry: string): Promise<void> {
      while (!log.includes(entry)) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('data and folder of a new file are synced at the same time, the index is written after both, its log is synced last', async (t) => {
  const { bench, log, hold, until } = await watchedBench(t);
  bench.inodes.add(1, null);
  await bench.write(1, 0, pattern(5000));
  log.length = 0;
  const releases = [hold('data'), hold('folder')];
  const committing = bench.store.commit(1);
  await until('folder asked');
  assert.deepEqual(log, ['data asked', 'folder asked']);
  releases[0]?.();
  await until('data done');
  assert.ok(!log.includes('index written'), 'the file may not be found after a crash');
  releases[1]?.();
  await committing;
  assert.deepEqual(log.slice(2), ['data done', 'folder done', 'index written', 'log asked', 'log done']);
});

test('the index is not written before the data is on the disk, however soon the folder is', async (t) => {
  const { bench, log, hold, until } = await watchedBench(t);
  bench.inodes.add(1, null);
  await bench.write(1, 0, pattern(5000));
  log.length = 0;
  const release = hold('data');
  const committing = bench.store.commit(1);
  await until('folder done');
  assert.ok(!log.includes('index written'));
  release();
  await committing;
});

test('the folder is synced for a new file only', async (t) => {
  const { bench, log } = await watchedBench(t);
  bench.inodes.add(1, null);
  await bench.write(1, 0, pattern(5000));
  await bench.store.commit(1);
  log.length = 0;
  await bench.write(1, 9000, pattern(5000));
  await bench.store.commit(1);
  assert.deepEqual(log, ['data asked', 'data done', 'index written', 'log asked', 'log done']);
});

test('a commit does not end before its log is on the disk', async (t) => {
  const { bench, hold, until } = await watchedBench(t);
  bench.inodes.add(1, null);
  await bench.write(1, 0, pattern(5000));
  const release = hold('log');
  let isDone = false;
  const committing = bench.store.commit(1).then(() => (isDone = true));
  await until('index written');
  assert.deepEqual((await bench.read(1)).length, 5000, 'reads go on');
  assert.equal(isDone, false);
  release();
  await committing;
});

test('commits of different files that come together share the sync of the folder', async (t) => {
  const { bench, log } = await watchedBench(t);
  for (let ino = 1; ino <= 20; ino += 1) {
    bench.inodes.add(ino, null);
    await bench.write(ino, 0, pattern(500, ino));
  }
  log.length = 0;
  await Promise.all(Array.from({ length: 20 }, (_, index) => bench.store.commit(index + 1)));
  const count = (entry: string): number => log.filter((line) => line === entry).length;
  assert.equal(count('data done'), 20);
  assert.equal(count('folder done'), 1);
});

test('a commit waits for the checksums that went before it, not for those that later writes take away', async (t) => {
  const { bench, log, hold, until } = await watchedBench(t);
  const segmentBytes = 4 * 1024 * 1024;
  bench.inodes.add(1, null);
  await bench.write(1, 0, pattern(2 * segmentBytes));
  await bench.store.commit(1);
  bench.clock.advance(1500);
  const sealed = bench.database.handle.prepare('SELECT count(*) AS n FROM staged_checksum');
  while (Number(sealed.get()?.['n']) < 2) await new Promise((resolve) => setImmediate(resolve));
  log.length = 0;
  const release = hold('log');
  await bench.write(1, 0, 'first');
  const committing = bench.store.commit(1);
  await until('log asked');
  await bench.write(1, segmentBytes, 'second');
  release();
  const releaseLater = hold('log');
  await until('data asked');
  releaseLater();
  await committing;
});

test('a truncation that fails takes nothing out of a commit that is under way', async (t) => {
  const { bench, hold, until } = await watchedBench(t);
  const bytes = pattern(5000);
  bench.inodes.add(1, null);
  await bench.write(1, 0, bytes);
  const release = hold('data');
  const committing = bench.store.commit(1);
  await until('data asked');
  const failing = (): void =>
    bench.database.transaction(() => {
      void bench.store.truncate(1, 1000);
      throw new Error('the disk is full');
    });
  assert.throws(failing, /the disk is full/);
  release();
  await committing;
  const extents = bench.database.handle.prepare('SELECT * FROM staged_extent').all();
  assert.deepEqual(
    extents.map(({ start, end }) => [start, end]),
    [[0, 5000]],
  );
  assert.ok((await bench.read(1)).equals(bytes));
});
