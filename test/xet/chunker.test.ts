import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Hasher } from 'gearhash-jit';
import { Chunker, chunkMaxBytes, chunkMinBytes, chunkTargetBytes } from '../../src/xet/chunker.ts';
import { noiseBytes, splitMixBytes, textBytes } from './xet-samples.ts';

interface Vectors {
  readonly splitmix1MB: { readonly boundaries: readonly number[] };
  readonly hitting: {
    readonly base: readonly number[];
    readonly cases: Readonly<Record<string, readonly number[]>>;
  };
}

const vectors = JSON.parse(
  readFileSync(new URL('../fixtures/xet/chunk-boundaries.json', import.meta.url), 'utf8'),
) as Vectors;

function boundaries(data: Uint8Array, pieceBytes: number): number[] {
  const chunker = new Chunker();
  const cuts: number[] = [];
  let total = 0;
  const emit = (chunk: Uint8Array): void => {
    assert.equal(Buffer.compare(chunk, data.subarray(total, total + chunk.length)), 0, 'chunk bytes');
    total += chunk.length;
    cuts.push(total);
  };
  for (let at = 0; at < data.length; at += pieceBytes) chunker.push(data.subarray(at, at + pieceBytes), emit);
  chunker.finish(emit);
  return cuts;
}

/** The rule as the specification has it, over another implementation of the hash. */
function independentBoundaries(data: Uint8Array): number[] {
  const gear = new Hasher(0xffff_0000_0000_0000n);
  const cuts: number[] = [];
  let start = 0;
  while (start < data.length) {
    gear.resetHash();
    const limit = Math.min(start + chunkMaxBytes, data.length);
    let at = start;
    let end = limit;
    while (at < limit) {
      const match = gear.nextMatch(data.subarray(at, limit));
      if (match === -1) break;
      at += match;
      if (at - start >= chunkMinBytes) {
        end = at;
        break;
      }
    }
    cuts.push(end);
    start = end;
  }
  return cuts;
}

/** Repeats 16 bytes, found by trying, in which the hash matches. */
function denseBytes(length: number): Uint8Array {
  const gear = new Hasher(0xffff_0000_0000_0000n);
  for (let seed = 1; ; seed += 1) {
    const period = noiseBytes(16, seed * 7919);
    const tried = new Uint8Array(96).map((_, i) => period[i % 16] as number);
    gear.resetHash();
    gear.nextMatch(tried.subarray(0, 64));
    const match = gear.nextMatch(tried.subarray(64));
    if (match !== -1) return new Uint8Array(length).map((_, i) => period[i % 16] as number);
  }
}

describe('chunker', () => {
  test('cuts a megabyte of SplitMix64 where xet-core cuts it', () => {
    assert.deepEqual(boundaries(splitMixBytes(1_000_000), 1_000_000), vectors.splitmix1MB.boundaries);
  });

  test('cuts constant bytes at every maximum', () => {
    const cuts = boundaries(new Uint8Array(1_000_000).fill(59), 77_777);
    const whole = Array.from({ length: 7 }, (_, i) => (i + 1) * chunkMaxBytes);
    assert.deepEqual(cuts, [...whole, 1_000_000]);
  });

  for (const [pad, expected] of Object.entries(vectors.hitting.cases)) {
    test(`ignores cuts below the minimum as xet-core does, case ${pad}`, () => {
      const base = Uint8Array.of(...vectors.hitting.base, ...new Uint8Array(Number(pad)));
      const data = new Uint8Array(65536).map((_, i) => base[i % base.length] as number);
      assert.deepEqual(boundaries(data, data.length), expected);
      assert.deepEqual(boundaries(data, 1000), expected);
    });
  }

  test('has all 128 cases of the fixture', () => {
    assert.equal(Object.keys(vectors.hitting.cases).length, 128);
  });

  test('cuts do not depend on how the bytes arrive', () => {
    const data = noiseBytes(700_000, 7);
    const expected = boundaries(data, data.length);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200_000 }), (piece) => {
        if (piece < 64 && piece !== 1) return;
        assert.deepEqual(boundaries(data, piece), expected);
      }),
      { numRuns: 40 },
    );
    assert.deepEqual(boundaries(data, 1), expected);
  });

  test('cuts where the gear hash of an independent scanner allows it', () => {
    const kinds = {
      noise: noiseBytes(2_500_000, 11),
      text: textBytes(2_500_000, 11),
      // Matches every 16 bytes, which is more than the kernel keeps.
      dense: denseBytes(600_000),
      empty: new Uint8Array(500_000),
    };
    for (const [kind, data] of Object.entries(kinds)) {
      const expected = independentBoundaries(data);
      for (const piece of [data.length, 1_048_576, 131_072, 99_991, 4096]) {
        assert.deepEqual(boundaries(data, piece), expected, `${kind} in pieces of ${piece}`);
      }
    }
  });

  test('keeps every chunk but the last within its limits', () => {
    const cuts = boundaries(noiseBytes(3_000_000, 3), 65_536);
    cuts.forEach((cut, i) => {
      const size = cut - (cuts[i - 1] ?? 0);
      assert.ok(
        size <= chunkMaxBytes && (size >= chunkMinBytes || i === cuts.length - 1),
        `chunk of ${size}`,
      );
    });
  });

  test('makes chunks of about the target size', () => {
    const cuts = boundaries(noiseBytes(20_000_000, 5), 65_536);
    const mean = 20_000_000 / cuts.length;
    assert.ok(mean > chunkTargetBytes * 0.8 && mean < chunkTargetBytes * 1.2, `${mean}`);
  });

  test('emits nothing for an empty stream and is ready for the next after finish', () => {
    const chunker = new Chunker();
    const sizes: number[] = [];
    const emit = (chunk: Uint8Array): void => void sizes.push(chunk.length);
    chunker.finish(emit);
    assert.deepEqual(sizes, []);
    chunker.push(new Uint8Array(10), emit);
    assert.equal(chunker.pendingBytes, 10);
    chunker.finish(emit);
    chunker.push(new Uint8Array(9000), emit);
    chunker.finish(emit);
    assert.deepEqual(sizes, [10, 9000]);
  });
});
