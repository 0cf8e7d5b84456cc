// How names are found, shown and kept apart: normalisation, case, local-only names, and Hub names that are illegal here.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLocalOnlyName } from '../../src/vfs/namespace/local-names.ts';
import { remoteNameOf, shownName } from '../../src/vfs/namespace/remote-names.ts';
import { FsHarness, owner } from '../support/virtual-fs-harness.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';

const nfc = 'caf\u00e9.txt';
const nfd = 'cafe\u0301.txt';

test('a name is found in either Unicode form, and is listed and sent as it was first written', async (t) => {
  const h = await FsHarness.open(t);
  h.remote.put(`other-${nfd}`, 'x');
  await h.refresh();
  const ino = await h.write(nfd, 'hello');
  assert.equal(await h.ino(nfc), ino);
  assert.equal(await h.read(`other-${nfc}`), 'x');
  assert.deepEqual(await h.names(), [nfd, `other-${nfd}`]);
  await h.write(nfc, 'again');
  assert.equal(await h.ino(nfd), ino);
  await h.flush();
  assert.deepEqual(h.remote.paths(), [nfd, `other-${nfd}`]);
  await h.remove(nfc);
  assert.equal(await h.exists(nfd), false);
});

test('two Hub names that differ only in their Unicode form are both visible', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put(nfc, 'composed');
  remote.put(nfd, 'decomposed');
  const h = await FsHarness.open(t, remote);
  assert.deepEqual(await h.names(), [nfd, nfc].sort());
  assert.equal(await h.read(nfc), 'composed');
  assert.equal(await h.read(nfd), 'decomposed');
});

test('case matters, unless opened to fall back', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('Makefile', 'upper');
  const strict = await FsHarness.open(t, remote);
  await strict.names();
  assert.equal(await strict.exists('makefile'), false);
  const folding = await FsHarness.open(t, remote, { foldCase: true });
  assert.equal(await folding.read('makefile'), 'upper');
  await folding.rename('makefile', 'MAKEFILE');
  assert.deepEqual(await folding.names(), ['MAKEFILE']);
  await folding.flush();
  assert.deepEqual(remote.paths(), ['MAKEFILE']);
});

test('"." and ".." are looked up, the parent of the root is the root', async (t) => {
  const h = await FsHarness.open(t);
  const dir = await h.mkdir('a');
  const inner = await h.mkdir('a/b');
  assert.equal((await h.fs.lookup(inner, '.')).ino, inner);
  assert.equal((await h.fs.lookup(inner, '..')).ino, dir);
  assert.equal((await h.fs.lookup(1, '..')).ino, 1);
  assert.equal(h.fs.parentOf(inner), dir);
  assert.equal(h.fs.pathOf(inner), 'a/b');
  assert.equal(h.fs.pathOf(1), '');
});

test('names are refused by length in bytes and by what cannot be a name', async (t) => {
  const h = await FsHarness.open(t);
  await h.create('é'.repeat(127));
  await assert.rejects(h.create('é'.repeat(128)), { code: 'ENAMETOOLONG' });
  await assert.rejects(async () => h.fs.lookup(1, 'x'.repeat(256)), { code: 'ENAMETOOLONG' });
  for (const name of ['', '.', '..', 'a\0b', 'a/b']) {
    await assert.rejects(async () => h.fs.create(1, name, { type: 'unchecked', attributes: {} }, owner), {
      code: 'EINVAL',
    });
  }
});

test('files that systems leave behind are local, and editors’ files are not', () => {
  for (const name of ['.DS_Store', '._x', '.nfs00000000000012340000001', '.nfs.20051025.0001', 'Thumbs.db']) {
    assert.equal(isLocalOnlyName(name), true, name);
  }
  for (const name of ['desktop.ini', '.Spotlight-V100', '.Trashes', '.fseventsd', '.metadata_never_index']) {
    assert.equal(isLocalOnlyName(name), true, name);
  }
  for (const name of ['.vimrc.swp', '.nfs', '._', 'DS_Store', 'a.DS_Store', '4913', '.git', 'thumbs', 'x~']) {
    assert.equal(isLocalOnlyName(name), false, name);
  }
});

test('local-only files are usable, survive a restart, and never reach the Hub', async (t) => {
  const h = await FsHarness.open(t);
  await h.write('.DS_Store', 'view settings');
  await h.mkdir('.Trashes');
  await h.write('.Trashes/old.txt', 'trash');
  await h.write('seen.txt', 'sent');
  await h.flush();
  await h.restart();
  assert.equal(await h.read('.DS_Store'), 'view settings');
  assert.equal(await h.read('.Trashes/old.txt'), 'trash');
  await h.refresh();
  assert.deepEqual(await h.names(), ['.DS_Store', '.Trashes', 'seen.txt']);
  await h.write('.DS_Store', 'changed');
  await h.flush();
  assert.deepEqual(h.remote.paths(), ['seen.txt']);
  assert.equal(await h.read('.DS_Store'), 'changed');
  await h.remove('.DS_Store');
  assert.equal(await h.exists('.DS_Store'), false);
});

test('renaming a local-only file to an ordinary name sends it, and the other way deletes it on the Hub', async (t) => {
  const h = await FsHarness.open(t);
  await h.write('._note', 'text');
  await h.flush();
  await h.rename('._note', 'note');
  await h.flush();
  assert.equal(h.remote.text('note'), 'text');
  await h.rename('note', '._note');
  await h.flush();
  assert.deepEqual(h.remote.paths(), []);
  assert.equal(await h.read('._note'), 'text');
  await h.rename('._note', 'again');
  await h.flush();
  assert.equal(h.remote.text('again'), 'text');
});

