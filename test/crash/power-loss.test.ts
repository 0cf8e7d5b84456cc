// The power fails at the moment a program gets its answer: only what was synced is there afterwards. Names and attributes over NFS; the
// bytes of files are in test/vfs/staged-crash.test.ts.

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { silentLog, systemClock } from '../../src/shared/log.ts';
import type { OpenCatalogueDatabase } from '../../src/vfs/storage/catalogue-database.ts';
import { VirtualFs, type VirtualFsOptions } from '../../src/vfs/virtual-fs.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import type { Nfs3Client } from '../support/nfs-client.ts';
import { serveNfs } from '../support/nfs-fixture.ts';

/** A VirtualFs on a disk that can lose its power. */
class FragileWorld {
  readonly client: Nfs3Client;
  readonly root: Uint8Array;
  readonly #folder: string;
  readonly #remote: MemoryRemoteStore;
  readonly #synced: () => string;
  #images = 0;

  private constructor(
    folder: string,
    remote: MemoryRemoteStore,
    mounted: { client: Nfs3Client; root: Uint8Array },
    synced: () => string,
  ) {
    this.#folder = folder;
    this.#remote = remote;
    this.client = mounted.client;
    this.root = mounted.root;
    this.#synced = synced;
  }

  static async open(t: TestContext): Promise<FragileWorld> {
    const folder = mkdtempSync(join(tmpdir(), 'hubdrive-power-'));
    const remote = new MemoryRemoteStore();
    const dataDir = join(folder, 'data');
    let syncs = 0;
    let synced = '';
    /** What is surely on the disk after a sync is what was there when it was asked for. */
    const watch = (database: OpenCatalogueDatabase): OpenCatalogueDatabase => {
      const sync = database.sync.bind(database);
      database.sync = async () => {
        const copy = join(folder, `synced-${syncs++}`);
        mkdirSync(copy);
        for (const name of readdirSync(dataDir)) {
          if (/^catalogue\.db(-wal)?$/.test(name)) cpSync(join(dataDir, name), join(copy, name));
        }
        await sync();
        synced = copy;
      };
      return database;
    };
    const fileSystem = await VirtualFs.open({ ...optionsFor(folder, 'data', remote), wrapDatabase: watch });
    fileSystem.uploads.pause();
    const nfs = await serveNfs(t, fileSystem);
    t.after(async () => {
      await nfs.close();
      await fileSystem.close();
      rmSync(folder, { recursive: true, force: true });
    });
    return new FragileWorld(folder, remote, await nfs.mounted(), () => synced);
  }

  /** The file system as it comes up after the power failed now. */
  async afterPowerLoss(judge: (fileSystem: VirtualFs) => void | Promise<void>): Promise<void> {
    const name = `image-${this.#images++}`;
    cpSync(this.#synced(), join(this.#folder, name), { recursive: true });
    const fileSystem = await VirtualFs.open(optionsFor(this.#folder, name, this.#remote));
    try {
      await judge(fileSystem);
    } finally {
      await fileSystem.close();
    }
  }
}

function optionsFor(folder: string, name: string, remote: MemoryRemoteStore): VirtualFsOptions {
  return {
    remote,
    dataDir: join(folder, name),
    cacheDir: join(folder, 'cache'),
    cacheLimitBytes: 1 << 20,
    owner: { uid: 1000, gid: 1000 },
    hostName: 'test',
    clock: systemClock,
    log: silentLog,
  };
}

async function namesOf(fileSystem: VirtualFs): Promise<string[]> {
  const names: string[] = [];
  await fileSystem.readDirectory(fileSystem.rootIno, 0, (name) => {
    names.push(name);
    return true;
  });
  return names.sort();
}

test('every change of names and attributes that was answered is there after a power loss', async (t) => {
  const world = await FragileWorld.open(t);
  const { client, root } = world;
  const shows = (...names: string[]): Promise<void> =>
    world.afterPowerLoss(async (fileSystem) => assert.deepEqual(await namesOf(fileSystem), names));
  const file = await client.create(root, 'file');
  await shows('file');
  await client.mkdir(root, 'folder');
  await shows('file', 'folder');
  await client.symlink(root, 'symlink', 'file');
  await shows('file', 'folder', 'symlink');
  await client.link(file, root, 'linked');
  await shows('file', 'folder', 'linked', 'symlink');
  await client.rename(root, 'linked', root, 'renamed');
  await shows('file', 'folder', 'renamed', 'symlink');
  await client.remove(root, 'symlink');
  await shows('file', 'folder', 'renamed');
  await client.rmdir(root, 'folder');
  await shows('file', 'renamed');
  await client.setattr(file, {
    mode: 0o640,
    size: 5000,
    mtime: { set_it: 2, time: { seconds: 77, nseconds: 5 } },
  });
  await world.afterPowerLoss(async (fileSystem) => {
    const { mode, sizeBytes, mtime } = await fileSystem.lookup(fileSystem.rootIno, 'file');
    assert.deepEqual(
      { mode, sizeBytes, mtime },
      { mode: 0o640, sizeBytes: 5000, mtime: { sec: 77, nsec: 5 } },
    );
  });
});

test('changes that many programs make at once are there when each is answered', async (t) => {
  const world = await FragileWorld.open(t);
  const { client, root } = world;
  const names = Array.from({ length: 12 }, (_, index) => `file-${index}`);
  await Promise.all(
    names.map(async (name) => {
      await client.create(root, name);
      await world.afterPowerLoss(async (fileSystem) =>
        assert.ok((await namesOf(fileSystem)).includes(name), name),
      );
    }),
  );
});

test('a save by rename leaves the old or the new version after a power loss, as soon as it is answered the new one', async (t) => {
  const world = await FragileWorld.open(t);
  const { client, root } = world;
  const old = await client.create(root, 'document');
  await client.setattr(old, { size: 111 });
  const fresh = await client.create(root, 'document.new');
  await client.setattr(fresh, { size: 222 });
  const sizes: number[] = [];
  const look = (): Promise<void> =>
    world.afterPowerLoss(async (fileSystem) => {
      sizes.push((await fileSystem.lookup(fileSystem.rootIno, 'document')).sizeBytes);
    });
  await look();
  await client.rename(root, 'document.new', root, 'document');
  await look();
  assert.deepEqual(sizes, [111, 222]);
});
