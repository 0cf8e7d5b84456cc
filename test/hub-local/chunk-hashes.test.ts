// Range edits: whatever is edited, the windows and subtrees of the embedded Hub must lead to the hash of the whole new
// file, with nothing but the window bytes known to the client.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MerkleHashSubtree, type MerkleHashSubtreeJson } from '@huggingface/xetchunk-wasm';
import fc from 'fast-check';
import { findWindows } from '../../src/hub-local/chunk-windows.ts';
import { randomBytes } from '../../src/hub-local/demo-files.ts';
import { Chunker } from '../../src/xet/chunker.ts';
import { chunkHash, fileHash, fileHashOfRoot, hashToHex, type ChunkInfo } from '../../src/xet/hash.ts';
import { casCaller, openHub } from '../support/local-hub.ts';

interface ChunkHashes {
  readonly totalChunks: number;
  readonly fileSize: number;
  readonly windows: { readonly dirtyByteRange: readonly [number, number] }[];
  readonly hashRanges: (MerkleHashSubtreeJson | null)[];
  readonly gapVerification: string[];
}

function chunksOf(data: Uint8Array): ChunkInfo[] {
  const chunks: ChunkInfo[] = [];
  const chunker = new Chunker();
  const add = (chunk: Uint8Array): void => {
    chunks.push({ hash: chunkHash(chunk), sizeBytes: chunk.byteLength });
  };
  chunker.push(data, add);
  chunker.finish(add);
  return chunks;
}

/** The new file's hash as an editing client finds it: gaps by their subtrees, windows chunked anew. */
function composedHash(before: Buffer, after: Buffer, answer: ChunkHashes): string {
  const parts: MerkleHashSubtree[] = [];
  const last = answer.windows.length;
  const shift = after.byteLength - before.byteLength;
  answer.hashRanges.forEach((gap, index) => {
    if (gap !== null) parts.push(MerkleHashSubtree.fromJSON(gap));
    const window = answer.windows[index];
    if (window === undefined) return;
    const [start, end] = window.dirtyByteRange;
    // All edits of these tests keep lengths, or are a single one at the end.
    const bytes = after.subarray(start, index === last - 1 ? end + shift : end);
    const chunks = chunksOf(bytes).map((chunk) => ({ hash: chunk.hash, length: chunk.sizeBytes }));
    const atStart = start === 0;
    const atEnd = index === last - 1 && end === before.byteLength;
    if (chunks.length > 0) parts.push(MerkleHashSubtree.fromChunks(atStart, chunks, atEnd));
  });
  const root = MerkleHashSubtree.merge(parts).finalHash();
  assert.ok(root, 'the parts cover the whole file');
  return hashToHex(fileHashOfRoot(root));
}

test('edits anywhere lead to the hash of the whole new file', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const cas = await casCaller(hub, 'demo/b', 'read');
  const before = Buffer.from(randomBytes(11, 3_000_000));
  const hash = await hub.content.putFile('demo/b', 'x', before, { segmentChunks: 4 });
  const edits = fc.array(
    fc.record({
      start: fc.nat(before.byteLength - 1),
      length: fc.integer({ min: 1, max: 60_000 }),
      seed: fc.nat(),
    }),
    { minLength: 1, maxLength: 4 },
  );
  await fc.assert(
    fc.asyncProperty(edits, async (list) => {
      const after = Buffer.from(before);
      for (const edit of list) {
        const length = Math.min(edit.length, before.byteLength - edit.start);
        after.set(randomBytes(edit.seed, length), edit.start);
      }
      const ranges = list.map(({ start, length }) => `${start}-${start + length - 1}`);
      const reply = await cas.get(`/v2/file-chunk-hashes/${hash}`, {
        'X-Range-Dirty': `bytes=${ranges.join(',')}`,
      });
      assert.equal(reply.status, 200, reply.text);
      const answer = reply.json as ChunkHashes;
      assert.equal(answer.hashRanges.length, answer.windows.length + 1);
      assert.equal(composedHash(before, after, answer), hashToHex(fileHash(chunksOf(after))));
    }),
    { numRuns: 40 },
  );
});

