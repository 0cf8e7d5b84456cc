// One file with local changes: a layer of changed ranges over the remote base, and while a version of it is being sent (or
// two layers found after a crash are not merged yet) a frozen layer below the one that takes the writes. Used by content-store.ts;
// versions are frozen and sent through snapshot.ts, layers merged by staged-merge.ts.
//
// What COMMIT does, in this order, so that after a crash the index never promises bytes that are not there:
// 1. fdatasync of the staging file and, if the file is new, at the same time fsync of its folder; 2. the synced ranges go into the
// index, in a transaction; 3. the catalogue's log is synced. Ranges that were cut meanwhile are left out in step 2. Concurrent commits of
// a file share all of it, those of different files the syncs of folder and log. If a sync fails the verifier changes, the commit is
// refused once with EIO, and the file's bytes are written again before its next sync: the kernel reports a lost page once.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ByteRange, ContentRef } from '../../hub/remote-store.ts';
import type { Log } from '../../shared/log.ts';
import { ExtentMap } from '../storage/extents.ts';
import type { ReadPurpose } from '../cache/fetch-waiter.ts';
import type { MaybePromise } from '../file-system.ts';
import { FsError } from '../fs-error.ts';
import { damageError, noteDamage } from './staged-damage.ts';
import { readLayers } from './layered-read.ts';
import type { LazyFile } from './lazy-file.ts';
import type { ActivitySink, CatalogueDatabase } from '../parts.ts';
import type { StagedLayer } from './staged-layer.ts';
import type { StagingDisk } from '../storage/staging-disk.ts';
import type { StagingIndex } from './staging-index.ts';

/** Ranges put into the index in one turn of the serving thread (about 10 µs each). */
const indexSlice = 64;
const rewriteSliceBytes = 256 * 1024;

/** What a staged file needs of the staging area that owns it. */
export interface StagedFileOwner {
  readonly database: CatalogueDatabase;
  readonly index: StagingIndex;
  readonly disk: StagingDisk;
  readonly log: Log;
  /** A layer that is nowhere but in memory yet. */
  newLayer(ino: number, base: ContentRef | null, baseLimit: number): StagedLayer;
  /** In the caller's transaction; its file is deleted once that is durable. */
  dropLayer(layer: StagedLayer): void;
  lazyFile(content: ContentRef): LazyFile;
  syncDirectory(): Promise<void>;
  readonly activity: ActivitySink;
  /** Synced data may be checksummed soon. */
  noteCommitted(file: StagedFile): void;
  /** Uncommitted data may be lost: changes the verifier. */
  noteFailedSync(): void;
  pathOf(ino: number): string | null;
}

export interface RunningMerge {
  /** Bytes of the upper layer that the lower file has as well. */
  readonly inLower: ExtentMap;
  /** Takes each write to the upper layer. */
  mirror(data: Uint8Array, offset: number): void;
}

/** Ranges of a layer on their way to the disk and the index. */
interface Claim {
  readonly layer: StagedLayer;
  readonly ranges: ExtentMap;
}

const programRead: ReadPurpose = { edit: null };

export class StagedFile {
  readonly ino: number;
  readonly #owner: StagedFileOwner;
  top: StagedLayer;
  lower: StagedLayer | null = null;
  /** A version of it is being sent: `lower` must not change. */
  isFrozen = false;
  /** Set while layers are merged. */
  merge: RunningMerge | null = null;
  merging: Promise<void> | null = null;
  /** Why its bytes cannot be trusted; reads and writes fail, the rest of the mount works. */
  damage: string | null = null;
  isForgotten = false;
  #isIndexSynced = false;
  #committing: Promise<void> | null = null;
  #nextCommit: Promise<void> | null = null;

  constructor(owner: StagedFileOwner, top: StagedLayer, lower: StagedLayer | null = null) {
    this.#owner = owner;
    this.ino = top.ino;
    this.top = top;
    this.lower = lower;
  }

  get base(): ContentRef | null {
    return (this.lower ?? this.top).base;
  }

  get isCommitting(): boolean {
    return this.#committing !== null;
  }

  dirtyBytes(sizeBytes: number): number {
    if (this.damage !== null) return 0;
    const grown = (layer: StagedLayer): number => Math.max(0, sizeBytes - layer.baseLimit);
    const upper = Math.max(this.top.dirtyBytes, grown(this.top));
    if (this.lower === null) return Math.min(sizeBytes, upper);
    return Math.min(sizeBytes, upper + Math.max(this.lower.dirtyBytes, grown(this.lower)));
  }

