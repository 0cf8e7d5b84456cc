import assert from 'node:assert/strict';
import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ContentBench, pattern } from '../support/content-bench.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { nodeDisk } from '../../src/vfs/storage/staging-disk.ts';

function cacheFiles(cacheDir: string): string[] {
  return readdirSync(cacheDir)
    .filter((name) => statSync(join(cacheDir, name)).isDirectory())
    .flatMap((folder) => readdirSync(join(cacheDir, folder)).map((name) => join(cacheDir, folder, name)));
}

describe('content cache', () => {
  let cacheDir = '';
  let remote: MemoryRemoteStore;
  let clock: ManualClock;
  let benches: ContentBench[] = [];

  beforeEach(() => {
    cacheDir = mkdtempSync(join(tmpdir(), 'hubdrive-cache-'));
    remote = new MemoryRemoteStore();
    clock = new ManualClock();
    benches = [];
  });
  afterEach(async () => {
    for (const bench of benches) await bench.dispose();
    rmSync(cacheDir, { recursive: true, force: true });
  });

  async function open(options: Partial<Parameters<typeof ContentBench.open>[0]> = {}): Promise<ContentBench> {
    const bench = await ContentBench.open({ cacheDir, remote, clock, ...options });
    benches.push(bench);
    return bench;
  }

  it('is shared by two mounts: what one fetched the other reads without the Hub', async () => {
    const first = await open();
    const second = await open();
    const bytes = pattern(400_000);
    const content = remote.put('a', bytes);
    first.inodes.add(1, content);
    second.inodes.add(9, content);
    await second.read(9, 0, 10);
    await first.read(1);
    await clock.advanceAsync(3000);
    // The records reach the disk in their own time.
    for (let turn = 0; turn < 200 && first.store.cacheUse().usedBytes === 0; turn++)
      await clock.advanceAsync(10);
    await first.close();
    const fetched = remote.fetchedBytes;
    assert.deepEqual(await second.read(9), bytes);
    assert.equal(remote.fetchedBytes, fetched);
  });

  it('survives an eviction by another mount in the middle of reading, without wrong bytes', async () => {
    const first = await open();
    const second = await open();
    const bytes = pattern(3_000_000, 3);
    const content = remote.put('a', bytes);
    first.inodes.add(1, content);
    second.inodes.add(1, content);
    assert.deepEqual(await first.read(1), bytes);
    await first.restart();
    assert.deepEqual(await second.read(1, 0, 1_000_000), bytes.subarray(0, 1_000_000));
    assert.ok((await first.store.evict(1)) >= bytes.length);
    assert.deepEqual(cacheFiles(cacheDir), []);
    // `second` may go on with its open descriptor, and must not bring the evicted content back half.
    assert.deepEqual(await second.read(1), bytes);
    await second.restart();
    await first.restart();
    assert.deepEqual(await first.read(1), bytes);
    assert.deepEqual(await second.read(1), bytes);
    for (const path of cacheFiles(cacheDir)) assert.deepEqual(readFileSync(path), bytes);
  });

  it('keeps to its limit under load, oldest first, and every byte stays right', async () => {
    const bench = await open({ cacheLimitBytes: 1_000_000 });
    const contents = Array.from({ length: 30 }, (_, index) => pattern(100_000, index + 1));
    for (const [index, bytes] of contents.entries())
      bench.inodes.add(index, remote.put(`file-${index}`, bytes));
    for (const [index, bytes] of contents.entries()) {
      const [found, again] = await Promise.all([bench.read(index), bench.read(index >> 1)]);
      assert.deepEqual(found, bytes);
      assert.deepEqual(again, contents[index >> 1]);
      await clock.advanceAsync(2500);
    }
    await bench.restart();
    const { usedBytes, limitBytes } = bench.store.cacheUse();
    assert.ok(usedBytes <= limitBytes, `${usedBytes} of ${limitBytes}`);
    assert.ok(usedBytes >= limitBytes / 2);
    const onDisk = cacheFiles(cacheDir).reduce((sum, path) => sum + statSync(path).size, 0);
    assert.equal(onDisk, usedBytes);
    const fetched = remote.fetchedBytes;
    assert.deepEqual(await bench.read(29), contents[29]);
    assert.equal(remote.fetchedBytes, fetched, 'the newest is still there');
  });

  it('fetches again what a damaged cache file lost, and never shows its bytes', async () => {
    const bench = await open();
    const bytes = pattern(300_000);
    bench.inodes.add(1, remote.put('a', bytes));
    await bench.read(1);
    await bench.restart();
    assert.equal((await bench.read(1, 0, 100)).length, 100);
    for (const path of cacheFiles(cacheDir)) truncateSync(path, 1000);
    assert.deepEqual(await bench.read(1), bytes);
    await bench.restart();
    for (const path of cacheFiles(cacheDir)) truncateSync(path, 1000);
    await bench.restart();
    assert.deepEqual(await bench.read(1), bytes);
  });

  it('starts anew when the index is no database, and removes the files nobody knows', async () => {
    const bench = await open();
    const bytes = pattern(50_000);
    bench.inodes.add(1, remote.put('a', bytes));
    await bench.read(1);
    await bench.close();
    const before = cacheFiles(cacheDir);
    assert.equal(before.length, 1);
    writeFileSync(join(cacheDir, 'cache.db'), 'no database at all');
    await bench.restart();
    assert.deepEqual(await bench.read(1), bytes);
    await bench.restart();
    await bench.close();
    const after = cacheFiles(cacheDir);
    assert.equal(after.length, 1);
    assert.deepEqual(readFileSync(after[0] ?? ''), bytes);
  });

  it('still answers reads when this disk has no room for the cache', async () => {
    const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    const bench = await open({
      disk: {
        write() {
          throw full;
        },
      },
    });
    const bytes = pattern(700_000);
    bench.inodes.add(1, remote.put('a', bytes));
    assert.deepEqual(await bench.read(1, 0, 300_000), bytes.subarray(0, 300_000));
    assert.deepEqual(await bench.read(1, 123_456, 200_000), bytes.subarray(123_456, 323_456));
  });

  it('records ranges only after their data was synced', async () => {
    const events: string[] = [];
    const bench = await open({
      disk: {
        async syncData(descriptor) {
          await nodeDisk.syncData(descriptor);
          events.push('synced');
        },
      },
      onStep: (name) => {
        if (name === 'cache-recorded') events.push('recorded');
      },
    });
    bench.inodes.add(1, remote.put('a', pattern(60_000)));
    await bench.read(1);
    assert.deepEqual(events, []);
    await bench.close();
    assert.deepEqual(events, ['synced', 'recorded']);
  });
});
