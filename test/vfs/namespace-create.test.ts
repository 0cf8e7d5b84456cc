// CREATE in its three ways, folders, symlinks, hard links and attributes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FsHarness, owner } from '../support/virtual-fs-harness.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';

const root = { uid: 0, gid: 0 };

test('an unchecked create of an existing file applies the size and nothing else', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a', 'content');
  const h = await FsHarness.open(t, remote);
  const before = await h.lookup('a');
  const mode = 0o600;
  const same = await h.fs.create(1, 'a', { type: 'unchecked', attributes: { mode } }, owner);
  assert.deepEqual(same.attributes, before);
  const cut = await h.fs.create(1, 'a', { type: 'unchecked', attributes: { mode, sizeBytes: 0 } }, owner);
  assert.equal(cut.attributes.ino, before.ino);
  assert.equal(cut.attributes.sizeBytes, 0);
  assert.equal(cut.attributes.mode, before.mode);
  assert.equal(await h.read('a'), '');
  await h.flush();
  assert.equal(remote.text('a'), '');
});

test('a guarded create of an existing name fails, and any create over a folder', async (t) => {
  const h = await FsHarness.open(t);
  await h.create('a');
  await h.mkdir('d');
  await assert.rejects(async () => h.fs.create(1, 'a', { type: 'guarded', attributes: {} }, owner), {
    code: 'EEXIST',
  });
  await assert.rejects(h.create('d'), { code: 'EEXIST' });
  await assert.rejects(h.mkdir('a'), { code: 'EEXIST' });
});

test('an exclusive create answers its own repetition, also after a restart, and fails for another verifier', async (t) => {
  const h = await FsHarness.open(t);
  const verifier = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const other = Uint8Array.of(9, 2, 3, 4, 5, 6, 7, 8);
  const { attributes } = await h.fs.create(1, 'lock', { type: 'exclusive', verifier }, owner);
  await h.crash();
  const again = await h.fs.create(1, 'lock', { type: 'exclusive', verifier }, owner);
  assert.equal(again.attributes.ino, attributes.ino);
  await assert.rejects(async () => h.fs.create(1, 'lock', { type: 'exclusive', verifier: other }, owner), {
    code: 'EEXIST',
  });
  await h.fs.setAttributes(attributes.ino, { mode: 0o600 }, owner);
  await assert.rejects(async () => h.fs.create(1, 'lock', { type: 'exclusive', verifier }, owner), {
    code: 'EEXIST',
  });
});

test('an empty new file is sent as empty', async (t) => {
  const h = await FsHarness.open(t);
  await h.create('empty');
  await h.flush();
  assert.equal(h.remote.text('empty'), '');
  assert.equal((await h.lookup('empty')).sizeBytes, 0);
});

test('a file created with a size is that many zeros', async (t) => {
  const h = await FsHarness.open(t);
  const { sizeBytes } = await h.create('zeros', { sizeBytes: 5 });
  assert.equal(sizeBytes, 5);
  assert.equal(await h.read('zeros'), '\0'.repeat(5));
  await h.flush();
  assert.equal(h.remote.text('zeros'), '\0'.repeat(5));
});

test('every change of a folder raises its mtime and ctime and says what it was before', async (t) => {
  const h = await FsHarness.open(t);
  await h.names();
  let last = h.fs.getAttributes(1);
  for (const [index, work] of [
    () => h.fs.create(1, 'f', { type: 'unchecked', attributes: {} }, owner),
    () => h.fs.makeDirectory(1, 'd', {}, owner),
    () => h.fs.makeSymlink(1, 's', 'f', {}, owner),
    async () => h.fs.link((await h.lookup('f')).ino, 1, 'g'),
  ].entries()) {
    const { directory } = await work();
    assert.deepEqual(directory.before?.ctime, last.ctime, `change ${index}`);
    const rises = directory.after.ctime.sec > last.ctime.sec || directory.after.ctime.nsec > last.ctime.nsec;
    assert.ok(rises, `change ${index}`);
    assert.deepEqual(directory.after.mtime, directory.after.ctime);
    last = directory.after;
  }
});

test('symlinks keep their target over a restart and never go to the Hub', async (t) => {
  const h = await FsHarness.open(t);
  const ino = await h.symlink('link', '../else where');
  await h.flush();
  await h.restart();
  assert.equal(h.fs.readLink(ino), '../else where');
  const { type, sizeBytes } = await h.lookup('link');
  assert.deepEqual({ type, sizeBytes }, { type: 'symlink', sizeBytes: 13 });
  await h.refresh();
  assert.equal(h.fs.readLink(ino), '../else where');
  assert.deepEqual(h.remote.paths(), []);
  await h.create('file');
  assert.throws(() => h.fs.readLink(h.fs.rootIno), { code: 'EINVAL' });
  await assert.rejects(async () => h.fs.read(ino, 0, new Uint8Array(1)), { code: 'EINVAL' });
});

