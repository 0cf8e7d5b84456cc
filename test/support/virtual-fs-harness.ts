// Opens a VirtualFs over an in-memory Hub in a temporary folder, with short names for what tests do most. For the tests of
// the namespace and the facade.

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { silentLog } from '../../src/shared/log.ts';
import type { Attributes, Caller, SetAttributes } from '../../src/vfs/file-system.ts';
import { VirtualFs, type VirtualFsOptions } from '../../src/vfs/virtual-fs.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { MemoryRemoteStore } from './memory-remote-store.ts';

export const owner: Caller = { uid: 501, gid: 20 };

export class FsHarness {
  readonly remote: MemoryRemoteStore;
  readonly clock: ManualClock;
  readonly #folder: string;
  readonly #options: Partial<VirtualFsOptions>;
  #generation = 0;
  #dataDir: string;
  #opened: VirtualFs[] = [];
  fs: VirtualFs;

  private constructor(
    folder: string,
    remote: MemoryRemoteStore,
    clock: ManualClock,
    options: Partial<VirtualFsOptions>,
    fs: VirtualFs,
  ) {
    this.#folder = folder;
    this.#dataDir = join(folder, 'data-0');
    this.remote = remote;
    this.clock = clock;
    this.#options = options;
    this.fs = fs;
    this.#opened.push(fs);
  }

  static async open(
    t: TestContext,
    remote = new MemoryRemoteStore(),
    options: Partial<VirtualFsOptions> = {},
  ): Promise<FsHarness> {
    const folder = mkdtempSync(join(tmpdir(), 'hubdrive-vfs-'));
    const clock = new ManualClock();
    const fs = await VirtualFs.open(fsOptions(folder, join(folder, 'data-0'), remote, clock, options));
    const harness = new FsHarness(folder, remote, clock, options, fs);
    t.after(() => harness.close());
    return harness;
  }

  async close(): Promise<void> {
    for (const fs of this.#opened) await fs.close();
    this.#opened = [];
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Closes properly and opens again. */
  async restart(): Promise<void> {
    await this.fs.close();
    this.fs = await this.#openAgain();
  }

  /** Opens a copy of the files as they are at this moment, as after SIGKILL. The old one is stopped afterwards, unheard. */
  async crash(): Promise<void> {
    const killed = this.fs;
    killed.uploads.pause();
    this.#generation += 1;
    const copy = join(this.#folder, `data-${this.#generation}`);
    cpSync(this.#dataDir, copy, { recursive: true });
    this.#dataDir = copy;
    await killed.close();
    this.fs = await this.#openAgain();
  }

  /** Closes, changes the catalogue behind its back, and opens again. */
  async edit(change: (database: DatabaseSync) => void): Promise<void> {
    await this.fs.close();
    const database = new DatabaseSync(join(this.#dataDir, 'catalogue.db'));
    change(database);
    database.close();
    this.fs = await this.#openAgain();
  }

  async #openAgain(): Promise<VirtualFs> {
    const fs = await VirtualFs.open(
      fsOptions(this.#folder, this.#dataDir, this.remote, this.clock, this.#options),
    );
    this.#opened.push(fs);
    return fs;
  }

  // ---- what programs do -------------------------------------------------------------------------------------------

  async lookup(path: string): Promise<Attributes> {
    let at = this.fs.getAttributes(this.fs.rootIno);
    for (const name of path.split('/').filter((segment) => segment !== '')) {
      at = await this.fs.lookup(at.ino, name);
    }
    return at;
  }

  async ino(path: string): Promise<number> {
    return (await this.lookup(path)).ino;
  }

  async exists(path: string): Promise<boolean> {
    try {
      await this.lookup(path);
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
      throw error;
    }
  }

  async names(path = ''): Promise<string[]> {
    const names: string[] = [];
    const directory = await this.ino(path);
    await this.fs.readDirectory(directory, 0, (name) => {
      names.push(name);
      return true;
    });
    return names.sort();
  }

  async read(path: string): Promise<string> {
    const { ino, sizeBytes } = await this.lookup(path);
    const target = new Uint8Array(sizeBytes + 10);
    const { bytesRead } = await this.fs.read(ino, 0, target);
    return Buffer.from(target.subarray(0, bytesRead)).toString();
  }

  async create(path: string, attributes: SetAttributes = {}): Promise<Attributes> {
    const { directory, name } = await this.split(path);
    return (await this.fs.create(directory, name, { type: 'unchecked', attributes }, owner)).attributes;
  }

  /** Creates or overwrites, and commits. Returns the inode number. */
  async write(path: string, text: string): Promise<number> {
    const { ino } = await this.create(path, { sizeBytes: 0 });
    await this.fs.write(ino, 0, Buffer.from(text));
    await this.fs.commit(ino);
    return ino;
  }

  async mkdir(path: string): Promise<number> {
    const { directory, name } = await this.split(path);
    return (await this.fs.makeDirectory(directory, name, {}, owner)).attributes.ino;
  }

  async symlink(path: string, target: string): Promise<number> {
    const { directory, name } = await this.split(path);
    return (await this.fs.makeSymlink(directory, name, target, {}, owner)).attributes.ino;
  }

  async link(path: string, toPath: string): Promise<void> {
    const { directory, name } = await this.split(toPath);
    await this.fs.link(await this.ino(path), directory, name);
  }

  async remove(path: string): Promise<void> {
    const { directory, name } = await this.split(path);
    await this.fs.remove(directory, name);
  }

  async rmdir(path: string): Promise<void> {
    const { directory, name } = await this.split(path);
    await this.fs.removeDirectory(directory, name);
  }

  async rename(path: string, toPath: string): Promise<void> {
    const from = await this.split(path);
    const to = await this.split(toPath);
    await this.fs.rename(from.directory, from.name, to.directory, to.name);
  }

  async split(path: string): Promise<{ directory: number; name: string }> {
    const slash = path.lastIndexOf('/');
    return { directory: await this.ino(path.slice(0, Math.max(0, slash))), name: path.slice(slash + 1) };
  }

  // ---- time -------------------------------------------------------------------------------------------------------

  /** Sends everything that waits. */
  async flush(): Promise<void> {
    await this.passing(this.fs.uploads.flush());
  }

  /** Lets time pass until the promise settles; two simulated hours at most. */
  async passing<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    work.then(settled, settled);
    for (let second = 0; second < 7_200; second += 1) {
      await settle();
      if (isSettled) break;
      await this.clock.advanceAsync(1_000);
    }
    if (!isSettled) {
      throw new Error(`this does not settle: ${JSON.stringify(this.fs.uploads.pending().slice(0, 5))}`);
    }
    return work;
  }

  /** One round of looking for other clients' changes, with nothing counting as open. */
  async refresh(): Promise<void> {
    this.clock.advance(6_000);
    await this.fs.refresh();
    await settle();
  }
}

function fsOptions(
  folder: string,
  dataDir: string,
  remote: MemoryRemoteStore,
  clock: ManualClock,
  options: Partial<VirtualFsOptions>,
): VirtualFsOptions {
  return {
    remote,
    dataDir,
    cacheDir: join(folder, 'cache'),
    cacheLimitBytes: 1 << 30,
    owner,
    hostName: 'laptop',
    clock,
    log: silentLog,
    ...options,
  };
}
