import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EvenColumn } from '../../src/vfs/namespace/even-column.ts';

const length = 16;

test('an even column answers as an array would', () => {
  const sets = fc.array(fc.tuple(fc.nat(length - 1), fc.integer({ min: 0, max: 3 })));
  fc.assert(
    fc.property(fc.constantFrom(null, 0, 2), sets, (common, changes) => {
      const column = new EvenColumn(() => new Uint32Array(length), common);
      const written = new Map<number, number>();
      for (const [row, value] of changes) {
        column.set(row, value);
        written.set(row, value);
      }
      for (const [row, value] of written) assert.equal(column.get(row), value);
      if (common === null) return;
      for (let row = 0; row < length; row += 1) assert.equal(column.get(row), written.get(row) ?? common);
    }),
  );
});

test('rows that are alike take no array, also unsigned and negative ones', () => {
  let arrays = 0;
  const owner = new EvenColumn(() => {
    arrays += 1;
    return new Uint32Array(length);
  });
  for (let row = 0; row < length; row += 1) owner.set(row, 4_294_967_294);
  assert.equal(owner.get(3), 4_294_967_294);
  assert.equal(arrays, 0);
  owner.set(5, 0);
  assert.equal(arrays, 1);
  assert.equal(owner.get(5), 0);
  assert.equal(owner.get(6), 4_294_967_294);
  const next = new EvenColumn(() => new Int32Array(length), -1);
  next.set(2, 7);
  assert.deepEqual([next.get(1), next.get(2)], [-1, 7]);
});
