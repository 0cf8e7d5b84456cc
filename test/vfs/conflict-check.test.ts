// The decision about one path: what the Hub has, what was expected, what is wanted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RemoteFile } from '../../src/hub/remote-store.ts';
import { checkPath } from '../../src/vfs/uploads/conflict-check.ts';

const contentOf = (key: string) => ({ key, sizeBytes: 1, path: 'p' });

function fileOf(key: string | null): RemoteFile | null {
  return key === null ? null : { type: 'file', path: 'p', content: contentOf(key), mtimeMs: 7 };
}

/** current, expected, further known keys, wanted, keys sent with unknown outcome → verdict */
const table: readonly (readonly [
  string,
  string | null,
  string | null,
  readonly (string | null)[],
  string | null,
  readonly string[],
  string,
])[] = [
  ['a new file where nothing is', null, null, [], 'new', [], 'put'],
  ['a new file where another client put one', 'theirs', null, [], 'new', [], 'foreign'],
  ['a new file where another client put the same', 'new', null, [], 'new', [], 'done'],
  ['an edit of what is there', 'base', 'base', [], 'new', [], 'put'],
  ['an edit of what another client changed', 'theirs', 'base', [], 'new', [], 'foreign'],
  ['an edit of what another client deleted', null, 'base', [], 'new', [], 'revive'],
  ['an edit whose reply was lost', 'new', 'base', [], 'new', [], 'done'],
  ['an edit after one whose reply was lost', 'sent', 'base', [], 'new', ['sent'], 'put'],
  ['a deletion of what is there', 'base', 'base', [], null, [], 'delete'],
  ['a deletion of what another client changed', 'theirs', 'base', [], null, [], 'foreign'],
  ['a deletion of what another client deleted', null, 'base', [], null, [], 'done'],
  ['a name that passed through another content', 'passing', 'base', ['passing', null], 'new', [], 'put'],
  ['a name that was empty in between and is', null, 'base', [null], 'new', [], 'put'],
];

for (const [what, current, expected, more, wanted, sent, verdict] of table) {
  test(`${what}: ${verdict}`, () => {
    const intent = {
      path: 'p',
      expected,
      known: new Set([expected, ...more]),
      final: wanted === null ? null : { content: contentOf(wanted), mtimeMs: 9 },
    };
    const found = checkPath(intent, fileOf(current), (key) => sent.includes(key));
    assert.equal(found.type === 'put' && found.revived ? 'revive' : found.type, verdict);
    if (found.type === 'foreign')
      assert.deepEqual(found.theirs, { content: contentOf('theirs'), mtimeMs: 7 });
  });
}
