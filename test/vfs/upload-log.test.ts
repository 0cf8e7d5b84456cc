// The persistent log of changes of names: what overlaps, where things are now, and that size does not make it slow.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { silentLog } from '../../src/shared/log.ts';
import {
  openCatalogueDatabase,
  type OpenCatalogueDatabase,
} from '../../src/vfs/storage/catalogue-database.ts';
import { UploadLog } from '../../src/vfs/uploads/upload-log.ts';
import { MoveMap } from '../../src/vfs/uploads/upload-moves.ts';
import { HeldPaths, PathCounts } from '../../src/vfs/uploads/upload-paths.ts';
import { withUploadWorld } from '../support/upload-world.ts';
import { settle } from '../support/manual-clock.ts';
import { hubError } from '../support/memory-remote-store.ts';

const path = fc
  .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('/'));

function overlap(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
}

test('counts of overlapping paths equal those of a plain list', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(path, fc.boolean()), { maxLength: 40 }), path, (changes, asked) => {
      const counts = new PathCounts();
      const held = new HeldPaths();
      const list: string[] = [];
      for (const [one, removing] of changes) {
        const index = list.indexOf(one);
        if (removing && index >= 0) {
          list.splice(index, 1);
          counts.remove(one);
          held.remove(one, 7);
        } else if (!removing) {
          list.push(one);
          counts.add(one);
          held.add(one, 7);
        }
      }
      const expected = list.filter((one) => overlap(one, asked)).length;
      assert.equal(counts.overlaps(asked), expected);
      assert.equal(held.holderOf(asked), expected > 0 ? 7 : null);
    }),
  );
});

test('a path is mapped back through moves as a tree of names would show', () => {
  const move = fc.record({ from: path, to: path, tree: fc.boolean() });
  fc.assert(
    fc.property(fc.array(move, { maxLength: 12 }), (moves) => {
      // Names now → names on the Hub, moved along like a file system would.
      const universe = ['a', 'a/b', 'a/b/c', 'b', 'b/a', 'c/c', 'c/a/b'];
      let names = new Map(universe.map((name) => [name, name]));
      const map = new MoveMap();
      for (const [seq, { from, to, tree }] of moves.entries()) {
        const isUsed = [...names.keys()].some((name) => overlap(name, to));
        const isThere = [...names.keys()].some(
          (name) => name === from || (tree && name.startsWith(`${from}/`)),
        );
        if (overlap(from, to) || isUsed || !isThere) continue;
        map.add(seq, from, to, tree, false);
        names = new Map(
          [...names].map(([name, was]) => {
            const moved = name === from || (tree && name.startsWith(`${from}/`));
            return [moved ? to + name.slice(from.length) : name, was];
          }),
        );
      }
      for (const [name, was] of names) assert.equal(map.pathNow(name), was);
    }),
  );
});

async function withDatabase(work: (database: OpenCatalogueDatabase) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hubdrive-log-'));
  const database = openCatalogueDatabase(join(folder, 'catalogue.db'));
  try {
    await work(database);
  } finally {
    await database.close();
    rmSync(folder, { recursive: true });
  }
}

test('every kind of operation survives a restart as it was', () =>
  withDatabase((database) => {
    const content = { key: 'xet:1', sizeBytes: 5, path: 'p' };
    const log = new UploadLog(database, silentLog);
    log.append({ type: 'delete', path: 'a', expect: 'xet:0' });
    log.append({ type: 'move', from: 'b', to: 'c', content, mtimeMs: 12.5, expectTo: null });
    log.append({ type: 'moveTree', from: 'd', to: 'e' });
    log.append({ type: 'copy', path: 'f', content, mtimeMs: 3 }, 'xet:2');
    const again = new UploadLog(database, silentLog);
    assert.deepEqual(again.first(10), [
      { seq: 1, holder: 0, type: 'delete', path: 'a', expect: 'xet:0' },
      { seq: 2, holder: 0, type: 'move', from: 'b', to: 'c', content, mtimeMs: 12.5, expectTo: null },
      { seq: 3, holder: 0, type: 'moveTree', from: 'd', to: 'e', deleting: false },
      { seq: 4, holder: 0, type: 'copy', path: 'f', content, mtimeMs: 3, expect: 'xet:2' },
    ]);
    assert.equal(again.pathNow('e/x'), 'd/x');
    assert.equal(again.count, 4);
  }));

test('an operation whose transaction rolls back was never logged', () =>
  withDatabase((database) => {
    const log = new UploadLog(database, silentLog);
    assert.throws(() =>
      database.transaction(() => {
        log.append({ type: 'moveTree', from: 'd', to: 'e' });
        assert.equal(log.overlaps('e/x'), 1);
        throw new Error('disk full');
      }),
    );
    assert.equal(log.count, 0);
    assert.equal(log.overlaps('e/x'), 0);
    assert.equal(log.pathNow('e/x'), 'e/x');
  }));

test('a damaged row is set aside, named in the log, and the rest works', () =>
  withDatabase((database) => {
    const log = new UploadLog(database, silentLog);
    log.append({ type: 'delete', path: 'a', expect: 'xet:0' });
    log.append({ type: 'delete', path: 'b', expect: 'xet:0' });
    database.handle.exec("UPDATE upload_log SET type = 'nonsense' WHERE seq = 1");
    const errors: unknown[] = [];
    const again = new UploadLog(database, {
      ...silentLog,
      error: (_message, fields) => void errors.push(fields),
    });
    assert.deepEqual(errors, [{ seq: 1 }]);
    assert.deepEqual(
      again.ready(9, 9).map(({ seq }) => seq),
      [2],
    );
    assert.equal(again.count, 1);
    const kept = database.handle.prepare('SELECT count(*) AS rows FROM upload_log').get();
    assert.equal(kept?.['rows'], 2);
  }));

test('forty thousand operations behind one that fails are worked without reading them again and again', () =>
  withUploadWorld(async (world) => {
    const count = 40_000;
    world.seed({ 'stuck/file': 'x' });
    world.remote.refuse('stuck/file', hubError('forbidden', false), Infinity);
    world.remove('stuck/file');
    const startedAt = performance.now();
    world.database.transaction(() => {
      for (let index = 0; index < count; index += 1) {
        // Below the stuck file, so that each must wait for it.
        world.queue.log({ type: 'delete', path: `stuck/file/${index % 100}/${index}`, expect: 'xet:gone' });
      }
    });
    const loggedAt = performance.now();
    assert.equal(world.queue.isPathPending('stuck/file/7/7'), true);
    await world.clock.advanceAsync(3000);
    await settle(400);
    const heldAt = performance.now();
    // While they wait, other work is not slowed by them.
    for (let index = 0; index < 20; index += 1) {
      world.write(`free ${index}`, 'x');
      await world.clock.advanceAsync(2100);
      await settle(20);
      assert.equal(world.remote.text(`free ${index}`), 'x');
    }
    const workedAt = performance.now();
    world.remote.endFaults();
    await world.quiet();
    const doneAt = performance.now();
    // Generous: twenty times what an idle machine takes, and far below what reading all of them each time would.
    assert.ok(loggedAt - startedAt < 15_000, `logged in ${loggedAt - startedAt} ms`);
    assert.ok(heldAt - loggedAt < 15_000, `held in ${heldAt - loggedAt} ms`);
    assert.ok(workedAt - heldAt < 5000, `worked in ${workedAt - heldAt} ms`);
    assert.ok(doneAt - workedAt < 40_000, `done in ${doneAt - workedAt} ms`);
  }));
