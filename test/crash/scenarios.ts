// The operations of the crash matrix: what each needs beforehand, and the work under which the engine is killed. Used by the crash
// tests. Every one works in a folder of its own.

import assert from 'node:assert/strict';
import { pattern } from '../support/content-bench.ts';
import type { CrashWorld } from './crash-world.ts';
import { digestOf } from './ledger.ts';

export interface Scenario {
  readonly name: string;
  /** What is there, acknowledged and perhaps on the Hub, before. */
  prepare(world: CrashWorld, folder: string, seed: number): Promise<void>;
  act(world: CrashWorld, folder: string, seed: number): Promise<void>;
  /** Judges instead of the ledger, and takes the folder out of it. */
  judge?(world: CrashWorld, folder: string, seed: number): Promise<void>;
}

const none = (): Promise<void> => Promise.resolve();

export const localScenarios: readonly Scenario[] = [
  {
    name: 'create',
    prepare: none,
    act: async (world, folder) => {
      await world.create(`${folder}/new`);
    },
  },
  {
    name: 'write and commit a new file',
    prepare: async (world, folder) => {
      await world.create(`${folder}/file`);
    },
    act: async (world, folder, seed) => {
      const file = world.ledger.file(`${folder}/file`);
      await world.write(file, 0, pattern(9000, seed));
      await world.commit(file);
      await world.write(file, 5000, pattern(70_000, seed + 1));
      await world.commit(file);
    },
  },
  {
    name: 'FILE_SYNC write into a file of the Hub',
    prepare: async (world, folder, seed) => {
      await world.store(`${folder}/file`, pattern(100_000, seed));
      await world.flush();
    },
    act: async (world, folder, seed) => {
      const file = world.ledger.file(`${folder}/file`);
      await world.write(file, 40_000, pattern(3000, seed + 1), 2);
      await world.write(file, 99_000, pattern(4000, seed + 2), 2);
    },
  },
  {
    name: 'truncate',
    prepare: async (world, folder, seed) => {
      await world.store(`${folder}/local`, pattern(30_000, seed));
      await world.store(`${folder}/hub`, pattern(40_000, seed + 1));
      await world.flush();
      const file = world.ledger.file(`${folder}/local`);
      await world.write(file, 1000, pattern(2000, seed + 2));
      await world.commit(file);
    },
    act: async (world, folder, seed) => {
      const local = world.ledger.file(`${folder}/local`);
      const hub = world.ledger.file(`${folder}/hub`);
      await world.truncate(local, 12_345);
      await world.truncate(hub, 60_000);
      await world.write(hub, 55_000, pattern(6000, seed + 3));
      await world.commit(hub);
      await world.truncate(local, 0);
      await world.write(local, 10, pattern(100, seed + 4));
      await world.commit(local);
    },
  },
  {
    name: 'rename a file',
    prepare: async (world, folder, seed) => {
      await world.store(`${folder}/hub`, pattern(5000, seed));
      await world.mkdir(`${folder}/other`);
      await world.flush();
      await world.store(`${folder}/local`, pattern(6000, seed + 1));
    },
    act: async (world, folder) => {
      await world.rename(`${folder}/hub`, `${folder}/hub renamed`);
      await world.rename(`${folder}/local`, `${folder}/other/local`);
    },
  },
  {
    name: 'rename over an existing file',
    prepare: async (world, folder, seed) => {
      await world.store(`${folder}/document`, pattern(20_000, seed));
      await world.flush();
      await world.store(`${folder}/document.tmp`, pattern(21_000, seed + 1));
    },
    act: async (world, folder) => {
      await world.rename(`${folder}/document.tmp`, `${folder}/document`);
    },
  },
  {
    name: 'rename a folder',
    prepare: async (world, folder, seed) => {
      await world.mkdir(`${folder}/from`);
      await world.mkdir(`${folder}/from/deep`);
      await world.store(`${folder}/from/one`, pattern(3000, seed));
      await world.store(`${folder}/from/deep/two`, pattern(4000, seed + 1));
      await world.flush();
      await world.store(`${folder}/from/unsent`, pattern(5000, seed + 2));
    },
    act: async (world, folder) => {
      await world.rename(`${folder}/from`, `${folder}/to`);
    },
  },
  {
    name: 'unlink',
    prepare: async (world, folder, seed) => {
      await world.store(`${folder}/hub`, pattern(7000, seed));
      await world.store(`${folder}/edited`, pattern(8000, seed + 1));
      await world.flush();
      await world.store(`${folder}/local`, pattern(9000, seed + 2));
      const edited = world.ledger.file(`${folder}/edited`);
      await world.write(edited, 100, pattern(200, seed + 3), 2);
    },
    act: async (world, folder) => {
      await world.unlink(`${folder}/local`);
      await world.unlink(`${folder}/edited`);
      await world.unlink(`${folder}/hub`);
    },
  },
];

