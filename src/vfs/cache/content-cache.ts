// Plain bytes of remote content on this disk, shared by all mounts and kept over restarts: one sparse file per content and
// the ranges it holds. Used by lazy-file.ts (fill, read) and snapshot.ts (a sent version becomes cache). It never fetches.
//
// Ranges are recorded only after the data was fdatasynced, lazily and in batches, so that a crash can lose cache but never
// invent bytes. Eviction deletes row, then file; descriptors that are open elsewhere stay valid until they are closed.

import type { ContentRef } from '../../hub/remote-store.ts';
import type { Timer } from '../../shared/log.ts';
import { CacheChecksums } from './cache-checksums.ts';
import { cacheFolderOf, cachePathOf, sweepCacheFolder } from './cache-folder.ts';
import type { CacheOrigin, EvictionCandidate } from './cache-index.ts';
import { evictOldest, excessBytes } from './cache-limits.ts';
import { adoptedEntry, emptyEntry } from './cached-content.ts';
import { CacheWriter } from './cache-writer.ts';
import type { StoreOutcome } from './cache-writer.ts';
import type { CachedContent, ContentCacheOptions } from './cached-content.ts';
import { ExtentMap } from '../storage/extents.ts';
import type { MaybePromise } from '../file-system.ts';
import { FsError } from '../fs-error.ts';
import { LocalFile } from '../storage/local-file.ts';
import { errnoOf } from '../storage/staging-disk.ts';

/** How long filled ranges and uses may go unrecorded. */
const recordDelayMs = 2000;
/** Contents with their ranges in memory. */
const entryLimit = 4096;

export class ContentCache {
  readonly #options: ContentCacheOptions;
  readonly checksums: CacheChecksums;
  readonly #writer: CacheWriter;
  readonly #entries = new Map<string, CachedContent>();
  readonly #unrecorded = new Set<CachedContent>();
  readonly #used = new Set<CachedContent>();
  #timer: Timer | null = null;
  #recording: Promise<void> | null = null;
  #usedBytes: number;
  #closed = false;

