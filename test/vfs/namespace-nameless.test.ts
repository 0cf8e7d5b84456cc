// A file that another client deletes while a program here has it open: no name leads to it, its handle goes on, and what the
// program writes is not lost.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openCatalogueDatabase } from '../../src/vfs/storage/catalogue-database.ts';
import {
  mostNamelessFiles,
  namelessMaxAgeMs,
  NamelessFiles,
} from '../../src/vfs/namespace/namespace-nameless.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { hubError, MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { FsHarness, owner } from '../support/virtual-fs-harness.ts';

interface Opened {
  readonly h: FsHarness;
  readonly remote: MemoryRemoteStore;
  readonly ino: number;
}

/** A file that this mount sent, a program keeps open, and another client has deleted. */
async function deletedUnderProgram(t: TestContext, path = 'd/file.txt'): Promise<Opened> {
  const remote = new MemoryRemoteStore();
  remote.put('d/other', 'x');
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  if (path.includes('/sub/')) await h.mkdir('d/sub');
  const ino = await h.write(path, 'the first version');
  await h.flush();
  assert.equal(remote.delete(path), true);
  await h.refresh();
  assert.equal(await h.exists(path), false);
  h.fs.activity.drain();
  return { h, remote, ino };
}

async function write(h: FsHarness, ino: number, offset: number, text: string): Promise<void> {
  await h.fs.write(ino, offset, Buffer.from(text));
  await h.fs.commit(ino);
}

async function readHandle(h: FsHarness, ino: number): Promise<string> {
  const target = new Uint8Array(100);
  const { bytesRead } = await h.fs.read(ino, 0, target);
  return Buffer.from(target.subarray(0, bytesRead)).toString();
}

function conflicts(h: FsHarness): (readonly [path: string, toPath: string | null])[] {
  return h.fs.activity
    .drain()
    .events.filter(({ kind }) => kind === 'CONFLICT')
    .map(({ path, toPath }) => [path, toPath ?? null]);
}

test('a program that writes to a file another client deleted brings it back under its name', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t);
  await write(h, ino, 4, 'SECOND');
  assert.equal(await h.ino('d/file.txt'), ino);
  assert.equal(await h.read('d/file.txt'), 'the SECONDversion');
  await h.flush();
  assert.equal(remote.text('d/file.txt'), 'the SECONDversion');
  assert.deepEqual(conflicts(h), [['d/file.txt', null]]);
  await h.refresh();
  assert.equal(await h.ino('d/file.txt'), ino);
  assert.deepEqual(remote.paths(), ['d/file.txt', 'd/other']);
});

test('until it is written to, a deleted file is seen through its handle only', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t);
  assert.deepEqual(await h.names('d'), ['other']);
  const { nlink, sizeBytes } = h.fs.getAttributes(ino);
  assert.deepEqual({ nlink, sizeBytes }, { nlink: 1, sizeBytes: 17 });
  assert.equal(await readHandle(h, ino), 'the first version');
  await h.fs.setAttributes(ino, { mode: 0o600, mtime: { sec: 1, nsec: 2 } }, owner);
  await h.fs.setAttributes(ino, { sizeBytes: 17 }, owner);
  await h.fs.commit(ino);
  assert.equal(h.fs.getAttributes(ino).mode, 0o600);
  assert.equal(h.fs.pathOf(ino), 'd/file.txt');
  await h.flush();
  assert.deepEqual(await h.names('d'), ['other']);
  assert.deepEqual(remote.paths(), ['d/other']);
  assert.deepEqual(h.fs.uploads.pending(), []);
});

test('cutting or growing a deleted file through its handle brings it back, too', async (t) => {
  for (const [sizeBytes, expected] of [
    [3, 'the'],
    [18, 'the first version\0'],
    [0, ''],
  ] as const) {
    const { h, remote, ino } = await deletedUnderProgram(t);
    await h.fs.setAttributes(ino, { sizeBytes }, owner);
    assert.equal(await h.read('d/file.txt'), expected);
    await h.flush();
    assert.equal(remote.text('d/file.txt'), expected);
  }
});

test('bytes of a deleted file that are nowhere any more fail, and are never others', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('file', 'never read here');
  remote.put('other', 'x');
  const h = await FsHarness.open(t, remote);
  const ino = await h.ino('file');
  remote.delete('file');
  await h.refresh();
  remote.fail('fetch', hubError('not-found', false), Infinity);
  await assert.rejects(readHandle(h, ino), { code: 'EIO' });
  assert.equal(h.fs.getAttributes(ino).sizeBytes, 15);
});

