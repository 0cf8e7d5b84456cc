// The content part of VirtualFs: puts together the cache of remote bytes, the staged changes and the pool of descriptors,
// and answers `ContentStore`. Decides per inode where its bytes are; the work is done in the files it opens.

import { totalmem } from 'node:os';
import type { ContentRef } from '../../hub/remote-store.ts';
import type { Timer } from '../../shared/log.ts';
import { openCacheIndex } from '../cache/cache-index.ts';
import { ContentCache } from '../cache/content-cache.ts';
import { fromDiskError, isDiskFull } from '../storage/disk-error.ts';
import { FetchBudget } from '../cache/fetch-budget.ts';
import type { MaybePromise } from '../file-system.ts';
import type { FsError } from '../fs-error.ts';
import { HandlePool } from '../storage/handle-pool.ts';
import { readLayers } from './layered-read.ts';
import { LazyFile } from './lazy-file.ts';
import { HotMemory } from '../storage/local-file.ts';
import type { ContentStore, InodeContentView, Snapshot, StagedSummary, Surroundings } from '../parts.ts';
import type { StagedFile } from './staged-file.ts';
import { takeSnapshot } from './snapshot.ts';
import { nodeDisk } from '../storage/staging-disk.ts';
import type { DiskSpace, StagingDisk } from '../storage/staging-disk.ts';
import { StagingArea } from './staging-area.ts';

/** Contents with ranges and read-ahead in memory; the idle ones beyond are closed. */
const lazyFileLimit = 1024;
const linkLimit = 8192;
const spaceMaxAgeMs = 1000;
const descriptorIdleMs = 60_000;
/** Freed at a time when staging has no room. */
const evictionStepBytes = 64 * 1024 * 1024;
/** WRITEs whose bytes are copied while the cache makes room; more are refused. */
const waitingWriteLimit = 16;
/** Part of the memory that the page cache is trusted to keep for us. */
const hotMemoryShare = 0.25;

export interface ContentStoreOptions extends Surroundings {
  /** Of this source; holds `staging` and `set-aside`. */
  readonly dataDir: string;
  /** Shared by all mounts. */
  readonly cacheDir: string;
  readonly cacheLimitBytes: number;
  readonly inodes: InodeContentView;
  /** Tests make calls fail with it. */
  readonly disk?: StagingDisk;
  readonly descriptorLimit?: number;
}

/** Recovers what is staged. Rejects where a folder cannot be made or the catalogue's tables are of a newer program. */
export async function openContentStore(options: ContentStoreOptions): Promise<ContentStore> {
  const disk = options.disk ?? nodeDisk;
  disk.makeDirectory(options.dataDir);
  disk.makeDirectory(options.cacheDir);
  const store = new DiskContentStore(options, disk, await disk.space(options.dataDir));
  await store.recover();
  return store;
}

class DiskContentStore implements ContentStore {
  readonly #options: ContentStoreOptions;
  readonly #disk: StagingDisk;
  readonly #memory = new HotMemory(totalmem() * hotMemoryShare);
  readonly #pool: HandlePool;
  readonly #cache: ContentCache;
  readonly #area: StagingArea;
  readonly #budget = new FetchBudget();
  /** By content key, in order of their opening. */
  readonly #lazyFiles = new Map<string, LazyFile>();
  /** Where the bytes of an unchanged inode are: saves asking the namespace at every READ. */
  readonly #links = new Map<number, LazyFile>();
  #idleTimer: Timer | null = null;
  #space: DiskSpace;
  #spaceAtMs: number;
  #spaceAsked: Promise<void> | null = null;
  #sweeping: Promise<void> = Promise.resolve();
  #waitingWrites = 0;
  #isFullTold = false;
  #closed = false;

