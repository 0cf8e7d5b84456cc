// SETATTR changes content, size and attributes together or not at all, whatever happens to the catalogue.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { OpenCatalogueDatabase } from '../../src/vfs/storage/catalogue-database.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { FsHarness, owner } from '../support/virtual-fs-harness.ts';

/** A catalogue in which all transactions after the next `allowed` ones fail as on a full disk. */
class FailingCatalogue {
  allowed = Infinity;

  readonly wrap = (database: OpenCatalogueDatabase): OpenCatalogueDatabase => {
    let depth = 0;
    return {
      handle: database.handle,
      transaction: (work) => {
        depth += 1;
        try {
          return database.transaction(() => {
            const value = work();
            if (depth === 1 && this.allowed-- <= 0)
              throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
            return value;
          });
        } finally {
          depth -= 1;
        }
      },
      afterCommit: (callback) => database.afterCommit(callback),
      onRollback: (callback) => database.onRollback(callback),
      sync: () => database.sync(),
      close: () => database.close(),
    };
  };
}

async function open(t: TestContext): Promise<{ h: FsHarness; catalogue: FailingCatalogue }> {
  const catalogue = new FailingCatalogue();
  const remote = new MemoryRemoteStore();
  remote.put('clean', 'as on the Hub');
  return { h: await FsHarness.open(t, remote, { wrapDatabase: catalogue.wrap }), catalogue };
}

for (const path of ['staged', 'clean']) {
  for (const sizeBytes of [0, 4, 100]) {
    test(`a truncation of a ${path} file to ${sizeBytes} bytes is done or not, never half`, async (t) => {
      const { h, catalogue } = await open(t);
      await h.write('staged', 'not sent yet');
      h.fs.uploads.pause();
      const before = await h.read(path);
      const { ino } = await h.lookup(path);
      for (const allowed of [0, 1, 2]) {
        catalogue.allowed = allowed;
        let isDone = true;
        try {
          await h.fs.setAttributes(ino, { sizeBytes }, owner);
        } catch {
          isDone = false;
        }
        catalogue.allowed = Infinity;
        const after = before.slice(0, sizeBytes).padEnd(sizeBytes, '\0');
        assert.equal(await h.read(path), isDone ? after : before);
        await h.crash();
        assert.equal(await h.read(path), isDone ? after : before, 'after a crash');
        if (isDone) return;
      }
      assert.fail('it was never done');
    });
  }
}
