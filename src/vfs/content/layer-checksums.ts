// Checksums of one staging file, so that bytes which change on the disk by themselves are noticed before they are sent. They are made
// when the file rests (staging-sealer.ts), never by a write, and kept in the catalogue per segment of 64 blocks. Used through
// staged-layer.ts.
//
// A segment's row goes before its bytes change: at SIGKILL both are in the page cache in this order, and a commit syncs the row's removal
// before the bytes. What the row knew of blocks that are not written to is kept in memory for when the segment is sealed again.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { ChecksumIndex } from '../storage/checksum-index.ts';
import { ExtentMap } from '../storage/extents.ts';
import type { LocalFile } from '../storage/local-file.ts';

const blockBytes = 64 * 1024;
const blocksPerSegment = 64;
const segmentBytes = blockBytes * blocksPerSegment;
const sumBytes = 4;
/** Blocks checksummed in one turn of the serving thread: some 0.1 ms. */
const blocksPerTurn = 4;
/** Segments written to whose other blocks' sums are remembered, 320 bytes each. */
const mostKeptSegments = 2048;

/** What the checksums are of. */
export interface ChecksummedBytes {
  readonly id: number;
  readonly file: LocalFile;
  readonly extents: ExtentMap;
  /** Bytes on their way to the disk or the index: not to be checksummed yet. */
  isUnsettled(start: number, end: number): boolean;
}

interface KeptSums {
  readonly sums: DataView;
  /** By block: written to since. */
  readonly stale: Uint8Array;
}

/** Bytes that are in memory already, for a check of exactly what is about to be used. */
export interface DeliveredBytes {
  readonly offset: number;
  readonly target: Uint8Array;
}

export class LayerChecksums {
  readonly #layer: ChecksummedBytes;
  readonly #index: ChecksumIndex;
  /** Numbers of the segments with a row; null until it is asked for. */
  #sealed: ExtentMap | null;
  readonly #kept = new Map<number, KeptSums>();
  #sealing: { readonly segment: number; isStale: boolean } | null = null;
  /** Of a file found at a start: what was looked at since. Null for a file of this run, whose bytes programs may have unlooked. */
  #checked: ExtentMap | null;
  /** Where the file does not have what was written. */
  damaged: ExtentMap;
  /** Asked for once for all blocks of a segment. */
  #row: { readonly segment: number; readonly sums: DataView } | null = null;
  #removals = 0;
  #syncedRemovals = 0;

  /** `found`: the layer is from an earlier run, with this damage. */
  constructor(layer: ChecksummedBytes, index: ChecksumIndex, found: { readonly damage: ExtentMap } | null) {
    this.#layer = layer;
    this.#index = index;
    this.#sealed = found === null ? new ExtentMap() : null;
    this.#checked = found === null ? null : new ExtentMap();
    this.damaged = found?.damage ?? new ExtentMap();
  }

  // ---- changes --------------------------------------------------------------------------------------------------------

