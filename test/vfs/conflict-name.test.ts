// The names of conflict copies.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { conflictName, conflictPath } from '../../src/vfs/namespace/conflict-name.ts';

const at = new Date(2026, 7, 9, 4, 5, 6).getTime();

const examples: readonly (readonly [name: string, host: string, copy: number, expected: string])[] = [
  ['report.txt', 'amber', 1, 'report (conflict amber 2026-08-09 040506).txt'],
  ['report.txt', 'amber', 2, 'report (conflict amber 2026-08-09 040506 2).txt'],
  ['archive.tar.gz', 'amber.local', 1, 'archive (conflict amber 2026-08-09 040506).tar.gz'],
  ['Makefile', 'amber', 1, 'Makefile (conflict amber 2026-08-09 040506)'],
  ['.profile', 'amber', 1, '.profile (conflict amber 2026-08-09 040506)'],
  ['Dear Sir. How are you', 'amber', 1, 'Dear Sir. How are you (conflict amber 2026-08-09 040506)'],
  ['a.b', 'x/y\0z', 1, 'a (conflict x-y-z 2026-08-09 040506).b'],
  ['a', '', 1, 'a (conflict here 2026-08-09 040506)'],
];

for (const [name, host, copy, expected] of examples) {
  test(`${JSON.stringify(name)} on ${JSON.stringify(host)}, copy ${copy}, becomes ${JSON.stringify(expected)}`, () => {
    assert.equal(conflictName(name, host, at, copy), expected);
  });
}

test('only the last segment of a path changes', () => {
  assert.equal(conflictPath('a.d/b.c', 'h', at), 'a.d/b (conflict h 2026-08-09 040506).c');
  assert.equal(conflictPath('b', 'h', at), 'b (conflict h 2026-08-09 040506)');
});

test('every name fits in 255 bytes, is a valid name, and keeps its extension', () => {
  const names = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 300 })
    .map((name) => name.replaceAll(/[/\0]/g, '_'));
  fc.assert(
    fc.property(names, fc.string(), fc.integer({ min: 1, max: 9999 }), (name, host, copy) => {
      const made = conflictName(name, host, at, copy);
      assert.ok(Buffer.byteLength(made) <= 255);
      assert.ok(!/[/\0]/.test(made));
      assert.ok(made.isWellFormed() || !name.isWellFormed());
      assert.notEqual(made, name);
    }),
  );
  assert.match(
    conflictName(`${'é'.repeat(200)}.docx`, 'h', at),
    /^é+ \(conflict h 2026-08-09 040506\)\.docx$/,
  );
});