  constructor(options: ContentStoreOptions, disk: StagingDisk, space: DiskSpace) {
    const { clock, log, cacheDir } = options;
    this.#options = options;
    this.#disk = disk;
    this.#space = space;
    this.#spaceAtMs = clock.monotonic();
    const memory = this.#memory;
    this.#pool = new HandlePool(disk, {
      nowMs: () => clock.monotonic(),
      onOpen: () => this.#watchIdleDescriptors(),
      ...(options.descriptorLimit === undefined ? {} : { capacity: options.descriptorLimit }),
    });
    this.#cache = new ContentCache({
      directory: cacheDir,
      limitBytes: options.cacheLimitBytes,
      index: openCacheIndex(`${cacheDir}/cache.db`, log),
      disk,
      pool: this.#pool,
      memory,
      clock,
      log,
    });
    this.#area = new StagingArea({
      ...options,
      disk,
      pool: this.#pool,
      memory,
      lazyFile: (content) => this.#lazyFile(content),
    });
  }

  async recover(): Promise<void> {
    await this.#area.recover();
    this.#sweeping = this.#cache
      .sweep(() => this.#closed)
      .catch((error: unknown) => this.#options.log.warn('the cache was not swept', { cause: String(error) }));
  }

  read(ino: number, offset: number, target: Uint8Array, isAlone = false): MaybePromise<number> {
    const length = Math.min(target.length, this.#options.inodes.sizeBytes(ino) - offset);
    if (length <= 0) return 0;
    const memory = this.#memory;
    const usualBytes = memory.atOnceBytes;
    let reading: MaybePromise<void>;
    try {
      if (isAlone) memory.atOnceBytes = Infinity;
      reading = this.#readFrom(ino, offset, target, length);
    } catch (error) {
      throw this.#failure(error, 'read', ino);
    } finally {
      memory.atOnceBytes = usualBytes;
    }
    if (reading === undefined) return length;
    return reading.then(
      () => length,
      (error: unknown) => {
        throw this.#failure(error, 'read', ino);
      },
    );
  }

  #readFrom(ino: number, offset: number, target: Uint8Array, length: number): MaybePromise<void> {
    const staged = this.#area.files.get(ino);
    if (staged !== undefined) return staged.read(offset, target, length);
    const lazy = this.#linkOf(ino);
    if (lazy !== null && offset + length <= lazy.content.sizeBytes)
      return lazy.read(offset, target, 0, length);
    return readLayers([], lazy, offset, target, length, { edit: null });
  }

  write(ino: number, offset: number, data: Uint8Array, stored?: () => void): MaybePromise<void> {
    if (data.length === 0) return undefined;
    try {
      this.#writeNow(ino, offset, data);
      stored?.();
      return undefined;
    } catch (error) {
      if (!isDiskFull(error) || this.#waitingWrites >= waitingWriteLimit)
        throw this.#failure(error, 'write', ino);
      return this.#writeWithRoom(ino, offset, Uint8Array.from(data), stored);
    }
  }

  #writeNow(ino: number, offset: number, data: Uint8Array): void {
    const known = this.#area.files.get(ino);
    const file = known ?? this.#stage(ino);
    try {
      file.write(offset, data);
    } catch (error) {
      // Nothing was stored: the file is not changed because a first write failed.
      if (known === undefined && !file.top.isRowWritten) this.#area.files.delete(ino);
      throw error;
    }
    this.#isFullTold = false;
  }

  async #writeWithRoom(ino: number, offset: number, data: Uint8Array, stored?: () => void): Promise<void> {
    this.#waitingWrites += 1;
    try {
      await this.#withRoom('write', ino, () => {
        this.#writeNow(ino, offset, data);
        stored?.();
      });
    } finally {
      this.#waitingWrites -= 1;
    }
  }

  /** Runs `work` again each time the cache gave up some bytes, as long as this disk is full. */
  async #withRoom(operation: string, ino: number, work: () => MaybePromise<void>): Promise<void> {
    for (;;) {
      const freedBytes = await this.#cache.evict(evictionStepBytes);
      try {
        await work();
        return;
      } catch (error) {
        if (isDiskFull(error) && freedBytes > 0) continue;
        throw this.#failure(error, operation, ino);
      }
    }
  }

  truncate(ino: number, sizeBytes: number): MaybePromise<void> {
    const { inodes } = this.#options;
    if (!this.#area.files.has(ino)) {
      const base = inodes.base(ino);
      if (base !== null && base.sizeBytes === sizeBytes && inodes.sizeBytes(ino) === sizeBytes)
        return undefined;
    }
    try {
      this.#stage(ino).truncate(sizeBytes);
    } catch (error) {
      throw this.#failure(error, 'truncate', ino);
    }
    return undefined;
  }

  async commit(ino: number): Promise<void> {
    const file = this.#area.files.get(ino);
    if (file === undefined) return this.#options.database.sync();
    try {
      await file.commit();
    } catch (error) {
      if (!isDiskFull(error)) throw this.#failure(error, 'commit', ino);
      await this.#withRoom('commit', ino, () => file.commit());
    }
  }

  writeVerifier(): Uint8Array {
    return this.#area.verifier;
  }

  isStaged(ino: number): boolean {
    return this.#area.files.has(ino);
  }

  async snapshot(ino: number): Promise<Snapshot | null> {
    const isNew = !this.#area.files.has(ino);
    const { inodes } = this.#options;
    // Bytes that are neither staged nor on the Hub do not exist; an empty new file does.
    if (isNew && (inodes.base(ino) !== null || inodes.sizeBytes(ino) > 0)) return null;
    const file = this.#stage(ino);
    // A file that nobody wrote to and the Hub does not have: its emptiness is its content.
    if (isNew) file.putRow();
    return takeSnapshot(file, this.#area, this.#cache);
  }

  forget(ino: number): void {
    this.#options.database.transaction(() => this.#area.forget(ino));
    this.#links.delete(ino);
  }

  baseChanged(ino: number): void {
    const lazy = this.#links.get(ino);
    this.#links.delete(ino);
    lazy?.stopReadAhead();
    lazy?.releaseDescriptor();
  }

  staged(): readonly StagedSummary[] {
    return [...this.#area.files.values()].map((file) => {
      const sizeBytes = this.#options.inodes.sizeBytes(file.ino);
      return { ino: file.ino, sizeBytes, dirtyBytes: file.dirtyBytes(sizeBytes) };
    });
  }

  space(): DiskSpace {
    const { clock, dataDir, log } = this.#options;
    if (clock.monotonic() - this.#spaceAtMs >= spaceMaxAgeMs && this.#spaceAsked === null && !this.#closed) {
      this.#spaceAsked = this.#disk
        .space(dataDir)
        .then(
          (space) => {
            this.#space = space;
            this.#spaceAtMs = clock.monotonic();
          },
          (error: unknown) => log.warn('the free space is unknown', { cause: String(error) }),
        )
        .finally(() => {
          this.#spaceAsked = null;
        });
    }
    return this.#space;
  }

  cacheUse(): { readonly usedBytes: number; readonly limitBytes: number } {
    return { usedBytes: this.#cache.usedBytes, limitBytes: this.#cache.limitBytes };
  }

  evict(bytes: number): Promise<number> {
    return this.#cache.evict(bytes);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const lazy of this.#lazyFiles.values()) lazy.close();
    await this.#area.close();
    await this.#sweeping;
    await this.#cache.close();
    await this.#spaceAsked;
    this.#idleTimer?.cancel();
    this.#pool.close();
  }

  #stage(ino: number): StagedFile {
    // When it is clean again it has another base.
    this.#links.delete(ino);
    return this.#area.stage(ino);
  }

  #linkOf(ino: number): LazyFile | null {
    const link = this.#links.get(ino);
    if (link !== undefined && !link.isClosed) return link;
    const base = this.#options.inodes.base(ino);
    if (base === null) return null;
    const lazy = this.#lazyFile(base);
    if (this.#links.size >= linkLimit) this.#links.clear();
    this.#links.set(ino, lazy);
    return lazy;
  }

  #lazyFile(content: ContentRef): LazyFile {
    const known = this.#lazyFiles.get(content.key);
    if (known !== undefined && !known.isClosed) return known;
    const lazy = new LazyFile(content, { ...this.#options, cache: this.#cache, budget: this.#budget });
    this.#lazyFiles.set(content.key, lazy);
    if (this.#lazyFiles.size > lazyFileLimit) this.#closeIdleLazyFiles();
    return lazy;
  }

  #closeIdleLazyFiles(): void {
    for (const [key, lazy] of this.#lazyFiles) {
      if (this.#lazyFiles.size <= lazyFileLimit * 0.75) return;
      if (!lazy.isIdle) continue;
      lazy.close();
      this.#lazyFiles.delete(key);
    }
  }

  /** A cache file that another mount evicted keeps its room until nobody has it open. */
  #watchIdleDescriptors(): void {
    if (this.#idleTimer !== null || this.#closed) return;
    this.#idleTimer = this.#options.clock.schedule(descriptorIdleMs, () => {
      this.#idleTimer = null;
      this.#pool.closeIdle(descriptorIdleMs);
      if (this.#pool.openCount > 0) this.#watchIdleDescriptors();
    });
  }

  #failure(error: unknown, operation: string, ino: number): FsError {
    const path = this.#options.inodes.pathOf(ino);
    const failure = fromDiskError(error, operation, path);
    if (isDiskFull(failure) && !this.#isFullTold) {
      this.#isFullTold = true;
      const detail = `The disk that holds "${this.#options.dataDir}" is full: new data is refused until there is room. Nothing saved so far is lost`;
      this.#options.activity.record('ERROR', path ?? '', { detail });
      this.#options.log.error(detail, { path }, error);
    }
    return failure;
  }
}
