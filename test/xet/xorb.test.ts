import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ChunkEncoder, encodeChunk, type CompressionPolicy } from '../../src/xet/chunk-encoder.ts';
import { chunkMaxBytes } from '../../src/xet/chunker.ts';
import { XetFormatError } from '../../src/xet/errors.ts';
import { chunkHash, hashToHex, xorbHash } from '../../src/xet/hash.ts';
import { XorbBuilder } from '../../src/xet/xorb-builder.ts';
import { ChunkStreamDecoder, decodeChunks, xorbMaxBytes, xorbMaxChunks } from '../../src/xet/xorb.ts';
import { floatBytes, noiseBytes, textBytes } from './xet-samples.ts';

const plains = [
  textBytes(60_000),
  noiseBytes(70_001, 2),
  floatBytes(65_536),
  Uint8Array.of(7),
  new Uint8Array(chunkMaxBytes),
  textBytes(9_999, 8),
];

function collect(bytes: Uint8Array, pieceBytes: number): { plains: Uint8Array[]; ends: number[] } {
  const decoder = new ChunkStreamDecoder();
  const result = { plains: [] as Uint8Array[], ends: [] as number[] };
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    decoder.push(bytes.subarray(at, at + pieceBytes), (index, plain, end) => {
      assert.equal(index, result.plains.length);
      result.plains.push(Buffer.from(plain));
      result.ends.push(end);
    });
  }
  decoder.finish();
  return result;
}

function build(): { hash: Uint8Array; bytes: Uint8Array } {
  const builder = new XorbBuilder();
  plains.forEach((plain, i) => assert.equal(builder.add(plain, chunkHash(plain)), i));
  return builder.finish();
}

describe('xorbs', () => {
  test('a built xorb decodes to its chunks however its bytes arrive', () => {
    const { bytes } = build();
    for (const piece of [1, 7, 8, 9, 1000, 65_536, bytes.length]) {
      const { plains: decoded, ends } = collect(bytes, piece);
      assert.equal(decoded.length, plains.length);
      decoded.forEach((plain, i) =>
        assert.equal(Buffer.compare(plain, plains[i] as Uint8Array), 0, `chunk ${i}`),
      );
      assert.equal(ends.at(-1), bytes.length);
    }
  });

  test('its hash is the root over its chunks', () => {
    const chunks = plains.map((plain) => ({ hash: chunkHash(plain), sizeBytes: plain.length }));
    assert.equal(hashToHex(build().hash), hashToHex(xorbHash(chunks)));
  });

  test('the chunk header is version, stored length, scheme, plain length', () => {
    assert.deepEqual([...encodeChunk(Buffer.from('abc'))], [0, 3, 0, 0, 0, 3, 0, 0, 97, 98, 99]);
    const text = encodeChunk(textBytes(70_000));
    assert.equal(text[4], 1);
    assert.equal(Buffer.from(text).readUIntLE(1, 3), text.length - 8);
    assert.equal(Buffer.from(text).readUIntLE(5, 3), 70_000);
    assert.equal(encodeChunk(floatBytes(65_536))[4], 2, 'floats are grouped');
    assert.equal(encodeChunk(noiseBytes(65_536))[4], 0, 'noise is stored');
  });

  test('every policy round trips', () => {
    for (const policy of ['auto', 'none', 'lz4', 'bg4'] satisfies CompressionPolicy[]) {
      for (const plain of plains) {
        let decoded: Uint8Array = new Uint8Array(0);
        const count = decodeChunks(encodeChunk(plain, policy), (_, bytes) => (decoded = Buffer.from(bytes)));
        assert.equal(count, 1);
        assert.equal(Buffer.compare(decoded, plain), 0, policy);
      }
    }
  });

  test('a stream that turns from noise to text and back is compressed where it pays', () => {
    const encoder = new ChunkEncoder();
    const sizes = { noise: 0, text: 0 };
    for (const kind of ['noise', 'text', 'noise', 'text'] as const) {
      for (let i = 0; i < 40; i += 1) {
        const plain = kind === 'noise' ? noiseBytes(65_536, i + 1) : textBytes(65_536, i + 1);
        const encoded = encodeChunk(plain, 'auto', encoder);
        sizes[kind] += encoded.length;
        assert.equal(
          decodeChunks(encoded, (_, bytes) => assert.equal(Buffer.compare(bytes, plain), 0)),
          1,
        );
      }
    }
    assert.ok(sizes.text < 80 * 65_536 * 0.75, `${sizes.text} of text`);
    assert.ok(sizes.noise <= 80 * (65_536 + 8), `${sizes.noise} of noise`);
  });

  test('a footer ends the chunks', () => {
    const { bytes } = build();
    const withFooter = Buffer.concat([bytes, Buffer.from('XETBLOB\x01'), noiseBytes(500)]);
    for (const piece of [3, 100_000, withFooter.length]) {
      assert.equal(collect(withFooter, piece).plains.length, plains.length);
    }
  });

  test('a xorb that ends inside a chunk is refused', () => {
    const { bytes } = build();
    for (const length of [1, 7, 8, 100, bytes.length - 1]) {
      assert.throws(() => collect(bytes.subarray(0, length), 4096), XetFormatError);
    }
    assert.equal(collect(new Uint8Array(0), 1).plains.length, 0);
  });

  test('headers out of bounds are refused before anything is read', () => {
    const header = (version: number, stored: number, scheme: number, plain: number): Buffer => {
      const bytes = Buffer.alloc(8 + 300_000);
      bytes[0] = version;
      bytes.writeUIntLE(stored, 1, 3);
      bytes[4] = scheme;
      bytes.writeUIntLE(plain, 5, 3);
      return bytes;
    };
    for (const bad of [
      header(1, 10, 0, 10),
      header(0, 10, 3, 10),
      header(0, 0, 0, 10),
      header(0, 10, 0, 0),
      header(0, 10, 0, 11),
      header(0, 10, 1, chunkMaxBytes + 1),
      header(0, 2 * chunkMaxBytes + 1, 1, 10),
    ]) {
      assert.throws(() => collect(bad, bad.length), XetFormatError);
    }
  });

  test('corrupted xorbs give format errors or wrong bytes, nothing else', () => {
    const small = new XorbBuilder();
    for (const plain of [textBytes(500), noiseBytes(300), floatBytes(800)])
      small.add(plain, chunkHash(plain));
    const { bytes } = small.finish();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: bytes.length }),
        (changes, piece) => {
          const bad = Buffer.from(bytes);
          for (const [at, value] of changes) bad[at] = value;
          try {
            collect(bad, piece);
          } catch (error) {
            assert.ok(error instanceof XetFormatError, String(error));
          }
        },
      ),
      { numRuns: 1500 },
    );
  });

  test('the builder says when it is full, by chunks and by bytes', () => {
    const many = new XorbBuilder();
    const one = encodeChunk(Uint8Array.of(1));
    const hash = chunkHash(Uint8Array.of(1));
    for (let i = 0; i < xorbMaxChunks; i += 1) {
      assert.ok(many.fits(1));
      many.addEncoded(one, 1, hash);
    }
    assert.equal(many.fits(1), false);
    assert.throws(() => many.addEncoded(one, 1, hash), RangeError);

    const big = new XorbBuilder();
    const stored = encodeChunk(noiseBytes(chunkMaxBytes), 'none');
    while (big.fits(chunkMaxBytes)) big.addEncoded(stored, chunkMaxBytes, hash);
    assert.ok(big.sizeBytes <= xorbMaxBytes && big.sizeBytes > xorbMaxBytes - stored.length);
  });
});
