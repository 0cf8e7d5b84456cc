// A small file tree behind the interfaces that the upload queue works with, for tests of the queue alone: names and whole file
// contents in memory, a real catalogue database for the queue's own tables. It can be copied as a killed process would leave it.

import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContentRef } from '../../src/hub/remote-store.ts';
import { silentLog } from '../../src/shared/log.ts';
import { openCatalogueDatabase } from '../../src/vfs/storage/catalogue-database.ts';
import { conflictPath } from '../../src/vfs/namespace/conflict-name.ts';
import type {
  InodeContentView,
  NamespaceForUploads,
  RemoteTheirs,
  UploadQueue,
  UploadTarget,
} from '../../src/vfs/parts.ts';
import { openUploadQueue } from '../../src/vfs/uploads/upload-queue.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { UploadContentFake, type Staged } from './upload-content-fake.ts';
import { MemoryRemoteStore } from './memory-remote-store.ts';

interface Inode {
  base: ContentRef | null;
  sizeBytes: number;
  mtimeMs: number;
}

interface Entry {
  ino: number;
  remote: ContentRef | null;
}

/** Everything a kill leaves behind, apart from the database file. */
interface WorldState {
  nextIno: number;
  version: number;
  readonly inodes: Map<number, Inode>;
  readonly entries: Map<string, Entry>;
  readonly staged: Map<number, Staged>;
}

export interface RecordedActivity {
  readonly kind: string;
  readonly path: string;
  readonly toPath?: string;
  readonly detail?: string;
  readonly bytes?: number;
}

/** Runs `work` in a fresh world and checks that nothing is left open after it. */
export async function withUploadWorld(work: (world: UploadWorld) => Promise<void>): Promise<void> {
  const world = await UploadWorld.create();
  try {
    await work(world);
    if (world.content.snapshots.size > 0) throw new Error('a snapshot was left');
  } finally {
    await world.close();
  }
  if (world.clock.pendingTimers > 0) throw new Error('a timer was left');
}

export class UploadWorld implements NamespaceForUploads, InodeContentView {
  readonly remote: MemoryRemoteStore;
  readonly clock: ManualClock;
  readonly activity: RecordedActivity[] = [];
  readonly counters = new Map<string, number>();
  readonly relisted: string[] = [];
  readonly discarded: number[] = [];
  readonly state: WorldState;
  readonly database: ReturnType<typeof openCatalogueDatabase>;
  readonly content: UploadContentFake;
  /** Transactions of the queue itself. */
  transactions = 0;
  readonly #folder: string;
  #queue: UploadQueue | null = null;

  private constructor(remote: MemoryRemoteStore, clock: ManualClock, state: WorldState, folder: string) {
    this.remote = remote;
    this.clock = clock;
    this.state = state;
    this.content = new UploadContentFake(state.staged, (ino) => this.base(ino));
    this.#folder = folder;
    this.database = openCatalogueDatabase(join(folder, 'catalogue.db'));
  }

  static async create(remote = new MemoryRemoteStore(), clock = new ManualClock()): Promise<UploadWorld> {
    const folder = mkdtempSync(join(tmpdir(), 'hubdrive-uploads-'));
    const state = { nextIno: 2, version: 1, inodes: new Map(), entries: new Map(), staged: new Map() };
    const world = new UploadWorld(remote, clock, state, folder);
    await world.start();
    return world;
  }

