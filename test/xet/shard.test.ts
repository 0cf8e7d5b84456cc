import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { XetFormatError } from '../../src/xet/errors.ts';
import { parseShard, writeShard, type ShardFile, type ShardXorb } from '../../src/xet/shard.ts';
import { noiseBytes } from './xet-samples.ts';

const hash = (seed: number): Uint8Array => new Uint8Array(noiseBytes(32, seed * 2 + 1)).slice();

const xorb: ShardXorb = {
  hash: hash(1),
  unpackedBytes: 300,
  storedBytes: 250,
  chunks: [
    { hash: hash(2), offsetBytes: 0, sizeBytes: 100 },
    { hash: hash(3), offsetBytes: 100, sizeBytes: 200 },
  ],
};
const files: ShardFile[] = [
  {
    hash: hash(4),
    segments: [
      { xorbHash: hash(1), unpackedBytes: 100, chunkStart: 0, chunkEnd: 1 },
      { xorbHash: hash(9), unpackedBytes: 4_000_000_000, chunkStart: 3, chunkEnd: 8192 },
    ],
    verification: [hash(5), hash(6)],
    sha256: hash(7),
  },
  { hash: new Uint8Array(32), segments: [], verification: [], sha256: null },
  {
    hash: hash(8),
    segments: [{ xorbHash: hash(1), unpackedBytes: 300, chunkStart: 0, chunkEnd: 2 }],
    verification: null,
    sha256: null,
  },
];

/** Hashes as arrays of numbers, whatever kind of byte array they are. */
function plain(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return [...(value as Uint8Array)];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}

describe('shards', () => {
  test('what is written is read back, with and without a footer', () => {
    const footer = { hmacKey: hash(10), createdAt: 1_700_000_000, keyExpiry: 1_900_000_000 };
    for (const each of [null, footer]) {
      const shard = parseShard(writeShard({ files, xorbs: [xorb], footer: each }));
      assert.deepEqual(plain(shard.files), plain(files.map((file) => ({ ...file }))));
      assert.deepEqual(plain(shard.xorbs), plain([xorb]));
      assert.deepEqual(plain(shard.footer), plain(each));
    }
  });

  test('its records stand where the format puts them', () => {
    const bytes = Buffer.from(writeShard({ files: [files[0] as ShardFile], xorbs: [xorb] }));
    assert.equal(bytes.toString('latin1', 0, 14), 'HFRepoMetaData');
    assert.equal(bytes.subarray(14, 32).toString('hex'), '00556967456a7b815783a5bdd95ccdd14aa9');
    assert.equal(bytes.readUInt32LE(32), 2, 'version');
    assert.equal(bytes.readUInt32LE(40), 0, 'no footer');
    assert.equal(bytes.readUInt32LE(48 + 32), 0xc000_0000, 'verification and metadata flags');
    assert.equal(bytes.readUInt32LE(48 + 36), 2, 'segments');
    assert.equal(bytes.readUInt32LE(48 * 3 + 36), 4_000_000_000, 'unpacked bytes of the second segment');
    assert.equal(bytes.readUInt32LE(48 * 3 + 44), 8192, 'its exclusive end');
    const bookend = 48 * 7;
    assert.ok(bytes.subarray(bookend, bookend + 32).every((byte) => byte === 0xff));
    assert.ok(bytes.subarray(bookend + 32, bookend + 48).every((byte) => byte === 0));
    assert.equal(bytes.length, 48 * (1 + 6 + 1 + 3 + 1));
    assert.equal(bytes.readUInt32LE(48 * 10 + 32), 100, 'offset of the second chunk');
  });

  test('the footer names the end of the xorb section where the JavaScript client looks for it', () => {
    const footer = { hmacKey: new Uint8Array(32), createdAt: 1, keyExpiry: 2 };
    const bytes = Buffer.from(writeShard({ files: [], xorbs: [xorb], footer }));
    const at = bytes.length - 200;
    const word = (i: number): number => Number(bytes.readBigUInt64LE(at + i * 8));
    assert.deepEqual(
      [word(0), word(1), word(2), word(3), word(5), word(7), word(24)],
      [1, 48, 96, at, at, at, at],
    );
    assert.equal(bytes.readUInt32LE(40), 200);
  });

  test('bytes after the second bookend are ignored', () => {
    const bytes = Buffer.concat([writeShard({ files, xorbs: [xorb] }), noiseBytes(333)]);
    assert.equal(parseShard(bytes).files.length, 3);
  });

  test('every truncation is refused', () => {
    const bytes = writeShard({ files, xorbs: [xorb] });
    for (let length = 0; length < bytes.length; length += 1) {
      assert.throws(() => parseShard(bytes.subarray(0, length)), XetFormatError);
    }
  });

  test('a count that promises more than there is, is refused without allocating for it', () => {
    const bytes = Buffer.from(writeShard({ files, xorbs: [xorb] }));
    bytes.writeUInt32LE(0xffff_ffff, 48 + 36);
    assert.throws(() => parseShard(bytes), XetFormatError);
  });

  test('corruption gives a format error or another shard, nothing else', () => {
    const bytes = writeShard({
      files,
      xorbs: [xorb],
      footer: { hmacKey: hash(1), createdAt: 1, keyExpiry: 2 },
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 10 }),
        (changes) => {
          const bad = Buffer.from(bytes);
          for (const [at, value] of changes) bad[at] = value;
          try {
            parseShard(bad);
          } catch (error) {
            assert.ok(error instanceof XetFormatError, String(error));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