test('where another client made the name anew the program gets one beside it', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t);
  remote.put('d/file.txt', 'theirs');
  await h.refresh();
  const theirs = await h.ino('d/file.txt');
  assert.notEqual(theirs, ino);
  await write(h, ino, 0, 'THE');
  const names = await h.names('d');
  const ours = names.find((name) => name.startsWith('file (conflict laptop ')) ?? assert.fail(String(names));
  assert.deepEqual(conflicts(h), [['d/file.txt', `d/${ours}`]]);
  assert.equal(await h.ino(`d/${ours}`), ino);
  assert.equal(await h.read('d/file.txt'), 'theirs');
  await h.flush();
  assert.deepEqual(remote.paths(), [`d/${ours}`, 'd/file.txt', 'd/other'].sort());
  assert.equal(remote.text(`d/${ours}`), 'THE first version');
  assert.equal(remote.text('d/file.txt'), 'theirs');
  assert.deepEqual(conflicts(h), []);
});

test('where another client made the name anew unseen the upload keeps both', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t);
  remote.put('d/file.txt', 'theirs');
  await write(h, ino, 0, 'THE');
  assert.equal(await h.ino('d/file.txt'), ino);
  await h.flush();
  assert.equal(conflicts(h).length, 1);
  assert.equal(remote.text('d/file.txt'), 'theirs');
  assert.ok(remote.paths().some((path) => remote.text(path) === 'THE first version'));
});

test('where a program here made the name anew the other one gets a name beside it', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t);
  const anew = await h.write('d/file.txt', 'made here');
  assert.notEqual(anew, ino);
  await write(h, ino, 0, 'THE');
  assert.equal(await h.ino('d/file.txt'), anew);
  await h.flush();
  assert.equal(remote.text('d/file.txt'), 'made here');
  assert.equal(remote.paths().length, 3);
  assert.ok(remote.paths().some((path) => remote.text(path) === 'THE first version'));
});

test('folders that another client removed with the file come back with it', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('top/a/b/file', 'content');
  remote.put('top/a/c/second', 'content of the second');
  remote.put('other', 'x');
  const h = await FsHarness.open(t, remote);
  const ino = await h.ino('top/a/b/file');
  const second = await h.ino('top/a/c/second');
  remote.delete('top/a/b/file');
  remote.delete('top/a/c/second');
  await h.refresh();
  await h.refresh();
  assert.deepEqual(await h.names(), ['other']);
  await write(h, ino, 0, 'CON');
  assert.equal(await h.ino('top/a/b/file'), ino);
  assert.deepEqual(await h.names('top/a'), ['b']);
  await h.restart();
  await write(h, second, 0, 'CON');
  await h.flush();
  assert.deepEqual(remote.paths(), ['other', 'top/a/b/file', 'top/a/c/second']);
  assert.equal(remote.text('top/a/b/file'), 'CONtent');
  assert.equal(remote.text('top/a/c/second'), 'CONtent of the second');
  await h.refresh();
  assert.equal(await h.ino('top/a/b/file'), ino);
  assert.equal(await h.ino('top/a/c/second'), second);
});

test('the name comes back where its folder is by then', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t);
  await h.rename('d', 'renamed');
  await write(h, ino, 0, 'THE');
  await h.flush();
  assert.deepEqual(remote.paths(), ['renamed/file.txt', 'renamed/other']);
});

test('the name comes back although a program here removed its folder or put another in its place', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t, 'd/sub/file');
  await h.remove('d/other');
  await h.rmdir('d/sub');
  await h.rmdir('d');
  await write(h, ino, 0, 'THE');
  await h.flush();
  assert.deepEqual(remote.paths(), ['d/sub/file']);
  assert.equal(await h.ino('d/sub/file'), ino);

  const replaced = await deletedUnderProgram(t, 'd/sub/file');
  await replaced.h.mkdir('d/another');
  await replaced.h.rename('d/another', 'd/sub');
  await write(replaced.h, replaced.ino, 0, 'THE');
  await replaced.h.flush();
  assert.deepEqual(replaced.remote.paths(), ['d/other', 'd/sub/file']);
});

test('a folder that was moved to where nothing is sent takes the name along', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t);
  await h.mkdir('.Trash-1000');
  await h.rename('d', '.Trash-1000/d');
  await write(h, ino, 0, 'THE');
  await h.flush();
  assert.deepEqual(remote.paths(), []);
  assert.equal(await h.read('.Trash-1000/d/file.txt'), 'THE first version');
});