  /** The world as a process finds it that starts after this one was killed now. This one must be closed by the caller. */
  killedCopy(): UploadWorld {
    const folder = mkdtempSync(join(tmpdir(), 'hubdrive-uploads-'));
    for (const name of ['catalogue.db', 'catalogue.db-wal']) {
      if (existsSync(join(this.#folder, name))) copyFileSync(join(this.#folder, name), join(folder, name));
    }
    return new UploadWorld(this.remote, this.clock, structuredClone(this.state), folder);
  }

  async start(random: () => number = () => 0.5): Promise<void> {
    this.#queue = await openUploadQueue({
      remote: this.remote,
      clock: this.clock,
      log: silentLog,
      activity: {
        record: (kind, path, details) => void this.activity.push({ kind, path, ...details }),
        count: (counter, amount) =>
          void this.counters.set(counter, (this.counters.get(counter) ?? 0) + amount),
      },
      // A real sync takes real time, which a test with a manual clock cannot wait for.
      database: {
        handle: this.database.handle,
        transaction: (work) => {
          this.transactions += 1;
          return this.database.transaction(work);
        },
        afterCommit: (callback) => this.database.afterCommit(callback),
        onRollback: (callback) => this.database.onRollback(callback),
        sync: () => Promise.resolve(),
      },
      content: this.content,
      namespace: this,
      hostName: 'testhost',
      random,
    });
  }

  get queue(): UploadQueue {
    if (this.#queue === null) throw new Error('the queue is not started');
    return this.#queue;
  }

  closed = false;

  async close(): Promise<void> {
    this.closed = true;
    await this.#queue?.close();
    await this.database.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  // ---- what programs do -----------------------------------------------------------------------------------------------

  /** Creates or overwrites. */
  write(path: string, text: string): number {
    return this.database.transaction(() => {
      const ino = this.state.entries.get(path)?.ino ?? this.#createAt(path, null);
      const bytes = Buffer.from(text);
      this.state.staged.set(ino, { bytes, version: (this.state.version += 1) });
      this.#inode(ino).sizeBytes = bytes.length;
      this.#inode(ino).mtimeMs = this.clock.now();
      this.queue.noteChanged(ino);
      this.queue.noteCommittedLocally(ino);
      return ino;
    });
  }

  /** A file without a single WRITE. */
  touch(path: string): number {
    return this.database.transaction(() => {
      const ino = this.#createAt(path, null);
      this.queue.noteChanged(ino);
      return ino;
    });
  }

  remove(path: string): void {
    this.database.transaction(() => this.#removeEntry(path, true));
  }

  rename(from: string, to: string): void {
    this.database.transaction(() => {
      const source = this.#entry(from);
      const target = this.state.entries.get(to);
      if (target?.ino === source.ino) return;
      const replaced = target?.remote ?? null;
      if (target !== undefined) this.#removeEntry(to, false);
      this.state.entries.delete(from);
      if (source.remote === null) this.state.entries.set(to, { ino: source.ino, remote: replaced });
      else {
        const mtimeMs = this.#inode(source.ino).mtimeMs;
        const expectTo = replaced?.key ?? null;
        this.queue.log({ type: 'move', from, to, content: source.remote, mtimeMs, expectTo });
        this.state.entries.set(to, source);
      }
      // A new place for what is staged: it must be sent there if it was not going anywhere.
      if (this.state.staged.has(source.ino)) this.queue.noteChanged(source.ino);
    });
  }

  /** `to` must not exist. */
  renameFolder(from: string, to: string): void {
    this.database.transaction(() => {
      this.queue.log({ type: 'moveTree', from, to });
      for (const [path, entry] of [...this.state.entries]) {
        if (!path.startsWith(`${from}/`)) continue;
        this.state.entries.delete(path);
        this.state.entries.set(to + path.slice(from.length), entry);
      }
    });
  }

  link(path: string, newPath: string): void {
    this.database.transaction(() => {
      const source = this.#entry(path);
      this.state.entries.set(newPath, { ino: source.ino, remote: source.remote });
      const mtimeMs = this.#inode(source.ino).mtimeMs;
      if (source.remote !== null)
        this.queue.log({ type: 'copy', path: newPath, content: source.remote, mtimeMs });
      else this.queue.noteChanged(source.ino);
    });
  }

  /** Takes over what the Hub has, as the poller does: pending paths and dirty files are left alone. */
  poll(): void {
    const listed = new Set(this.remote.paths());
    for (const [path, entry] of [...this.state.entries]) {
      if (listed.has(path) || this.#isBusy(path, entry)) continue;
      this.state.entries.delete(path);
    }
    for (const path of listed) {
      const file = this.remote.file(path);
      const entry = this.state.entries.get(path);
      if (file === null || entry?.remote?.key === file.content.key) continue;
      if (entry === undefined) {
        if (!this.queue.isPathPending(path)) this.#createAt(path, file.content);
      } else if (!this.#isBusy(path, entry)) {
        if (this.#pathsOf(entry.ino).length > 1) {
          this.state.entries.delete(path); // one of several names is another file by now
          this.#createAt(path, file.content);
          continue;
        }
        entry.remote = file.content;
        this.#inode(entry.ino).base = file.content;
        this.#inode(entry.ino).sizeBytes = file.content.sizeBytes;
      }
    }
  }

  #isBusy(path: string, entry: Entry): boolean {
    return this.state.staged.has(entry.ino) || entry.remote === null || this.queue.isPathPending(path);
  }

  text(path: string): string | null {
    const entry = this.state.entries.get(path);
    if (entry === undefined) return null;
    return Buffer.from(this.#bytes(entry.ino)).toString();
  }

  #bytes(ino: number): Uint8Array {
    const staged = this.state.staged.get(ino);
    if (staged !== undefined) return staged.bytes;
    const base = this.#inode(ino).base;
    if (base === null) return new Uint8Array(0);
    const bytes = this.remote.content(base.key);
    if (bytes === null) throw new Error(`the Hub lost ${base.key}`);
    return bytes;
  }

  paths(): readonly string[] {
    return [...this.state.entries.keys()].sort();
  }

  /** Everything on the Hub, text by path. */
  remoteTexts(): Record<string, string | null> {
    return Object.fromEntries(this.remote.paths().map((path) => [path, this.remote.text(path)]));
  }

  /** Files as another client put them, listed and known here. */
  seed(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) this.remote.put(path, text);
    this.poll();
    this.remote.calls.length = 0;
  }

  /** Moves the clock until nothing is pending; fails after `limitMs`. */
  async quiet(limitMs = 3_600_000): Promise<void> {
    const until = this.clock.monotonic() + limitMs;
    await settle(12);
    while (this.queue.pendingTotals().files > 0) {
      if (this.clock.monotonic() > until) {
        throw new Error(`still pending: ${JSON.stringify(this.queue.pending().slice(0, 5))}`);
      }
      await this.clock.advanceAsync(1000);
      await settle(8);
    }
    await settle(12);
  }

  #createAt(path: string, remote: ContentRef | null): number {
    const ino = this.state.nextIno++;
    this.state.inodes.set(ino, {
      base: remote,
      sizeBytes: remote?.sizeBytes ?? 0,
      mtimeMs: this.clock.now(),
    });
    this.state.entries.set(path, { ino, remote });
    return ino;
  }

  #removeEntry(path: string, logDelete: boolean): void {
    const entry = this.#entry(path);
    this.state.entries.delete(path);
    if (logDelete && entry.remote !== null)
      this.queue.log({ type: 'delete', path, expect: entry.remote.key });
    if (this.#pathsOf(entry.ino).length > 0) return;
    this.queue.noteRemoved(entry.ino);
    this.state.staged.delete(entry.ino);
  }

  #entry(path: string): Entry {
    const entry = this.state.entries.get(path);
    if (entry === undefined) throw new Error(`no entry ${path}`);
    return entry;
  }

  #inode(ino: number): Inode {
    const inode = this.state.inodes.get(ino);
    if (inode === undefined) throw new Error(`no inode ${ino}`);
    return inode;
  }

