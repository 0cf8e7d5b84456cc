// The activity ring, the counters, and the generation of a source.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ActivityLog } from '../../src/vfs/activity-log.ts';
import { generationOf } from '../../src/vfs/namespace/generation.ts';
import { ManualClock } from '../support/manual-clock.ts';

test('events are drained once, in order, with paths as they are when drained', () => {
  const clock = new ManualClock();
  const paths = new Map([[7, 'old']]);
  const log = new ActivityLog(clock, (ino) => paths.get(ino) ?? null);
  log.recordInode('READ', 7, 4096, 100, 1.5);
  clock.advance(10);
  log.record('RENAME', 'old', { toPath: 'new' });
  log.recordInode('STALE', 8, -1, -1, -1, 'NFS3ERR_STALE');
  paths.set(7, 'new');
  const { events, dropped } = log.drain();
  assert.equal(dropped, 0);
  assert.deepEqual(events, [
    {
      sequence: 0,
      at: clock.now() - 10,
      kind: 'READ',
      path: 'new',
      offset: 4096,
      bytes: 100,
      durationMs: 1.5,
    },
    { sequence: 1, at: clock.now(), kind: 'RENAME', path: 'old', toPath: 'new' },
    { sequence: 2, at: clock.now(), kind: 'STALE', path: '', detail: 'NFS3ERR_STALE' },
  ]);
  assert.deepEqual(log.drain(), { events: [], dropped: 0 });
});

test('a full ring drops the oldest and says how many', () => {
  const log = new ActivityLog(new ManualClock(), () => 'f', 8);
  for (let index = 0; index < 20; index += 1) log.recordInode('WRITE', 1, index, 10, 0);
  const { events, dropped } = log.drain();
  assert.equal(dropped, 12);
  assert.deepEqual(
    events.map(({ sequence, offset }) => [sequence, offset]),
    Array.from({ length: 8 }, (_, index) => [index + 12, index + 12]),
  );
  const { writes, writtenBytes } = log.counters();
  assert.deepEqual({ writes, writtenBytes }, { writes: 20, writtenBytes: 200 });
});

test('counters add up what is recorded and counted', () => {
  const log = new ActivityLog(new ManualClock(), () => null);
  log.recordInode('READ', 1, 0, 5, 0);
  log.recordInode('COMMIT', 1, -1, -1, 0);
  log.record('ERROR', 'x');
  log.count('uploadedBytes', 12);
  log.count('uploadedBytes', 3);
  const { reads, readBytes, commits, errors, uploadedBytes, stale } = log.counters();
  assert.deepEqual(
    { reads, readBytes, commits, errors, uploadedBytes, stale },
    { reads: 1, readBytes: 5, commits: 1, errors: 1, uploadedBytes: 15, stale: 0 },
  );
});

test('the generation is FNV-1a 64 of the identifier', () => {
  // Vectors of the algorithm's authors (draft-eastlake-fnv, appendix C).
  for (const [text, hex] of [
    ['', 'cbf29ce484222325'],
    ['a', 'af63dc4c8601ec8c'],
    ['foobar', '85944171f73967e8'],
  ] as const) {
    assert.equal(Buffer.from(generationOf(text)).toString('hex'), hex);
  }
  assert.notDeepEqual(generationOf('bucket/1'), generationOf('bucket/2'));
});
