import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as reference from '@huggingface/xetchunk-wasm';
import fc from 'fast-check';
import { nativeKeyedDigest, portableKeyedDigest, nativeBlake3Problem } from '../../src/xet/blake3.ts';
import { XetFormatError } from '../../src/xet/errors.ts';
import {
  createXetHashes,
  fileHash,
  fileHashOfRoot,
  hashFromHex,
  hashToHex,
  isDedupEligible,
  merkleRoot,
  type ChunkInfo,
} from '../../src/xet/hash.ts';
import { noiseBytes } from './xet-samples.ts';

const hello = Buffer.from('hello world');

function manyChunks(count: number, seed: number): ChunkInfo[] {
  const noise = noiseBytes(count * 32, seed);
  return Array.from({ length: count }, (_, i) => ({
    hash: noise.slice(i * 32, i * 32 + 32),
    sizeBytes: 8192 + ((i * 7919) % 100_000),
  }));
}

const asReference = (chunks: readonly ChunkInfo[]): reference.Chunk[] =>
  chunks.map((chunk) => ({ hash: chunk.hash, length: chunk.sizeBytes }));

for (const [name, keyed] of [
  ['native', nativeKeyedDigest],
  ['portable', portableKeyedDigest],
] as const) {
  describe(`hashes over ${name} BLAKE3`, { skip: name === 'native' && nativeBlake3Problem !== null }, () => {
    const hashes = createXetHashes(keyed);
    const chunk = { hash: hashes.chunkHash(hello), sizeBytes: hello.length };

    test('gives the known hashes of "hello world"', () => {
      assert.equal(hashToHex(chunk.hash), '4e39378b9d359f118190557a1f44130219a54e5fcfa07bd96cf50b466fe651b1');
      assert.equal(hashToHex(hashes.merkleRoot([chunk])), hashToHex(chunk.hash));
      assert.equal(
        hashToHex(hashes.fileHash([chunk])),
        'f15edd43b7e85cfd25e2758ffe13b99fdd09dfa817e8d9f6548722a7a126db7f',
      );
      assert.equal(
        hashToHex(hashes.rangeHash([chunk.hash])),
        '22ef2fdcff5cea306e42ad7e15ed8a0c5e789e7d2ec34658c10d2758946847da',
      );
    });

    test('gives zeros for the empty file', () => {
      assert.equal(hashToHex(hashes.fileHash([])), '0'.repeat(64));
    });

    test('agrees with the reference library for trees of many sizes', () => {
      for (const count of [2, 3, 4, 8, 9, 10, 11, 12, 17, 81, 82, 500, 3001]) {
        const chunks = manyChunks(count, count);
        assert.equal(
          hashToHex(hashes.merkleRoot(chunks)),
          hashToHex(reference.xorbHash(asReference(chunks))),
          `root of ${count}`,
        );
        assert.equal(hashToHex(hashes.fileHash(chunks)), hashToHex(reference.fileHash(asReference(chunks))));
        const raw = chunks.map((each) => each.hash);
        assert.equal(hashToHex(hashes.rangeHash(raw)), hashToHex(reference.verificationHash(raw)));
      }
    });

    test('agrees with the reference library for keyed hashes', () => {
      const [hash, key] = [noiseBytes(32, 1), noiseBytes(32, 2)];
      assert.equal(hashToHex(hashes.hmacHash(hash, key)), hashToHex(reference.hmac(hash, key)));
    });

    test('hashes of earlier calls stay as they were', () => {
      const first = hashes.chunkHash(hello);
      const before = hashToHex(first);
      hashes.chunkHash(noiseBytes(100_000));
      assert.equal(hashToHex(first), before);
    });
  });
}

describe('hash forms', () => {
  test('the display form turns each eight bytes around', () => {
    const raw = Uint8Array.from({ length: 32 }, (_, i) => i);
    assert.equal(
      hashToHex(raw),
      '07060504030201000f0e0d0c0b0a0908171615141312111 01f1e1d1c1b1a1918'.replace(' ', ''),
    );
    assert.deepEqual([...raw.subarray(0, 2)], [0, 1], 'the argument is left alone');
  });

  test('display form and raw bytes convert into each other', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (raw) => {
        assert.deepEqual([...hashFromHex(hashToHex(raw))], [...raw]);
        assert.equal(hashToHex(raw), reference.hashToHex(raw));
      }),
    );
  });

  test('anything but 64 hex digits is refused', () => {
    for (const text of ['', 'ab', 'g'.repeat(64), 'a'.repeat(63), 'a'.repeat(65), `${'a'.repeat(64)}\n`]) {
      assert.throws(() => hashFromHex(text), XetFormatError);
    }
  });

  test('a chunk is eligible for the global index when its last word is divisible by 1024', () => {
    const hash = new Uint8Array(32).fill(255);
    assert.equal(isDedupEligible(hash), false);
    hash[24] = 0;
    hash[25] = 0xfc;
    assert.equal(isDedupEligible(hash), true);
    hash[25] = 0xfd;
    assert.equal(isDedupEligible(hash), false);
  });

  test('the file hash can be made from a root alone', () => {
    const chunks = manyChunks(40, 9);
    assert.equal(hashToHex(fileHashOfRoot(merkleRoot(chunks))), hashToHex(fileHash(chunks)));
  });
});
