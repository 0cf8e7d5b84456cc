import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes } from '../../src/shared/bytes.ts';

test('sizes are short and never show a thousand of a unit', () => {
  const sizes = [0, 1, 999, 1000, 9949, 9950, 999_499, 999_500, 412e6, 48.2e9, 3e18];
  assert.deepEqual(sizes.map(formatBytes), [
    '0 bytes',
    '1 byte',
    '999 bytes',
    '1.0 kB',
    '9.9 kB',
    '10 kB',
    '999 kB',
    '1.0 MB',
    '412 MB',
    '48 GB',
    '3000 PB',
  ]);
});