  #pathsOf(ino: number): string[] {
    return [...this.state.entries].flatMap(([path, entry]) => (entry.ino === ino ? [path] : []));
  }

  // ---- NamespaceForUploads and InodeContentView -------------------------------------------------------------------------

  uploadTargets(ino: number): readonly UploadTarget[] {
    return this.#pathsOf(ino).map((path) => ({ path, expect: this.#entry(path).remote?.key ?? null }));
  }

  mtimeMs(ino: number): number {
    return this.#inode(ino).mtimeMs;
  }

  noteCommitted(ino: number, path: string, content: ContentRef, clean: boolean): void {
    const entry = this.#entry(path);
    if (entry.ino !== ino) throw new Error(`${path} is another file by now`);
    entry.remote = content;
    this.#inode(ino).base = content;
    if (clean && this.state.staged.has(ino)) throw new Error('called clean while something is staged');
  }

  keepBoth(ino: number, path: string, theirs: RemoteTheirs | null): string {
    const entry = this.#entry(path);
    if (entry.ino !== ino) throw new Error(`${path} is another file by now`);
    let newPath = '';
    for (let copy = 1; newPath === '' || this.state.entries.has(newPath); copy += 1)
      newPath = conflictPath(path, 'testhost', this.clock.now(), copy);
    this.state.entries.delete(path);
    this.state.entries.set(newPath, { ino, remote: null });
    if (theirs !== null) this.#createAt(path, theirs.content);
    return newPath;
  }

  restoreTheirs(path: string, theirs: RemoteTheirs): void {
    if (this.state.entries.has(path)) throw new Error(`${path} is taken here`);
    this.#createAt(path, theirs.content);
  }

  inodeAt(path: string): number | null {
    return this.state.entries.get(path)?.ino ?? null;
  }

  noteDiscarded(ino: number): void {
    this.discarded.push(ino);
    this.state.staged.delete(ino);
    const inode = this.#inode(ino);
    inode.sizeBytes = inode.base?.sizeBytes ?? 0;
    if (inode.base === null) for (const path of this.#pathsOf(ino)) this.state.entries.delete(path);
  }

  noteArrived(path: string, key: string): boolean {
    const entry = this.state.entries.get(path);
    if (entry !== undefined) entry.remote = { key, sizeBytes: 0, path };
    return entry !== undefined;
  }

  noteSent(): void {}
  relist(paths: readonly string[]): void {
    this.relisted.push(...paths);
  }

  base(ino: number): ContentRef | null {
    return this.#inode(ino).base;
  }

  sizeBytes(ino: number): number {
    return this.#inode(ino).sizeBytes;
  }

  pathOf(ino: number): string | null {
    return this.#pathsOf(ino)[0] ?? null;
  }
}