test('a folder that goes into and out of a local-only folder takes its files off the Hub and back', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('dir/a', 'A');
  remote.put('dir/sub/b', 'B');
  const h = await FsHarness.open(t, remote);
  await h.mkdir('.Trashes');
  await h.rename('dir', '.Trashes/dir');
  await h.flush();
  assert.deepEqual(remote.paths(), []);
  await h.refresh();
  assert.deepEqual(await h.names('.Trashes/dir'), ['a', 'sub']);
  await h.rename('.Trashes/dir', 'back');
  await h.flush();
  assert.deepEqual(remote.paths(), ['back/a', 'back/sub/b']);
  assert.equal(remote.text('back/sub/b'), 'B');
});

test('an open file that is removed goes from the Hub at once and stays readable until its last name goes', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('open.txt', 'still read');
  const h = await FsHarness.open(t, remote);
  assert.equal(await h.read('open.txt'), 'still read');
  const silly = '.nfs0000000000abcdef00000001';
  await h.rename('open.txt', silly);
  await h.flush();
  assert.deepEqual(remote.paths(), []);
  assert.equal(await h.read(silly), 'still read');
  const ino = await h.ino(silly);
  await h.remove(silly);
  assert.throws(() => h.fs.getAttributes(ino), { code: 'ESTALE' });
});

test('illegal Hub names are shown escaped, reversibly, and their content can be read, renamed and removed', async (t) => {
  const names = ['a\tb', 'nul\0l', 'line\nbreak', 'x'.repeat(300), '.', '..', '\u2424', 'half\ud800'];
  const remote = new MemoryRemoteStore();
  for (const name of names) remote.put(`odd/${name}`, JSON.stringify(name));
  const h = await FsHarness.open(t, remote);
  const shown = await h.names('odd');
  assert.equal(shown.length, names.length);
  for (const name of names) {
    const escaped = shownName(name);
    assert.ok(shown.includes(escaped), escaped);
    assert.ok(Buffer.byteLength(escaped) <= 255);
    assert.equal(await h.read(`odd/${escaped}`), JSON.stringify(name));
    if (name.length < 200) assert.equal(remoteNameOf(escaped), name);
  }
  await h.restart();
  assert.deepEqual(await h.names('odd'), shown);
  await h.rename(`odd/${shownName('a\tb')}`, 'odd/plain');
  await h.remove(`odd/${shownName('x'.repeat(300))}`);
  await h.flush();
  assert.equal(remote.text('odd/plain'), JSON.stringify('a\tb'));
  assert.equal(remote.file('odd/a\tb'), null);
  assert.equal(remote.file(`odd/${'x'.repeat(300)}`), null);
  await h.refresh();
  assert.equal((await h.names('odd')).length, names.length - 1);
});

test('a file and a folder of one Hub name are both visible and keep their Hub paths', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('x', 'the file');
  remote.put('x/inner', 'in the folder');
  const h = await FsHarness.open(t, remote);
  const names = await h.names();
  assert.equal(names.length, 2);
  const file = names.find((name) => name !== 'x') ?? '';
  assert.match(file, /^x \((file|folder)\)$/);
  const [filePath, folderPath] = file === 'x (file)' ? [file, 'x'] : ['x', file];
  assert.equal(await h.read(filePath), 'the file');
  assert.equal(await h.read(`${folderPath}/inner`), 'in the folder');
  await h.write(`${folderPath}/inner`, 'changed');
  await h.flush();
  assert.equal(remote.text('x/inner'), 'changed');
  await h.refresh();
  assert.deepEqual(await h.names(), names);
  const shownOf = await h.ino(file);
  await h.rename('x', 'elsewhere');
  assert.deepEqual(await h.names(), ['elsewhere', 'x'], 'a name that became free is shown as it is');
  assert.equal(await h.ino('x'), shownOf);
  await h.flush();
  await h.refresh();
  assert.deepEqual(await h.names(), ['elsewhere', 'x']);
  const isFile = filePath !== 'x';
  assert.deepEqual(remote.paths(), isFile ? ['elsewhere/inner', 'x'] : ['elsewhere', 'x/inner']);
});

test('a Hub name that is shown escaped is found by itself, too, and never created a second time', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a\tb', 'odd');
  const h = await FsHarness.open(t, remote);
  await h.names();
  assert.equal(await h.read('a\tb'), 'odd');
  await h.write('a\tb', 'changed');
  await h.rename(shownName('a\tb'), 'a\tb');
  assert.deepEqual(await h.names(), ['a\tb']);
  await h.flush();
  await h.refresh();
  assert.equal(remote.text('a\tb'), 'changed');
  assert.deepEqual(remote.paths(), ['a\tb']);
  assert.equal(await h.read('a\tb'), 'changed');
});

test('a visitor that takes names as bytes sees the same listing as one that takes text', async (t) => {
  const remote = new MemoryRemoteStore();
  for (const name of ['plain.txt', nfd, 'x'.repeat(255), '日本語.bin', 'sub/inner'])
    remote.put(name, 'content');
  const h = await FsHarness.open(t, remote);
  const asText: [name: string, ino: number, cookie: number][] = [];
  await h.fs.readDirectory(1, 0, (...entry) => asText.push(entry) > 0);
  const asBytes: typeof asText = [];
  const raw = (bytes: Uint8Array, start: number, end: number, ino: number, cookie: number) =>
    asBytes.push([Buffer.from(bytes.subarray(start, end)).toString(), ino, cookie]) > 0;
  const unused = () => assert.fail('names came as text');
  assert.equal(await h.fs.readDirectory(1, 0, Object.assign(unused, { raw })), true);
  assert.equal(asText.length, 5);
  assert.deepEqual(asBytes, asText);
});
