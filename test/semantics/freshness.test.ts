// What docs/semantics.md says of who sees what and when: changes of other clients here, changes from here on the Hub.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucket, HubHosts } from '../support/hub-hosts.ts';

test('with change events another client’s files are seen at once', async (t) => {
  const hosts = await HubHosts.open(t, { 'dir/a': 'a', b: 'b' }, { settings: { events: true } });
  const host = await hosts.host();
  const program = await hosts.programOn(host);
  await program.names('dir');
  await host.until('the stream is there', () => host.fs.status().mode === 'events');
  await hosts.put('dir/new', 'made there');
  await hosts.put('b', 'changed there');
  hosts.hub.content.deleteFiles(bucket, ['dir/a']);
  const before = host.clock.now();
  await host.until('all three are seen', async () => {
    const names = await program.names('dir');
    return names.join() === 'new' && (await program.attributes('b')).size === 13;
  });
  assert.ok(host.clock.now() - before < 25_000, 'before the next probe');
  assert.equal(await program.text('b'), 'changed there');
});

test('without change events another client’s files are seen within the polling interval of 30 seconds', async (t) => {
  const hosts = await HubHosts.open(t, { 'dir/a': 'a', b: 'b' });
  const host = await hosts.host();
  const program = await hosts.programOn(host);
  await program.names('dir');
  // The first look is over.
  await host.until('quiet', () => host.fs.status().checkedAt !== null && host.store.inFlight === 0);
  await hosts.put('dir/new', 'made there');
  await hosts.put('b', 'changed there');
  const before = host.clock.now();
  await host.until('both are seen', async () => {
    assert.equal(host.fs.status().reason, null, 'a Hub without events can be reached all the same');
    const names = await program.names('dir');
    return names.join() === 'a,new' && (await program.attributes('b')).size === 13;
  });
  assert.ok(host.clock.now() - before <= 31_000, `${host.clock.now() - before} ms`);
});

test('what is written here is on the Hub two quiet seconds later and then seen by another mount', async (t) => {
  const hosts = await HubHosts.open(t, {}, { settings: { events: true } });
  const host = await hosts.host({ sending: true });
  const other = await hosts.host();
  const program = await hosts.programOn(host);
  const elsewhere = await hosts.programOn(other);
  await elsewhere.names();
  await other.until('the stream is there', () => other.fs.status().mode === 'events');
  await program.save('doc', 'from here');
  await host.clock.advanceAsync(1_000);
  assert.deepEqual(await hosts.files(), {}, 'a program may still be writing');
  const before = host.clock.now();
  await host.until('it is sent', async () => (await hosts.files())['doc'] === 'from here');
  assert.ok(host.clock.now() - before <= 3_000, `${host.clock.now() - before} ms`);
  await other.until('it is seen', async () => (await elsewhere.names()).includes('doc'));
  assert.equal(await elsewhere.text('doc'), 'from here');
});

test('an empty folder is not on the Hub: another mount sees it with its first file', async (t) => {
  const hosts = await HubHosts.open(t);
  const host = await hosts.host();
  const other = await hosts.host();
  await host.mkdir('folder');
  await host.flush();
  await other.refresh();
  assert.deepEqual(await other.names(), []);
  assert.deepEqual(await host.names(), ['folder']);
  await host.save('folder/first', 'x');
  await host.flush();
  await other.refresh();
  assert.deepEqual(await other.names('folder'), ['first']);
});

test('a whole version is named on the Hub at once: readers never see a part of an upload', async (t) => {
  const hosts = await HubHosts.open(t, { doc: 'old' });
  const host = await hosts.host();
  await host.save('doc', 'n'.repeat(3_000_000));
  const seen = new Set<number>();
  hosts.hub.faults.add({ route: 'cas.*', latencyMs: 5 });
  const flushed = host.flush();
  const isOver = { now: false };
  void flushed.finally(() => (isOver.now = true));
  while (!isOver.now) {
    seen.add((await hosts.hub.content.readFile(bucket, 'doc'))?.length ?? -1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await flushed;
  seen.add((await hosts.hub.content.readFile(bucket, 'doc'))?.length ?? -1);
  assert.deepEqual([...seen], [3, 3_000_000]);
});

test('different files may arrive in another order than they were written', async (t) => {
  const hosts = await HubHosts.open(t);
  const host = await hosts.host();
  hosts.hub.faults.settings.failPaths = { first: 'not now' };
  await host.save('first', '1');
  await host.save('second', '2');
  await host.until('the second is sent', async () => {
    await host.flush().catch(() => undefined);
    return 'second' in (await hosts.files());
  });
  assert.deepEqual(await hosts.files(), { second: '2' });
  hosts.hub.faults.settings.failPaths = {};
  await host.flush();
  assert.deepEqual(await hosts.files(), { first: '1', second: '2' });
});

test('two hosts that look and then send one file in the same moment can miss one another: the Hub has no condition', async (t) => {
  const hosts = await HubHosts.open(t, { doc: 'base' });
  const one = await hosts.host();
  const two = await hosts.host();
  for (const host of [one, two]) await host.text('doc');
  await one.save('doc', 'of one');
  await two.save('doc', 'of two');
  // Both have looked before either sends.
  const ready = [one, two].map((host) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    host.store.beforeCommit = () => {
      resolve();
      return both;
    };
    return promise;
  });
  const both = Promise.all(ready).then(() => undefined);
  await Promise.all([one.flush(), two.flush()]);
  const files = await hosts.files();
  assert.deepEqual(Object.keys(files), ['doc'], 'no conflict was noticed');
  assert.match(files['doc'] ?? '', /^of (?:one|two)$/);
});
