// Renames of whole folders: no byte moves, nothing is missing at any moment, and another client's files move along.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../support/manual-clock.ts';
import { hubError } from '../support/memory-remote-store.ts';
import { UploadWorld, withUploadWorld } from '../support/upload-world.ts';

function manyFiles(count: number, folder: string): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_value, index) => [
      `${folder}/${index % 7}/file ${index}`,
      `text ${index}`,
    ]),
  );
}

test('a folder of ten thousand files moves in about forty requests and without an upload', () =>
  withUploadWorld(async (world) => {
    for (const [path, text] of Object.entries(manyFiles(10_000, 'from'))) world.remote.put(path, text);
    world.remote.calls.length = 0;
    world.renameFolder('from', 'to');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), manyFiles(10_000, 'to'));
    assert.deepEqual(world.remote.callsOf('upload'), []);
    assert.ok(
      world.remote.callsOf('commit').length <= 42,
      `${world.remote.callsOf('commit').length} requests`,
    );
    assert.deepEqual(
      world.activity.map(({ path, toPath, detail }) => [path, toPath, detail]),
      [['from', 'to', 'committed']],
    );
  }));

test('everything is at the new place before anything leaves the old one', () =>
  withUploadWorld(async (world) => {
    world.seed(manyFiles(1200, 'from'));
    let missing = 0;
    world.remote.onApply = () => {
      const paths = new Set(world.remote.paths());
      for (let index = 0; index < 1200; index += 1) {
        const name = `${index % 7}/file ${index}`;
        if (!paths.has(`from/${name}`) && !paths.has(`to/${name}`)) missing += 1;
      }
    };
    world.renameFolder('from', 'to');
    await world.clock.advanceAsync(2500);
    assert.equal(
      world.queue.remotePathNow('to/3'),
      'to/3',
      'emptying: a listing of the new place is complete',
    );
    await world.quiet();
    assert.equal(missing, 0);
    assert.deepEqual(world.remoteTexts(), manyFiles(1200, 'to'));
  }));

test('a folder move that was killed at any batch is finished after the restart', async () => {
  for (let batch = 0; batch < 6; batch += 1) {
    const world = await UploadWorld.create();
    for (const [path, text] of Object.entries(manyFiles(1500, 'from'))) world.remote.put(path, text);
    world.renameFolder('from', 'to');
    world.remote.cutCommit(250, hubError('network', true), batch);
    await world.clock.advanceAsync(2500);
    await settle(60);
    const next = world.killedCopy();
    await world.close();
    await next.start();
    await next.quiet();
    assert.deepEqual(next.remoteTexts(), manyFiles(1500, 'to'), `killed at batch ${batch}`);
    await next.close();
  }
});

test('files that another client adds or changes meanwhile move along', () =>
  withUploadWorld(async (world) => {
    world.seed({ 'from/a': 'a', 'from/b': 'b' });
    world.renameFolder('from', 'to');
    let commits = 0;
    world.remote.onApply = () => {
      commits += 1;
      if (commits !== 1) return;
      world.remote.put('from/late/c', 'c');
      world.remote.put('from/b', 'b of theirs');
    };
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { 'to/a': 'a', 'to/b': 'b of theirs', 'to/late/c': 'c' });
    assert.ok(world.relisted.includes('to/late/c'), 'a file that is not known here is listed');
  }));

test('files changed here inside a moved folder are uploaded to where they are then', () =>
  withUploadWorld(async (world) => {
    world.seed({ 'from/known': 'old', 'from/other': 'other' });
    world.write('from/known', 'new');
    world.write('from/fresh', 'fresh');
    world.renameFolder('from', 'mid');
    world.renameFolder('mid', 'to');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { 'to/known': 'new', 'to/fresh': 'fresh', 'to/other': 'other' });
    assert.deepEqual(
      world.activity.filter(({ kind }) => kind === 'CONFLICT'),
      [],
    );
  }));

test('what was deleted before the rename stays deleted, what is deleted after it goes', () =>
  withUploadWorld(async (world) => {
    world.seed({ 'from/a': 'a', 'from/b': 'b', 'from/c': 'c' });
    world.remove('from/a');
    world.renameFolder('from', 'to');
    world.remove('to/b');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { 'to/c': 'c' });
  }));

test('a file of another client at the new place keeps its name, ours goes beside it', () =>
  withUploadWorld(async (world) => {
    world.seed({ 'from/a': 'ours', 'from/b': 'b' });
    world.renameFolder('from', 'to');
    world.remote.put('to/a', 'theirs');
    await world.quiet();
    const copy = world.remote.paths().find((path) => path.startsWith('to/a (conflict testhost ')) ?? '';
    assert.deepEqual(world.remoteTexts(), { 'to/a': 'theirs', [copy]: 'ours', 'to/b': 'b' });
    assert.equal(world.text('to/a'), 'theirs');
    assert.equal(world.text(copy), 'ours');
    assert.equal(world.activity.filter(({ kind }) => kind === 'CONFLICT').length, 1);
  }));

test('a refused file keeps its folder in both places and delays nothing else', () =>
  withUploadWorld(async (world) => {
    world.seed({ 'from/a': 'a', 'from/b': 'b' });
    world.remote.refuse('to/a', hubError('forbidden', false), Infinity);
    world.renameFolder('from', 'to');
    world.write('elsewhere', 'x');
    world.write('to/new', 'waits');
    await world.clock.advanceAsync(600_000);
    assert.deepEqual(world.remoteTexts(), { elsewhere: 'x', 'from/a': 'a', 'from/b': 'b', 'to/b': 'b' });
    assert.equal(world.queue.pending().find(({ kind }) => kind === 'moveTree')?.state.state, 'failed');
    world.remote.endFaults();
    world.queue.retryNow();
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { elsewhere: 'x', 'to/a': 'a', 'to/b': 'b', 'to/new': 'waits' });
  }));
