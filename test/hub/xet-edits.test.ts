import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { ContentRef, RemoteStore } from '../../src/hub/remote-store.ts';
import { noiseBytes } from '../xet/xet-samples.ts';
import {
  addFile,
  casTraffic,
  contentOver,
  fetchRange,
  keyOf,
  newContent,
  startHubWorld,
  type HubWorld,
} from './hub-world.ts';

const mebibyte = 1024 * 1024;

interface Edit {
  readonly data: Buffer;
  readonly dirty: [number, number][];
}

function overwrite(base: Uint8Array, at: number, bytes: Uint8Array): Edit {
  const data = Buffer.alloc(Math.max(base.length, at + bytes.length));
  data.set(base);
  data.set(bytes, at);
  return { data, dirty: [[Math.min(at, base.length), at + bytes.length]] };
}

function truncate(base: Uint8Array, size: number): Edit {
  return { data: Buffer.from(base.subarray(0, size)), dirty: [] };
}

/** What a program leaves that rewrites the file from `at` on with `bytes` put in. */
function insert(base: Uint8Array, at: number, bytes: Uint8Array): Edit {
  const data = Buffer.concat([base.subarray(0, at), bytes, base.subarray(at)]);
  return { data, dirty: [[at, data.length]] };
}

describe('edits of a file whose chunks are known', () => {
  let world: HubWorld;
  let store: RemoteStore;
  const base = noiseBytes(72 * mebibyte, 5);
  let baseContent: ContentRef;

  before(async () => {
    world = await startHubWorld();
    world.hub.content.createBucket('demo/edits');
    store = await world.open('bucket/demo/edits');
    baseContent = (await store.upload(newContent(base))).content;
    await addFile(store, 'base.bin', baseContent);
  });
  after(() => world.close());

  /** Uploads the edit and checks its bytes on the Hub and its hash; returns what was moved. */
  async function apply(
    edit: Edit,
    from: ContentRef = baseContent,
  ): Promise<{ up: number; down: number; read: number }> {
    const content = contentOver(edit.data, from, edit.dirty);
    world.hub.faults.resetCounters();
    const result = await store.upload(content);
    const { up, down } = casTraffic(world.hub);
    assert.equal(result.content.key, keyOf(edit.data), 'the hash of a whole upload');
    assert.equal(result.content.sizeBytes, edit.data.length);
    assert.equal(result.sentBytes, up);
    return { up, down, read: content.readBytes };
  }

  test('4 KiB in the middle read and send little', async () => {
    const edit = overwrite(base, 36 * mebibyte + 17, noiseBytes(4096, 99));
    const { up, down, read } = await apply(edit);
    assert.ok(up < 400_000, `${up} up`);
    assert.ok(down < 1000, `${down} down`);
    assert.ok(read < 700_000, `${read} read`);
    const fresh = await world.open('bucket/demo/edits');
    const content = { key: keyOf(edit.data), sizeBytes: edit.data.length, path: '' };
    assert.ok((await fetchRange(fresh, content)).equals(edit.data));
  });

  test('an append reads the last chunk only', async () => {
    const { up, read } = await apply(overwrite(base, base.length, noiseBytes(4096, 98)));
    assert.ok(up < 250_000, `${up} up`);
    assert.ok(read <= 131_072 + 4096, `${read} read`);
  });

  test('a truncation reads one chunk at most and sends it', async () => {
    const { up, read } = await apply(truncate(base, 40 * mebibyte + 12_345));
    assert.ok(up < 250_000, `${up} up`);
    assert.ok(read <= 131_072, `${read} read`);
  });

  test('a truncation at the end of a chunk sends a shard only', async () => {
    const chunker = await import('../../src/xet/chunker.ts');
    let first = 0;
    new chunker.Chunker().push(base.subarray(0, 200_000), (chunk) => (first ||= chunk.length));
    const { up, read } = await apply(truncate(base, first));
    assert.ok(up < 1000, `${up} up`);
    assert.equal(read, 0);
  });

  test('growing with zeros sends almost nothing', async () => {
    const { up } = await apply(overwrite(base, base.length, new Uint8Array(8 * mebibyte)));
    assert.ok(up < 400_000, `${up} up`);
  });

  test('an insertion rewrites the rest of the file and sends what is new', async () => {
    const { up } = await apply(insert(base, 5 * mebibyte + 1, Buffer.from('a few bytes more')));
    assert.ok(up < 500_000, `${up} up`);
  });

  test('many edits at once send their own chunks each', async () => {
    const data = Buffer.from(base);
    const dirty: [number, number][] = [];
    for (let at = mebibyte; at < data.length; at += 8 * mebibyte) {
      data.fill(1, at, at + 100);
      dirty.push([at, at + 100]);
    }
    const { up, read } = await apply({ data, dirty });
    assert.ok(up < dirty.length * 300_000, `${up} up`);
    assert.ok(read < dirty.length * 700_000, `${read} read`);
  });

  test('an edit that changes nothing sends a shard only', async () => {
    const { up } = await apply({ data: Buffer.from(base), dirty: [[1000, 2000]] });
    assert.ok(up < 200_000, `${up} up`);
  });

  test('edits of edits go on from the chunk list of the edit before', async () => {
    let data: Uint8Array = base;
    let from = baseContent;
    for (const at of [10, 20, 30, 40]) {
      const edit = overwrite(data, at * mebibyte, noiseBytes(4096, at));
      const { up, read } = await apply(edit, from);
      assert.ok(up < 400_000 && read < 700_000, `${up} up, ${read} read`);
      data = edit.data;
      from = { key: keyOf(data), sizeBytes: data.length, path: '' };
    }
  });

  test('chunk lists survive a restart of the store', async () => {
    const first = await world.open('bucket/demo/edits', { state: 'kept' });
    const data = noiseBytes(3 * mebibyte, 31);
    const { content } = await first.upload(newContent(data));
    await first.close();
    const second = await world.open('bucket/demo/edits', { state: 'kept' });
    const edit = overwrite(data, mebibyte, Buffer.from('changed'));
    const over = contentOver(edit.data, content, edit.dirty);
    assert.equal((await second.upload(over)).content.key, keyOf(edit.data));
    assert.ok(over.readBytes < 700_000, `${over.readBytes} read`);
  });

  test('reading a whole file makes its edits as cheap as those of our own', async () => {
    const other = await world.open('bucket/demo/edits');
    assert.ok((await fetchRange(other, baseContent)).equals(base));
    const edit = overwrite(base, 50 * mebibyte, noiseBytes(4096, 50));
    const over = contentOver(edit.data, baseContent, edit.dirty);
    world.hub.faults.resetCounters();
    assert.equal((await other.upload(over)).content.key, keyOf(edit.data));
    const { up, down } = casTraffic(world.hub);
    assert.ok(
      up < 400_000 && down < 1000 && over.readBytes < 700_000,
      `${up} up, ${down} down, ${over.readBytes} read`,
    );
  });

  test('a base whose chunks the CAS lost is sent whole', async () => {
    const data = noiseBytes(2 * mebibyte, 61);
    const { content } = await store.upload(newContent(data));
    const edit = overwrite(data, mebibyte, Buffer.from('changed'));
    world.hub.faults.add({ route: 'cas.shard-upload', status: 400, count: 1, message: 'unknown xorb' });
    world.hub.faults.add({ route: 'cas.chunk-query', status: 404 });
    const result = await store.upload(contentOver(edit.data, content, edit.dirty));
    world.hub.faults.clear();
    assert.equal(result.content.key, keyOf(edit.data));
    assert.ok(result.sentBytes > data.length, 'nothing was left out the second time');
  });
});

