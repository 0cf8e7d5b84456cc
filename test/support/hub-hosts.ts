// Real hosts on one bucket: an embedded Hub over HTTP and, for every host, a VirtualFs with its own folders, its own clock and
// its own Hub client. Uploads rest until a test flushes; time stands still until a test moves it.

import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { startLocalHub, type LocalHub, type LocalHubOptions } from '../../src/hub-local/local-hub.ts';
import { openHubStore } from '../../src/hub/hub-store.ts';
import { parseSource } from '../../src/hub/source.ts';
import type { ActivityEvent } from '../../src/shared/activity.ts';
import { silentLog } from '../../src/shared/log.ts';
import type { NfsServerOptions } from '../../src/nfs/nfs-server.ts';
import { FsError } from '../../src/vfs/fs-error.ts';
import type { Attributes, Caller } from '../../src/vfs/file-system.ts';
import { VirtualFs, type VirtualFsOptions } from '../../src/vfs/virtual-fs.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { serveNfs, type NfsFixture } from './nfs-fixture.ts';
import { NfsProgram } from './nfs-program.ts';
import { WatchedStore } from './watched-store.ts';

export const bucket = 'demo/shared';
const owner: Caller = { uid: 1000, gid: 1000 };
/** Real time between looks at work that real sockets do. */
const glanceMs = 5;
const longestRealMs = 120_000;

export interface HostOptions {
  readonly name?: string;
  /** Where the host's clock starts; hosts need not agree. */
  readonly startedAt?: number;
  /** Sends by itself as time passes, instead of at a flush. */
  readonly sending?: boolean;
  readonly source?: string;
  readonly fs?: Partial<VirtualFsOptions>;
}

export class HubHosts {
  readonly hub: LocalHub;
  readonly folder: string;
  readonly #t: TestContext;
  readonly #hosts: HubHost[] = [];
  readonly #servers: NfsFixture[] = [];

  private constructor(t: TestContext, hub: LocalHub, folder: string) {
    this.#t = t;
    this.hub = hub;
    this.folder = folder;
  }

  /** `files` by path. Change events are off unless asked for, so that hosts look only when they are told to. */
  static async open(
    t: TestContext,
    files: Readonly<Record<string, string | Uint8Array>> = {},
    options: Partial<LocalHubOptions> = {},
  ): Promise<HubHosts> {
    const folder = await mkdtemp(join(tmpdir(), 'hubdrive-hosts-'));
    const problems: unknown[] = [];
    const hub = await startLocalHub({
      dataDir: join(folder, 'hub'),
      onError: (error) => problems.push(error),
      ...options,
      settings: { events: false, ...options.settings },
    });
    hub.content.createBucket(bucket);
    const contents = Object.entries(files).map(([path, data]) => ({ path, data }));
    if (contents.length > 0) await hub.content.putFiles(bucket, contents);
    const hosts = new HubHosts(t, hub, folder);
    t.after(async () => {
      await hosts.#close();
      assert.deepEqual(problems, [], 'the embedded Hub met no internal error');
    });
    return hosts;
  }

