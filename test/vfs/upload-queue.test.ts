// The upload queue over a small file tree and a Hub in memory: what is sent, when, and what it becomes on the Hub.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyXetKey } from '../../src/hub/remote-store.ts';
import { settle } from '../support/manual-clock.ts';
import { UploadWorld } from '../support/upload-world.ts';

async function withWorld(work: (world: UploadWorld) => Promise<void>): Promise<void> {
  const world = await UploadWorld.create();
  try {
    await work(world);
    assert.equal(world.snapshots.size, 0, 'no snapshot is left');
  } finally {
    await world.close();
    assert.equal(world.clock.pendingTimers, 0, 'no timer is left');
  }
}

test('a changed file is sent two quiet seconds later and is clean then', () =>
  withWorld(async (world) => {
    world.write('notes.txt', 'one');
    await world.clock.advanceAsync(1500);
    world.write('notes.txt', 'one two');
    await world.clock.advanceAsync(1900);
    assert.deepEqual(world.remote.paths(), []);
    assert.equal(world.queue.pending()[0]?.state.state, 'safe');
    await world.clock.advanceAsync(200);
    await settle(20);
    assert.equal(world.remote.text('notes.txt'), 'one two');
    assert.deepEqual(world.queue.pendingTotals(), { files: 0, bytes: 0 });
    assert.equal(world.content.isStaged(2), false);
    assert.equal(world.clock.pendingTimers, 0);
    assert.deepEqual(
      world.activity.map(({ kind, path, detail }) => [kind, path, detail]),
      [
        ['UPLOAD', 'notes.txt', 'uploading'],
        ['UPLOAD', 'notes.txt', 'committed'],
      ],
    );
    assert.equal(world.counters.get('filesCommitted'), 1);
    assert.equal(world.counters.get('uploadedBytes'), 7);
  }));

test('a file that is written without rest is sent after thirty seconds', () =>
  withWorld(async (world) => {
    for (let second = 0; second < 31; second += 1) {
      world.write('log', `line ${second}`);
      await world.clock.advanceAsync(1000);
    }
    await settle(20);
    assert.match(world.remote.text('log') ?? '', /^line (29|30)$/);
    await world.quiet();
    assert.equal(world.remote.text('log'), 'line 30');
  }));

test('an empty file is added without an upload', () =>
  withWorld(async (world) => {
    world.touch('empty');
    world.write('emptied', '');
    await world.quiet();
    assert.equal(world.remote.file('empty')?.content.key, emptyXetKey);
    assert.equal(world.remote.file('emptied')?.content.key, emptyXetKey);
    assert.deepEqual(world.remote.callsOf('upload'), []);
  }));
