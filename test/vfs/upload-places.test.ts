// Files that change names among themselves while one request gives them names on the Hub: nobody else is there, so that nothing
// of it is a conflict, and nothing comes back that was removed.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { settle } from '../support/manual-clock.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { FsHarness } from '../support/virtual-fs-harness.ts';

/** `a` and `b` are new and being sent in one request; what `meanwhile` does comes before its reply. */
async function sentTogether(
  t: TestContext,
  meanwhile: (h: FsHarness) => Promise<void>,
): Promise<{ readonly h: FsHarness; readonly remote: MemoryRemoteStore }> {
  const remote = new MemoryRemoteStore();
  const h = await FsHarness.open(t, remote);
  await h.names();
  await h.write('a', 'content of a');
  await h.write('b', 'content of b');
  const commit = remote.commit.bind(remote);
  const arrived = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let isFirst = true;
  Object.assign(remote, {
    commit: async (...call: Parameters<typeof commit>) => {
      const results = await commit(...call);
      if (isFirst) {
        isFirst = false;
        arrived.resolve();
        await released.promise;
      }
      return results;
    },
  });
  await h.clock.advanceAsync(4_000);
  await h.passing(arrived.promise);
  assert.deepEqual(remote.paths(), ['a', 'b']);
  await meanwhile(h);
  released.resolve();
  await settle(12);
  return { h, remote };
}

async function finish(h: FsHarness, remote: MemoryRemoteStore, files: Record<string, string>): Promise<void> {
  await h.flush();
  await h.refresh();
  const conflicts = h.fs.activity.drain().events.filter(({ kind }) => kind === 'CONFLICT');
  assert.deepEqual(conflicts, []);
  assert.deepEqual(Object.fromEntries(remote.paths().map((path) => [path, remote.text(path)])), files);
  assert.deepEqual(await h.names(), Object.keys(files));
  for (const [path, text] of Object.entries(files)) assert.equal(await h.read(path), text);
}

test('one that is renamed over the other has its place', async (t) => {
  const { h, remote } = await sentTogether(t, (host) => host.rename('a', 'b'));
  await finish(h, remote, { b: 'content of a' });
});

test('one that is renamed over the other and then removed does not leave the other behind', async (t) => {
  const { h, remote } = await sentTogether(t, (host) => host.rename('a', 'b'));
  await h.remove('b');
  await finish(h, remote, {});
});

test('two that change places expect one another', async (t) => {
  const { h, remote } = await sentTogether(t, async (host) => {
    await host.rename('a', 'x');
    await host.rename('b', 'a');
    await host.rename('x', 'b');
  });
  await finish(h, remote, { a: 'content of b', b: 'content of a' });
});

test('a third that takes a place goes there without a moment in which nothing is there', async (t) => {
  const { h, remote } = await sentTogether(t, async (host) => {
    await host.remove('b');
    await host.write('b', 'made anew');
  });
  remote.calls.length = 0;
  await finish(h, remote, { a: 'content of a', b: 'made anew' });
  assert.deepEqual(remote.callsOf('commit'), ['b']);
});

test('a place that a link to elsewhere took is given up on the Hub', async (t) => {
  const { h, remote } = await sentTogether(t, async (host) => {
    await host.remove('b');
    await host.symlink('b', 'a');
  });
  await h.flush();
  assert.deepEqual(remote.paths(), ['a']);
});

test('a name that is sent and was removed meanwhile does not come back by a look at the Hub', async (t) => {
  const { h, remote } = await sentTogether(t, async (host) => {
    await host.rename('a', 'c');
    host.remote.put('other', 'x');
    await host.refresh();
    assert.deepEqual(await host.names(), ['b', 'c', 'other']);
  });
  await finish(h, remote, { b: 'content of b', c: 'content of a', other: 'x' });
});
