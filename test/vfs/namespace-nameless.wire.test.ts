// Over NFS: what a kernel sees of a file that another client deletes while a program has it open.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { NfsFailure } from '../support/nfs-client.ts';
import { serveNfs } from '../support/nfs-fixture.ts';
import { FsHarness } from '../support/virtual-fs-harness.ts';

async function statusOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'OK';
  } catch (error) {
    if (error instanceof NfsFailure) return error.statusName;
    throw error;
  }
}

test('a WRITE through the handle of a file that another client deleted long ago arrives', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('logs/today', 'line one\n');
  remote.put('logs/unread', 'line one\n');
  const h = await FsHarness.open(t, remote);
  const nfs = await serveNfs(t, h.fs);
  const { client, root } = await nfs.mounted();
  const folder = await client.lookup(root, 'logs');
  const file = await client.lookup(folder, 'today');
  const unread = await client.lookup(folder, 'unread');
  assert.equal((await client.readAll(file)).toString(), 'line one\n');
  remote.delete('logs/today');
  remote.delete('logs/unread');
  await h.refresh();

  assert.equal(await statusOf(client.lookup(root, 'logs')), 'NOENT');
  const { nlink, size } = await client.getattr(file);
  // With no link kernels throw dirty pages of a mapped file away.
  assert.deepEqual({ nlink, size }, { nlink: 1, size: 9 });
  assert.equal((await client.readAll(file)).toString(), 'line one\n');
  assert.equal(await statusOf(client.access(file)), 'OK');
  await client.setattr(file, { mode: 0o640 });

  await client.write(file, 9, 'line two\n');
  await client.commit(file);
  await client.setattr(unread, {
    size: 0,
    mtime: { set_it: 2, time: { seconds: 1_900_000_000, nseconds: 0 } },
  });
  const again = await client.lookup(root, 'logs');
  assert.deepEqual((await client.list(again)).sort(), ['today', 'unread']);
  assert.deepEqual(Buffer.from(await client.lookup(again, 'today')), Buffer.from(file));
  assert.deepEqual(Buffer.from(await client.lookup(again, 'unread')), Buffer.from(unread));
  await h.flush();
  assert.equal(remote.text('logs/today'), 'line one\nline two\n');
  assert.equal(remote.text('logs/unread'), '');
  assert.deepEqual(nfs.activity.of('STALE'), []);
});

test('the handle of a deleted file leads to it after a restart of the server', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a', 'first');
  const h = await FsHarness.open(t, remote);
  const before = await serveNfs(t, h.fs);
  const { client, root } = await before.mounted();
  const file = await client.lookup(root, 'a');
  await client.readAll(file);
  remote.delete('a');
  await h.refresh();
  await before.close();
  await h.restart();
  const nfs = await serveNfs(t, h.fs);
  const again = await nfs.mounted();
  assert.deepEqual(await again.client.list(again.root), []);
  await again.client.write(file, 5, ', and more', 2);
  assert.deepEqual(await again.client.list(again.root), ['a']);
  await h.flush();
  assert.equal(remote.text('a'), 'first, and more');
});
