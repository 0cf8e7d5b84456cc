// One staging file with what it changes: ranges over what lies below (another layer, the remote base, or nothing). Used by
// staged-file.ts. Memory side only; staging-index.ts holds what may be trusted after a crash.

import type { ContentRef } from '../../hub/remote-store.ts';
import type { ChecksumIndex } from '../storage/checksum-index.ts';
import { ExtentMap } from '../storage/extents.ts';
import { LayerChecksums } from './layer-checksums.ts';
import type { LocalFile } from '../storage/local-file.ts';

const pendingBlockBytes = 64 * 1024;

export interface LayerStart {
  readonly id: number;
  readonly ino: number;
  readonly file: LocalFile;
  readonly base: ContentRef | null;
  readonly baseLimit: number;
}

/** What the index knows of a layer of an earlier run. */
export interface StoredLayer {
  readonly dirtyBytes: number;
  readonly damage: ExtentMap;
  readonly load: () => ExtentMap;
}

export class StagedLayer {
  readonly id: number;
  readonly ino: number;
  readonly file: LocalFile;
  /** Of a bottom layer: the remote version below it. */
  base: ContentRef | null;
  /** Bytes of what lies below are valid below this offset, zeros follow. */
  baseLimit: number;
  /** Blocks with bytes that are not yet known to be on disk. Whole blocks: a random writer must not make it long. */
  pending = new ExtentMap();
  /** Ranges that are being synced and will be put into the index; truncations cut them too. */
  readonly claims = new Set<ExtentMap>();
  isRowWritten = false;
  /** The file's name is on disk. */
  isNameSynced = false;
  /** A sync failed: the kernel may have marked pages clean that are not on disk, so pending bytes must be written again. */
  mustRewrite = false;
  readonly sums: LayerChecksums;
  readonly #load: () => ExtentMap;
  #extents: ExtentMap | null;
  readonly #knownDirtyBytes: number;

  constructor(start: LayerStart, stored: StoredLayer | null, checksums: ChecksumIndex) {
    this.id = start.id;
    this.ino = start.ino;
    this.file = start.file;
    this.base = start.base;
    this.baseLimit = start.baseLimit;
    this.#extents = stored === null ? new ExtentMap() : null;
    this.#load = stored?.load ?? (() => new ExtentMap());
    this.#knownDirtyBytes = stored?.dirtyBytes ?? 0;
    if (stored !== null) {
      this.isRowWritten = true;
      this.isNameSynced = true;
    }
    this.sums = new LayerChecksums(this, checksums, stored);
  }

  /** What the file holds. Read from the index at the first use, so that a start with many staged files is quick. */
  get extents(): ExtentMap {
    this.#extents ??= this.#load();
    return this.#extents;
  }

  get dirtyBytes(): number {
    return this.#extents?.totalBytes ?? this.#knownDirtyBytes;
  }

  /** The ranges below `sizeBytes` that may differ from what lies below. */
  changes(sizeBytes: number): ExtentMap {
    const changes = this.extents.copy();
    changes.add(this.baseLimit, sizeBytes);
    changes.truncate(sizeBytes);
    return changes;
  }

  noteWritten(start: number, end: number): void {
    this.extents.add(start, end);
    const block = pendingBlockBytes;
    this.pending.add(start - (start % block), Math.ceil(end / block) * block);
  }

  /** Hands out the pending ranges to be synced; `pending` starts anew. Give them back by `settleClaim`. `further` is claimed too. */
  claimPending(further?: ExtentMap): ExtentMap {
    const claim = this.pending.intersect(this.extents);
    if (further !== undefined) claim.addAll(further);
    this.pending = new ExtentMap();
    this.claims.add(claim);
    return claim;
  }

  settleClaim(claim: ExtentMap, isSynced: boolean): void {
    this.claims.delete(claim);
    if (!isSynced) this.pending.addAll(claim);
  }

  /** Whether bytes of the range are not yet on the disk and in the index. */
  isUnsettled(start: number, end: number): boolean {
    if (this.pending.overlaps(start, end)) return true;
    for (const claim of this.claims) if (claim.overlaps(start, end)) return true;
    return false;
  }

  /** Into the file only; `noteWritten` says that the bytes count. */
  write(data: Uint8Array, offset: number): void {
    this.sums.willWrite(offset, offset + data.length);
    this.file.write(data, offset);
    this.sums.didWrite(offset, offset + data.length);
  }

  /** In the caller's transaction, before the index is cut. Forgets everything at and after `sizeBytes`. Returns how to undo it. */
  cut(sizeBytes: number): () => void {
    this.sums.cut(sizeBytes);
    const { baseLimit } = this;
    const lost = this.extents.within(sizeBytes, Number.MAX_SAFE_INTEGER);
    const lostPending = this.pending.within(sizeBytes, Number.MAX_SAFE_INTEGER);
    const lostClaims = [...this.claims].map((claim) => ({
      claim,
      ranges: claim.within(sizeBytes, Number.MAX_SAFE_INTEGER),
    }));
    this.extents.truncate(sizeBytes);
    this.pending.truncate(sizeBytes);
    for (const claim of this.claims) claim.truncate(sizeBytes);
    this.baseLimit = Math.min(baseLimit, sizeBytes);
    return () => {
      this.baseLimit = baseLimit;
      for (const { start, end } of lost) this.extents.add(start, end);
      for (const { start, end } of lostPending) this.pending.add(start, end);
      // A commit may be under way with them: it must not say that it has made safe what it no longer knows.
      for (const { claim, ranges } of lostClaims) {
        for (const { start, end } of ranges) claim.add(start, end);
      }
    };
  }
}
