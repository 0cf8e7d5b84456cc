import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { Manifest, type PlacedChunk } from '../../src/hub/manifest.ts';
import { ManifestStore } from '../../src/hub/manifest-store.ts';
import { hashToHex } from '../../src/xet/hash.ts';
import { noiseBytes } from '../xet/xet-samples.ts';
import { quietLog } from './hub-world.ts';

function chunks(count: number, seed: number): PlacedChunk[] {
  const noise = noiseBytes(32 * (count + 2), seed);
  return Array.from({ length: count }, (_, i) => ({
    hash: noise.slice((i + 2) * 32, (i + 3) * 32),
    sizeBytes: 8192 + ((i * 977) % 120_000),
    xorb: noise.slice((i % 2) * 32, ((i % 2) + 1) * 32),
    index: i,
  }));
}

const plain = (chunk: PlacedChunk | null): unknown =>
  chunk && { ...chunk, hash: hashToHex(chunk.hash), xorb: hashToHex(chunk.xorb) };

describe('chunk lists', () => {
  test('give back their chunks and find them by offset', () => {
    const list = chunks(300, 1);
    const manifest = Manifest.of(list);
    assert.equal(manifest.count, 300);
    assert.deepEqual(manifest.chunks().map(plain), list.map(plain));
    let at = 0;
    list.forEach((chunk, i) => {
      assert.equal(manifest.findChunk(at), i);
      assert.equal(manifest.findChunk(at + chunk.sizeBytes - 1), i);
      assert.equal(manifest.chunkStartingAt(at), i);
      assert.equal(manifest.chunkStartingAt(at + 1), -1);
      at += chunk.sizeBytes;
    });
    assert.equal(manifest.sizeBytes, at);
    assert.equal(manifest.findChunk(at), 300);
  });

  test('are made in turns as at once, and others run meanwhile', async () => {
    const list = chunks(10_000, 3);
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const manifest = await Manifest.ofInTurns(list);
    isDone = true;
    assert.ok(turns >= 3, `${turns} turns`);
    assert.deepEqual(manifest.encode(), Manifest.of(list).encode());
  });

  test('survive encoding, and nothing else is taken for one', () => {
    const encoded = Manifest.of(chunks(20, 2)).encode();
    assert.deepEqual(Manifest.decode(encoded)?.chunks().map(plain), chunks(20, 2).map(plain));
    for (let length = 0; length < encoded.length; length += 7) {
      assert.equal(Manifest.decode(encoded.subarray(0, length)), null);
    }
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(encoded.length - 1), fc.nat(255)), { maxLength: 5 }),
        (changes) => {
          const bad = Buffer.from(encoded);
          for (const [at, value] of changes) bad[at] = value;
          Manifest.decode(bad)?.chunks();
        },
      ),
    );
  });
});

describe('the store of chunk lists', () => {
  let directory: string;
  const open = (options: { limitBytes?: number; endpoint?: string } = {}): ManifestStore =>
    new ManifestStore({ directory, endpoint: 'http://hub.test', log: quietLog, ...options });

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'hubdrive-manifests-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  test('keeps lists over a restart and finds chunks in them', async () => {
    const list = chunks(2000, 3);
    const hash = noiseBytes(32, 99);
    const first = open();
    await first.put(hash, Manifest.of(list));
    first.close();
    const second = open();
    assert.equal(second.get(hash)?.count, 2000);
    assert.equal(second.get(noiseBytes(32, 101)), null);
    for (const i of [0, 1, 777, 1999]) {
      assert.deepEqual(plain(second.findChunk((list[i] as PlacedChunk).hash)), plain(list[i] as PlacedChunk));
    }
    assert.equal(second.findChunk(noiseBytes(32, 103)), null);
    second.close();
    assert.equal(second.get(hash), null, 'a closed store knows nothing');
  });

  test('another endpoint does not see them', async () => {
    const hash = noiseBytes(32, 1);
    const one = open();
    await one.put(hash, Manifest.of(chunks(3, 4)));
    const other = open({ endpoint: 'http://other.test' });
    assert.equal(other.get(hash), null);
    one.close();
    other.close();
  });

  test('drops the least recently used when it is full', async () => {
    const size = Manifest.of(chunks(100, 5)).encode().length;
    const store = open({ limitBytes: size * 5 });
    const hashes = Array.from({ length: 8 }, (_, i) => noiseBytes(32, 200 + i * 2));
    for (const [i, hash] of hashes.entries()) await store.put(hash, Manifest.of(chunks(100, 300 + i * 2)));
    store.close();
    const again = open({ limitBytes: size * 5 });
    const kept = hashes.map((hash) => again.get(hash) !== null);
    assert.ok(kept.at(-1) === true && kept[0] === false, String(kept));
    assert.ok(kept.filter(Boolean).length <= 5);
    assert.equal(again.findChunk((chunks(100, 300)[5] as PlacedChunk).hash), null, 'its chunks are gone too');
    again.close();
  });

  test('forgets one list or all', async () => {
    const store = open();
    const [a, b] = [noiseBytes(32, 1), noiseBytes(32, 3)];
    await store.put(a, Manifest.of(chunks(3, 6)));
    await store.put(b, Manifest.of(chunks(3, 8)));
    store.forget(a);
    assert.equal(store.get(a), null);
    assert.equal(store.get(b)?.count, 3);
    store.forgetAll();
    assert.equal(store.get(b), null);
    assert.equal(store.findChunk((chunks(3, 8)[0] as PlacedChunk).hash), null);
    store.close();
  });

  test('sets a damaged database aside and begins anew', async () => {
    const first = open();
    await first.put(noiseBytes(32, 1), Manifest.of(chunks(3, 6)));
    first.close();
    const [name] = (await readdir(directory)).filter((each) => each.endsWith('.db'));
    assert.ok(name !== undefined);
    await writeFile(path.join(directory, name), 'this is no database, whatever its name says'.repeat(100));
    const second = open();
    assert.equal(second.get(noiseBytes(32, 1)), null);
    await second.put(noiseBytes(32, 1), Manifest.of(chunks(3, 6)));
    assert.equal(second.get(noiseBytes(32, 1))?.count, 3);
    second.close();
    assert.ok((await readdir(directory)).some((each) => each.includes('damaged')));
  });
});
