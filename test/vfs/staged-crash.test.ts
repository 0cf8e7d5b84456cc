// Every named step of staging is a point where the process may be killed or the power may fail. At each one this takes the
// folders as they would be found, opens a store on them, and judges every byte.

import assert from 'node:assert/strict';
import {
  cpSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { OpenCatalogueDatabase } from '../../src/vfs/storage/catalogue-database.ts';
import type { DiskStep } from '../../src/vfs/storage/staging-disk.ts';
import { nodeDisk } from '../../src/vfs/storage/staging-disk.ts';
import { ContentBench, TestInodes, pattern } from '../support/content-bench.ts';
import { ContentHistory, resized } from '../support/content-history.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';

/** Enough to catch a step in each of its situations here; each image costs a start. */
const imagesPerStep = 4;
const catalogueFiles = ['catalogue.db', 'catalogue.db-wal', 'catalogue.db-shm'];

interface Image {
  readonly name: string;
  readonly folder: string;
  readonly inodes: TestInodes;
  readonly histories: Map<number, ContentHistory>;
}

/** Remembers what had reached the disk: file data by `fdatasync`, the catalogue by `sync`. */
class Durability {
  readonly folder = mkdtempSync(join(tmpdir(), 'hubdrive-durable-'));
  /** By inode number of this machine's file system. */
  readonly #synced = new Map<number, Buffer>();
  readonly #syncedNames = new Set<string>();
  #database: string | null = null;
  #copies = 0;

  readonly disk = {
    syncData: async (descriptor: number): Promise<void> => {
      const { ino, size } = fstatSync(descriptor);
      const bytes = Buffer.alloc(size);
      nodeDisk.read(descriptor, bytes, 0, size, 0);
      await nodeDisk.syncData(descriptor);
      this.#synced.set(ino, bytes);
    },
    syncDirectory: async (path: string): Promise<void> => {
      const names = readdirSync(path);
      await nodeDisk.syncDirectory(path);
      for (const name of names) this.#syncedNames.add(name);
    },
  };

  watch(database: OpenCatalogueDatabase, folder: string): void {
    const sync = database.sync.bind(database);
    Object.assign(database, {
      sync: async () => {
        const copy = join(this.folder, `database-${this.#copies++}`);
        mkdirSync(copy);
        copyCatalogue(folder, copy);
        await sync();
        this.#database = copy;
      },
    });
  }

  /** Puts into `image` the data that surely survives, instead of what the page cache has. */
  loseUnsyncedData(image: string, original: string): void {
    for (const folder of [
      'staging',
      ...readdirSync(join(original, 'cache')).map((name) => join('cache', name)),
    ]) {
      if (!statSync(join(original, folder)).isDirectory()) continue;
      for (const name of readdirSync(join(original, folder))) {
        if (folder === 'staging' && !this.#syncedNames.has(name)) {
          rmSync(join(image, folder, name));
          continue;
        }
        const bytes = this.#synced.get(statSync(join(original, folder, name)).ino);
        writeFileSync(join(image, folder, name), bytes ?? '');
      }
    }
  }

  loseUnsyncedCatalogue(image: string): void {
    for (const name of catalogueFiles) rmSync(join(image, name), { force: true });
    if (this.#database !== null) copyCatalogue(this.#database, image);
  }
}

function copyCatalogue(from: string, to: string): void {
  for (const name of readdirSync(from)) {
    if (catalogueFiles.includes(name)) writeFileSync(join(to, name), readFileSync(join(from, name)));
  }
}

class CrashRun {
  readonly images: Image[] = [];
  readonly seen = new Set<DiskStep>();
  readonly remote = new MemoryRemoteStore();
  readonly inodes = new TestInodes();
  readonly histories = new Map<number, ContentHistory>();
  readonly durability = new Durability();
  bench: ContentBench | null = null;
  readonly #counts = new Map<DiskStep, number>();

  async open(): Promise<ContentBench> {
    this.bench = await ContentBench.open({
      remote: this.remote,
      inodes: this.inodes,
      disk: this.durability.disk,
      onStep: (name) => this.#photograph(name),
      onDatabase: (database, folder) => this.durability.watch(database, folder),
    });
    return this.bench;
  }

  add(ino: number, bytes: Buffer | null): void {
    this.inodes.add(ino, bytes === null ? null : this.remote.put(`file-${ino}`, bytes));
    this.histories.set(ino, new ContentHistory(bytes ?? Buffer.alloc(0)));
  }

  history(ino: number): ContentHistory {
    return this.histories.get(ino) ?? assert.fail();
  }

  async write(ino: number, offset: number, data: Buffer): Promise<void> {
    const { bytes } = this.history(ino);
    const size = Math.max(bytes.length, offset + data.length);
    // The namespace may have made the new size durable before the data: the worst case is that it has.
    this.inodes.sizes.set(ino, size);
    this.history(ino).change(resized(bytes, size));
    this.history(ino).write(offset, data);
    await this.bench?.store.write(ino, offset, data);
  }

  async truncate(ino: number, size: number): Promise<void> {
    this.history(ino).change(resized(this.history(ino).bytes, size));
    this.inodes.sizes.set(ino, size);
    await this.bench?.store.truncate(ino, size);
  }

  async commit(ino: number): Promise<void> {
    const { bytes } = this.history(ino);
    await this.bench?.store.commit(ino);
    this.history(ino).acknowledge(bytes);
  }

  #photograph(name: DiskStep): void {
    const original = this.bench?.folder;
    if (original === undefined) return;
    this.seen.add(name);
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    if (count > imagesPerStep) return;
    const take = (kind: string, change: (image: string) => void): void => {
      const folder = mkdtempSync(join(tmpdir(), 'hubdrive-crash-'));
      cpSync(original, folder, { recursive: true });
      change(folder);
      const histories = new Map<number, ContentHistory>();
      for (const [ino, history] of this.histories) {
        const copy = new ContentHistory(history.bytes);
        copy.history = history.history;
        histories.set(ino, copy);
      }
      this.images.push({ name: `${kind} at "${name}"`, folder, inodes: this.inodes.copy(), histories });
    };
    take('kill', () => undefined);
    take('power loss', (image) => {
      this.durability.loseUnsyncedData(image, original);
      this.durability.loseUnsyncedCatalogue(image);
    });
    // A write alone changes neither of the two on the disk.
    if (name === 'written') return;
    take('power loss with a later catalogue', (image) => this.durability.loseUnsyncedData(image, original));
    take('power loss with later data', (image) => this.durability.loseUnsyncedCatalogue(image));
  }

  /** Opens each image and judges it; then sends everything from it and judges what the Hub got. */
  async judge(): Promise<void> {
    for (const image of this.images) {
      const bench = await ContentBench.open({
        folder: image.folder,
        remote: this.remote,
        inodes: image.inodes,
      });
      try {
        for (const [ino, history] of image.histories) {
          // The namespace keeps size and staging in one log, in this order; here sizes are always the newest.
          if (!bench.store.isStaged(ino)) {
            const base = image.inodes.base(ino);
            if (base === null) assert.equal(history.history[0]?.length, 0, 'nothing was committed');
            image.inodes.sizes.set(ino, base?.sizeBytes ?? 0);
          }
          history.acceptAfterCrash(await bench.read(ino));
          await bench.send(ino);
          const content = image.inodes.base(ino);
          assert.equal(bench.store.isStaged(ino), false);
          assert.ok((await bench.read(ino)).equals(history.bytes), `inode ${ino} differs after it was sent`);
          assert.equal(content?.sizeBytes ?? 0, history.bytes.length);
        }
        for (const warning of bench.warnings) assert.equal(warning, 'a staging file was set aside');
        await bench.close();
        assert.deepEqual(readdirSync(join(image.folder, 'staging')), [], 'no staging file is left');
      } catch (error) {
        throw new Error(`after a ${image.name}`, { cause: error });
      } finally {
        await bench.dispose();
      }
    }
  }

  async dispose(): Promise<void> {
    const { bench } = this;
    this.bench = null;
    await bench?.dispose();
    for (const { folder } of this.images) rmSync(folder, { recursive: true, force: true });
    rmSync(this.durability.folder, { recursive: true, force: true });
  }
}

async function crashing(
  work: (run: CrashRun, bench: ContentBench) => Promise<void>,
  steps: readonly DiskStep[],
): Promise<void> {
  const run = new CrashRun();
  try {
    const bench = await run.open();
    await work(run, bench);
    await bench.close();
    for (const step of steps) assert.ok(run.seen.has(step), `the scenario passes "${step}"`);
    await run.judge();
  } finally {
    await run.dispose();
  }
}

describe('a crash at any step', () => {
  it('keeps what was committed of a new and of an edited file', async () => {
    await crashing(
      async (run) => {
        run.add(1, null);
        run.add(2, pattern(90_000, 5));
        await run.write(1, 0, pattern(5000, 1));
        await run.commit(1);
        await run.write(2, 40_000, pattern(3000, 2));
        await run.write(1, 2000, pattern(6000, 3));
        await Promise.all([run.commit(1), run.commit(2)]);
        await run.write(2, 88_000, pattern(8000, 4));
        await run.commit(2);
      },
      ['written', 'data-synced', 'directory-synced', 'index-written', 'committed'],
    );
  });

  it('keeps cuts and growth in their order', async () => {
    await crashing(
      async (run) => {
        run.add(1, null);
        run.add(2, pattern(60_000, 6));
        await run.write(1, 0, pattern(9000, 1));
        await run.commit(1);
        await run.truncate(1, 4000);
        await run.truncate(1, 7000);
        await run.write(1, 6000, pattern(3000, 2));
        await run.commit(1);
        await run.truncate(1, 0);
        await run.write(1, 100, pattern(500, 3));
        await run.commit(1);
        await run.truncate(2, 30_000);
        await run.truncate(2, 50_000);
        await run.commit(2);
      },
      ['truncated', 'dropped', 'unlinked'],
    );
  });

  it('neither loses nor mixes versions while one is sent and the file is written again', async () => {
    await crashing(
      async (run, bench) => {
        run.add(1, pattern(50_000, 7));
        run.add(2, null);
        await run.write(1, 10_000, pattern(20_000, 1));
        await run.write(2, 0, pattern(30_000, 2));
        const first = await bench.store.snapshot(1);
        await run.write(1, 5000, pattern(8000, 3));
        await run.commit(1);
        assert.ok(first !== null);
        const sent = Buffer.alloc(first.sizeBytes);
        await first.read(0, sent);
        const content = run.remote.put('sent-1', sent);
        bench.database.transaction(() => {
          assert.equal(first.committed(content).clean, false);
          run.inodes.bases.set(1, content);
        });
        await run.write(1, 49_000, pattern(4000, 4));
        await run.commit(1);
        assert.equal((await bench.send(2))?.clean, true);
        await bench.read(2);
      },
      ['frozen', 'sent', 'adoption-announced', 'adopted', 'cache-synced', 'cache-recorded'],
    );
  });

  it('merges the layers again when an upload is given up, with writes and cuts meanwhile', async () => {
    await crashing(
      async (run, bench) => {
        run.add(1, pattern(50_000, 8));
        await run.write(1, 0, pattern(20_000, 1));
        await run.write(1, 38_000, pattern(9000, 6));
        await run.commit(1);
        const snapshot = await bench.store.snapshot(1);
        await run.write(1, 15_000, pattern(10_000, 2));
        // Leaves a hole of zeros where the frozen layer and the base have bytes.
        await run.truncate(1, 40_000);
        await run.write(1, 44_000, pattern(4000, 3));
        await run.commit(1);
        const abandoning = snapshot?.abandoned();
        await run.write(1, 100, pattern(50, 4));
        await run.commit(1);
        await run.truncate(1, 47_000);
        await run.write(1, 46_000, pattern(3000, 5));
        await abandoning;
        await run.commit(1);
      },
      ['merge-copied', 'merge-synced', 'merged'],
    );
  });

  it('takes no bytes that were written over checksummed ones for damage', async () => {
    await crashing(
      async (run, bench) => {
        const rest = async (segments: number): Promise<void> => {
          bench.clock.advance(1500);
          const rows = bench.database.handle.prepare('SELECT count(*) AS n FROM staged_checksum');
          while (Number(rows.get()?.['n']) < segments) await new Promise((resolve) => setImmediate(resolve));
          await bench.clock.advanceAsync(1);
        };
        run.add(1, null);
        run.add(2, pattern(90_000, 5));
        await run.write(1, 0, pattern(200_000, 1));
        await run.write(2, 40_000, pattern(30_000, 2));
        await Promise.all([run.commit(1), run.commit(2)]);
        await rest(2);
        await run.write(1, 70_000, pattern(3000, 3));
        await run.write(2, 39_000, pattern(3000, 4));
        await run.commit(2);
        await run.truncate(1, 150_000);
        await run.commit(1);
        await rest(2);
        const snapshot = await bench.store.snapshot(1);
        await run.write(1, 10_000, pattern(10_000, 6));
        await run.commit(1);
        await rest(3);
        await snapshot?.abandoned();
        await run.write(1, 15_000, pattern(100, 7));
        await run.commit(1);
      },
      ['merged', 'committed'],
    );
  });
});
