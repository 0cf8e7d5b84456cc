// Listing folders once, waiting no longer than a kernel may, and finding what other clients changed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RemoteEntry, RemoteStore } from '../../src/hub/remote-store.ts';
import { hubError, MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { settle } from '../support/manual-clock.ts';
import { FsHarness, owner } from '../support/virtual-fs-harness.ts';

test('a folder is listed once for all who ask, and never again', async (t) => {
  const remote = new MemoryRemoteStore({ pageSize: 2 });
  for (const name of ['a', 'b', 'c', 'd', 'e']) remote.put(`d/${name}`, name);
  const h = await FsHarness.open(t, remote);
  const directory = await h.ino('d');
  remote.calls.length = 0;
  const hold = remote.hold('list');
  const asked = ['a', 'b', 'e', 'none'].map(async (name) => h.fs.lookup(directory, name));
  const settled = Promise.allSettled(asked);
  await hold.arrived;
  hold.release();
  assert.deepEqual(
    (await settled).map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
  );
  await h.names('d');
  await assert.rejects(h.lookup('d/none'), { code: 'ENOENT' });
  assert.deepEqual(remote.callsOf('list'), ['d']);
  assert.equal((await h.lookup('d')).nlink, 2);
});

test('known folders answer in the same turn', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a', 'A');
  const h = await FsHarness.open(t, remote);
  await h.names();
  assert.equal(h.fs.lookup(1, 'a') instanceof Promise, false);
  assert.throws(() => h.fs.lookup(1, 'none'), { code: 'ENOENT' });
  assert.equal(
    h.fs.readDirectory(1, 0, () => true),
    true,
  );
  const created = h.fs.create(1, 'new', { type: 'unchecked', attributes: {} }, owner);
  // Changes of names are done together when all callbacks of the turn have run.
  await new Promise<void>((resolve) => queueMicrotask(resolve));
  assert.equal((await h.lookup('new')).ino, (await created).attributes.ino);
  assert.equal(h.fs.rename(1, 'new', 1, 'newer') instanceof Promise, false);
});

test('whoever waits for a slow listing gets EAGAIN after ten seconds while it goes on', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('d/a', 'A');
  const h = await FsHarness.open(t, remote);
  await h.names();
  const hold = remote.hold('list');
  const late = assert.rejects(h.names('d'), { code: 'EAGAIN' });
  await hold.arrived;
  await h.clock.advanceAsync(9_999);
  await h.clock.advanceAsync(1);
  await late;
  hold.release();
  await settle();
  assert.equal(
    h.fs.readDirectory(await h.ino('d'), 0, () => true),
    true,
  );
  assert.equal(remote.callsOf('list').filter((path) => path === 'd').length, 1);
});

test('a listing that breaks off in the middle is taken up again until it is whole', async (t) => {
  const remote = new MemoryRemoteStore({ pageSize: 100 });
  for (let index = 0; index < 300; index += 1) remote.put(`d/f${index}`, 'x');
  const broken = brokenAfterOnePage(remote, 2);
  const h = await FsHarness.open(t, broken as MemoryRemoteStore);
  const names = h.passing(h.names('d'));
  assert.equal((await names).length, 300);
  assert.equal(new Set(await names).size, 300);
});

/** The listings of folders below the root fail after their first page, `times` times. */
function brokenAfterOnePage(remote: MemoryRemoteStore, times: number): RemoteStore {
  let left = times;
  const list = remote.list.bind(remote);
  return Object.assign(remote, {
    async *list(directory: string, signal?: AbortSignal): AsyncIterable<readonly RemoteEntry[]> {
      for await (const page of list(directory, signal)) {
        yield page;
        if (directory !== '' && left > 0) {
          left -= 1;
          throw hubError('network', true);
        }
      }
    },
  });
}

test('100,000 entries of one folder arrive in turns of at most 200 rows', async (t) => {
  const remote = new MemoryRemoteStore({ pageSize: 5_000 });
  const entries: RemoteEntry[] = [];
  const content = remote.put('template', 'x');
  for (let index = 0; index < 100_000; index += 1) {
    entries.push({ type: 'file', path: `big/file-${index}`, content, mtimeMs: 1 });
  }
  const list = remote.list.bind(remote);
  Object.assign(remote, {
    async *list(directory: string, signal?: AbortSignal): AsyncIterable<readonly RemoteEntry[]> {
      if (directory !== 'big') {
        yield* list(directory, signal);
        return;
      }
      for (let start = 0; start < entries.length; start += 5_000) yield entries.slice(start, start + 5_000);
    },
  });
  remote.put('big/file-0', 'x');
  const h = await FsHarness.open(t, remote);
  const directory = await h.ino('big');
  let isListed = false;
  const listed = h.names('big').then((names) => {
    isListed = true;
    return names;
  });
  let largest = 0;
  let before = h.fs.status().inodes;
  while (!isListed) {
    await new Promise((resolve) => setImmediate(resolve));
    const { inodes } = h.fs.status();
    largest = Math.max(largest, inodes - before);
    before = inodes;
  }
  assert.equal((await listed).length, 100_000);
  assert.ok(largest <= 200, `${largest} rows in one turn`);
  let count = 0;
  for (let cookie = 0, isDone = false; !isDone;) {
    let left = 1_000;
    isDone =
      (await h.fs.readDirectory(directory, cookie, (_name, _ino, at) => {
        if (left-- === 0) return false;
        cookie = at;
        count += 1;
        return true;
      })) === true;
  }
  assert.equal(count, 100_000);
  await h.restart();
  assert.equal((await h.names('big')).length, 100_000);
});

