// Changes of names that arrive in one turn: they share a transaction, and each has its own outcome whatever becomes of the others.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Attributes } from '../../src/vfs/file-system.ts';
import type { OpenCatalogueDatabase } from '../../src/vfs/storage/catalogue-database.ts';
import type { VirtualFs } from '../../src/vfs/virtual-fs.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { FsHarness, owner } from '../support/virtual-fs-harness.ts';

const unchecked = { type: 'unchecked', attributes: {} } as const;
const emptied = { type: 'unchecked', attributes: { sizeBytes: 0 } } as const;
const guarded = { type: 'guarded', attributes: {} } as const;

/** Counts outermost transactions, and lets the next ones fail when they commit. */
class WatchedCatalogue {
  committed = 0;
  failures: Error[] = [];

  readonly wrap = (database: OpenCatalogueDatabase): OpenCatalogueDatabase => {
    let depth = 0;
    const transaction = database.transaction.bind(database);
    database.transaction = (work) => {
      depth += 1;
      try {
        const result = transaction(() => {
          const value = work();
          const failure = depth === 1 ? this.failures.shift() : undefined;
          if (failure !== undefined) throw failure;
          return value;
        });
        if (depth === 1) this.committed += 1;
        return result;
      } finally {
        depth -= 1;
      }
    };
    return database;
  };
}

interface World {
  readonly h: FsHarness;
  readonly catalogue: WatchedCatalogue;
  readonly root: number;
}

async function open(t: TestContext, remote = new MemoryRemoteStore()): Promise<World> {
  const catalogue = new WatchedCatalogue();
  const h = await FsHarness.open(t, remote, { wrapDatabase: catalogue.wrap });
  await h.names();
  h.fs.uploads.pause();
  return { h, catalogue, root: h.fs.rootIno };
}

/** 'ok', or the code of the error. */
async function outcomes(changes: readonly unknown[]): Promise<string[]> {
  const settled = await Promise.allSettled(changes);
  return settled.map((result) => {
    if (result.status === 'fulfilled') return 'ok';
    const error: unknown = result.reason;
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  });
}

async function stateOf(h: FsHarness): Promise<Record<string, Attributes>> {
  const state: Record<string, Attributes> = { '': await h.lookup('') };
  for (const name of await h.names()) state[name] = await h.lookup(name);
  return state;
}

/** Nothing in memory differs from what another process would find. */
async function checkStored(h: FsHarness): Promise<void> {
  const before = await stateOf(h);
  await h.crash();
  assert.deepEqual(await stateOf(h), before);
}

/** Of these names, every one of `failing` fails after its first step. */
function failLate(fs: VirtualFs, failing: ReadonlySet<string>): void {
  const { uploads } = fs;
  const noteChanged = uploads.noteChanged.bind(uploads);
  uploads.noteChanged = (ino) => {
    if (failing.has(fs.pathOf(ino) ?? '')) throw new Error('failed late');
    noteChanged(ino);
  };
}

test('changes of one turn share a transaction, and those of the next have their own', async (t) => {
  const { h, catalogue, root } = await open(t);
  const before = catalogue.committed;
  await Promise.all(['a', 'b', 'c', 'd'].map((name) => h.fs.create(root, name, unchecked, owner)));
  assert.equal(catalogue.committed, before + 1);
  await Promise.all([
    h.fs.remove(root, 'a'),
    h.fs.makeDirectory(root, 'e', {}, owner),
    h.fs.makeSymlink(root, 'f', 'b', {}, owner),
    h.fs.link(await h.ino('b'), root, 'g'),
  ]);
  // The look-up of b ends a turn.
  assert.equal(catalogue.committed, before + 3);
  assert.deepEqual(await h.names(), ['b', 'c', 'd', 'e', 'f', 'g']);
  await checkStored(h);
});

test('each change of a turn sees those before it, and fails or succeeds by itself', async (t) => {
  const { h, catalogue, root } = await open(t);
  await h.mkdir('folder');
  const before = catalogue.committed;
  const results = await outcomes([
    h.fs.create(root, 'a', guarded, owner),
    h.fs.create(root, 'a', guarded, owner),
    h.fs.remove(root, 'missing'),
    h.fs.remove(root, 'a'),
    h.fs.remove(root, 'a'),
    h.fs.create(root, 'a', guarded, owner),
    h.fs.removeDirectory(root, 'folder'),
    h.fs.create(root, 'x'.repeat(300), guarded, owner),
    h.fs.makeDirectory(root, 'folder', {}, owner),
  ]);
  assert.deepEqual(results, ['ok', 'EEXIST', 'ENOENT', 'ok', 'ENOENT', 'ok', 'ok', 'ENAMETOOLONG', 'ok']);
  assert.equal(catalogue.committed, before + 1);
  assert.deepEqual(await h.names(), ['a', 'folder']);
  await checkStored(h);
});