  /** Before bytes of the range change. Costs nothing where nothing is checksummed. */
  willWrite(start: number, end: number): void {
    if (this.#sealed?.count === 0 && this.#kept.size === 0 && this.#sealing === null) return;
    const first = Math.floor(start / segmentBytes);
    const last = Math.floor((end - 1) / segmentBytes);
    if (this.#sealing !== null && this.#sealing.segment >= first && this.#sealing.segment <= last) {
      this.#sealing.isStale = true;
    }
    if (this.#segments().overlaps(first, last + 1)) this.#unseal(first, last);
    if (this.#kept.size > 0) this.#noteStale(start, end);
  }

  /** After bytes of the range were written: they are as they should be again. */
  didWrite(start: number, end: number): void {
    if (!this.damaged.overlaps(start, end)) return;
    this.damaged.remove(start, end);
    this.#index.setDamage(this.#layer.id, this.damaged);
  }

  /** In the caller's transaction, before the layer forgets what lies at and after `sizeBytes`. */
  cut(sizeBytes: number): void {
    const { database } = this.#index;
    const { end } = this.#layer.extents;
    if (end <= sizeBytes) return;
    const before = this.damaged;
    // Ahead of the changes, each of which may fail and leave the rest undone.
    database.onRollback(() => {
      this.damaged = before;
      this.#sealed = null;
      this.#row = null;
      this.#kept.clear();
    });
    this.willWrite(sizeBytes, end);
    if (before.end > sizeBytes) {
      this.damaged = before.copy();
      this.damaged.truncate(sizeBytes);
      this.#index.setDamage(this.#layer.id, this.damaged);
    }
  }

  /**
   * The rows that were removed before this call are gone from the disk when it resolves; to be awaited before changed bytes are
   * synced. Later ones are not waited for: a program that goes on writing would keep a commit waiting.
   */
  async syncRemovals(): Promise<void> {
    const wanted = this.#removals;
    while (this.#syncedRemovals < wanted) {
      const removals = this.#removals;
      await this.#index.database.sync();
      this.#syncedRemovals = Math.max(this.#syncedRemovals, removals);
    }
  }

  #segments(): ExtentMap {
    this.#sealed ??= this.#index.segments(this.#layer.id);
    return this.#sealed;
  }

  #unseal(first: number, last: number): void {
    const sealed = this.#segments();
    const { database } = this.#index;
    database.transaction(() => {
      for (const { start, end } of sealed.within(first, last + 1)) {
        for (let segment = start; segment < end; segment += 1) this.#keep(segment);
      }
      this.#index.removeWithin(this.#layer.id, first, last);
      database.onRollback(() => {
        this.#sealed = null;
      });
    });
    sealed.remove(first, last + 1);
    this.#row = null;
    this.#removals += 1;
    // At once: the sooner it is on the disk, the less can the kernel have written the changed bytes before it.
    this.syncRemovals().catch(() => undefined); // the commit that needs it tries again, and fails of it
  }

  #keep(segment: number): void {
    if (this.#kept.size >= mostKeptSegments) return;
    const sums = this.#index.find(this.#layer.id, segment);
    if (sums === null) return;
    const copy = Uint8Array.from(sums);
    this.#kept.set(segment, { sums: new DataView(copy.buffer), stale: new Uint8Array(blocksPerSegment) });
  }

  #noteStale(start: number, end: number): void {
    const lastBlock = Math.floor((end - 1) / blockBytes);
    for (let block = Math.floor(start / blockBytes); block <= lastBlock; block += 1) {
      const kept = this.#kept.get(Math.floor(block / blocksPerSegment));
      if (kept !== undefined) kept.stale[block % blocksPerSegment] = 1;
      // Nothing is kept of whole segments of a long range.
      else block += blocksPerSegment - 1 - (block % blocksPerSegment);
    }
  }

  // ---- sealing --------------------------------------------------------------------------------------------------------

  /** The next segment from `from` on that has bytes and no checksums, or null. */
  nextUnsealed(from: number): number | null {
    const { extents } = this.#layer;
    const sealed = this.#segments();
    for (let position = from * segmentBytes; ;) {
      const index = extents.indexAfter(position);
      if (index >= extents.count) return null;
      const segment = Math.floor(Math.max(position, extents.startOf(index)) / segmentBytes);
      const start = segment * segmentBytes;
      const end = start + segmentBytes;
      const isOpen = !sealed.covers(segment, segment + 1) && !this.damaged.overlaps(start, end);
      if (isOpen && !this.#layer.isUnsettled(start, end)) return segment;
      position = end;
    }
  }

  /** Checksums a segment; gives up where it is written to or not wanted any more. `scratch` is the caller's. One at a time. */
  async seal(segment: number, scratch: Uint8Array, isWanted: () => boolean): Promise<void> {
    const running = { segment, isStale: false };
    this.#sealing = running;
    try {
      const sums = new Uint8Array(blocksPerSegment * sumBytes);
      const view = new DataView(sums.buffer);
      const kept = this.#kept.get(segment);
      for (let block = 0; block < blocksPerSegment && !running.isStale; block += 1) {
        const known = kept !== undefined && kept.stale[block] === 0;
        const start = segment * segmentBytes + block * blockBytes;
        if (block % blocksPerTurn === 0) await nextTurn();
        view.setUint32(
          block * sumBytes,
          known ? kept.sums.getUint32(block * sumBytes) : await this.#sumOf(start, scratch),
        );
      }
      const start = segment * segmentBytes;
      if (running.isStale || this.damaged.overlaps(start, start + segmentBytes) || !isWanted()) return;
      this.#index.put(this.#layer.id, segment, sums);
      this.#segments().add(segment, segment + 1);
      this.#kept.delete(segment);
    } finally {
      this.#sealing = null;
    }
  }

  async #sumOf(
    blockStart: number,
    scratch: Uint8Array,
    delivered: DeliveredBytes | null = null,
  ): Promise<number> {
    let sum = 0;
    for (const { start, end } of this.#layer.extents.within(blockStart, blockStart + blockBytes)) {
      const own = delivered === null ? null : insideOf(delivered, start, end);
      if (own === null) await this.#layer.file.read(scratch, 0, end - start, start);
      sum = crc32(own ?? scratch.subarray(0, end - start), sum);
      if (own === null && delivered !== null) deliver(delivered, scratch, start, end);
    }
    return sum;
  }

