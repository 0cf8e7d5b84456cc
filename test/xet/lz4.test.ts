import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import lz4 from 'lz4-napi';
import { bg4Join, bg4Split } from '../../src/xet/bg4.ts';
import { XetFormatError } from '../../src/xet/errors.ts';
import { lz4FrameDecode, lz4FrameEncode, type Lz4Form } from '../../src/xet/lz4.ts';
import { floatBytes, noiseBytes, textBytes } from './xet-samples.ts';

const forms: readonly Lz4Form[] = ['lz4', 'bg4'];

function decode(frame: Uint8Array, sizeBytes: number, form: Lz4Form = 'lz4'): Uint8Array {
  // Canaries on both sides show any write outside the target.
  const room = new Uint8Array(sizeBytes + 64).fill(0xa5);
  lz4FrameDecode(frame, room.subarray(32, 32 + sizeBytes), form);
  assert.ok(
    room.subarray(0, 32).every((byte) => byte === 0xa5) && room.subarray(-32).every((byte) => byte === 0xa5),
  );
  return room.subarray(32, 32 + sizeBytes);
}

/** The start of a block's sequence: its token with the match's length nibble, and the literals. */
function literalsOnly(literals: Uint8Array, matchNibble: number): number[] {
  if (literals.length < 15) return [(literals.length << 4) | matchNibble, ...literals];
  return [0xf0 | matchNibble, literals.length - 15, ...literals];
}

/** Builds a frame by hand: `blocks` as [data, stored]. */
function frameOf(
  flags: number,
  descriptor: number,
  blocks: [Uint8Array, boolean][],
  extra: Uint8Array[] = [],
): Buffer {
  const parts: Uint8Array[] = [
    Uint8Array.of(0x04, 0x22, 0x4d, 0x18, flags, descriptor),
    ...extra,
    Uint8Array.of(0),
  ];
  for (const [data, stored] of blocks) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(stored ? data.length + 0x8000_0000 : data.length);
    parts.push(length, data);
    if ((flags & 0x10) !== 0) parts.push(new Uint8Array(4));
  }
  parts.push(new Uint8Array(4));
  if ((flags & 0x04) !== 0) parts.push(new Uint8Array(4));
  return Buffer.concat(parts);
}