export const uploadScenarios: readonly Scenario[] = [
  {
    name: 'upload a new file',
    prepare: async (world, folder, seed) => {
      await world.store(`${folder}/file`, pattern(300_000, seed));
    },
    act: (world) => world.flush(),
  },
  {
    name: 'upload an edit',
    prepare: async (world, folder, seed) => {
      const file = await world.store(`${folder}/file`, pattern(400_000, seed));
      await world.flush();
      await world.write(file, 200_000, pattern(5000, seed + 1));
      await world.commit(file);
    },
    act: (world) => world.flush(),
  },
  {
    name: 'upload while the file is written again',
    prepare: async (world, folder, seed) => {
      const file = await world.store(`${folder}/file`, pattern(200_000, seed));
      await world.flush();
      await world.write(file, 0, pattern(150_000, seed + 1));
      await world.commit(file);
    },
    act: async (world, folder, seed) => {
      const file = world.ledger.file(`${folder}/file`);
      const flushing = world.flush();
      const writing = (async () => {
        for (let count = 2; count < 8; count += 1) {
          await world.write(file, count * 30_000, pattern(20_000, seed + count));
          if (count % 2 === 0) await world.commit(file);
        }
      })();
      const failed = (await Promise.allSettled([flushing, writing])).find(
        ({ status }) => status === 'rejected',
      );
      if (failed?.status === 'rejected') throw failed.reason;
    },
  },
];

export const batchScenarios: readonly Scenario[] = [
  {
    name: 'batch of adds, moves and deletes',
    prepare: async (world, folder, seed) => {
      for (const [index, name] of ['kept', 'moved', 'replaced', 'deleted'].entries()) {
        await world.store(`${folder}/${name}`, pattern(4000 + index, seed + index));
      }
      await world.flush();
      await world.store(`${folder}/replacement`, pattern(6000, seed + 5));
      await world.rename(`${folder}/replacement`, `${folder}/replaced`);
      await world.rename(`${folder}/moved`, `${folder}/moved here`);
      await world.unlink(`${folder}/deleted`);
      await world.store(`${folder}/deleted`, pattern(100, seed + 6));
      await world.store(`${folder}/empty`, Buffer.alloc(0));
    },
    act: (world) => world.flush(),
  },
  {
    name: 'rename of a folder on the Hub',
    prepare: async (world, folder, seed) => {
      await world.mkdir(`${folder}/from`);
      for (let index = 0; index < 5; index += 1) {
        await world.store(`${folder}/from/${index}`, pattern(1000 + index, seed + index));
      }
      await world.flush();
      const edited = world.ledger.file(`${folder}/from/3`);
      await world.write(edited, 500, pattern(800, seed + 6), 2);
      await world.rename(`${folder}/from`, `${folder}/to`);
    },
    act: (world) => world.flush(),
  },
  {
    name: 'upload of what another client changed as well',
    prepare: async (world, folder, seed) => {
      const file = await world.store(`${folder}/file`, pattern(50_000, seed));
      await world.flush();
      await world.write(file, 10_000, pattern(5000, seed + 1));
      await world.commit(file);
      await world.putTheirs(`${folder}/file`, pattern(51_000, seed + 2));
    },
    act: (world) => world.flush(),
    judge: async (world, folder, seed) => {
      const ours = world.ledger.file(`${folder}/file`);
      const expected = [digestOf(ours.bytes), digestOf(pattern(51_000, seed + 2))].sort();
      await world.flush();
      const hub = await world.hubDigests(folder);
      assert.deepEqual([...hub.values()].sort(), expected, 'both versions are on the Hub, and nothing else');
      assert.equal(hub.get(`${folder}/file`), digestOf(pattern(51_000, seed + 2)), 'theirs keeps the name');
      assert.deepEqual(await world.mountDigests(folder), hub);
      const found = await world.client.readAll(ours.handle ?? assert.fail());
      assert.ok(found.equals(ours.bytes), 'the old handle has what was written here');
      world.forget(folder);
    },
  },
];
