// The stories that every foreign client must be able to tell against the embedded Hub.

import assert from 'node:assert/strict';
import { fileHash, hashToHex } from '../../src/xet/hash.ts';
import { randomBytes } from '../../src/hub-local/demo-files.ts';
import type { LocalHub } from '../../src/hub-local/local-hub.ts';
import type { ForeignClient, ForeignFile } from './foreign-client.ts';
import { packContent } from './local-hub.ts';

const oddNames = [
  'a b.txt',
  'a#b.txt',
  '100%.txt',
  'why?.txt',
  'é.txt',
  'e\u0301.txt',
  '🎉.txt',
  'x&y=z.txt',
];

function sample(path: string, seed: number, sizeBytes: number): ForeignFile {
  return { path, data: randomBytes(seed, sizeBytes) };
}

async function expectFiles(hub: LocalHub, client: ForeignClient, id: string, files: readonly ForeignFile[]) {
  const listed = (await client.list(id)).map((entry) => `${entry.path} ${entry.sizeBytes}`).toSorted();
  assert.deepEqual(listed, files.map((file) => `${file.path} ${file.data.byteLength}`).toSorted());
  for (const file of files) {
    const stored = await hub.content.readFile(id, file.path);
    assert.ok(stored?.equals(Buffer.from(file.data)), `${file.path} as stored`);
  }
}

/** Small ones of every awkward size and name, and many at once. */
export async function uploadSmallFiles(hub: LocalHub, client: ForeignClient): Promise<void> {
  await client.createBucket('demo/small');
  const sizes = [0, 1, 2, 3, 8191, 8192, 8193, 65_536, 131_072, 131_073, 500_001];
  const files = [
    ...sizes.map((size, index) => sample(`sizes/${size}.bin`, index + 1, size)),
    ...oddNames.map((name, index) => ({ path: `odd/${name}`, data: Buffer.from(`odd ${index}`) })),
    ...Array.from({ length: 60 }, (_unused, index) => sample(`many/${index}.bin`, 100 + index, 1000 + index)),
  ];
  await client.upload('demo/small', files);
  await expectFiles(hub, client, 'demo/small', files);
  for (const file of files.slice(0, sizes.length + oddNames.length)) {
    const data = await client.download('demo/small', file.path);
    assert.ok(data.equals(Buffer.from(file.data)), `${file.path} as downloaded`);
  }
}

/** One that does not fit into a few chunks, read whole and in slices. */
export async function uploadLargeFile(hub: LocalHub, client: ForeignClient): Promise<void> {
  await client.createBucket('demo/large');
  const text = Buffer.from(
    Array.from({ length: 60_000 }, (_unused, line) => `line ${line}: some text\n`).join(''),
  );
  const data = Buffer.concat([randomBytes(31, 14_000_000), text, randomBytes(32, 8_000_000)]);
  await client.upload('demo/large', [{ path: 'deep/er/large.bin', data }]);
  await expectFiles(hub, client, 'demo/large', [{ path: 'deep/er/large.bin', data }]);
  assert.ok((await client.download('demo/large', 'deep/er/large.bin')).equals(data));
  const end = data.byteLength;
  for (const [from, to] of [
    [0, 1],
    [131_071, 131_073],
    [13_999_000, 14_100_000],
    [end - 1, end],
  ] as const) {
    const part = await client.downloadRange('demo/large', 'deep/er/large.bin', from, to);
    assert.ok(part.equals(data.subarray(from, to)), `${from}-${to}`);
  }
}

/** What is put in directly is what the client reads, whatever its segments look like. */
export async function readOurFiles(hub: LocalHub, client: ForeignClient): Promise<void> {
  hub.content.createBucket('demo/ours');
  const random = Buffer.from(randomBytes(41, 5_000_000));
  const floats = Buffer.from(new Float32Array(400_000).map((_value, index) => Math.sin(index)).buffer);
  await hub.content.putFile('demo/ours', 'short terms.bin', random, { segmentChunks: 3 });
  await hub.content.putFile('demo/ours', 'floats.bin', floats, { compression: 'bg4' });
  assert.ok((await client.download('demo/ours', 'short terms.bin')).equals(random));
  assert.ok((await client.download('demo/ours', 'floats.bin')).equals(floats));
}

/** Copies and deletes move no data. */
export async function copyAndDelete(hub: LocalHub, client: ForeignClient): Promise<void> {
  await client.createBucket('demo/moves');
  const original = sample('a/original.bin', 51, 300_000);
  await client.upload('demo/moves', [original, sample('b.bin', 52, 10)]);
  hub.faults.resetCounters();
  await client.copy('demo/moves', 'a/original.bin', 'copies/one.bin');
  await client.remove('demo/moves', ['a/original.bin', 'b.bin']);
  assert.equal(hub.faults.count('cas.*'), 0);
  await expectFiles(hub, client, 'demo/moves', [{ ...original, path: 'copies/one.bin' }]);
}

/** A model with text in git and weights in Xet, at its branch and at its commit. */
export async function writeModel(hub: LocalHub, client: ForeignClient): Promise<void> {
  const files = [
    { path: 'README.md', data: Buffer.from('# Model\n') },
    sample('weights/model.safetensors', 61, 3_000_000),
    { path: 'config.json', data: Buffer.from('{"layers": 2}') },
  ];
  await client.createModel('demo/model', files);
  const answer = await fetch(`${hub.endpoint}/api/models/demo/model`, {
    headers: { Authorization: `Bearer ${hub.token}` },
  });
  const { sha } = (await answer.json()) as { sha: string };
  for (const revision of ['main', sha]) {
    for (const file of files) {
      const data = await client.downloadFromModel('demo/model', revision, file.path);
      assert.ok(data.equals(Buffer.from(file.data)), `${file.path} at ${revision}`);
    }
  }
}

/** The hash that our chunker gives equals the one the client gave. Only for clients whose chunker has no known fault. */
export async function agreeOnHashes(client: ForeignClient): Promise<void> {
  await client.createBucket('demo/hashes');
  const files = Array.from({ length: 8 }, (_unused, index) =>
    sample(`${index}.bin`, 71 + index, 900_000 * index),
  );
  await client.upload('demo/hashes', files);
  const listed = new Map((await client.list('demo/hashes')).map((entry) => [entry.path, entry.xetHash]));
  for (const file of files) {
    const expected = file.data.byteLength === 0 ? hashToHex(fileHash([])) : packContent(file.data).fileHash;
    assert.equal(listed.get(file.path), expected, file.path);
  }
}
