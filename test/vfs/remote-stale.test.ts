// Answers of the Hub that were made before something was sent and come after it: they undo nothing and make no conflict.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RemoteEntry } from '../../src/hub/remote-store.ts';
import { settle } from '../support/manual-clock.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { FsHarness } from '../support/virtual-fs-harness.ts';

/** The next listing of `directory` after `skip` others is made at once and arrives when it is released. */
function delayListing(
  remote: MemoryRemoteStore,
  directory: string,
  skip = 0,
): { readonly made: Promise<void>; release(): void } {
  const made = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const list = remote.list.bind(remote);
  let left = skip + 1;
  Object.assign(remote, {
    async *list(asked: string, signal?: AbortSignal): AsyncIterable<readonly RemoteEntry[]> {
      if (asked !== directory || --left !== 0) return yield* list(asked, signal);
      const pages: (readonly RemoteEntry[])[] = [];
      for await (const page of list(asked, signal)) pages.push(page);
      made.resolve();
      await released.promise;
      yield* pages;
    },
  });
  return { made: made.promise, release: () => released.resolve() };
}

/** What makes the next look list the folders again. */
function changeElsewhere(remote: MemoryRemoteStore): void {
  remote.put('elsewhere', String(Math.random()));
}

function conflicts(h: FsHarness): string[] {
  return h.fs.activity
    .drain()
    .events.filter(({ kind }) => kind === 'CONFLICT')
    .map(({ path }) => path);
}

test('a listing under way while what an earlier run logged is sent brings nothing back', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('d/deleted', 'old');
  remote.put('d/moved', 'moved');
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  h.fs.uploads.pause();
  await h.remove('d/deleted');
  await h.rename('d/moved', 'd/to');
  // Nothing in memory remembers that these names were changed here.
  const hold = remote.hold('commit');
  await h.crash();
  await settle();
  const listing = delayListing(remote, 'd');
  changeElsewhere(remote);
  const refreshed = h.fs.refresh();
  await listing.made;
  hold.release();
  await h.flush();
  assert.deepEqual(remote.paths(), ['d/to', 'elsewhere']);
  listing.release();
  await refreshed;
  assert.deepEqual(await h.names('d'), ['to']);
  h.fs.activity.drain();
  await h.write('d/deleted', 'anew');
  await h.write('d/moved', 'anew as well');
  await h.flush();
  assert.deepEqual(conflicts(h), []);
  assert.deepEqual(remote.paths(), ['d/deleted', 'd/moved', 'd/to', 'elsewhere']);
  assert.equal(remote.text('d/deleted'), 'anew');
  assert.equal(remote.text('d/moved'), 'anew as well');
});

test('a listing under way while something is sent that waited long for the Hub brings nothing back', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('d/file', 'old');
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  h.fs.uploads.pause();
  await h.remove('d/file');
  await h.clock.advanceAsync(3_600_000);
  const listing = delayListing(remote, 'd');
  changeElsewhere(remote);
  const refreshed = h.fs.refresh();
  await listing.made;
  h.fs.uploads.resume();
  await h.flush();
  listing.release();
  await refreshed;
  assert.deepEqual(await h.names('d'), []);
  await h.write('d/file', 'anew');
  await h.flush();
  assert.deepEqual(conflicts(h), []);
  assert.equal(remote.text('d/file'), 'anew');
});

test('a folder that is asked for while a first file is sent into it does not take that file along', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('d/theirs', 'x');
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  remote.delete('d/theirs');
  // The first one is for what is in it, the second one for whether it is still there.
  const listing = delayListing(remote, 'd', 1);
  h.clock.advance(6_000);
  const refreshed = h.fs.refresh();
  await listing.made;
  const ino = await h.write('d/mine', 'made here');
  await h.flush();
  await settle();
  listing.release();
  await refreshed;
  assert.equal(await h.read('d/mine'), 'made here');
  assert.equal(await h.ino('d/mine'), ino);
  await h.refresh();
  assert.deepEqual(await h.names('d'), ['mine']);
});
