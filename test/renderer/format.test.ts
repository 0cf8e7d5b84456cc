import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAgo, formatDuration, formatIn, splitSource } from '../../src/renderer/text/format.ts';
import { browseArgument } from '../../src/renderer/views/picker-query.ts';

test('durations run from microseconds to minutes', () => {
  assert.deepEqual([0.0004, 0.25, 2.24, 38, 1500, 61_000].map(formatDuration), [
    '1 µs',
    '250 µs',
    '2.2 ms',
    '38 ms',
    '1.5 s',
    '1 min 1 s',
  ]);
});

test('times to come and times gone by are told in one unit', () => {
  assert.deepEqual([-5, 0, 1, 59_000, 61_000, 3_700_000].map(formatIn), [
    'now',
    'now',
    'in 1 s',
    'in 59 s',
    'in 2 min',
    'in 2 h',
  ]);
  const day = 86_400_000;
  assert.deepEqual([5000, 120_000, 7_200_000, day, 3 * day, 100 * day, 800 * day].map(formatAgo), [
    'just now',
    '2 min ago',
    '2 h ago',
    '1 day ago',
    '3 days ago',
    '3 months ago',
    '2 years ago',
  ]);
});

test('a source is taken apart, and a strange one is shown whole', () => {
  assert.deepEqual(splitSource('bucket/a/b/c/d'), {
    kind: 'bucket',
    owner: 'a',
    name: 'b',
    subfolder: 'c/d',
  });
  assert.equal(splitSource('what').name, 'what');
});

test('what is typed decides what the Hub is asked', () => {
  const ask = (kind: 'bucket' | 'model', scope: 'mine' | 'everywhere', search: string) =>
    browseArgument({ kind, scope, search });
  assert.deepEqual(ask('bucket', 'mine', ' run '), {
    kind: 'bucket',
    scope: 'mine',
    owner: null,
    search: 'run',
    cursor: null,
  });
  assert.equal(ask('bucket', 'everywhere', 'run'), null, 'Buckets are listed by owner only');
  assert.deepEqual(ask('bucket', 'mine', 'ada/')?.owner, 'ada');
  assert.deepEqual(ask('model', 'mine', 'ada/ti'), {
    kind: 'model',
    scope: 'everywhere',
    owner: 'ada',
    search: 'ti',
    cursor: null,
  });
  assert.equal(ask('model', 'everywhere', '')?.owner, null);
});
