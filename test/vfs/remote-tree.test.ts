// Listing folders once, waiting no longer than a kernel may, and finding what other clients changed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RemoteEntry, RemoteStore } from '../../src/hub/remote-store.ts';
import { MemoryRemoteStore, hubError } from '../support/memory-remote-store.ts';
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
  assert.equal(h.fs.create(1, 'new', { type: 'unchecked', attributes: {} }, owner) instanceof Promise, false);
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

test('new, changed and removed files of other clients appear at the next look, with times that make kernels look', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('d/same', 'same');
  remote.put('d/changed', 'before');
  remote.put('d/removed', 'gone soon');
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  assert.equal(await h.read('d/changed'), 'before');
  const same = await h.lookup('d/same');
  const changed = await h.lookup('d/changed');
  const removed = await h.ino('d/removed');
  const directory = await h.lookup('d');
  h.fs.activity.drain();
  remote.put('d/changed', 'afterwards');
  remote.put('d/new', 'new');
  remote.put('d/sub/deep', 'deep');
  remote.delete('d/removed');
  await h.refresh();
  assert.deepEqual(await h.names('d'), ['changed', 'new', 'same', 'sub']);
  assert.equal(await h.read('d/changed'), 'afterwards');
  assert.equal(await h.read('d/sub/deep'), 'deep');
  assert.deepEqual(await h.lookup('d/same'), same);
  const now = await h.lookup('d/changed');
  assert.equal(now.ino, changed.ino);
  assert.notDeepEqual(now.ctime, changed.ctime);
  assert.notDeepEqual(now.mtime, changed.mtime);
  assert.notDeepEqual((await h.lookup('d')).mtime, directory.mtime);
  assert.throws(() => h.fs.getAttributes(removed), { code: 'ESTALE' });
  const paths = h.fs.activity
    .drain()
    .events.filter(({ kind }) => kind === 'REMOTE')
    .map(({ path }) => path);
  assert.deepEqual([...new Set(paths)].sort(), ['d/changed', 'd/new', 'd/removed', 'd/sub']);
});

test('an unchanged source is probed and not listed', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('d/a', 'A');
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  await h.refresh();
  remote.calls.length = 0;
  await h.clock.advanceAsync(300_000);
  assert.deepEqual([...new Set(remote.calls.map(({ method }) => method))], ['probe']);
  assert.equal(remote.calls.length, 10);
});

test('changes made while the mount was closed are found at the next start', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a', 'before');
  const h = await FsHarness.open(t, remote);
  await h.names();
  await h.fs.close();
  remote.put('a', 'while away');
  await h.restart();
  await h.clock.advanceAsync(10);
  assert.equal(await h.read('a'), 'while away');
});

test('empty folders made or left here stay, folders that others emptied go', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('theirs/sub/a', 'A');
  remote.put('ours/b', 'B');
  const h = await FsHarness.open(t, remote);
  await h.names('theirs/sub');
  await h.mkdir('made');
  await h.mkdir('made/inner');
  await h.remove('ours/b');
  await h.flush();
  remote.delete('theirs/sub/a');
  await h.refresh();
  assert.deepEqual(await h.names(), ['made', 'ours']);
  await h.restart();
  remote.put('x', 'x');
  await h.refresh();
  assert.deepEqual(await h.names(), ['made', 'ours', 'x']);
  assert.deepEqual(await h.names('made'), ['inner']);
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

test('a file that is being read is neither removed nor exchanged until it rests', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('gone', 'old');
  remote.put('changed', 'old');
  const h = await FsHarness.open(t, remote);
  await h.read('gone');
  await h.read('changed');
  remote.delete('gone');
  remote.put('changed', 'new!');
  await h.fs.refresh();
  assert.equal(await h.read('gone'), 'old');
  assert.equal(await h.read('changed'), 'old');
  await h.clock.advanceAsync(11_000);
  assert.deepEqual(await h.names(), ['changed']);
  assert.equal(await h.read('changed'), 'new!');
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

test('events are followed, single files are asked for, and a lost stream is made again', async (t) => {
  const remote = new MemoryRemoteStore({ events: true });
  remote.put('d/a', 'A');
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  await settle();
  assert.equal(h.fs.status().mode, 'events');
  remote.calls.length = 0;
  remote.put('d/b', 'B');
  await settle();
  assert.deepEqual(await h.names('d'), ['a', 'b']);
  assert.deepEqual(remote.callsOf('list'), []);
  remote.put('new/folder/x', 'X');
  await settle(12);
  assert.deepEqual(await h.names(), ['d', 'new']);
  remote.delete('d/a');
  remote.delete('d/b');
  await settle(12);
  assert.deepEqual(await h.names(), ['new']);
  remote.dropEvents();
  await settle();
  remote.put('missed', 'x');
  assert.equal(h.fs.status().mode, 'polling');
  await h.clock.advanceAsync(2_000);
  assert.equal(h.fs.status().mode, 'events');
  assert.deepEqual(await h.names(), ['missed', 'new']);
  remote.put('later', 'x');
  remote.emit({ paths: null });
  await settle(12);
  assert.deepEqual(await h.names(), ['later', 'missed', 'new']);
});

test('trouble with the Hub is told and never answered to what is known', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a', 'A');
  const h = await FsHarness.open(t, remote);
  await h.names();
  const stop = remote.fail('probe', hubError('unauthorized', false, 'the token has expired'), Infinity);
  await h.clock.advanceAsync(30_000);
  const { online, reason } = h.fs.status();
  assert.deepEqual({ online, reason }, { online: false, reason: 'the token has expired' });
  assert.deepEqual(await h.names(), ['a']);
  await assert.rejects(h.fs.refresh(), /token has expired/);
  stop();
  await h.clock.advanceAsync(30_000);
  assert.equal(h.fs.status().online, true);
  assert.equal(h.fs.status().lastError, 'the token has expired');
});

test('a read-only repo follows its revision', async (t) => {
  const remote = new MemoryRemoteStore({ info: { kind: 'model', writable: false, revision: 'main' } });
  remote.put('config.json', '{"a":1}');
  remote.put('old.bin', 'x');
  const h = await FsHarness.open(t, remote);
  assert.equal(await h.read('config.json'), '{"a":1}');
  remote.put('config.json', '{"a":2}');
  remote.delete('old.bin');
  await h.refresh();
  assert.equal(await h.read('config.json'), '{"a":2}');
  assert.deepEqual(await h.names(), ['config.json']);
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