  // ---- checking -------------------------------------------------------------------------------------------------------

  /** Whether a program's read of the range must wait for `check`, or fail. */
  isUnsure(start: number, end: number): boolean {
    if (this.damaged.count > 0 && this.damaged.overlaps(start, end)) return true;
    return this.#checked !== null && !this.#checked.covers(start, end);
  }

  /**
   * Compares what the file has in the blocks of the range with their checksums. What does not fit is added to `damaged`, and
   * returned. With `delivered` exactly those bytes are checked, also where they were before.
   */
  async check(start: number, end: number, delivered: DeliveredBytes | null = null): Promise<ExtentMap> {
    const found = new ExtentMap();
    let scratch: Uint8Array | null = null;
    let summed = 0;
    for (let at = start - (start % blockBytes); at < end; at += blockBytes) {
      if (delivered === null && this.#checked?.covers(at, at + blockBytes) === true) continue;
      if (summed === blocksPerTurn) {
        summed = 0;
        await nextTurn();
      }
      const expected = this.#expected(at);
      if (expected !== null) {
        scratch ??= new Uint8Array(blockBytes);
        summed += 1;
        const sum = await this.#sumOf(at, scratch, delivered);
        // Asked again: a write may have come between.
        if (sum !== expected && this.#expected(at) === expected) {
          found.addAll(this.#layer.extents.intersect(ExtentMap.of({ start: at, end: at + blockBytes })));
          continue;
        }
      }
      this.#checked?.add(at, at + blockBytes);
    }
    return found;
  }

  /** What the checksums say of the block, null where they say nothing. */
  #expected(blockStart: number): number | null {
    const segment = Math.floor(blockStart / segmentBytes);
    const at = ((blockStart % segmentBytes) / blockBytes) * sumBytes;
    if (this.#segments().covers(segment, segment + 1)) return this.#rowOf(segment)?.getUint32(at) ?? null;
    const kept = this.#kept.get(segment);
    return kept === undefined || kept.stale[at / sumBytes] !== 0 ? null : kept.sums.getUint32(at);
  }

  #rowOf(segment: number): DataView | null {
    if (this.#row?.segment === segment) return this.#row.sums;
    const sums = this.#index.find(this.#layer.id, segment);
    if (sums === null || sums.length !== blocksPerSegment * sumBytes) return null;
    this.#row = { segment, sums: new DataView(sums.buffer, sums.byteOffset, sums.byteLength) };
    return this.#row.sums;
  }

  noteDamage(found: ExtentMap): void {
    this.damaged.addAll(found);
    this.#index.setDamage(this.#layer.id, this.damaged);
  }

  /** Looks at damaged blocks once more, for a disk or memory that was wrong for a moment. */
  async checkAgain(): Promise<void> {
    const scratch = new Uint8Array(blockBytes);
    for (const { start, end } of this.damaged.ranges()) {
      for (let at = start - (start % blockBytes); at < end; at += blockBytes) {
        const expected = this.#expected(at);
        if (expected === null) continue;
        const isRight = (await this.#sumOf(at, scratch, null)) === expected;
        // Asked again: a write that came between leaves nothing to compare the rest of the block with.
        if (isRight && this.#expected(at) === expected) this.didWrite(at, at + blockBytes);
      }
    }
  }
}

/** The part of `delivered` that is [start, end), null where it does not have all of it. */
function insideOf({ offset, target }: DeliveredBytes, start: number, end: number): Uint8Array | null {
  if (start < offset || end > offset + target.length) return null;
  return target.subarray(start - offset, end - offset);
}

/** Puts the bytes that were read once more for the check in the place of those that were delivered before. */
function deliver({ offset, target }: DeliveredBytes, bytes: Uint8Array, start: number, end: number): void {
  const from = Math.max(start, offset);
  const to = Math.min(end, offset + target.length);
  if (from < to) target.set(bytes.subarray(from - start, to - start), from - offset);
}