  /** `length` bytes from `offset`, zeros where nothing was ever written. EIO for bytes that are damaged. */
  read(offset: number, target: Uint8Array, length: number): MaybePromise<void> {
    this.#refuseDamaged('read');
    const { top, lower } = this;
    const end = offset + length;
    if (top.sums.isUnsure(offset, end) || (lower !== null && lower.sums.isUnsure(offset, end))) {
      return this.#readChecked(offset, target, length);
    }
    return this.#readNow(offset, target, length);
  }

  #readNow(offset: number, target: Uint8Array, length: number): MaybePromise<void> {
    const { top } = this;
    if (top.extents.covers(offset, offset + length)) return top.file.read(target, 0, length, offset);
    const { base } = this;
    const below = base === null ? null : this.#owner.lazyFile(base);
    const layers = this.lower === null ? [top] : [top, this.lower];
    return readLayers(layers, below, offset, target, length, programRead);
  }

  async #readChecked(offset: number, target: Uint8Array, length: number): Promise<void> {
    const end = offset + length;
    for (const layer of [this.top, this.lower]) {
      if (layer === null) continue;
      this.noteDamage(layer, await layer.sums.check(offset, end));
    }
    const { top, lower } = this;
    const damaged = ExtentMap.of(...top.sums.damaged.within(offset, end));
    for (const gap of top.extents.gaps(offset, end)) {
      // What lies behind the limit of the upper layer was cut off.
      for (const range of lower?.sums.damaged.within(gap.start, Math.min(gap.end, top.baseLimit)) ?? [])
        damaged.add(range.start, range.end);
    }
    if (damaged.count > 0) throw damageError(this.#owner, 'read', this.ino, damaged);
    await this.#readNow(offset, target, length);
  }

  /** Whether the layer is one of its own still. */
  has(layer: StagedLayer): boolean {
    return !this.isForgotten && (layer === this.top || layer === this.lower);
  }

  /** What a look at the layer found. */
  noteDamage(layer: StagedLayer, found: ExtentMap): void {
    if (found.count > 0 && this.has(layer)) noteDamage(this.#owner, layer, found);
  }

  /** In the staging file when it returns; throws the errno error of the disk. */
  write(offset: number, data: Uint8Array): void {
    this.#refuseDamaged('write');
    const { top } = this;
    top.write(data, offset);
    this.#putRow(top);
    top.noteWritten(offset, offset + data.length);
    this.merge?.mirror(data, offset);
    this.#owner.disk.step('written');
  }

  /** In the caller's transaction, so that size and content change together. */
  truncate(sizeBytes: number): void {
    if (sizeBytes > 0) this.#refuseDamaged('truncate');
    const { database, index, disk } = this.#owner;
    database.transaction(() => {
      if (sizeBytes === 0 && this.lower === null && (this.damage !== null || this.top.extents.count > 0)) {
        this.#startOver();
        return;
      }
      // A layer that is being merged holds copies of what is above it.
      const layers = this.merge !== null && this.lower !== null ? [this.top, this.lower] : [this.top];
      for (const layer of layers) {
        this.#putRow(layer);
        database.onRollback(layer.cut(sizeBytes));
        index.cut(layer.id, sizeBytes);
      }
    });
    this.#isIndexSynced = false;
    disk.step('truncated');
  }

  /** Everything written before the call is on disk when it resolves. Callers that come while a sync runs share the next one. */
  commit(): Promise<void> {
    if (this.#committing === null) return this.#startCommit();
    this.#nextCommit ??= this.#committing.then(
      () => this.#startCommit(),
      () => this.#startCommit(),
    );
    return this.#nextCommit;
  }

  /** The row exists from the first change on, so that a crash finds whose file it is. */
  #putRow(layer: StagedLayer): void {
    if (layer.isRowWritten) return;
    const { database, index } = this.#owner;
    database.transaction(() => {
      index.put(layer.id, layer.ino, layer.base, layer.baseLimit);
      database.onRollback(() => {
        layer.isRowWritten = false;
      });
    });
    layer.isRowWritten = true;
    this.#isIndexSynced = false;
  }

  /** Staging the file without changing a byte (an empty new file, a frozen layer's successor). */
  putRow(): void {
    this.#putRow(this.top);
  }

  /** All bytes are gone: a new file takes the place of the old one, whose room comes back. */
  #startOver(): void {
    const { database } = this.#owner;
    const { top, damage } = this;
    const next = this.#owner.newLayer(this.ino, top.base, 0);
    this.#owner.dropLayer(top);
    this.top = next;
    this.damage = null;
    database.onRollback(() => {
      this.top = top;
      this.damage = damage;
    });
    this.#putRow(next);
  }

  #startCommit(): Promise<void> {
    this.#nextCommit = null;
    if (this.damage !== null) return Promise.reject(this.#damaged('commit'));
    const running = this.#commitRound().finally(() => {
      if (this.#committing === running) this.#committing = null;
    });
    this.#committing = running;
    return running;
  }

  async #commitRound(): Promise<void> {
    const { disk } = this.#owner;
    const claims = this.#claimPending();
    if (claims.length === 0 && this.#isIndexSynced) return this.#syncIndex();
    let isSynced = false;
    try {
      await syncAll([this.#syncData(claims), this.#syncName(claims)]);
      try {
        for (const claim of claims) await this.#indexSynced(claim);
      } catch (error) {
        this.#owner.noteFailedSync();
        throw error;
      }
      isSynced = true;
      disk.step('index-written');
    } finally {
      for (const { layer, ranges } of claims) layer.settleClaim(ranges, isSynced);
    }
    await this.#syncIndex();
    this.#owner.noteCommitted(this);
    disk.step('committed');
  }

  /** Size and times of the file are in the same log. */
  async #syncIndex(): Promise<void> {
    this.#isIndexSynced = true;
    try {
      await this.#owner.database.sync();
    } catch (error) {
      this.#isIndexSynced = false;
      this.#owner.noteFailedSync();
      throw error;
    }
  }

  #claimPending(): Claim[] {
    const { top, lower, merge } = this;
    const claims: Claim[] = [];
    if (top.pending.count > 0) claims.push({ layer: top, ranges: top.claimPending() });
    if (lower === null) return claims;
    // The lower file takes over when the merge is done: what it has of the claimed bytes must then be as safe there.
    const copied = merge === null ? [] : claims.map(({ ranges }) => ranges.intersect(merge.inLower));
    if (lower.pending.count > 0 || copied.length > 0) {
      claims.push({ layer: lower, ranges: lower.claimPending(copied[0]) });
    }
    return claims;
  }

  async #syncData(claims: readonly Claim[]): Promise<void> {
    await syncAll(claims.map((claim) => this.#syncLayer(claim)));
    this.#owner.disk.step('data-synced');
  }

  async #syncLayer({ layer, ranges }: Claim): Promise<void> {
    try {
      await layer.sums.syncRemovals();
      if (layer.mustRewrite) await this.#rewrite(layer, ranges.ranges());
      await layer.file.withDescriptor((descriptor) => this.#owner.disk.syncData(descriptor));
      layer.mustRewrite = false;
    } catch (cause) {
      if (!this.has(layer)) return;
      layer.mustRewrite = true;
      this.#owner.noteFailedSync();
      throw new FsError('EIO', 'commit', {
        path: this.#owner.pathOf(this.ino) ?? `inode ${this.ino}`,
        message: 'this disk did not take the data; it is kept and tried again with the next commit',
        cause,
      });
    }
  }

  /** Makes the pages dirty again that a failed sync may have marked clean. */
  async #rewrite(layer: StagedLayer, ranges: readonly ByteRange[]): Promise<void> {
    const slice = new Uint8Array(rewriteSliceBytes);
    for (const range of ranges) {
      for (let start = range.start; start < range.end; start += slice.length) {
        const end = Math.min(range.end, start + slice.length);
        await layer.file.read(slice, 0, end - start, start);
        // Read once more without a pause before the write, so that no newer write can come between.
        layer.file.copyWithin(slice, start, end - start);
      }
    }
  }

  async #syncName(claims: readonly Claim[]): Promise<void> {
    if (claims.every(({ layer }) => layer.isNameSynced)) return;
    try {
      await this.#owner.syncDirectory();
    } catch (error) {
      this.#owner.noteFailedSync();
      throw error;
    }
    for (const { layer } of claims) layer.isNameSynced = true;
    this.#owner.disk.step('directory-synced');
  }

  async #indexSynced({ layer, ranges }: Claim): Promise<void> {
    // Asked again after every pause: a truncation may have cut the ranges, and a layer may be gone.
    for (let position = 0; ;) {
      const slice = ranges.within(position, Number.MAX_SAFE_INTEGER, indexSlice);
      const last = slice.at(-1);
      if (last === undefined || !this.has(layer)) return;
      this.#putRow(layer);
      this.#owner.index.addExtents(layer.id, slice);
      position = last.end;
      if (slice.length === indexSlice) await nextTurn();
    }
  }

  #refuseDamaged(operation: string): void {
    if (this.damage !== null) throw this.#damaged(operation);
  }

  #damaged(operation: string): FsError {
    return new FsError('EIO', operation, {
      path: this.#owner.pathOf(this.ino) ?? `inode ${this.ino}`,
      message: this.damage ?? '',
    });
  }
}

/** As Promise.all, but settles only when nothing runs any more. */
async function syncAll(syncs: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(syncs)) if (result.status === 'rejected') throw result.reason;
}