describe('LZ4 frames', () => {
  test('what is written is read back by itself and by an independent codec', () => {
    for (const size of [200, 1000, 8191, 65_536, 65_537, 131_072]) {
      const plain = textBytes(size, size);
      const frame = lz4FrameEncode(plain);
      assert.ok(frame !== null && frame.length < plain.length, `${size} bytes get smaller`);
      assert.equal(Buffer.compare(decode(frame, size), plain), 0);
      assert.equal(Buffer.compare(lz4.decompressFrameSync(Buffer.from(frame)), plain), 0);
    }
  });

  test('an independent codec reads every size and every kind of bytes that we write, grouped or not', () => {
    for (const make of [textBytes, floatBytes, (size: number) => new Uint8Array(size).fill(7)]) {
      for (const size of [20, 33, 64, 65, 500, 4097, 65_535, 65_536, 65_537, 100_003, 131_072, 262_144]) {
        const plain = make(size, size);
        const grouped = new Uint8Array(plain.length);
        bg4Split(plain, grouped);
        for (const form of forms) {
          const frame = lz4FrameEncode(plain, form);
          if (frame === null) continue;
          const seen = lz4.decompressFrameSync(Buffer.from(frame));
          assert.equal(Buffer.compare(seen, form === 'lz4' ? plain : grouped), 0, `${form} of ${size}`);
          assert.equal(Buffer.compare(decode(frame, plain.length, form), plain), 0, `${form} of ${size}`);
        }
      }
    }
  });

  test('literals and matches of every length that is written in another way come out right', () => {
    const lengths = [
      0, 1, 14, 15, 16, 17, 31, 32, 33, 34, 48, 49, 268, 269, 270, 271, 272, 524, 525, 526, 780,
    ];
    const known = noiseBytes(900, 11);
    for (const literals of lengths) {
      for (const match of [...lengths, 4, 5, 18, 19, 20, 35, 36, 37, 51, 52, 67, 68, 273, 274, 275, 276]) {
        // Bytes that compress by themselves, so that there is a frame at all.
        const parts = [Buffer.alloc(2000, 7), known, noiseBytes(literals, 12 + literals)];
        const plain = Buffer.concat([...parts, known.subarray(0, match), noiseBytes(40, 13)]);
        const frame = lz4FrameEncode(plain);
        assert.ok(frame !== null);
        assert.equal(Buffer.compare(lz4.decompressFrameSync(Buffer.from(frame)), plain), 0);
        assert.equal(Buffer.compare(decode(frame, plain.length), plain), 0, `${literals}, ${match}`);
        // What repeats is found: of the bytes that do not compress, only those of the match are saved.
        const expected = known.length + literals + 40 + (match < 12 ? match : 0);
        assert.ok(frame.length < expected + 60, `${frame.length} of ${expected}: ${literals}, ${match}`);
      }
    }
  });

  test('repeats further away than a distance can say are not taken for near ones', () => {
    for (const period of [65_533, 65_534, 65_535, 65_536, 65_537, 65_538, 131_072]) {
      const unit = Buffer.concat([Buffer.alloc(3000), noiseBytes(period - 3000, period)]);
      for (const form of forms) {
        const plain = Buffer.alloc(262_144);
        for (let at = 0; at < plain.length; at += period) unit.copy(plain, at);
        const frame = lz4FrameEncode(plain, form);
        assert.ok(frame !== null);
        assert.equal(Buffer.compare(decode(frame, plain.length, form), plain), 0, `${form}, ${period}`);
        if (form === 'bg4') continue;
        assert.equal(Buffer.compare(lz4.decompressFrameSync(Buffer.from(frame)), plain), 0);
        // 65,535 bytes back is the furthest.
        const units = period <= 65_535 ? 1 : Math.ceil(plain.length / period);
        assert.ok(Math.abs(frame.length - units * (period - 3000)) < 8000, `${frame.length}: ${period}`);
      }
    }
  });

  test('any mixture of repeats and noise is read by an independent codec', () => {
    const part = fc.tuple(fc.integer({ min: 1, max: 400 }), fc.nat(70_000), fc.boolean());
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 120 }), fc.nat(), (steps, seed) => {
        let plain = Buffer.alloc(500, 1);
        for (const [i, [length, back, isNoise]] of steps.entries()) {
          const start = Math.max(0, plain.length - 1 - back);
          const piece = isNoise ? noiseBytes(length, seed + i) : plain.subarray(start, start + length);
          plain = Buffer.concat([plain, piece]);
        }
        const frame = lz4FrameEncode(plain);
        if (frame === null) return;
        assert.equal(Buffer.compare(lz4.decompressFrameSync(Buffer.from(frame)), plain), 0);
        assert.equal(Buffer.compare(decode(frame, plain.length), plain), 0);
      }),
      { numRuns: 300 },
    );
  });

  test('reads what an independent codec made of grouped bytes', () => {
    for (const size of [1, 4, 77, 70_000, 131_072]) {
      const plain = floatBytes(size, 5);
      const grouped = new Uint8Array(size);
      bg4Split(plain, grouped);
      const frame = lz4.compressFrameSync(Buffer.from(grouped));
      assert.equal(Buffer.compare(decode(frame, size, 'bg4'), plain), 0, `${size} bytes`);
    }
  });

  test('repeats of every short distance and length come out right', () => {
    for (let distance = 1; distance <= 40; distance += 1) {
      for (let length = 4; length <= 80; length += 1) {
        const start = noiseBytes(distance, distance);
        const block = [...literalsOnly(start, length - 4 < 15 ? length - 4 : 15), distance, 0];
        if (length - 4 >= 15) block.push(length - 4 - 15);
        const tail = [0x50, 1, 2, 3, 4, 5];
        const expected = [...start];
        for (let i = 0; i < length; i += 1) expected.push(expected[expected.length - distance] as number);
        expected.push(1, 2, 3, 4, 5);
        const frame = frameOf(0x60, 0x40, [[Uint8Array.of(...block, ...tail), false]]);
        assert.deepEqual([...decode(frame, expected.length)], expected, `${distance}, ${length}`);
      }
    }
  });

  test('the same bytes give the same frame whatever was encoded before', () => {
    const plain = textBytes(70_000, 3);
    const first = lz4FrameEncode(plain) as Uint8Array;
    lz4FrameEncode(textBytes(131_072, 9));
    assert.equal(Buffer.compare(lz4FrameEncode(plain) as Uint8Array, first), 0);
  });

  test('reads from shared memory into shared memory', () => {
    const plain = floatBytes(65_536);
    const frame = lz4FrameEncode(plain, 'bg4') as Uint8Array;
    const shared = new Uint8Array(new SharedArrayBuffer(frame.length));
    shared.set(frame);
    const target = new Uint8Array(new SharedArrayBuffer(plain.length));
    lz4FrameDecode(shared, target, 'bg4');
    assert.equal(Buffer.compare(target, plain), 0);
  });

  test('takes no more than its limit, in and out', () => {
    assert.throws(() => lz4FrameEncode(new Uint8Array(262_145)), RangeError);
    assert.throws(() => lz4FrameDecode(new Uint8Array(20), new Uint8Array(262_145)), RangeError);
    assert.throws(() => lz4FrameDecode(new Uint8Array(262_145), new Uint8Array(10)), XetFormatError);
  });

  test('bytes that do not get smaller give no frame', () => {
    assert.equal(lz4FrameEncode(noiseBytes(65_536, 5)), null);
    assert.equal(lz4FrameEncode(new Uint8Array(3)), null);
  });

  test('reads frames of several blocks by another writer', () => {
    for (const size of [5, 70_000, 131_072]) {
      const plain = textBytes(size, 3);
      for (const options of [{}, { blockChecksums: true }, { contentChecksum: true, blockChecksums: true }]) {
        const frame = lz4.compressFrameSync(Buffer.from(plain), options);
        assert.equal(Buffer.compare(decode(frame, size), plain), 0, JSON.stringify(options));
      }
    }
  });

  test('reads linked blocks, stored blocks, a content size and checksums', () => {
    const literals = Buffer.from('abcdefgh');
    // Token: no literals, match of 8 at distance 8, into the block before; then five literals.
    const back = Uint8Array.of(0x04, 8, 0, 0x50, ...Buffer.from('vwxyz'));
    const expected = 'abcdefghabcdefghvwxyz';
    const size = Buffer.alloc(8);
    size.writeUInt32LE(expected.length);
    for (const [flags, extra] of [
      [0x40, []],
      [0x48, [size]],
      [0x5c, [size]],
    ] as [number, Uint8Array[]][]) {
      const frame = frameOf(
        flags,
        0x70,
        [
          [literals, true],
          [back, false],
        ],
        extra,
      );
      assert.equal(Buffer.from(decode(frame, expected.length)).toString(), expected);
    }
  });

  test('leaves the frame as it was', () => {
    const frame = lz4FrameEncode(textBytes(50_000)) as Uint8Array;
    const before = Buffer.from(frame);
    decode(frame, 50_000);
    assert.throws(() => lz4FrameDecode(frame, new Uint8Array(50_001)), XetFormatError);
    assert.equal(Buffer.compare(frame, before), 0);
  });

  test('refuses a target of another size', () => {
    const frame = lz4FrameEncode(textBytes(9000)) as Uint8Array;
    for (const size of [0, 1, 8999, 9001, 70_000]) {
      assert.throws(() => decode(frame, size), XetFormatError, `${size}`);
    }
  });

  test('every truncation and every corruption is either refused or stays inside the target', () => {
    const plain = textBytes(3000);
    const frame = lz4FrameEncode(plain) as Uint8Array;
    for (let length = 0; length < frame.length; length += 1) {
      assert.throws(() => decode(frame.subarray(0, length), plain.length), XetFormatError);
    }
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(frame.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        (changes) => {
          const bad = Buffer.from(frame);
          for (const [at, value] of changes) bad[at] = value;
          try {
            decode(bad, plain.length);
          } catch (error) {
            assert.ok(error instanceof XetFormatError, String(error));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('random bytes never do harm', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(4000), (block, size) => {
        try {
          decode(frameOf(0x60, 0x40, [[block, false]]), size);
        } catch (error) {
          assert.ok(error instanceof XetFormatError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('round trips whatever compresses', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 700 })), { maxLength: 60 }),
        (runs) => {
          const plain = Buffer.concat(runs.map(([byte, count]) => Buffer.alloc(count, byte)));
          const frame = lz4FrameEncode(plain);
          if (frame === null) return;
          assert.equal(Buffer.compare(decode(frame, plain.length), plain), 0);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('byte grouping', () => {
  test('groups by position modulo four, the first groups taking the rest', () => {
    const grouped = new Uint8Array(10);
    bg4Split(
      Uint8Array.from({ length: 10 }, (_, i) => i),
      grouped,
    );
    assert.deepEqual([...grouped], [0, 4, 8, 1, 5, 9, 2, 6, 3, 7]);
  });

  test('groups and joins every size as the format says', () => {
    for (let size = 0; size < 300; size += 1) {
      const plain = noiseBytes(size, size + 1);
      const [grouped, joined] = [new Uint8Array(size), new Uint8Array(size)];
      bg4Split(plain, grouped);
      const expected = [0, 1, 2, 3].flatMap((group) => [...plain].filter((_, i) => i % 4 === group));
      assert.deepEqual([...grouped], expected);
      bg4Join(grouped, joined);
      assert.deepEqual(joined, new Uint8Array(plain));
    }
  });

  test('makes floats compress that do not otherwise', () => {
    const plain = floatBytes(65_536);
    const grouped = new Uint8Array(plain.length);
    bg4Split(plain, grouped);
    const [raw, split] = [
      lz4FrameEncode(plain)?.length ?? plain.length,
      lz4FrameEncode(grouped)?.length ?? plain.length,
    ];
    assert.ok(split < raw * 0.95, `${split} of ${raw}`);
  });
});