test('appending needs the end of the file only', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const cas = await casCaller(hub, 'demo/b', 'read');
  const before = Buffer.from(randomBytes(12, 2_000_000));
  const hash = await hub.content.putFile('demo/b', 'x', before, { segmentChunks: 4 });
  const last = before.byteLength - 1;
  const reply = await cas.get(`/v2/file-chunk-hashes/${hash}`, {
    'X-Range-Dirty': `bytes=${last}-${last + 999}`,
  });
  const answer = reply.json as ChunkHashes;
  const after = Buffer.concat([before, randomBytes(13, 500_000)]);
  assert.equal(composedHash(before, after, answer), hashToHex(fileHash(chunksOf(after))));
  assert.ok((answer.windows[0]?.dirtyByteRange[0] ?? 0) > 1_800_000);
});

test('verification hashes are given for exactly the segments that no window touches', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const cas = await casCaller(hub, 'demo/b', 'read');
  const data = Buffer.from(randomBytes(14, 2_000_000));
  const hash = await hub.content.putFile('demo/b', 'x', data, { segmentChunks: 4 });
  const segments = Math.ceil(chunksOf(data).length / 4);
  const reply = await cas.get(`/v2/file-chunk-hashes/${hash}`, { 'X-Range-Dirty': 'bytes=0-10' });
  const answer = reply.json as ChunkHashes;
  const windowEnd = answer.windows[0]?.dirtyByteRange[1] ?? 0;
  let touched = 0;
  let at = 0;
  chunksOf(data).forEach((chunk, index) => {
    if (index % 4 === 0 && at < windowEnd) touched++;
    at += chunk.sizeBytes;
  });
  assert.equal(answer.gapVerification.length, segments - touched);
  for (const text of answer.gapVerification) assert.match(text, /^[0-9a-f]{64}$/);
});

test('ranges that say nothing are refused, and the endpoint can be switched off', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const cas = await casCaller(hub, 'demo/b', 'read');
  const hash = await hub.content.putFile('demo/b', 'x', 'hello');
  const ask = async (header?: string) =>
    (await cas.get(`/v2/file-chunk-hashes/${hash}`, header === undefined ? {} : { 'X-Range-Dirty': header }))
      .status;
  assert.equal(await ask(), 400);
  assert.equal(await ask('bytes=9-12'), 400);
  assert.equal(await ask('bytes=x'), 400);
  assert.equal(await ask('bytes=3-99'), 200);
  hub.faults.settings.fileChunkHashes = false;
  assert.equal(await ask('bytes=0-1'), 404);
});

test('a window ends after two chunks in a row that are neither small nor near the maximum', () => {
  const k = 1024;
  const sizes = [64 * k, 64 * k, 10 * k, 64 * k, 128 * k, 64 * k, 64 * k, 64 * k];
  const [window] = findWindows(sizes, [{ start: 70 * k, end: 71 * k }]);
  assert.deepEqual(window, { chunkStart: 1, chunkEnd: 7, start: 64 * k, end: (64 * 4 + 10 + 64 + 128) * k });
  const both = findWindows(sizes, [
    { start: 0, end: 1 },
    { start: 140 * k, end: 141 * k },
  ]);
  assert.equal(both.length, 1, 'an edit inside the window is swallowed');
  const apart = findWindows(
    Array.from({ length: 20 }, () => 64 * k),
    [
      { start: 0, end: 1 },
      { start: 64 * k * 10, end: 64 * k * 10 + 1 },
    ],
  );
  assert.deepEqual(
    apart.map(({ chunkStart, chunkEnd }) => [chunkStart, chunkEnd]),
    [
      [0, 3],
      [10, 13],
    ],
  );
});
