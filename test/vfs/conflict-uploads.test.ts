// Another client changed what was changed, renamed or removed here: both versions are kept, and it is said.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../support/manual-clock.ts';
import { withUploadWorld, type UploadWorld } from '../support/upload-world.ts';

function conflicts(world: UploadWorld): unknown[] {
  return world.activity.filter(({ kind }) => kind === 'CONFLICT').map(({ path, toPath }) => [path, toPath]);
}

function copyOf(world: UploadWorld, stem: string): string {
  return (
    world.remote.paths().find((path) => path.startsWith(`${stem} (conflict testhost `)) ?? 'no conflict copy'
  );
}

test('edited on both sides: theirs keeps the name, ours is beside it', () =>
  withUploadWorld(async (world) => {
    world.seed({ 'notes.txt': 'base' });
    world.write('notes.txt', 'ours');
    world.remote.put('notes.txt', 'theirs');
    await world.quiet();
    const copy = copyOf(world, 'notes');
    assert.match(copy, /^notes \(conflict testhost \d{4}-\d\d-\d\d \d{6}\)\.txt$/);
    assert.deepEqual(world.remoteTexts(), { 'notes.txt': 'theirs', [copy]: 'ours' });
    assert.equal(world.text('notes.txt'), 'theirs');
    assert.equal(world.text(copy), 'ours');
    assert.deepEqual(conflicts(world), [['notes.txt', copy]]);
  }));

test('created on both sides: both are kept', () =>
  withUploadWorld(async (world) => {
    world.write('new', 'ours');
    world.remote.put('new', 'theirs');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { new: 'theirs', [copyOf(world, 'new')]: 'ours' });
  }));

test('created on both sides with the same content: no conflict', () =>
  withUploadWorld(async (world) => {
    world.write('new', 'same');
    world.remote.put('new', 'same');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { new: 'same' });
    assert.deepEqual(conflicts(world), []);
  }));

test('edited here, deleted there: the edit is kept under its name', () =>
  withUploadWorld(async (world) => {
    world.seed({ doc: 'base' });
    world.write('doc', 'ours');
    world.remote.delete('doc');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { doc: 'ours' });
    assert.deepEqual(conflicts(world), [['doc', undefined]]);
  }));

test('deleted here, edited there: theirs stays and is visible again', () =>
  withUploadWorld(async (world) => {
    world.seed({ doc: 'base' });
    world.remove('doc');
    world.remote.put('doc', 'theirs');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { doc: 'theirs' });
    assert.equal(world.text('doc'), 'theirs');
    assert.deepEqual(conflicts(world), [['doc', undefined]]);
  }));

test('deleted on both sides: nothing to say', () =>
  withUploadWorld(async (world) => {
    world.seed({ doc: 'base' });
    world.remove('doc');
    world.remote.delete('doc');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), {});
    assert.deepEqual(conflicts(world), []);
  }));

test('renamed here, edited there: the new name has what was seen here, theirs stays under the old', () =>
  withUploadWorld(async (world) => {
    world.seed({ old: 'base' });
    world.rename('old', 'new');
    world.remote.put('old', 'theirs');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { new: 'base', old: 'theirs' });
    assert.equal(world.text('old'), 'theirs');
  }));

test('renamed here, deleted there: the file stays under its new name', () =>
  withUploadWorld(async (world) => {
    world.seed({ old: 'base' });
    world.rename('old', 'new');
    world.remote.delete('old');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { new: 'base' });
  }));

test('renamed onto a name that another client took: theirs keeps it, ours is beside it', () =>
  withUploadWorld(async (world) => {
    world.seed({ old: 'base' });
    world.rename('old', 'new');
    world.remote.put('new', 'theirs');
    await world.quiet();
    const copy = copyOf(world, 'new');
    assert.deepEqual(world.remoteTexts(), { new: 'theirs', [copy]: 'base' });
    assert.equal(world.text('new'), 'theirs');
    assert.equal(world.text(copy), 'base');
    assert.deepEqual(world.remote.callsOf('upload'), [], 'no byte is moved');
  }));

test('renamed onto a taken name and edited before it was sent: the edit follows to the conflict name', () =>
  withUploadWorld(async (world) => {
    world.seed({ old: 'base' });
    world.rename('old', 'new');
    world.write('new', 'edited');
    world.remote.put('new', 'theirs');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { new: 'theirs', [copyOf(world, 'new')]: 'edited' });
  }));

test('replaced here by a rename, edited there: both are kept', () =>
  withUploadWorld(async (world) => {
    world.seed({ doc: 'base' });
    world.write('doc.tmp', 'ours');
    world.rename('doc.tmp', 'doc');
    world.remote.put('doc', 'theirs');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { doc: 'theirs', [copyOf(world, 'doc')]: 'ours' });
  }));

test('a file that another client changed while its rename waits for a later one loses nothing', () =>
  withUploadWorld(async (world) => {
    world.seed({ a: 'one' });
    world.rename('a', 'b');
    world.remote.put('b', 'theirs');
    world.rename('b', 'c');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { b: 'theirs', c: 'one' });
    assert.equal(world.text('b'), 'theirs');
  }));

test('a second conflict of the same file gets a name of its own', () =>
  withUploadWorld(async (world) => {
    world.seed({ doc: 'base' });
    for (const turn of ['first', 'second']) {
      world.poll();
      world.write('doc', `ours ${turn}`);
      world.remote.put('doc', `theirs ${turn}`);
      await world.queue.flush();
    }
    assert.equal(world.remote.paths().length, 3);
    assert.deepEqual(Object.values(world.remoteTexts()).sort(), [
      'ours first',
      'ours second',
      'theirs second',
    ]);
  }));

test('a conflict is noticed also when the change comes during the upload', () =>
  withUploadWorld(async (world) => {
    world.seed({ doc: 'base' });
    const upload = world.remote.hold('upload');
    world.write('doc', 'ours');
    await world.clock.advanceAsync(2100);
    await upload.arrived;
    world.remote.put('doc', 'theirs');
    upload.release();
    await settle(20);
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { doc: 'theirs', [copyOf(world, 'doc')]: 'ours' });
    assert.equal(world.remote.callsOf('upload').length, 1, 'the uploaded bytes are used for the copy');
  }));

test('a file that met theirs at a place whose folder was renamed afterwards is kept where the folder is', () =>
  withUploadWorld(async (world) => {
    world.seed({ a: 'one', b: 'two', 'd/x': 'x' });
    world.rename('a', 'd/f');
    world.renameFolder('d', 'e');
    world.rename('b', 'd/f'); // the old place gets another file
    world.remote.put('d/f', 'theirs');
    await world.quiet();
    assert.deepEqual(Object.values(world.remoteTexts()).sort(), ['one', 'theirs', 'two', 'x']);
    assert.equal(world.remote.text('d/f'), 'two');
    assert.equal(world.remote.text('e/f'), 'theirs');
    assert.equal(world.remote.text(copyOf(world, 'e/f')), 'one');
  }));