describe('random edits', () => {
  let world: HubWorld;
  let store: RemoteStore;

  before(async () => {
    world = await startHubWorld();
    world.hub.content.createBucket('demo/random');
    store = await world.open('bucket/demo/random');
  });
  after(() => world.close());

  test('give the hash and the bytes of a whole upload', async () => {
    const edits = fc.array(
      fc.record({
        at: fc.double({ min: 0, max: 1, noNaN: true }),
        length: fc.integer({ min: 1, max: 200_000 }),
        kind: fc.constantFrom('noise', 'zeros', 'same'),
      }),
      { maxLength: 5 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1_500_000 }),
        fc.integer({ min: 1, max: 1_500_000 }),
        edits,
        fc.integer({ min: 1, max: 1_000_000 }),
        async (baseSize, newSize, changes, seed) => {
          const base = noiseBytes(baseSize, seed);
          const { content } = await store.upload(newContent(base));
          const data = Buffer.alloc(newSize);
          data.set(base.subarray(0, newSize));
          const ranges: [number, number][] = newSize > baseSize ? [[baseSize, newSize]] : [];
          for (const { at, length, kind } of changes) {
            const start = Math.min(newSize - 1, Math.floor(at * newSize));
            const end = Math.min(newSize, start + length);
            if (kind === 'noise') data.set(noiseBytes(end - start, seed + start), start);
            if (kind === 'zeros') data.fill(0, start, end);
            ranges.push([start, end]);
          }
          const edited = contentOver(data, content, merge(ranges));
          const result = await store.upload(edited);
          assert.equal(result.content.key, keyOf(data));
          assert.ok((await world.hub.content.readContent(result.content.key.slice(4))).equals(data));
        },
      ),
      { numRuns: 40 },
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
