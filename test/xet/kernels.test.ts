import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compileKernels, compilerVersion } from '../../scripts/build-kernels.ts';
import { kernelsBinary, kernelsCompiler } from '../../src/xet/kernels-binary.ts';
import { kernels, regionBytes } from '../../src/xet/kernels.ts';
import { floatBytes, noiseBytes, textBytes } from './xet-samples.ts';

/** Steps of the copies may run this far past a region's end. */
const slackBytes = 256;

/** Another version gives other bytes of the same meaning. In CI a compiler must be there. */
function reasonToSkip(): string | false {
  const compiler = compilerVersion();
  if (compiler === null) return process.env['CI'] === undefined ? 'needs: apt-get install clang lld' : false;
  return compiler === kernelsCompiler ? false : `${kernelsCompiler} made the bytes, here is ${compiler}`;
}

describe('the codec kernels', () => {
  test('are what their sources give', { skip: reasonToSkip() }, () => {
    assert.equal(compileKernels().toString('base64'), kernelsBinary.replaceAll('\n', ''));
  });

  test('import nothing: they reach no more than their own memory', () => {
    const module = new WebAssembly.Module(Buffer.from(kernelsBinary, 'base64'));
    assert.deepEqual(WebAssembly.Module.imports(module), []);
  });

  test('decompressing hostile blocks writes only where the output goes', () => {
    const k = kernels();
    const blocks = [textBytes(3000), floatBytes(3000), new Uint8Array(3000)].map((plain) => {
      k.bytes.set(plain, k.in);
      const length = k.lz4_compress_in(plain.length, 0, regionBytes);
      assert.ok(length > 0);
      return k.bytes.slice(k.out, k.out + length);
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...blocks),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 20 }),
        fc.nat(5000),
        fc.boolean(),
        (block, changes, outLimit, grouped) => {
          const bad = block.slice();
          for (const [at, value] of changes) bad[at % bad.length] = value;
          k.bytes.set(bad, k.in);
          const region = grouped ? k.mid : k.out;
          const before = k.bytes.slice();
          const decompress = grouped ? k.lz4_decompress_mid : k.lz4_decompress_out;
          const end = decompress(0, bad.length, 0, outLimit);
          assert.ok(end <= outLimit && end >= -6, `${end} of ${outLimit}`);
          before.set(k.bytes.subarray(region, region + outLimit + 32), region);
          assert.equal(Buffer.compare(before, k.bytes), 0, 'memory beside the output changed');
        },
      ),
      { numRuns: 300 },
    );
  });

  test('decompressing up to the end of a region stays within its slack', () => {
    const k = kernels();
    for (const plain of [new Uint8Array(regionBytes), textBytes(regionBytes), floatBytes(regionBytes)]) {
      k.bytes.set(plain, k.in);
      const length = k.lz4_compress_in(plain.length, 0, regionBytes);
      if (length === 0) continue;
      k.bytes.copyWithin(k.in, k.out, k.out + length);
      const before = k.bytes.slice();
      assert.equal(k.lz4_decompress_mid(0, length, 0, regionBytes), regionBytes);
      assert.equal(Buffer.compare(k.bytes.subarray(k.mid, k.mid + regionBytes), plain), 0);
      before.set(k.bytes.subarray(k.mid, k.mid + regionBytes + slackBytes), k.mid);
      assert.equal(Buffer.compare(before, k.bytes), 0);
    }
  });

  test('compressing keeps to its limit, and gives nothing where that is too little', () => {
    const k = kernels();
    const kinds = [textBytes(20_000), noiseBytes(20_000), floatBytes(20_000), new Uint8Array(20_000)];
    for (const plain of kinds) {
      for (let limit = 0; limit < 25_000; limit += 517) {
        k.bytes.set(plain, k.in);
        k.bytes.fill(0xa5, k.out, k.out + regionBytes);
        const length = k.lz4_compress_in(plain.length, 11, limit);
        assert.ok(length <= limit);
        const rest = k.bytes.subarray(k.out + 11 + limit + 32, k.out + regionBytes);
        assert.ok(rest.every((byte) => byte === 0xa5));
        if (length === 0) continue;
        k.bytes.copyWithin(k.in, k.out + 11, k.out + 11 + length);
        assert.equal(k.lz4_decompress_out(0, length, 0, plain.length), plain.length);
        assert.equal(Buffer.compare(k.bytes.subarray(k.out, k.out + plain.length), plain), 0);
      }
    }
  });

  test('a scan finds every match, also where there are many', () => {
    const k = kernels();
    k.bytes.set(noiseBytes(regionBytes, 3), k.in);
    assert.ok(k.gear_scan(64, regionBytes) > 0);
    // The 64 bytes of one match, over and over.
    const end = k.matches[0] as number;
    const window = k.bytes.slice(k.in + end - 64, k.in + end);
    for (let at = 0; at < 131_072 + 64; at += 64) k.bytes.set(window, k.in + at);
    for (const [length, count] of [[131_072, 2048] as const, [8192, 128] as const, [1024, 16] as const]) {
      assert.equal(k.gear_scan(64, 64 + length), count);
      const expected = Array.from({ length: count }, (_, i) => 128 + i * 64);
      assert.deepEqual([...k.matches.subarray(0, count)], expected);
    }
  });
});
