// RENAME and the removals: POSIX here, and the least work on the Hub that leaves it equal.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FsHarness } from '../support/virtual-fs-harness.ts';
import { settle } from '../support/manual-clock.ts';
import { hubError, MemoryRemoteStore } from '../support/memory-remote-store.ts';

test('a file the Hub has is moved without bytes and keeps its inode', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a/one', 'content');
  const h = await FsHarness.open(t, remote);
  const ino = await h.ino('a/one');
  await h.mkdir('b');
  await h.rename('a/one', 'b/two');
  assert.equal(await h.ino('b/two'), ino);
  assert.equal(await h.exists('a/one'), false);
  await h.flush();
  assert.deepEqual(remote.paths(), ['b/two']);
  assert.deepEqual(remote.callsOf('upload'), []);
  assert.deepEqual(remote.callsOf('fetch'), []);
  await h.refresh();
  assert.deepEqual(await h.names('b'), ['two']);
  assert.deepEqual(await h.names('a'), [], 'a folder emptied here stays');
  assert.equal(await h.ino('b/two'), ino);
});

test('a file replaces another in one step: the old inode is gone, the Hub ends with the new content', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a', 'new');
  remote.put('b', 'old');
  const h = await FsHarness.open(t, remote);
  const replaced = await h.ino('b');
  await h.rename('a', 'b');
  assert.throws(() => h.fs.getAttributes(replaced), { code: 'ESTALE' });
  assert.deepEqual(await h.names(), ['b']);
  await h.flush();
  assert.deepEqual(remote.paths(), ['b']);
  assert.equal(remote.text('b'), 'new');
});

test('an atomic save uploads once, as a change of the file that was there', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('notes', 'version 1');
  const h = await FsHarness.open(t, remote);
  await h.names();
  await h.write('.notes.tmp', 'version 2');
  await h.rename('.notes.tmp', 'notes');
  await h.flush();
  assert.equal(remote.text('notes'), 'version 2');
  assert.deepEqual(remote.paths(), ['notes']);
  assert.equal(remote.callsOf('upload').length, 1);
  assert.deepEqual(
    h.fs.activity.drain().events.filter(({ kind }) => kind === 'CONFLICT'),
    [],
  );
});

test('an atomic save over a version that another client wrote meanwhile keeps both', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('notes.txt', 'version 1');
  const h = await FsHarness.open(t, remote);
  await h.names();
  await h.write('tmp', 'ours');
  await h.rename('tmp', 'notes.txt');
  remote.put('notes.txt', 'theirs');
  await h.flush();
  assert.equal(remote.text('notes.txt'), 'theirs');
  const other = remote.paths().find((path) => path !== 'notes.txt') ?? '';
  assert.match(other, /^notes \(conflict laptop \d{4}-\d\d-\d\d \d{6}\)\.txt$/);
  assert.equal(remote.text(other), 'ours');
  assert.equal(await h.read('notes.txt'), 'theirs');
  assert.equal(await h.read(other), 'ours');
  assert.equal(h.fs.activity.drain().events.filter(({ kind }) => kind === 'CONFLICT').length, 1);
});

test('a file that is edited and then renamed arrives under its new name only', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a', 'first');
  const h = await FsHarness.open(t, remote);
  await h.write('a', 'edited');
  await h.rename('a', 'b');
  await h.flush();
  assert.deepEqual(remote.paths(), ['b']);
  assert.equal(remote.text('b'), 'edited');
});

test('an atomic save that is renamed again before it was sent leaves nothing behind', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a', 'first');
  const h = await FsHarness.open(t, remote);
  await h.names();
  await h.write('tmp', 'second');
  await h.rename('tmp', 'a');
  await h.rename('a', 'b');
  await h.flush();
  assert.deepEqual(remote.paths(), ['b']);
  assert.equal(remote.text('b'), 'second');
});