test('a folder that others removed keeps what is unsent or local in it', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('d/clean', 'x');
  remote.put('d/deep/also', 'x');
  remote.put('d/edited', 'x');
  const h = await FsHarness.open(t, remote);
  await h.names('d/deep');
  await h.write('d/edited', 'mine');
  await h.write('d/.DS_Store', 'view');
  for (const path of ['d/clean', 'd/deep/also', 'd/edited']) remote.delete(path);
  await h.refresh();
  assert.deepEqual(await h.names('d'), ['.DS_Store', 'edited']);
  assert.equal(await h.read('d/edited'), 'mine');
  await h.flush();
  assert.ok(remote.paths().some((path) => remote.text(path) === 'mine'));
});

test('listings are not believed about names with work that is still to be done', async (t) => {
  const remote = new MemoryRemoteStore();
  for (const name of ['deleted', 'moved', 'replaced', 'source']) remote.put(name, name);
  remote.put('tree/x', 'x');
  const h = await FsHarness.open(t, remote);
  await h.names('tree');
  h.fs.uploads.pause();
  await h.remove('deleted');
  await h.rename('moved', 'elsewhere');
  await h.rename('source', 'replaced');
  await h.rename('tree', 'wood');
  await h.write('fresh', 'not yet there');
  remote.put('unrelated', 'x');
  const expected = ['elsewhere', 'fresh', 'replaced', 'unrelated', 'wood'];
  await h.refresh();
  assert.deepEqual(await h.names(), expected);
  assert.deepEqual(await h.names('wood'), ['x']);
  assert.equal(await h.read('replaced'), 'source');
  h.fs.uploads.resume();
  await h.flush();
  await h.refresh();
  assert.deepEqual(await h.names(), expected);
  assert.deepEqual(remote.paths(), ['elsewhere', 'fresh', 'replaced', 'unrelated', 'wood/x']);
});

test('a listing that is older than what was done meanwhile undoes nothing', async (t) => {
  const remote = new MemoryRemoteStore();
  for (const name of ['deleted', 'moved', 'edited', 'target', 'source']) remote.put(`d/${name}`, name);
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  // The page is made before the changes and merged after they were done on the Hub.
  const list = remote.list.bind(remote);
  const held = Promise.withResolvers<void>();
  const made = Promise.withResolvers<void>();
  Object.assign(remote, {
    async *list(directory: string, signal?: AbortSignal): AsyncIterable<readonly RemoteEntry[]> {
      const pages: (readonly RemoteEntry[])[] = [];
      for await (const page of list(directory, signal)) pages.push(page);
      if (directory === 'd') {
        made.resolve();
        await held.promise;
      }
      yield* pages;
    },
  });
  remote.put('other', 'x');
  h.clock.advance(6_000);
  const refreshed = h.fs.refresh();
  await made.promise;
  await h.remove('d/deleted');
  await h.rename('d/moved', 'd/elsewhere');
  await h.rename('d/source', 'd/target');
  await h.write('d/edited', 'changed here');
  await h.write('d/new', 'made here');
  await h.flush();
  const target = await h.ino('d/target');
  held.resolve();
  await refreshed;
  assert.deepEqual(await h.names('d'), ['edited', 'elsewhere', 'new', 'target']);
  assert.equal(await h.read('d/edited'), 'changed here');
  assert.equal(await h.read('d/target'), 'source');
  assert.equal(await h.ino('d/target'), target);
});

test('one of two hard links that another client changed becomes a file of its own', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('one', 'both');
  const h = await FsHarness.open(t, remote);
  await h.names();
  await h.link('one', 'two');
  await h.flush();
  remote.put('two', 'only this');
  await h.refresh();
  assert.equal(await h.read('one'), 'both');
  assert.equal(await h.read('two'), 'only this');
  assert.equal((await h.lookup('one')).nlink, 1);
});

test('closing while a listing hangs ends it and refuses who waits', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('d/a', 'A');
  const h = await FsHarness.open(t, remote);
  await h.names();
  const hold = remote.hold('list');
  const waiting = assert.rejects(h.names('d'), { code: 'EAGAIN' });
  await hold.arrived;
  await h.fs.close();
  await waiting;
});
