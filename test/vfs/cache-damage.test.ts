// Bits of cached bytes that flip on the disk: they cost fetching again, and never get into what a program reads or a version that is sent.

import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { nodeDisk } from '../../src/vfs/storage/staging-disk.ts';
import { ContentBench, pattern, type BenchOptions } from '../support/content-bench.ts';

const original = pattern(300_000);

/** A file of the Hub that was read as a whole and rested until its blocks got checksums. */
async function withCached(
  work: (bench: ContentBench) => Promise<void>,
  options: BenchOptions = {},
): Promise<void> {
  const bench = await ContentBench.open(options);
  try {
    bench.inodes.add(1, bench.remote.put('file-1', original));
    same(await bench.read(1), original);
    await rest(bench);
    await work(bench);
  } finally {
    await bench.dispose();
  }
}

/** Not `deepEqual`, whose account of a difference takes minutes. */
function same(found: Uint8Array | null, expected: Buffer): void {
  assert.ok(found !== null && expected.equals(found), 'the bytes differ');
}

async function rest(bench: ContentBench): Promise<void> {
  const database = new DatabaseSync(join(bench.cacheDir, 'cache.db'), { readOnly: true });
  const rows = database.prepare('SELECT count(*) AS n FROM checksum');
  while (Number(rows.get()?.['n']) === 0) await bench.clock.advanceAsync(2000);
  database.close();
}

/** Flips a bit in the only cache file. */
function flip(bench: ContentBench, offset: number): void {
  const [path] = readdirSync(bench.cacheDir, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /^[0-9a-f]{2}\/./.test(name),
  );
  const descriptor = openSync(join(bench.cacheDir, path ?? assert.fail('a cache file')), 'r+');
  const byte = Buffer.alloc(1);
  readSync(descriptor, byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ 1;
  writeSync(descriptor, byte, 0, 1, offset);
  closeSync(descriptor);
}

describe('a bit that flips in a cache file', () => {
  it('is found at the first read after a restart, and the content is fetched again', async () => {
    await withCached(async (bench) => {
      await bench.close();
      flip(bench, 150_000);
      await bench.restart();
      const before = bench.counts.downloadedBytes;
      same(await bench.read(1, 149_000, 2000), original.subarray(149_000, 151_000));
      assert.ok(bench.counts.downloadedBytes > before);
      assert.ok(bench.warnings.includes('cached bytes were unreadable and are fetched again'));
      same(await bench.read(1), original);
    });
  });

  it('never gets into a new version, at whatever time it flips', async () => {
    for (const isRestarted of [true, false]) {
      await withCached(async (bench) => {
        if (isRestarted) await bench.close();
        // Beside what the program changes, in bytes that the upload takes from the base.
        flip(bench, 149_990);
        if (isRestarted) await bench.restart();
        await bench.write(1, 150_000, 'changed by a program');
        await bench.store.commit(1);
        const sent = await bench.send(1);
        const expected = Buffer.from(original);
        expected.write('changed by a program', 150_000);
        same(bench.remote.content(sent?.content.key ?? ''), expected);
        same(await bench.read(1), expected);
      });
    }
  });

  it('in what was sent from here is found too', async () => {
    const bench = await ContentBench.open();
    try {
      bench.inodes.add(1, null);
      await bench.write(1, 0, original);
      await bench.send(1);
      await rest(bench);
      await bench.close();
      flip(bench, 70_000);
      await bench.restart();
      same(await bench.read(1), original);
    } finally {
      await bench.dispose();
    }
  });
});

describe('checksums of cached bytes', () => {
  it('are compared once: later reads read what they are asked for and nothing else', async () => {
    const lengths: number[] = [];
    const disk: BenchOptions['disk'] = {
      read: (...args) => {
        lengths.push(args[3]);
        return nodeDisk.read(...args);
      },
      readLater: (...args) => {
        lengths.push(args[3]);
        return nodeDisk.readLater(...args);
      },
    };
    await withCached(
      async (bench) => {
        lengths.length = 0;
        await bench.read(1, 1000, 4096);
        assert.deepEqual(lengths, [4096], 'of bytes that this run stored');
        await bench.restart();
        await bench.read(1, 1000, 4096);
        lengths.length = 0;
        await bench.read(1, 1000, 4096);
        await bench.read(1, 9000, 4096);
        assert.deepEqual(lengths, [4096, 4096], 'of a block that was looked at');
      },
      { disk },
    );
  });

  it('go with the content that is evicted', async () => {
    await withCached(async (bench) => {
      await bench.store.evict(Infinity);
      const database = new DatabaseSync(join(bench.cacheDir, 'cache.db'), { readOnly: true });
      assert.equal(database.prepare('SELECT count(*) AS n FROM checksum').get()?.['n'], 0);
      database.close();
    });
  });
});