  async #close(): Promise<void> {
    for (const server of this.#servers) await server.close();
    for (const host of this.#hosts) await host.close();
    await this.hub.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  async host(options: HostOptions = {}): Promise<HubHost> {
    const name = options.name ?? `host${this.#hosts.length + 1}`;
    const host = await HubHost.open(this.hub, join(this.folder, name), { ...options, name });
    this.#hosts.push(host);
    return host;
  }

  /** A program that works on the host's mount over NFS. */
  async programOn(host: HubHost, options: Partial<NfsServerOptions> = {}): Promise<NfsProgram> {
    const nfs = await serveNfs(this.#t, host.fs, options);
    this.#servers.push(nfs);
    const { client, root } = await nfs.mounted();
    return new NfsProgram(nfs, client, root);
  }

  /** What the Hub has, as text by path. */
  async files(): Promise<Record<string, string>> {
    const files: Record<string, string> = {};
    for (const { path, xetHash } of this.hub.content.listFiles(bucket)) {
      files[path] = (await this.hub.content.readContent(xetHash)).toString('latin1');
    }
    return files;
  }

  put(path: string, data: string | Uint8Array): Promise<string> {
    return this.hub.content.putFile(bucket, path, data);
  }
}

export class HubHost {
  readonly name: string;
  readonly clock: ManualClock;
  store: WatchedStore;
  fs: VirtualFs;
  readonly #hub: LocalHub;
  readonly #folder: string;
  readonly #options: HostOptions;
  #generation = 0;
  #isClosed = false;

  private constructor(
    hub: LocalHub,
    folder: string,
    options: HostOptions,
    clock: ManualClock,
    opened: Opened,
  ) {
    this.#hub = hub;
    this.#folder = folder;
    this.#options = options;
    this.name = options.name ?? 'host';
    this.clock = clock;
    this.store = opened.store;
    this.fs = opened.fs;
  }

  static async open(hub: LocalHub, folder: string, options: HostOptions): Promise<HubHost> {
    const clock = new ManualClock(options.startedAt);
    return new HubHost(hub, folder, options, clock, await openHost(hub, folder, 0, clock, options));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.fs.close();
    await this.store.close();
  }

  /** Ends as told to and starts again on what it left. */
  async restart(): Promise<void> {
    await this.fs.close();
    await this.store.close();
    await this.#openAgain();
  }

  /** Goes on with a copy of its files as they are at this moment, as after SIGKILL. What the old one does then is not seen. */
  async crash(): Promise<void> {
    this.fs.uploads.pause();
    const copy = this.#generation + 1;
    cpSync(dataDirOf(this.#folder, this.#generation), dataDirOf(this.#folder, copy), { recursive: true });
    this.#generation = copy;
    await this.fs.close();
    await this.store.close();
    await this.#openAgain();
  }

  async #openAgain(): Promise<void> {
    const opened = await openHost(this.#hub, this.#folder, this.#generation, this.clock, this.#options);
    this.fs = opened.fs;
    this.store = opened.store;
  }

  // ---- what programs do ------------------------------------------------------------------------------------------------

  async lookup(path: string): Promise<Attributes> {
    let at = this.fs.getAttributes(this.fs.rootIno);
    for (const name of path.split('/').filter((segment) => segment !== '')) {
      at = await this.fs.lookup(at.ino, name);
    }
    return at;
  }

  async exists(path: string): Promise<boolean> {
    try {
      await this.lookup(path);
      return true;
    } catch (error) {
      if (error instanceof FsError && error.code === 'ENOENT') return false;
      throw error;
    }
  }

  async names(path = ''): Promise<string[]> {
    const names: string[] = [];
    await this.fs.readDirectory((await this.lookup(path)).ino, 0, (name) => names.push(name) > 0);
    return names.sort();
  }

  /** Every file of the mount by path, as text. What others remove meanwhile is left out. */
  async files(path = ''): Promise<Record<string, string>> {
    const files: Record<string, string> = {};
    for (const name of await this.names(path)) {
      const inner = path === '' ? name : `${path}/${name}`;
      if (!(await this.exists(inner))) continue;
      const { type } = await this.lookup(inner);
      if (type === 'directory') Object.assign(files, await this.files(inner));
      else if (type === 'file') files[inner] = await this.text(inner);
    }
    return files;
  }

  async text(path: string): Promise<string> {
    return (await this.bytes(path)).toString('latin1');
  }

  async bytes(path: string): Promise<Buffer> {
    const { ino, sizeBytes } = await this.lookup(path);
    const target = Buffer.alloc(sizeBytes);
    let filled = 0;
    while (filled < sizeBytes) {
      const { bytesRead } = await this.fs.read(ino, filled, target.subarray(filled, filled + 1024 * 1024));
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return target.subarray(0, filled);
  }

  /** Creates or truncates, writes, commits. */
  async save(path: string, data: string | Uint8Array): Promise<number> {
    const { directory, name } = await this.split(path);
    const how = { type: 'unchecked', attributes: { sizeBytes: 0 } } as const;
    const { ino } = (await this.fs.create(directory, name, how, owner)).attributes;
    await this.write(ino, 0, data);
    await this.fs.commit(ino);
    return ino;
  }

  async write(ino: number, offset: number, data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
    for (let at = 0; at < bytes.length; at += 1024 * 1024) {
      await this.fs.write(ino, offset + at, bytes.subarray(at, at + 1024 * 1024));
    }
  }

  /** Overwrites in place and commits. */
  async overwrite(path: string, offset: number, data: string | Uint8Array): Promise<void> {
    const { ino } = await this.lookup(path);
    await this.write(ino, offset, data);
    await this.fs.commit(ino);
  }

  async truncate(path: string, sizeBytes: number): Promise<void> {
    const { ino } = await this.lookup(path);
    await this.fs.setAttributes(ino, { sizeBytes }, owner);
    await this.fs.commit(ino);
  }

  async mkdir(path: string): Promise<void> {
    const { directory, name } = await this.split(path);
    await this.fs.makeDirectory(directory, name, {}, owner);
  }

  async link(path: string, toPath: string): Promise<void> {
    const { directory, name } = await this.split(toPath);
    await this.fs.link((await this.lookup(path)).ino, directory, name);
  }

  async rename(path: string, toPath: string): Promise<void> {
    const from = await this.split(path);
    const to = await this.split(toPath);
    await this.fs.rename(from.directory, from.name, to.directory, to.name);
  }

  async remove(path: string): Promise<void> {
    const { directory, name } = await this.split(path);
    await this.fs.remove(directory, name);
  }

  async rmdir(path: string): Promise<void> {
    const { directory, name } = await this.split(path);
    await this.fs.removeDirectory(directory, name);
  }

  async split(path: string): Promise<{ directory: number; name: string }> {
    const slash = path.lastIndexOf('/');
    const { ino } = await this.lookup(path.slice(0, Math.max(0, slash)));
    return { directory: ino, name: path.slice(slash + 1) };
  }

  // ---- time and the Hub ------------------------------------------------------------------------------------------------

  /** Sends everything. */
  flush(): Promise<void> {
    return this.passing(this.fs.uploads.flush());
  }

  /** Looks for what others did, with nothing counting as open: readers do for seconds, writers for a minute. */
  async refresh(): Promise<void> {
    this.clock.advance(66_000);
    await this.fs.refresh();
    await settle();
  }

  /** Time passes whenever nothing is under way to the Hub, until the work settles. */
  async passing<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    work.then(settled, settled);
    for (const end = performance.now() + longestRealMs; !isSettled;) {
      if (performance.now() > end) {
        throw new Error(`this does not settle: ${JSON.stringify(this.fs.uploads.pending().slice(0, 5))}`);
      }
      await glance();
      if (!isSettled && this.store.inFlight === 0) await this.clock.advanceAsync(250);
    }
    return work;
  }

  /** Lets simulated time and real work go on until something is so. */
  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    for (const end = performance.now() + longestRealMs; !(await isSo());) {
      assert.ok(performance.now() < end, `${what}: not within ${longestRealMs} ms`);
      await glance();
      if (this.store.inFlight === 0) await this.clock.advanceAsync(250);
    }
  }

  /** The activity since the last call. */
  activity(kind: ActivityEvent['kind']): ActivityEvent[] {
    return this.fs.activity.drain().events.filter((event) => event.kind === kind);
  }
}

interface Opened {
  readonly fs: VirtualFs;
  readonly store: WatchedStore;
}

async function openHost(
  hub: LocalHub,
  folder: string,
  generation: number,
  clock: ManualClock,
  options: HostOptions,
): Promise<Opened> {
  const dataDir = dataDirOf(folder, generation);
  const store = new WatchedStore(
    await openHubStore({
      endpoint: hub.endpoint,
      token: () => Promise.resolve(hub.token),
      source: parseSource(options.source ?? `bucket/${bucket}`),
      stateDir: join(dataDir, 'hub'),
      log: silentLog,
      userAgent: 'hubdrive-test',
      codecs: 'inline',
      http: { retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 5, maxAskedDelayMs: 50 } },
    }),
  );
  const fs = await VirtualFs.open({
    remote: store,
    dataDir,
    cacheDir: join(folder, 'cache'),
    cacheLimitBytes: 1 << 30,
    owner,
    hostName: options.name ?? 'host',
    clock,
    log: silentLog,
    ...options.fs,
  });
  if (options.sending !== true) fs.uploads.pause();
  return { fs, store };
}

function dataDirOf(folder: string, generation: number): string {
  return join(folder, `data-${generation}`);
}

function glance(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, glanceMs));
}
