// Finding what other clients changed: by probing and by events; what appears, what stays, what is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../support/manual-clock.ts';
import { hubError, MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { FsHarness } from '../support/virtual-fs-harness.ts';

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
  assert.equal(h.fs.getAttributes(removed).sizeBytes, 9);
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

test('while events come a changed token lists nothing, and what was lost with a stream is found', async (t) => {
  const remote = new MemoryRemoteStore({ events: true });
  remote.put('d/a', 'A');
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  await h.clock.advanceAsync(90_000);
  remote.calls.length = 0;
  for (let index = 0; index < 5; index += 1) {
    remote.put(`d/new-${index}`, 'x');
    await h.clock.advanceAsync(30_000);
  }
  assert.equal((await h.names('d')).length, 6);
  assert.deepEqual(remote.callsOf('list'), []);
  remote.dropEvents();
  await settle();
  remote.delete('d/a');
  await h.clock.advanceAsync(2_000);
  assert.equal((await h.names('d')).length, 5);
  assert.deepEqual(remote.callsOf('list').toSorted(), ['', 'd']);
});

test('a feed that never comes to life leaves it to the probes', async (t) => {
  const remote = new MemoryRemoteStore({ events: true });
  remote.put('d/a', 'A');
  const { release } = remote.hold('changes');
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  await h.clock.advanceAsync(90_000);
  assert.equal(h.fs.status().mode, 'polling');
  remote.put('d/b', 'B');
  await h.clock.advanceAsync(30_000);
  assert.deepEqual(await h.names('d'), ['a', 'b']);
  release();
  await settle();
  assert.equal(h.fs.status().mode, 'events');
});

test('a Hub without a feed is no Hub out of reach', async (t) => {
  const remote = new MemoryRemoteStore({ events: true });
  remote.put('a', 'A');
  const stop = remote.fail(
    'changes',
    hubError('not-found', false, 'live events are not served here'),
    Infinity,
  );
  const h = await FsHarness.open(t, remote);
  for (let round = 0; round < 20; round += 1) {
    await h.clock.advanceAsync(7_000);
    assert.deepEqual(
      { ...h.fs.status(), inodes: 0, checkedAt: 0, cache: 0 },
      {
        online: true,
        reason: null,
        lastError: null,
        mode: 'polling',
        damage: null,
        inodes: 0,
        checkedAt: 0,
        cache: 0,
      },
    );
  }
  stop();
  await h.clock.advanceAsync(60_000);
  assert.equal(h.fs.status().mode, 'events');
});

test('closing while a look for changes waits for the Hub gives it up', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a', 'A');
  const h = await FsHarness.open(t, remote);
  await h.names();
  remote.put('b', 'B');
  const hold = remote.hold('list');
  const refreshed = assert.rejects(h.fs.refresh());
  await hold.arrived;
  await h.fs.close();
  await refreshed;
});