test('a hard link is one file with two names here and two files on the Hub, over a restart too', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('one', 'shared');
  const h = await FsHarness.open(t, remote);
  await h.mkdir('d');
  await h.link('one', 'd/two');
  await h.flush();
  assert.deepEqual(remote.paths(), ['d/two', 'one']);
  assert.equal(remote.callsOf('upload').length, 0);
  await h.restart();
  assert.equal(await h.ino('one'), await h.ino('d/two'));
  assert.equal((await h.lookup('one')).nlink, 2);
  await h.write('d/two', 'both change');
  await h.flush();
  assert.equal(remote.text('one'), 'both change');
  assert.equal(remote.text('d/two'), 'both change');
  await h.remove('one');
  assert.equal((await h.lookup('d/two')).nlink, 1);
  await h.flush();
  assert.deepEqual(remote.paths(), ['d/two']);
  assert.equal(await h.read('d/two'), 'both change');
});

test('a hard link of a file that was never sent sends both names', async (t) => {
  const h = await FsHarness.open(t);
  await h.write('one', 'new');
  await h.link('one', 'two');
  await h.flush();
  assert.equal(h.remote.text('one'), 'new');
  assert.equal(h.remote.text('two'), 'new');
  await assert.rejects(async () => h.fs.link(1, 1, 'x'), { code: 'EPERM' });
  await assert.rejects(h.link('one', 'two'), { code: 'EEXIST' });
});

test('modes, owners and times are kept over restart and refresh', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a', 'content');
  const h = await FsHarness.open(t, remote);
  const ino = await h.ino('a');
  const mtime = { sec: 1_000_000_000, nsec: 123_456_789 };
  await h.fs.setAttributes(ino, { mode: 0o4711, mtime, atime: mtime, gid: 7 }, owner);
  await h.crash();
  remote.put('b', 'other');
  await h.refresh();
  const { mode, mtime: kept, atime, gid, uid } = h.fs.getAttributes(ino);
  assert.deepEqual(
    { mode, mtime: kept, atime, gid, uid },
    { mode: 0o4711, mtime, atime: mtime, gid: 7, uid: owner.uid },
  );
  await assert.rejects(async () => h.fs.setAttributes(ino, { uid: 0 }, owner), { code: 'EPERM' });
  await h.fs.setAttributes(ino, { uid: 0 }, root);
  assert.equal(h.fs.getAttributes(ino).uid, 0);
  assert.equal(h.fs.getAttributes(ino).mode, 0o711, 'the set-user-id bit goes with the owner');
});

test('a guard that is not the ctime refuses the change and changes nothing', async (t) => {
  const h = await FsHarness.open(t);
  const before = await h.create('a');
  const wrong = { sec: before.ctime.sec, nsec: before.ctime.nsec + 1 };
  await assert.rejects(async () => h.fs.setAttributes(before.ino, { mode: 0 }, owner, wrong), {
    code: 'ENOTSYNC',
  });
  assert.deepEqual(h.fs.getAttributes(before.ino), before);
  const { after } = await h.fs.setAttributes(before.ino, { mode: 0o600 }, owner, before.ctime);
  assert.equal(after.mode, 0o600);
  assert.deepEqual(after.mtime, before.mtime);
});

test('sizes can be set on files only, within limits', async (t) => {
  const h = await FsHarness.open(t);
  const ino = await h.write('f', '123456');
  await h.fs.setAttributes(ino, { sizeBytes: 3 }, owner);
  await h.fs.setAttributes(ino, { sizeBytes: 5 }, owner);
  assert.equal(await h.read('f'), '123\0\0');
  await assert.rejects(async () => h.fs.setAttributes(1, { sizeBytes: 0 }, owner), { code: 'EISDIR' });
  await assert.rejects(async () => h.fs.setAttributes(ino, { sizeBytes: 2 ** 50 }, owner), { code: 'EFBIG' });
  const link = await h.symlink('s', 'f');
  await assert.rejects(async () => h.fs.setAttributes(link, { sizeBytes: 0 }, owner), { code: 'EINVAL' });
});

test('a read-only source shows no write bits and refuses every change', async (t) => {
  const remote = new MemoryRemoteStore({ info: { kind: 'model', writable: false } });
  remote.put('dir/a', 'content');
  const h = await FsHarness.open(t, remote);
  const ino = await h.ino('dir/a');
  assert.equal(h.fs.readOnly, true);
  assert.equal(h.fs.getAttributes(ino).mode, 0o444);
  assert.equal((await h.lookup('dir')).mode, 0o555);
  assert.equal(h.fs.getAttributes(1).mode, 0o555);
  assert.equal(await h.read('dir/a'), 'content');
  const refused = { code: 'EROFS' };
  await assert.rejects(h.create('x'), refused);
  await assert.rejects(h.mkdir('x'), refused);
  await assert.rejects(h.symlink('x', 'y'), refused);
  await assert.rejects(h.link('dir/a', 'x'), refused);
  await assert.rejects(h.remove('dir/a'), refused);
  await assert.rejects(h.rmdir('dir'), refused);
  await assert.rejects(h.rename('dir', 'x'), refused);
  await assert.rejects(async () => h.fs.write(ino, 0, Buffer.from('x')), refused);
  await assert.rejects(async () => h.fs.setAttributes(ino, { mode: 0 }, owner), refused);
});
