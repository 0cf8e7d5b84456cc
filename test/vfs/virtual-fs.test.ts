// The whole of VirtualFs over an in-memory Hub: a first walk from listing to upload.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FsHarness } from '../support/virtual-fs-harness.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';

test('a bucket is listed, looked up and read, and what is written and renamed arrives on the Hub', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('readme.md', 'hello');
  remote.put('data/a.txt', 'aaa');
  const h = await FsHarness.open(t, remote);
  assert.deepEqual(await h.names(), ['data', 'readme.md']);
  assert.equal(await h.read('readme.md'), 'hello');
  assert.equal(await h.read('data/a.txt'), 'aaa');
  await h.write('data/new.txt', 'fresh');
  await h.rename('readme.md', 'data/README.md');
  await h.flush();
  assert.deepEqual(remote.paths(), ['data/README.md', 'data/a.txt', 'data/new.txt']);
  assert.equal(remote.text('data/new.txt'), 'fresh');
  assert.equal(remote.text('data/README.md'), 'hello');
  assert.deepEqual(h.fs.uploads.pending(), []);
});
