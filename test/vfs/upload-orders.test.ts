// What people order the upload queue to do: send now, pause, retry, discard; and what it shows them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../support/manual-clock.ts';
import { hubError } from '../support/memory-remote-store.ts';
import { withUploadWorld } from '../support/upload-world.ts';

test('a flush sends everything at once and resolves when all of it is on the Hub', () =>
  withUploadWorld(async (world) => {
    world.seed({ old: 'x' });
    world.write('new', 'y');
    world.rename('old', 'moved');
    await world.queue.flush();
    assert.deepEqual(world.remoteTexts(), { moved: 'x', new: 'y' });
    await world.queue.flush();
  }));

test('a flush rejects with the first failure, and the item goes on being tried', () =>
  withUploadWorld(async (world) => {
    world.remote.fail('upload', hubError('unauthorized', false));
    world.write('doc', 'text');
    await assert.rejects(world.queue.flush(), {
      name: 'FsError',
      code: 'EIO',
      message: /simulated unauthorized/,
    });
    await world.queue.flush();
    assert.equal(world.remote.text('doc'), 'text');
  }));

test('a flush that is given up leaves everything pending', () =>
  withUploadWorld(async (world) => {
    const upload = world.remote.hold('upload');
    world.write('doc', 'text');
    const stop = new AbortController();
    const flushed = world.queue.flush(stop.signal);
    await upload.arrived;
    stop.abort();
    await assert.rejects(flushed, { code: 'EAGAIN' });
    assert.equal(world.queue.pendingTotals().files, 1);
    upload.release();
    await world.quiet();
  }));

test('nothing is sent while paused, except by a flush', () =>
  withUploadWorld(async (world) => {
    world.queue.pause();
    world.write('doc', 'text');
    await world.clock.advanceAsync(600_000);
    assert.deepEqual(world.remote.calls, []);
    assert.equal(world.clock.pendingTimers, 0);
    await world.queue.flush();
    assert.equal(world.remote.text('doc'), 'text');
    world.write('doc', 'more');
    await world.clock.advanceAsync(600_000);
    assert.equal(world.remote.text('doc'), 'text');
    world.queue.resume();
    await world.quiet();
    assert.equal(world.remote.text('doc'), 'more');
  }));

test('a pending file goes through its states', () =>
  withUploadWorld(async (world) => {
    const state = (): string | undefined => world.queue.pending()[0]?.state.state;
    const ino = world.touch('doc');
    assert.equal(state(), 'received');
    world.queue.noteCommittedLocally(ino);
    assert.equal(state(), 'safe');
    world.write('doc', 'some text');
    const upload = world.remote.hold('upload');
    await world.clock.advanceAsync(2100);
    await upload.arrived;
    assert.equal(state(), 'uploading');
    assert.deepEqual(world.queue.pendingTotals(), { files: 1, bytes: 9 });
    const commit = world.remote.hold('commit');
    upload.release();
    await commit.arrived;
    assert.deepEqual(world.queue.pending(), [
      { id: `file:${ino}`, kind: 'file', path: 'doc', bytes: 9, state: { state: 'committing' } },
    ]);
    commit.release();
    await settle(20);
    assert.deepEqual(world.queue.pending(), []);
  }));

test('logged operations are shown with what they do', () =>
  withUploadWorld(async (world) => {
    world.seed({ a: 'x', b: 'yy', 'd/c': 'z' });
    world.remove('a');
    world.rename('b', 'e');
    world.renameFolder('d', 'f');
    world.link('e', 'g');
    assert.deepEqual(
      world.queue.pending().map(({ kind, path, bytes, state }) => [kind, path, bytes, state.state]),
      [
        ['delete', 'a', 0, 'safe'],
        ['move', 'e', 2, 'safe'],
        ['moveTree', 'f', 0, 'safe'],
        ['copy', 'g', 2, 'safe'],
      ],
    );
    await world.quiet();
  }));

test('a discarded change is never sent and the namespace is told', () =>
  withUploadWorld(async (world) => {
    world.seed({ doc: 'theirs' });
    const ino = world.write('doc', 'mine');
    world.queue.discard(`file:${ino}`);
    assert.deepEqual(world.discarded, [ino]);
    await world.clock.advanceAsync(600_000);
    assert.deepEqual(world.remote.calls, []);
    assert.equal(world.text('doc'), 'theirs');
  }));

test('a discarded upload that is under way stops', () =>
  withUploadWorld(async (world) => {
    const upload = world.remote.hold('upload');
    const ino = world.write('doc', 'mine');
    await world.clock.advanceAsync(2100);
    await upload.arrived;
    world.queue.discard(`file:${ino}`);
    await settle(20);
    assert.equal(world.content.snapshots.size, 0);
    assert.deepEqual(world.queue.pending(), []);
    upload.release();
  }));

test('a discarded operation frees what waited for it and its paths are listed again', () =>
  withUploadWorld(async (world) => {
    world.seed({ doc: 'x' });
    world.remote.refuse('doc', hubError('forbidden', false), 1);
    world.remove('doc');
    await world.clock.advanceAsync(2100);
    await settle(20);
    world.write('doc', 'new');
    await world.clock.advanceAsync(2100);
    const [operation] = world.queue.pending().filter(({ kind }) => kind === 'delete');
    assert.equal(operation?.state.state, 'failed');
    world.queue.discard(operation?.id ?? '');
    assert.deepEqual(world.relisted, ['doc']);
    await world.quiet();
    // The Hub's version was never deleted, so it is another client's for the new file.
    assert.equal(world.remote.text('doc'), 'x');
    assert.equal(world.remote.paths().length, 2);
  }));

test('identifiers that name nothing are ignored', () =>
  withUploadWorld(async (world) => {
    for (const id of ['', 'file:99', 'op:99', 'file:-1', 'x']) {
      world.queue.discard(id);
      world.queue.retryNow(id);
    }
    await settle();
    assert.deepEqual(world.discarded, []);
  }));
