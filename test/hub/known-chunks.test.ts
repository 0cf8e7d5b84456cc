import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { KnownChunks, WrongFileError } from '../../src/hub/known-chunks.ts';
import type { PlacedChunk } from '../../src/hub/manifest.ts';
import { ManifestStore } from '../../src/hub/manifest-store.ts';
import { chunkHash, fileHash, fileHashInTurns } from '../../src/xet/hash.ts';
import { temporaryFolder } from '../support/local-hub.ts';
import { quietLog } from './hub-world.ts';

const chunkBytes = 10;
const xorb = chunkHash(Buffer.from('xorb'));

function chunksOf(count: number): PlacedChunk[] {
  return Array.from({ length: count }, (_, index) => ({
    hash: chunkHash(Buffer.from(`chunk ${index}`)),
    sizeBytes: chunkBytes,
    xorb,
    index: index % 8000,
  }));
}

async function openKnown(t: TestContext): Promise<KnownChunks> {
  const directory = await temporaryFolder(t);
  const store = new ManifestStore({ directory, endpoint: 'http://hub', log: quietLog });
  t.after(() => store.close());
  return new KnownChunks(store);
}

/** As a download does, in an order of its own. */
async function observeAll(
  known: KnownChunks,
  hash: Uint8Array,
  chunks: readonly PlacedChunk[],
): Promise<void> {
  const verifier = known.verifier(hash, chunks.length * chunkBytes);
  const order = chunks.map((_, i) => i).toReversed();
  for (const i of order) {
    const chunk = chunks[i] as PlacedChunk;
    verifier.check(i * chunkBytes, chunk.hash, chunk.sizeBytes, chunk.xorb, chunk.index);
  }
  await verifier.finish();
}

describe('chunks of a file that are seen for the first time', () => {
  for (const count of [3, 5000]) {
    test(`make its list when all ${count} are in`, async (t) => {
      const known = await openKnown(t);
      const chunks = chunksOf(count);
      const hash = fileHash(chunks);
      await observeAll(known, hash, chunks);
      const manifest = known.manifest(hash);
      assert.equal(manifest?.count, count);
      assert.deepEqual(Buffer.from(manifest.chunkAt(2).hash), chunks[2]?.hash);
    });

    test(`tell that one of ${count} is wrong`, async (t) => {
      const known = await openKnown(t);
      const chunks = chunksOf(count);
      const hash = fileHash([...chunks.slice(0, -1), { ...(chunks[0] as PlacedChunk) }]);
      await assert.rejects(observeAll(known, hash, chunks), WrongFileError);
      assert.equal(known.manifest(hash), null);
    });
  }
});

test('a file hash made in turns is the same', async () => {
  for (const count of [0, 1, 2, 700, 9000]) {
    const chunks = chunksOf(count);
    assert.deepEqual(await fileHashInTurns(chunks), fileHash(chunks));
  }
});