  constructor(options: ContentCacheOptions) {
    this.#options = options;
    this.checksums = new CacheChecksums(options);
    this.#writer = new CacheWriter({
      create: (entry) => this.#create(entry),
      stored: (entry, start, end) => {
        entry.extents.add(start, end);
        entry.unrecorded.add(start, end);
        entry.trusted.add(start, end);
        this.#unrecorded.add(entry);
        this.#schedule();
      },
      lose: (entry) => this.#lose(entry),
      log: options.log,
    });
    this.#usedBytes = options.index.usedBytes();
  }

  get usedBytes(): number {
    let pending = 0;
    for (const entry of this.#unrecorded) pending += entry.unrecorded.totalBytes;
    return this.#usedBytes + pending;
  }

  get limitBytes(): number {
    return this.#options.limitBytes;
  }

  open(content: ContentRef): CachedContent {
    const known = this.#entries.get(content.key);
    if (known !== undefined) return known;
    if (this.#entries.size >= entryLimit) this.#forgetOldEntries();
    const entry = emptyEntry(content);
    this.#entries.set(content.key, entry);
    this.refresh(entry);
    return entry;
  }

  /** Forgets the entry in memory; what is not recorded yet keeps it until it is. */
  release(entry: CachedContent): void {
    if (entry.unrecorded.count > 0 || entry.adopting) return;
    entry.file?.release();
    this.#drop(entry);
  }

  /** The Hub's bytes turned out not to be the content: none of them may be read again. What was written here stays. */
  distrust(entry: CachedContent): void {
    if (entry.adopting || entry.gone) return;
    const { id, content } = entry;
    if (id !== null) this.#attempt('remove', () => this.#evictOne({ id, key: content.key }));
    if (!entry.gone) this.#lose(entry);
  }

  /** Takes over what other mounts recorded since. */
  refresh(entry: CachedContent): void {
    this.#attempt('look up', () => this.#refresh(entry));
  }

  #refresh(entry: CachedContent): void {
    const { index, disk } = this.#options;
    if (entry.adopting || entry.gone) return;
    if (entry.id !== null) {
      const revision = index.revisionOf(entry.id);
      if (revision === entry.revision) return;
      if (revision === null) return this.#lose(entry);
    }
    const row = index.find(entry.content.key, entry.content.sizeBytes);
    if (row !== null) entry.origin = row.origin;
    // An empty row promises no bytes, not even a folder: the first store takes it over.
    if (row === null || row.extents.count === 0) return;
    if (entry.id !== null && row.id !== entry.id) return this.#lose(entry);
    const path = this.#pathOf(entry.content.key, row.id);
    if ((disk.sizeOf(path) ?? 0) < row.extents.end) {
      this.#options.log.warn('a cache file was missing or too short and is dropped', { path });
      index.remove(row.id);
      disk.unlink(path);
      if (entry.id !== null) this.#lose(entry);
      return;
    }
    entry.id = row.id;
    entry.revision = row.revision;
    entry.file ??= this.#fileAt(path, false);
    entry.extents.addAll(row.extents);
  }

  /** Whether the bytes were stored: false where this disk has no room, and nothing changed then. */
  store(entry: CachedContent, offset: number, bytes: Uint8Array): boolean {
    return this.#writer.store(entry, offset, bytes);
  }

  /** Like `store`, much off the serving thread: `bytes` is borrowed until it is done. */
  storeLater(entry: CachedContent, offset: number, bytes: Uint8Array): MaybePromise<StoreOutcome> {
    return this.#writer.storeLater(entry, offset, bytes);
  }

  noteUse(entry: CachedContent): void {
    entry.used = true;
    this.#used.add(entry);
    this.#schedule();
  }

  /** Runs a read of the entry's file. A file that is not what the index says goes, and the content counts as not cached. */
  guard(entry: CachedContent, read: () => MaybePromise<void>): MaybePromise<void> {
    const give = (error: unknown): never => {
      const code = errnoOf(error);
      if (code === 'EMFILE' || code === 'ENFILE') throw new FsError('EAGAIN', 'read', { cause: error });
      this.#discard(entry, error);
      throw error;
    };
    try {
      const reading = read();
      return reading === undefined ? undefined : reading.catch(give);
    } catch (error) {
      return give(error);
    }
  }

  #discard(entry: CachedContent, error: unknown): void {
    if (entry.gone) return;
    this.#options.log.warn('cached bytes were unreadable and are fetched again', {
      key: entry.content.key,
      cause: String(error),
    });
    if (entry.id !== null && this.#options.index.remove(entry.id) !== null)
      this.#usedBytes = this.#options.index.usedBytes();
    if (entry.file !== null) this.#options.disk.unlink(entry.file.path);
    this.#lose(entry);
  }

  /**
   * The bytes of a sent staging file serve as cache of `content` from here on, together with those of its origin;
   * `settleAdoption` makes it last. False where the content is cached as well already: the caller keeps the file.
   */
  adopt(content: ContentRef, file: LocalFile, extents: ExtentMap, origin: CacheOrigin | null): boolean {
    if (extents.totalBytes > this.#options.limitBytes) return false;
    const known = this.open(content);
    if (known.extents.totalBytes >= extents.totalBytes + (origin?.same.totalBytes ?? 0)) return false;
    if (known.adopting) return false;
    this.#drop(known);
    known.gone = true;
    this.#entries.set(content.key, adoptedEntry(content, file, extents, origin));
    return true;
  }

  /** Undoes `adopt` where the transaction around it failed. */
  disown(content: ContentRef, file: LocalFile): void {
    const entry = this.#entries.get(content.key);
    if (entry === undefined || entry.file !== file) return;
    entry.gone = true;
    this.#drop(entry);
  }

  /** Moves the adopted file into the cache folder. Called once nothing can bring the staged version back. */
  settleAdoption(content: ContentRef, file: LocalFile): void {
    const { disk, index, clock } = this.#options;
    const entry = this.#entries.get(content.key);
    if (entry === undefined || entry.file !== file || !entry.adopting) {
      file.release();
      disk.unlink(file.path);
      return;
    }
    try {
      const existing = index.find(content.key, content.sizeBytes);
      if (existing !== null) {
        index.remove(existing.id);
        disk.unlink(this.#pathOf(content.key, existing.id));
      }
      const { row, isNew } = index.create(content.key, content.sizeBytes, clock.now());
      if (!isNew) throw new Error('another mount caches it at the same time');
      disk.step('adoption-announced');
      const path = this.#pathOf(content.key, row.id);
      disk.makeDirectory(cacheFolderOf(this.#options.directory, content.key));
      if (entry.extents.count > 0) {
        disk.rename(file.path, path);
        file.path = path;
      } else {
        file.release();
        disk.unlink(file.path);
        entry.file = null;
      }
      index.setOrigin(row.id, entry.origin);
      disk.step('adopted');
      entry.id = row.id;
      entry.revision = row.revision + 1;
      entry.adopting = false;
      if (entry.unrecorded.count > 0) this.#unrecorded.add(entry);
      this.#schedule();
    } catch (error) {
      this.#options.log.info('a sent file did not become cache', { cause: String(error) });
      disk.unlink(file.path);
      this.#lose(entry);
    }
  }

  setOrigin(entry: CachedContent, origin: CacheOrigin | null): void {
    entry.origin = origin;
    if (entry.id === null || entry.gone) return;
    this.#options.index.setOrigin(entry.id, origin);
    entry.revision += 1;
  }

  /** Deletes the longest unused contents. Resolves to the bytes freed, which may be less than asked. */
  async evict(bytes: number): Promise<number> {
    const { index, log } = this.#options;
    let freed = 0;
    try {
      this.#recordUses();
      freed = await evictOldest(index, bytes, (candidate) => this.#evictOne(candidate));
      this.#usedBytes = index.usedBytes();
    } catch (error) {
      log.warn('evicting from the cache failed', { cause: String(error) });
    }
    return freed;
  }

  #evictOne({ id, key }: Pick<EvictionCandidate, 'id' | 'key'>): number {
    const removed = this.#options.index.remove(id);
    if (removed === null) return 0;
    this.#options.disk.unlink(this.#pathOf(key, id));
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.id !== id) return removed;
    const freed = removed + entry.unrecorded.totalBytes;
    this.#lose(entry);
    return freed;
  }

  /** Syncs and records what was stored so far. Concurrent callers share one round, which may miss what came after its start. */
  record(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    this.#recording ??= this.#recordAll().finally(() => {
      this.#recording = null;
      if (this.#unrecorded.size > 0) this.#schedule();
    });
    return this.#recording;
  }

  /** In the background after a start. */
  sweep(isStopped: () => boolean): Promise<void> {
    const { disk, directory, index } = this.#options;
    return sweepCacheFolder(directory, disk, index, isStopped);
  }

  async close(): Promise<void> {
    await this.#recording;
    await this.record();
    await this.checksums.close();
    this.#closed = true;
    this.#timer?.cancel();
    this.#options.index.close();
  }

  async #recordAll(): Promise<void> {
    const { index, disk, clock, log } = this.#options;
    for (const entry of [...this.#unrecorded]) {
      if (entry.adopting || entry.id === null || entry.file === null) continue;
      this.#unrecorded.delete(entry);
      const added = entry.unrecorded;
      entry.unrecorded = new ExtentMap();
      try {
        await entry.file.withDescriptor((descriptor) => disk.syncData(descriptor));
        disk.step('cache-synced');
        if (entry.gone) continue;
        const row = index.merge(entry.id, entry.content.key, entry.content.sizeBytes, added, clock.now());
        if (row === null) {
          // Evicted by another mount; our open may have made the file anew.
          disk.unlink(entry.file.path);
          this.#lose(entry);
          continue;
        }
        entry.revision = row.revision;
        entry.extents.addAll(row.extents);
        this.#used.delete(entry);
        this.checksums.note(entry);
        disk.step('cache-recorded');
      } catch (error) {
        if (entry.gone) continue;
        log.warn('cached bytes could not be kept', { key: entry.content.key, cause: String(error) });
        for (const { start, end } of added.ranges()) entry.extents.remove(start, end);
      }
    }
    await this.#keepToLimits();
  }

  async #keepToLimits(): Promise<void> {
    const { index, disk, directory, limitBytes, log } = this.#options;
    try {
      this.#recordUses();
      this.#usedBytes = index.usedBytes();
      const excess = excessBytes(this.#usedBytes, limitBytes, await disk.space(directory));
      if (excess > 0) await this.evict(excess);
    } catch (error) {
      log.warn('the cache could not be kept to its limits', { cause: String(error) });
    }
  }

  #recordUses(): void {
    if (this.#used.size === 0) return;
    const entries = [...this.#used].filter((entry) => entry.id !== null && !entry.gone);
    this.#used.clear();
    for (const entry of entries) entry.used = false;
    const ids = entries.map((entry) => entry.id ?? 0);
    const gone = new Set(this.#options.index.touch(ids, this.#options.clock.now()));
    for (const entry of entries) if (entry.id !== null && gone.has(entry.id)) this.#lose(entry);
  }

  #schedule(): void {
    if (this.#timer !== null || this.#closed || this.#recording !== null) return;
    this.#timer = this.#options.clock.schedule(recordDelayMs, () => {
      this.#timer = null;
      this.record().catch((error: unknown) =>
        this.#options.log.error('recording the cache failed', {}, error),
      );
    });
  }

  #create(entry: CachedContent): LocalFile {
    const { index, disk, clock } = this.#options;
    const { row } = index.create(entry.content.key, entry.content.sizeBytes, clock.now());
    disk.makeDirectory(cacheFolderOf(this.#options.directory, entry.content.key));
    entry.id = row.id;
    entry.revision = row.revision;
    return this.#fileAt(this.#pathOf(entry.content.key, row.id), true);
  }

  #fileAt(path: string, create: boolean): LocalFile {
    return new LocalFile(this.#options.pool, this.#options.memory, path, create);
  }

  /** The cache is a help: trouble with its index must not fail what it helps. */
  #attempt(what: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.log.warn(`the cache index failed to ${what}`, { cause: String(error) });
    }
  }

  /** Whoever uses a forgotten entry goes on with it; others open another one for the same file. */
  #forgetOldEntries(): void {
    for (const entry of [...this.#entries.values()].slice(0, entryLimit / 4)) this.release(entry);
  }

  #lose(entry: CachedContent): void {
    entry.gone = true;
    entry.file?.release();
    this.#drop(entry);
  }

  #drop(entry: CachedContent): void {
    this.#unrecorded.delete(entry);
    this.#used.delete(entry);
    if (this.#entries.get(entry.content.key) === entry) this.#entries.delete(entry.content.key);
  }

  #pathOf(key: string, id: number): string {
    return cachePathOf(this.#options.directory, key, id);
  }
}
