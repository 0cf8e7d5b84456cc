import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { ContentRef } from '../../src/hub/remote-store.ts';
import { Chunker } from '../../src/xet/chunker.ts';
import { noiseBytes } from '../xet/xet-samples.ts';
import { casTraffic, contentOver, fetchRange, keyOf, startHubWorld, type HubWorld } from './hub-world.ts';

const mebibyte = 1024 * 1024;
const bucket = 'demo/foreign';

describe('edits of a file that another client wrote', () => {
  let world: HubWorld;

  before(async () => {
    world = await startHubWorld();
    world.hub.content.createBucket(bucket);
  });
  after(() => world.close());

  async function foreignFile(data: Uint8Array, segmentChunks?: number): Promise<ContentRef> {
    const options = segmentChunks === undefined ? {} : { segmentChunks };
    const hash = await world.hub.content.putFile(bucket, 'theirs.bin', data, options);
    return { key: `xet:${hash}`, sizeBytes: data.length, path: 'theirs.bin' };
  }

  async function edit(
    base: ContentRef,
    data: Uint8Array,
    dirty: [number, number][],
  ): Promise<{ up: number; down: number; read: number; downloaded: number }> {
    const store = await world.open(`bucket/${bucket}`);
    const content = contentOver(data, base, dirty);
    world.hub.faults.resetCounters();
    const result = await store.upload(content);
    const { up, down } = casTraffic(world.hub);
    assert.equal(result.content.key, keyOf(data), 'the hash of a whole upload');
    assert.ok((await world.hub.content.readContent(result.content.key.slice(4))).equals(data));
    assert.equal(result.sentBytes, up);
    await store.close();
    return { up, down, read: content.readBytes, downloaded: result.downloadedBytes };
  }

  function changed(base: Uint8Array, at: number, length: number): Buffer {
    const data = Buffer.from(base);
    data.set(noiseBytes(length, 4242), at);
    return data;
  }

  const base = noiseBytes(70 * mebibyte, 77);

  test('4 KiB in the middle of a term of 64 MiB move some hundred kilobytes', async () => {
    const ref = await foreignFile(base);
    const at = 40 * mebibyte + 5;
    const moved = await edit(ref, changed(base, at, 4096), [[at, at + 4096]]);
    assert.ok(moved.up < 600_000, `${moved.up} up`);
    assert.ok(moved.down < 1_500_000, `${moved.down} down`);
    assert.ok(moved.read < 700_000, `${moved.read} read`);
  });

  test('near the border of two terms it looks into both', async () => {
    const theirs = noiseBytes(20 * mebibyte, 78);
    const ref = await foreignFile(theirs, 100);
    for (const at of [6_400_000, 6_300_000, 6_200_000, 12_700_000]) {
      const moved = await edit(ref, changed(theirs, at, 300_000), [[at, at + 300_000]]);
      assert.ok(moved.up < 1_500_000 && moved.down < 2_000_000, `${moved.up} up, ${moved.down} down`);
    }
  });

  test('appends, truncations and growth give the hash of a whole upload', async () => {
    const small = base.subarray(0, 9 * mebibyte + 321);
    const ref = await foreignFile(small, 20);
    const appended = Buffer.concat([small, noiseBytes(4096, 1)]);
    await edit(ref, appended, [[small.length, appended.length]]);
    for (const size of [5 * mebibyte, small.length - 1, 3 * mebibyte + 17, 1_500_000]) {
      await edit(ref, small.subarray(0, size), []);
    }
    const grown = Buffer.concat([small, Buffer.alloc(3 * mebibyte)]);
    const moved = await edit(ref, grown, [[small.length, grown.length]]);
    assert.ok(moved.read < 4 * mebibyte, `${moved.read} read`);
  });

  test('what a truncation takes away is not looked into, and one at the end of a chunk sends a shard only', async () => {
    const theirs = noiseBytes(40 * mebibyte, 79);
    const ref = await foreignFile(theirs, 100);
    const moved = await edit(ref, theirs.subarray(0, 3 * mebibyte + 5), []);
    assert.ok(moved.up < 200_000 && moved.down < 800_000, `${moved.up} up, ${moved.down} down`);
    const ends: number[] = [];
    let at = 0;
    new Chunker().push(theirs.subarray(0, 12 * mebibyte), (chunk) => ends.push((at += chunk.length)));
    // In the middle of a term, at the end of one, and the first chunk of the next.
    for (const chunks of [50, 100, 101]) {
      const size = ends[chunks - 1] ?? assert.fail();
      const { up, read } = await edit(ref, theirs.subarray(0, size), []);
      assert.deepEqual([up < 20_000, read], [true, 0], `${up} up`);
    }
  });

  test('a file written anew with some bytes more in the middle sends what is new only', async () => {
    const ref = await foreignFile(base);
    const at = 30 * mebibyte + 7;
    const data = Buffer.concat([base.subarray(0, at), Buffer.from('some more'), base.subarray(at)]);
    const moved = await edit(ref, data, [[0, data.length]]);
    assert.ok(moved.up < 600_000 && moved.down < 3_000_000, `${moved.up} up, ${moved.down} down`);
  });

  test('other bytes than a file had are sent after a short look', async () => {
    const theirs = noiseBytes(48 * mebibyte, 81);
    const ref = await foreignFile(theirs, 100);
    const moved = await edit(ref, noiseBytes(48 * mebibyte, 82), [[0, theirs.length]]);
    assert.ok(moved.down < 1_500_000, `${moved.down} down`);
  });

  test('an edit of the edit looks into nothing twice', async () => {
    const theirs = base.subarray(0, 20 * mebibyte);
    const ref = await foreignFile(theirs);
    const store = await world.open(`bucket/${bucket}`);
    const at = 7 * mebibyte;
    const first = changed(theirs, at, 4096);
    const made = await store.upload(contentOver(first, ref, [[at, at + 4096]]));
    const second = changed(first, at + 100_000, 4096);
    world.hub.faults.resetCounters();
    const again = contentOver(second, made.content, [[at + 100_000, at + 104_096]]);
    assert.equal((await store.upload(again)).content.key, keyOf(second));
    assert.equal(world.hub.faults.count('cas.xorb-data'), 0);
  });

  test('without the server’s help the file is sent whole, and its chunks are known from then on', async () => {
    const data = base.subarray(0, 4 * mebibyte);
    const ref = await foreignFile(data);
    world.hub.faults.settings.fileChunkHashes = false;
    const moved = await edit(ref, changed(data, mebibyte, 4096), [[mebibyte, mebibyte + 4096]]);
    world.hub.faults.settings.fileChunkHashes = true;
    assert.ok(moved.read >= data.length);
  });

  test('hash ranges that make no sense end in a whole upload, not in a wrong file', async () => {
    const data = base.subarray(0, 4 * mebibyte);
    const ref = await foreignFile(data);
    world.hub.faults.add({ route: 'cas.file-chunk-hashes', corruptAtByte: 400 });
    await edit(ref, changed(data, mebibyte, 4096), [[mebibyte, mebibyte + 4096]]);
    world.hub.faults.clear();
  });

  test('the new file reads back through the client', async () => {
    const data = base.subarray(0, 20 * mebibyte);
    const ref = await foreignFile(data);
    const store = await world.open(`bucket/${bucket}`);
    const next = changed(data, 9 * mebibyte, 10_000);
    const { content } = await store.upload(contentOver(next, ref, [[9 * mebibyte, 9 * mebibyte + 10_000]]));
    assert.ok((await fetchRange(store, content)).equals(next));
  });

  test('random edits give the hash and the bytes of a whole upload', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: mebibyte, max: 3 * mebibyte }),
        fc.integer({ min: mebibyte, max: 3 * mebibyte }),
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 60_000 })), {
          maxLength: 4,
        }),
        fc.integer({ min: 1, max: 30 }),
        fc.boolean(),
        async (baseSize, newSize, changes, segmentChunks, short) => {
          const theirs = base.subarray(0, baseSize);
          const ref = await foreignFile(theirs, short ? segmentChunks : undefined);
          const data = Buffer.alloc(newSize);
          data.set(theirs.subarray(0, newSize));
          const dirty: [number, number][] = newSize > baseSize ? [[baseSize, newSize]] : [];
          for (const [where, length] of changes) {
            const start = Math.min(newSize - 1, Math.floor(where * newSize));
            const end = Math.min(newSize, start + length);
            data.set(noiseBytes(end - start, start + 1), start);
            dirty.push([start, end]);
          }
          await edit(ref, data, merge(dirty));
        },
      ),
      { numRuns: 25 },
    );
  });
});

function merge(ranges: readonly [number, number][]): [number, number][] {
  const merged: [number, number][] = [];
  for (const [start, end] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}