test('a file renamed while it is being committed follows on the Hub', async (t) => {
  const h = await FsHarness.open(t);
  await h.write('a', 'content');
  const hold = h.remote.hold('commit');
  const flushed = h.fs.uploads.flush();
  await h.passing(hold.arrived);
  await h.rename('a', 'b');
  hold.release();
  await h.passing(flushed);
  await h.flush();
  assert.deepEqual(h.remote.paths(), ['b']);
  assert.equal(h.remote.text('b'), 'content');
  assert.equal(h.remote.callsOf('upload').length, 1);
});

test('a file removed while it is being committed does not stay on the Hub', async (t) => {
  const h = await FsHarness.open(t);
  await h.write('a', 'content');
  const hold = h.remote.hold('commit');
  const flushed = h.fs.uploads.flush();
  await h.passing(hold.arrived);
  await h.remove('a');
  hold.release();
  await h.passing(flushed);
  await h.flush();
  assert.deepEqual(h.remote.paths(), []);
});

for (const how of ['renamed', 'removed', 'moved with its folder'] as const) {
  for (const when of ['after', 'while', 'before a kill while'] as const) {
    test(`a new file that is ${how} ${when} the reply that it arrived gets lost leaves nothing behind`, async (t) => {
      const h = await FsHarness.open(t);
      await h.mkdir('dir');
      await h.write('dir/a', 'text');
      h.remote.loseReplies(1, hubError('network', true));
      const change = (): Promise<void> =>
        how === 'removed'
          ? h.remove('dir/a')
          : how === 'renamed'
            ? h.rename('dir/a', 'b')
            : h.rename('dir', 'moved');
      if (when !== 'after') h.remote.intercept('commit', 1, change);
      const flushed = assert.rejects(h.flush());
      if (when === 'before a kill while') {
        while (h.remote.paths().length === 0) await settle(1);
        await h.crash();
      }
      await flushed;
      // In the other case the next commit, which mends this, may be through already.
      if (when !== 'while') assert.deepEqual(h.remote.paths(), ['dir/a'], 'it did arrive');
      if (when === 'after') await change();
      await h.refresh();
      await h.flush();
      const expected = { renamed: ['b'], removed: [], 'moved with its folder': ['moved/a'] }[how];
      assert.deepEqual(h.remote.paths(), expected);
      await h.refresh();
      assert.deepEqual(await h.exists('dir/a'), false);
    });
  }
}

test('the rules of POSIX hold for what is renamed over what', async (t) => {
  const h = await FsHarness.open(t);
  await h.write('file', 'x');
  await h.link('file', 'same');
  await h.mkdir('empty');
  await h.mkdir('full');
  await h.mkdir('full/sub');
  await assert.rejects(h.rename('file', 'empty'), { code: 'EISDIR' });
  await assert.rejects(h.rename('empty', 'file'), { code: 'ENOTDIR' });
  await assert.rejects(h.rename('empty', 'full'), { code: 'ENOTEMPTY' });
  await assert.rejects(h.rename('full', 'full/sub/x'), { code: 'EINVAL' });
  await assert.rejects(h.rename('full', 'full/x'), { code: 'EINVAL' });
  await assert.rejects(h.rename('none', 'x'), { code: 'ENOENT' });
  await assert.rejects(h.rename('file', 'none/x'), { code: 'ENOENT' });
  await assert.rejects(h.rename('file', 'same/x'), { code: 'ENOTDIR' });
  await h.rename('file', 'same');
  assert.deepEqual(
    await h.names(),
    ['empty', 'file', 'full', 'same'],
    'two names of one file: nothing happens',
  );
  await h.rename('file', 'file');
  await h.rename('full', 'empty');
  assert.deepEqual(await h.names('empty'), ['sub']);
});

