import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pattern, withBench } from '../support/content-bench.ts';

describe('an edited file after it was sent', () => {
  it('is read again without downloading what did not change, after a restart too', async () => {
    await withBench({}, async (bench) => {
      const bytes = pattern(3_000_000);
      bench.inodes.add(1, bench.remote.put('a', bytes));
      await bench.read(1);
      const { fetchedBytes } = bench.remote;
      pattern(4096, 2).copy(bytes, 1_000_000);
      await bench.write(1, 1_000_000, pattern(4096, 2));
      assert.equal((await bench.send(1))?.clean, true);
      assert.deepEqual(await bench.read(1), bytes);
      await bench.restart();
      assert.deepEqual(await bench.read(1), bytes);
      assert.equal(bench.remote.fetchedBytes, fetchedBytes);
    });
  });

  it('stays local over many edits, appends and cuts', async () => {
    await withBench({}, async (bench) => {
      let bytes = pattern(500_000);
      bench.inodes.add(1, bench.remote.put('a', bytes));
      await bench.read(1);
      const { fetchedBytes } = bench.remote;
      for (let round = 1; round <= 30; round++) {
        const data = pattern(1000, round);
        const offset = round % 3 === 0 ? bytes.length : (round * 37_000) % bytes.length;
        const next = Buffer.alloc(Math.max(bytes.length, offset + data.length));
        bytes.copy(next);
        data.copy(next, offset);
        bytes = next;
        await bench.write(1, offset, data);
        if (round % 7 === 0) {
          bytes = bytes.subarray(0, bytes.length - 5000);
          await bench.truncate(1, bytes.length);
        }
        assert.equal((await bench.send(1))?.clean, true);
        if (round % 5 === 0) await bench.restart();
        assert.deepEqual(await bench.read(1), bytes);
      }
      assert.equal(bench.remote.fetchedBytes, fetchedBytes);
    });
  });

  it('fetches only what neither it nor its origin has', async () => {
    await withBench({}, async (bench) => {
      const bytes = pattern(2_000_000);
      bench.inodes.add(1, bench.remote.put('a', bytes));
      await bench.read(1, 700_000, 65_536);
      const before = bench.remote.fetchedBytes;
      pattern(10_000, 3).copy(bytes, 750_000);
      await bench.write(1, 750_000, pattern(10_000, 3));
      const snapshot = await bench.store.snapshot(1);
      const content = bench.remote.put('a', bytes);
      bench.database.transaction(() => {
        assert.equal(snapshot?.committed(content).clean, true);
        bench.inodes.bases.set(1, content);
      });
      // 700,000 to 765,536 is here, partly of the old version and partly of the new one.
      assert.deepEqual(await bench.read(1, 690_000, 80_000), bytes.subarray(690_000, 770_000));
      const fetched = bench.remote.fetchedBytes - before;
      assert.equal(fetched, 80_000 - 65_536);
    });
  });

  it('is fetched whole where its origin was evicted', async () => {
    await withBench({}, async (bench) => {
      const bytes = pattern(400_000);
      bench.inodes.add(1, bench.remote.put('a', bytes));
      pattern(10, 3).copy(bytes, 5000);
      await bench.write(1, 5000, pattern(10, 3));
      await bench.send(1);
      assert.deepEqual(await bench.read(1), bytes);
      await bench.restart();
      await bench.store.evict(Infinity);
      const before = bench.remote.fetchedBytes;
      assert.deepEqual(await bench.read(1), bytes);
      assert.equal(bench.remote.fetchedBytes - before, bytes.length);
    });
  });
});
