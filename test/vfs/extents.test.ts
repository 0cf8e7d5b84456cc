import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ExtentMap, decodeExtents } from '../../src/vfs/storage/extents.ts';

const worldSize = 64;
const position = fc.nat(worldSize);
const change = fc.record({
  operation: fc.constantFrom('add', 'remove', 'truncate'),
  a: position,
  b: position,
});

function apply(
  map: ExtentMap,
  model: boolean[],
  { operation, a, b }: { operation: string; a: number; b: number },
): void {
  const start = Math.min(a, b);
  const end = Math.max(a, b);
  if (operation === 'add') {
    map.add(start, end);
    model.fill(true, start, end);
  } else if (operation === 'remove') {
    map.remove(start, end);
    model.fill(false, start, end);
  } else {
    map.truncate(start);
    model.fill(false, start);
  }
}

/** Sorted, disjoint, not touching. */
function rangesOf(
  model: readonly boolean[],
  wanted: boolean,
  start = 0,
  end = model.length,
): { start: number; end: number }[] {
  const ranges: { start: number; end: number }[] = [];
  for (let index = start; index < end; index++) {
    if (model[index] !== wanted) continue;
    const last = ranges.at(-1);
    if (last?.end === index) last.end = index + 1;
    else ranges.push({ start: index, end: index + 1 });
  }
  return ranges;
}

describe('extent map', () => {
  it('agrees with an array of booleans after any changes', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), position, position, (changes, a, b) => {
        const map = new ExtentMap();
        const model = Array.from({ length: worldSize }, () => false);
        for (const one of changes) {
          apply(map, model, one);
          assert.equal(map.totalBytes, model.filter(Boolean).length);
        }
        const start = Math.min(a, b);
        const end = Math.max(a, b);
        assert.deepEqual(map.ranges(), rangesOf(model, true));
        assert.deepEqual(map.within(start, end), rangesOf(model, true, start, end));
        assert.deepEqual(map.gaps(start, end), rangesOf(model, false, start, end));
        assert.equal(map.covers(start, end), !model.slice(start, end).includes(false));
        assert.equal(map.overlaps(start, end), model.slice(start, end).includes(true));
        assert.equal(map.end, model.lastIndexOf(true) + 1);
        assert.deepEqual(map.copy().ranges(), map.ranges());
      }),
      { numRuns: 500 },
    );
  });

  it('keeps what was encoded, far positions included', () => {
    const ranges = fc.array(fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()), { maxLength: 20 });
    fc.assert(
      fc.property(ranges, (pairs) => {
        const map = new ExtentMap();
        for (const [a, b] of pairs) map.add(Math.min(a, b), Math.max(a, b));
        assert.deepEqual(decodeExtents(map.encode(), Number.MAX_SAFE_INTEGER)?.ranges(), map.ranges());
      }),
    );
  });

  it('refuses damaged bytes and ranges beyond the content instead of inventing ranges', () => {
    const bytes = ExtentMap.of({ start: 5, end: 9 }, { start: 200, end: 4000 }).encode();
    assert.equal(decodeExtents(bytes.subarray(0, bytes.length - 1), 4000), null);
    assert.equal(decodeExtents(bytes, 3999), null);
    assert.equal(decodeExtents(Uint8Array.of(1, 0), 100), null);
    assert.equal(decodeExtents(new Uint8Array(40).fill(0xff), Number.MAX_SAFE_INTEGER), null);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
        const map = decodeExtents(noise, 1000);
        assert.ok(map === null || map.end <= 1000);
      }),
    );
  });
});