test('a change that fails after its first step is undone, and no other with it', async (t) => {
  const { h, root } = await open(t);
  await h.write('old', 'unsent');
  failLate(h.fs, new Set(['bad', 'worse']));
  const results = await outcomes([
    h.fs.create(root, 'a', unchecked, owner),
    h.fs.create(root, 'bad', unchecked, owner),
    h.fs.remove(root, 'old'),
    h.fs.makeDirectory(root, 'folder', {}, owner),
    h.fs.create(root, 'worse', unchecked, owner),
    h.fs.create(root, 'b', unchecked, owner),
    h.fs.create(root, 'old', guarded, owner),
  ]);
  assert.deepEqual(results, ['ok', 'Error: failed late', 'ok', 'ok', 'Error: failed late', 'ok', 'ok']);
  assert.deepEqual(await h.names(), ['a', 'b', 'folder', 'old']);
  assert.equal(await h.read('old'), '');
  await checkStored(h);
});

test('where the catalogue has no room for all, each tries by itself', async (t) => {
  const { h, catalogue, root } = await open(t);
  catalogue.failures = [Object.assign(new Error('database or disk is full'), { errcode: 13 })];
  const names = ['a', 'b', 'c'];
  const before = catalogue.committed;
  assert.deepEqual(await outcomes(names.map((name) => h.fs.create(root, name, unchecked, owner))), [
    'ok',
    'ok',
    'ok',
  ]);
  assert.equal(catalogue.committed, before + 3);
  assert.deepEqual(await h.names(), names);
  await checkStored(h);
});

test('where the transaction fails for good all of it fails, and nothing has happened', async (t) => {
  const { h, catalogue, root } = await open(t);
  await h.write('kept', 'unsent');
  const before = await stateOf(h);
  const pending = h.fs.uploads.pending();
  catalogue.failures = [new Error('disk I/O error')];
  const results = await outcomes([
    h.fs.create(root, 'a', unchecked, owner),
    h.fs.remove(root, 'kept'),
    h.fs.remove(root, 'missing'),
  ]);
  assert.deepEqual(results, Array(3).fill('Error: disk I/O error'));
  assert.deepEqual(await stateOf(h), before);
  assert.deepEqual(h.fs.uploads.pending(), pending);
  assert.equal(await h.read('kept'), 'unsent');
  await checkStored(h);
});

test('a change that waits for a listing keeps no other waiting, and is done once', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('unlisted/x', 'X');
  const { h, root } = await open(t, remote);
  const unlisted = await h.ino('unlisted');
  failLate(h.fs, new Set(['bad']));
  const hold = remote.hold('list');
  const waiting = h.fs.create(unlisted, 'new', guarded, owner);
  const results = await outcomes([
    h.fs.create(root, 'a', guarded, owner),
    h.fs.create(root, 'bad', guarded, owner),
  ]);
  assert.deepEqual(results, ['ok', 'Error: failed late']);
  hold.release();
  await waiting;
  assert.deepEqual(await h.names('unlisted'), ['new', 'x']);
  await checkStored(h);
});

test('a file that is emptied by being made again is emptied once, beside changes of names', async (t) => {
  const { h, root } = await open(t);
  await h.write('full', 'unsent');
  const results = await outcomes([
    h.fs.create(root, 'a', emptied, owner),
    h.fs.create(root, 'full', emptied, owner),
    h.fs.create(root, 'a', emptied, owner),
    h.fs.create(root, 'b', { type: 'unchecked', attributes: { sizeBytes: 10 } }, owner),
  ]);
  assert.deepEqual(results, ['ok', 'ok', 'ok', 'ok']);
  assert.equal(await h.read('full'), '');
  assert.equal(await h.read('b'), '\0'.repeat(10));
  await checkStored(h);
});

test('more changes than fit into one transaction are all done', async (t) => {
  const { h, catalogue, root } = await open(t);
  const before = catalogue.committed;
  const names = Array.from({ length: 150 }, (_, index) => `file-${String(index).padStart(3, '0')}`);
  await Promise.all(names.map((name) => h.fs.create(root, name, unchecked, owner)));
  assert.equal(catalogue.committed, before + 3);
  assert.deepEqual(await h.names(), names);
  await checkStored(h);
});
