import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pattern, withBench } from '../support/content-bench.ts';

describe('content of unchanged files', () => {
  it('reads remote bytes through the cache and never fetches them twice, restart included', async () => {
    await withBench({}, async (bench) => {
      const bytes = pattern(300_000);
      bench.inodes.add(1, bench.remote.put('a.bin', bytes));
      assert.deepEqual(await bench.read(1), bytes);
      const fetched = bench.remote.fetchedBytes;
      assert.deepEqual(await bench.read(1, 1000, 70_000), bytes.subarray(1000, 71_000));
      await bench.restart();
      assert.deepEqual(await bench.read(1), bytes);
      assert.equal(bench.remote.fetchedBytes, fetched);
      assert.equal(bench.counts.downloadedBytes, fetched);
    });
  });

  it('reads fewer bytes only at the end of the file', async () => {
    await withBench({}, async (bench) => {
      bench.inodes.add(1, bench.remote.put('a', 'hello'));
      assert.equal((await bench.read(1, 3, 100)).toString(), 'lo');
      assert.equal((await bench.read(1, 5, 10)).length, 0);
      assert.equal((await bench.read(1, 50, 10)).length, 0);
    });
  });

  it('answers hot bytes in the same turn', async () => {
    await withBench({}, async (bench) => {
      const bytes = pattern(100_000);
      bench.inodes.add(1, bench.remote.put('a', bytes));
      await bench.read(1);
      const target = Buffer.alloc(4096);
      assert.equal(bench.store.read(1, 50_000, target), 4096);
      assert.deepEqual(target, bytes.subarray(50_000, 54_096));
    });
  });

  it('answers many hot bytes in the same turn only to who has nothing else to do', async () => {
    await withBench({}, async (bench) => {
      const bytes = pattern(700_000);
      bench.inodes.add(1, bench.remote.put('a', bytes));
      bench.inodes.add(2, null);
      await bench.read(1);
      await bench.write(2, 0, bytes);
      for (const ino of [1, 2]) {
        const target = Buffer.alloc(600_000);
        assert.equal(bench.store.read(ino, 50_000, target, true), 600_000);
        assert.deepEqual(target, bytes.subarray(50_000, 650_000));
        const another = Buffer.alloc(600_000);
        const reading = bench.store.read(ino, 50_000, another);
        assert.ok(reading instanceof Promise);
        assert.equal(await reading, 600_000);
        assert.deepEqual(another, target);
      }
    });
  });
});

describe('staged content', () => {
  it('writes, reads back, commits and is there after a restart', async () => {
    await withBench({}, async (bench) => {
      bench.inodes.add(7, null);
      await bench.write(7, 0, 'hello world');
      await bench.write(7, 6, 'there');
      assert.equal(await bench.readText(7), 'hello there');
      await bench.store.commit(7);
      await bench.restart();
      assert.ok(bench.store.isStaged(7));
      assert.equal(await bench.readText(7), 'hello there');
      assert.deepEqual(bench.store.staged(), [{ ino: 7, sizeBytes: 11, dirtyBytes: 11 }]);
    });
  });

  it('downloads nothing to overwrite the middle of a remote file', async () => {
    await withBench({}, async (bench) => {
      const bytes = pattern(2_000_000);
      bench.inodes.add(1, bench.remote.put('big', bytes));
      const change = pattern(4096, 9);
      await bench.write(1, 1_000_000, change);
      await bench.store.commit(1);
      assert.equal(bench.remote.fetchedBytes, 0);
      const expected = Buffer.concat([bytes.subarray(0, 1_000_000), change, bytes.subarray(1_004_096)]);
      assert.deepEqual(await bench.read(1), expected);
    });
  });

  it('shows zeros where a file was cut and grown again', async () => {
    await withBench({}, async (bench) => {
      bench.inodes.add(1, bench.remote.put('a', 'abcdefgh'));
      await bench.write(1, 6, 'XY');
      await bench.truncate(1, 4);
      await bench.truncate(1, 7);
      assert.equal(await bench.readText(1), 'abcd\0\0\0');
      await bench.write(1, 9, '!');
      assert.equal(await bench.readText(1), 'abcd\0\0\0\0\0!');
      await bench.store.commit(1);
      await bench.restart();
      assert.equal(await bench.readText(1), 'abcd\0\0\0\0\0!');
    });
  });

  it('keeps an emptied file empty without its old bytes', async () => {
    await withBench({}, async (bench) => {
      bench.inodes.add(1, null);
      await bench.write(1, 0, 'old contents');
      await bench.store.commit(1);
      await bench.truncate(1, 0);
      await bench.write(1, 0, 'new');
      await bench.truncate(1, 5);
      await bench.store.commit(1);
      await bench.restart();
      assert.equal(await bench.readText(1), 'new\0\0');
      assert.equal(readdirSync(join(bench.dataDir, 'staging')).length, 1);
    });
  });

  it('sends a version while later writes go on, and ends clean with its bytes cached', async () => {
    await withBench({}, async (bench) => {
      bench.inodes.add(1, bench.remote.put('a', 'version one'));
      await bench.write(1, 8, 'two');
      const snapshot = await bench.store.snapshot(1);
      assert.ok(snapshot !== null);
      assert.deepEqual(snapshot.dirty, [{ start: 8, end: 11 }]);
      await bench.write(1, 8, 'six');
      const sent = Buffer.alloc(11);
      await snapshot.read(0, sent);
      assert.equal(sent.toString(), 'version two');
      const content = bench.remote.put('a', sent);
      const { clean } = bench.database.transaction(() => snapshot.committed(content));
      bench.inodes.bases.set(1, content);
      assert.equal(clean, false);
      assert.equal(await bench.readText(1), 'version six');
      const result = await bench.send(1);
      assert.equal(result?.clean, true);
      assert.equal(bench.store.isStaged(1), false);
      assert.equal(await bench.readText(1), 'version six');
      await bench.restart();
      assert.equal(await bench.readText(1), 'version six');
      assert.deepEqual(readdirSync(join(bench.dataDir, 'staging')), []);
    });
  });
});
