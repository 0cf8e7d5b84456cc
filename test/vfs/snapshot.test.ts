// Versions on their way to the Hub whose end could not be written down: everything is as before, and can be tried again.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ContentBench } from '../support/content-bench.ts';

async function open(t: TestContext): Promise<ContentBench> {
  const bench = await ContentBench.open();
  t.after(() => bench.dispose());
  return bench;
}

function failing(bench: ContentBench, work: () => void): void {
  assert.throws(
    () =>
      bench.database.transaction(() => {
        work();
        throw new Error('disk full');
      }),
    { message: 'disk full' },
  );
}

test('a version that was written over meanwhile is still being sent after a rollback', async (t) => {
  const bench = await open(t);
  bench.inodes.add(1, null);
  await bench.write(1, 0, 'first version');
  const snapshot = (await bench.store.snapshot(1)) ?? assert.fail('no version');
  const content = bench.remote.put('a', 'first version');
  await bench.write(1, 0, 'FIRST');
  failing(bench, () => {
    assert.equal(snapshot.committed(content).clean, false);
  });
  assert.equal(await bench.readText(1), 'FIRST version');
  await bench.write(1, 6, 'VERSION, longer');
  await bench.store.commit(1);
  const sent = new Uint8Array(13);
  await snapshot.read(0, sent);
  assert.equal(Buffer.from(sent).toString(), 'first version');
  await assert.rejects(async () => bench.store.snapshot(1), { code: 'EAGAIN' });
  bench.database.transaction(() => snapshot.committed(content));
  bench.inodes.bases.set(1, content);
  assert.equal(await bench.readText(1), 'FIRST VERSION, longer');
  await bench.restart();
  assert.equal(await bench.readText(1), 'FIRST VERSION, longer');
  assert.equal(bench.remote.fetchedBytes, 0);
});

test('after a rollback a version can be given up as well', async (t) => {
  const bench = await open(t);
  bench.inodes.add(1, null);
  await bench.write(1, 0, 'version');
  const snapshot = (await bench.store.snapshot(1)) ?? assert.fail('no version');
  failing(bench, () => snapshot.committed(bench.remote.put('a', 'version')));
  await snapshot.abandoned();
  assert.equal(await bench.readText(1), 'version');
  assert.equal((await bench.send(1))?.clean, true);
});

test('a version of a file that was removed meanwhile can be ended after a rollback', async (t) => {
  const bench = await open(t);
  bench.inodes.add(1, null);
  await bench.write(1, 0, 'version');
  const snapshot = (await bench.store.snapshot(1)) ?? assert.fail('no version');
  bench.store.forget(1);
  failing(bench, () => snapshot.committed(bench.remote.put('a', 'version')));
  await snapshot.abandoned();
  assert.equal(bench.store.isStaged(1), false);
});