test('a folder of 10,000 files is renamed by one logged operation, listed or not', async (t) => {
  const remote = new MemoryRemoteStore();
  for (let index = 0; index < 10_000; index += 1) remote.put(`big/d${index % 3}/f${index}`, 'x');
  const h = await FsHarness.open(t, remote);
  await h.names('big/d0');
  const ino = await h.ino('big/d0/f0');
  remote.calls.length = 0;
  await h.rename('big', 'moved');
  assert.deepEqual(remote.calls, [], 'it waits for nothing');
  assert.deepEqual(
    h.fs.uploads.pending().map(({ kind, path }) => ({ kind, path })),
    [{ kind: 'moveTree', path: 'moved' }],
  );
  assert.equal(await h.ino('moved/d0/f0'), ino);
  assert.equal(
    (await h.names('moved/d1')).length,
    3_333,
    'never listed before: found where the Hub still has it',
  );
  assert.equal(await h.read('moved/d2/f2'), 'x');
  await h.flush();
  assert.equal(remote.paths().length, 10_000);
  assert.ok(remote.paths().every((path) => path.startsWith('moved/')));
  await h.refresh();
  assert.deepEqual(await h.names(), ['moved']);
  assert.equal(await h.ino('moved/d0/f0'), ino);
});

test('a folder listed while its files are being moved shows all of them', async (t) => {
  const remote = new MemoryRemoteStore();
  for (let index = 0; index < 2_500; index += 1) remote.put(`big/f${String(index).padStart(4, '0')}`, 'x');
  const h = await FsHarness.open(t, remote);
  await h.names();
  await h.rename('big', 'moved');
  // After the first request of the move some files are here and some there.
  let commits = 0;
  const hold = remote.hold('commit', () => (commits += 1) > 2);
  const flushed = h.fs.uploads.flush();
  await h.passing(hold.arrived);
  const split = remote.paths();
  assert.ok(split.some((path) => path.startsWith('big/')) && split.some((path) => path.startsWith('moved/')));
  assert.equal((await h.names('moved')).length, 2_500);
  hold.release();
  await h.passing(flushed);
  await h.refresh();
  assert.equal((await h.names('moved')).length, 2_500);
  assert.equal(remote.paths().length, 2_500);
});

test('a new folder that the Hub knows nothing of is renamed without telling it', async (t) => {
  const h = await FsHarness.open(t);
  await h.mkdir('a');
  await h.mkdir('a/b');
  await h.write('a/b/f', 'x');
  await h.rename('a', 'c');
  assert.deepEqual(
    h.fs.uploads.pending().map(({ kind, path }) => ({ kind, path })),
    [{ kind: 'file', path: 'c/b/f' }],
  );
  await h.flush();
  assert.deepEqual(h.remote.paths(), ['c/b/f']);
});

test('files are deleted on the Hub, folders only when empty, and both kinds are told apart', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('d/a', 'x');
  const h = await FsHarness.open(t, remote);
  await h.names();
  await assert.rejects(h.rmdir('d'), { code: 'ENOTEMPTY' });
  await assert.rejects(h.remove('d'), { code: 'EISDIR' });
  await assert.rejects(h.rmdir('d/a'), { code: 'ENOTDIR' });
  await assert.rejects(h.remove('d/none'), { code: 'ENOENT' });
  await h.remove('d/a');
  await h.rmdir('d');
  assert.deepEqual(await h.names(), []);
  await h.flush();
  assert.deepEqual(remote.paths(), []);
  await h.refresh();
  assert.deepEqual(await h.names(), []);
});

test('a removed inode is stale for ever, over restarts, and its number is not used again', async (t) => {
  const h = await FsHarness.open(t);
  const ino = await h.write('a', 'x');
  await h.remove('a');
  assert.throws(() => h.fs.getAttributes(ino), { code: 'ESTALE' });
  await h.restart();
  assert.throws(() => h.fs.getAttributes(ino), { code: 'ESTALE' });
  const numbers = new Set<number>([ino]);
  for (let round = 0; round < 3; round += 1) {
    for (let index = 0; index < 5; index += 1) {
      const next = await h.write(`f${index}`, 'x');
      assert.equal(numbers.has(next), false);
      numbers.add(next);
    }
    for (let index = 0; index < 5; index += 1) await h.remove(`f${index}`);
    await h.crash();
  }
});

test('a deletion that meets a newer version of another client brings that version back', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('d/a', 'old');
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  await h.remove('d/a');
  await h.rmdir('d');
  remote.put('d/a', 'newer');
  await h.flush();
  assert.equal(remote.text('d/a'), 'newer');
  assert.equal(await h.read('d/a'), 'newer');
});
