// A full disk, seen by an NFS client of the real engine: clean cache gives way first, then NOSPC and one plain sentence, what was
// acknowledged stays, and everything goes on when there is room.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pattern } from '../support/content-bench.ts';
import { NfsFailure } from '../support/nfs-client.ts';
import { bucket, CrashWorld } from './crash-world.ts';
import type { LedgerFile } from './ledger.ts';

async function refused(work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => error instanceof NfsFailure && error.statusName === 'NOSPC');
}

/** A WRITE that is refused has changed nothing: the ledger must not hear of it. */
function writeInVain(world: CrashWorld, file: LedgerFile, offset: number, data: Buffer): Promise<unknown> {
  return world.client.write(file.handle ?? assert.fail(), offset, data);
}

test('a full disk takes the cache, then refuses, damages nothing, and recovers', async (t) => {
  const world = await CrashWorld.open();
  t.after(() => world.dispose());
  await world.mkdir('docs');
  const cached = pattern(600_000, 1);
  await world.putTheirs('docs/cached', cached);
  await world.engine.order({ type: 'room', freeBytes: 1_000_000 });
  await world.refresh();
  const docs = await world.client.walk(world.root, 'docs');
  const handle = await world.client.lookup(docs, 'cached');
  assert.ok((await world.client.readAll(handle)).equals(cached));

  const saved = await world.store('docs/saved', pattern(300_000, 2));
  // 100,000 bytes are left: the cache must go.
  const large = await world.store('docs/large', pattern(500_000, 3));
  assert.deepEqual(
    (await world.events()).filter(({ kind }) => kind === 'ERROR'),
    [],
  );
  assert.ok((await world.client.readAll(handle)).equals(cached), 'what left the cache comes from the Hub');

  await world.engine.order({ type: 'room', freeBytes: 0 });
  const refusedFile = await world.create('docs/refused');
  for (let count = 0; count < 5; count += 1) {
    await refused(writeInVain(world, refusedFile, 0, pattern(700_000, 4)));
    await refused(writeInVain(world, saved, 1000, pattern(700_000, 4)));
  }
  const told = (await world.events()).filter(({ detail }) => /The disk that holds .* is full/.test(detail));
  assert.equal(told.filter(({ kind }) => kind === 'ERROR').length, 1, 'told once in the activity');
  assert.equal(told.filter(({ kind }) => kind === 'error').length, 1, 'told once in the log');
  await world.checkFiles(['docs/saved', 'docs/large', 'docs/refused']);

  // What can be sent while the disk is full is sent; then a crash.
  await world.engine.kill();
  await world.client.close();
  await world.restart();
  await world.checkFiles(['docs/saved', 'docs/large', 'docs/refused']);

  // The new process has room.
  await world.write(refusedFile, 0, pattern(700_000, 5));
  await world.commit(refusedFile);
  await world.write(large, 100, pattern(1000, 6));
  await world.commit(large);
  await world.flush();
  for (const [path, file] of world.ledger.names.files) {
    const onHub = await world.hub.content.readFile(bucket, path);
    assert.ok(onHub?.equals(file.bytes), `"${path}" on the Hub`);
  }
});

test('space that returns while the engine runs is used without a restart', async (t) => {
  const world = await CrashWorld.open();
  t.after(() => world.dispose());
  await world.mkdir('docs');
  const file = await world.store('docs/file', pattern(100_000, 1));
  await world.engine.order({ type: 'room', freeBytes: 0 });
  await refused(writeInVain(world, file, 50_000, pattern(1000, 2)));
  await world.engine.order({ type: 'room', freeBytes: 1_000_000 });
  await world.write(file, 50_000, pattern(1000, 3));
  await world.commit(file);
  await world.engine.order({ type: 'room', freeBytes: 0 });
  await refused(writeInVain(world, file, 0, pattern(1000, 4)));
  await world.flush();
  await world.checkHub();
  const told = (await world.events()).filter(
    ({ kind, detail }) => kind === 'ERROR' && /is full/.test(detail),
  );
  assert.equal(told.length, 2, 'told again after it had recovered');
});

test('a catalogue that cannot grow refuses changes of names and data with NOSPC and stays as it was', async (t) => {
  const world = await CrashWorld.open();
  t.after(() => world.dispose());
  await world.mkdir('docs');
  await world.mkdir('other');
  const file = await world.store('docs/file', pattern(50_000, 1));
  await world.flush();
  const other = await world.store('docs/unsent', pattern(6000, 2));
  const docs = await world.client.walk(world.root, 'docs');
  const elsewhere = await world.client.walk(world.root, 'other');
  await world.engine.order({ type: 'room', freeBytes: null, isCatalogueFull: true });
  await refused(world.client.create(docs, 'new'));
  await refused(world.client.mkdir(docs, 'new folder'));
  await refused(world.client.rename(docs, 'file', elsewhere, 'moved'));
  await refused(world.client.remove(docs, 'unsent'));
  await refused(world.client.setattr(other.handle ?? assert.fail(), { size: 10 }));
  await refused(writeInVain(world, file, 100, pattern(500, 3)));
  const told = (await world.events()).filter(
    ({ kind, detail }) => kind === 'ERROR' && /is full/.test(detail),
  );
  assert.equal(told.length, 2, 'told once for names and once for data');
  await world.checkMount('docs');
  await world.checkMount('other');
  assert.ok((await world.client.readAll(other.handle ?? assert.fail())).equals(pattern(6000, 2)));
  await world.engine.order({ type: 'room', freeBytes: null });
  await world.rename('docs/file', 'other/moved');
  await world.truncate(other, 10);
  await world.write(file, 100, pattern(500, 3));
  await world.commit(file);
  await world.flush();
  await world.checkMount('docs');
  await world.checkMount('other');
  await world.checkHub();
});