test('a deleted file can be written to after a restart and after a kill', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t);
  await h.restart();
  assert.deepEqual(await h.names('d'), ['other']);
  assert.equal(await readHandle(h, ino), 'the first version');
  await h.crash();
  await write(h, ino, 0, 'THE');
  await h.crash();
  assert.equal(await h.ino('d/file.txt'), ino);
  await h.flush();
  assert.equal(remote.text('d/file.txt'), 'THE first version');
  await h.restart();
  assert.deepEqual(await h.names('d'), ['file.txt', 'other']);
});

test('bytes that a kill left without the name get it at the next start', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t);
  await write(h, ino, 0, 'THE');
  await h.edit((database) => {
    database.exec(`
      INSERT INTO nameless SELECT ino, parent, name, '"file.txt"', 0, 1, 0 FROM entry WHERE ino = ${ino};
      DELETE FROM entry WHERE ino = ${ino};
      DELETE FROM upload_files;`);
  });
  assert.equal(await h.ino('d/file.txt'), ino);
  await h.flush();
  assert.equal(remote.text('d/file.txt'), 'THE first version');
});

test('a hard link made through the handle is a name like any other', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t);
  await h.fs.link(ino, await h.ino('d'), 'linked');
  await h.flush();
  assert.deepEqual(remote.paths(), ['d/linked', 'd/other']);
  await write(h, ino, 0, 'THE');
  await h.remove('d/linked');
  assert.throws(() => h.fs.getAttributes(ino), { code: 'ESTALE' });
  await h.flush();
  assert.deepEqual(remote.paths(), ['d/other']);
});

test('what the person gives up after the name came back goes again with the next look', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t);
  await write(h, ino, 0, 'THE');
  h.fs.discard(`file:${ino}`);
  remote.put('elsewhere', 'x');
  await h.refresh();
  assert.deepEqual(await h.names('d'), ['other']);
  assert.equal(await readHandle(h, ino), 'the first version');
  assert.deepEqual(remote.paths(), ['d/other', 'elsewhere']);
});

test('a handle that nobody uses ends a day after the deletion, one that is read does not', async (t) => {
  const { h, remote, ino } = await deletedUnderProgram(t);
  const second = await h.write('d/second', 'also');
  await h.flush();
  remote.delete('d/second');
  await h.refresh();
  for (let hour = 0; hour < 30; hour += 1) {
    assert.equal(await readHandle(h, ino), 'the first version');
    await h.clock.advanceAsync(namelessMaxAgeMs / 24);
  }
  assert.throws(() => h.fs.getAttributes(second), { code: 'ESTALE' });
  await write(h, ino, 0, 'THE');
  assert.equal(await h.read('d/file.txt'), 'THE first version');
});

test('a read-only source shows a removed file through its handle only', async (t) => {
  const remote = new MemoryRemoteStore({ info: { kind: 'model', writable: false, revision: 'main' } });
  remote.put('old.bin', 'still there');
  remote.put('config.json', '{}');
  const h = await FsHarness.open(t, remote);
  const ino = await h.ino('old.bin');
  remote.delete('old.bin');
  await h.refresh();
  assert.deepEqual(await h.names(), ['config.json']);
  assert.equal(await readHandle(h, ino), 'still there');
  assert.throws(() => void h.fs.write(ino, 0, Buffer.from('x')), { code: 'EROFS' });
});

test('of too many deleted files those go first that no program used, and then the oldest', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hubdrive-nameless-'));
  const database = openCatalogueDatabase(join(folder, 'catalogue.db'));
  t.after(async () => {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const nameless = new NamelessFiles(database, new ManualClock());
  const former = { parent: 1, name: 'name', remoteName: 'name' };
  database.transaction(() => {
    for (let ino = 2; ino < mostNamelessFiles; ino += 1) nameless.add(ino, former, ino % 1000 !== 500);
  });
  assert.deepEqual(nameless.surplus(10), []);
  database.transaction(() => {
    for (let ino = 20_000; ino < 20_014; ino += 1) nameless.add(ino, former, true);
  });
  assert.deepEqual(nameless.surplus(100), [500, 1500, 2500, 3500, 4500, 5500, 6500, 7500, 8500, 9500, 2, 3]);
  assert.deepEqual(nameless.surplus(3), [500, 1500, 2500]);
});
