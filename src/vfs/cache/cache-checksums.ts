// Checksums of cached bytes, so that what changed on the disk by itself is fetched again instead of being read or built into a new version.
// Whole blocks only, which never change: the bytes of a content are the same for ever. Made when the cache rests, compared at the first
// read after an entry was opened from the index, and at every read for an edit. Used by content-cache.ts and cache-origin.ts.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { Clock, Log, Timer } from '../../shared/log.ts';
import type { CacheIndex } from './cache-index.ts';
import type { CachedContent } from './cached-content.ts';
import type { LocalFile } from '../storage/local-file.ts';

const blockBytes = 64 * 1024;
const blocksPerSegment = 64;
const segmentBytes = blockBytes * blocksPerSegment;
/** A flag for each block, then their sums. */
const rowBytes = blocksPerSegment + blocksPerSegment * 4;
/** After the last bytes of any content were recorded: not while something is downloaded. */
const restMs = 10_000;
/** Blocks checksummed in one turn of the serving thread: some 0.1 ms. */
const blocksPerTurn = 4;
/** More contents than this wait for no checksum. */
const mostWaiting = 4096;

/** Cached bytes are not those that were stored. */
export class ChangedBytesError extends Error {
  override readonly name = 'ChangedBytesError';
}

export class CacheChecksums {
  readonly #index: CacheIndex;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiting = new Set<CachedContent>();
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor({ index, clock, log }: { index: CacheIndex; clock: Clock; log: Log }) {
    this.#index = index;
    this.#clock = clock;
    this.#log = log;
  }

  /** Bytes of the entry are on the disk: they get checksums when the cache rests. */
  note(entry: CachedContent): void {
    if (this.#closed || this.#waiting.size >= mostWaiting) return;
    this.#waiting.add(entry);
    this.#timer?.cancel();
    this.#timer = this.#clock.schedule(restMs, () => {
      this.#timer = null;
      this.#running ??= this.#sealAll().finally(() => {
        this.#running = null;
      });
    });
  }

  /** Whether the bytes may be read without a look at their checksums. */
  isSure(entry: CachedContent, start: number, end: number, isEdit: boolean): boolean {
    return !isEdit && entry.trusted.covers(start, end);
  }

  /** Reads, and rejects with ChangedBytesError where the blocks of the range are not what they were. */
  async read(
    entry: CachedContent,
    file: LocalFile,
    target: Uint8Array,
    targetOffset: number,
    length: number,
    offset: number,
  ): Promise<void> {
    const scratch = new Uint8Array(blockBytes);
    for (let at = offset - (offset % blockBytes); at < offset + length; at += blockBytes) {
      const expected = this.#expected(entry, at);
      const end = Math.min(at + blockBytes, entry.content.sizeBytes);
      if (expected !== null && (await sumOf(file, scratch, at, end)) !== expected) {
        throw new ChangedBytesError(`bytes ${at} to ${end - 1} of "${file.path}" changed on the disk`);
      }
      entry.trusted.add(at, end);
    }
    await file.read(target, targetOffset, length, offset);
  }

  /** Leaves what has no checksum yet without one. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#waiting.clear();
    await this.#running;
  }

  #expected({ id }: CachedContent, blockStart: number): number | null {
    if (id === null) return null;
    const row = this.#index.sums(id, Math.floor(blockStart / segmentBytes));
    if (row?.length !== rowBytes) return null;
    const block = (blockStart % segmentBytes) / blockBytes;
    return row[block] === 1 ? viewOf(row).getUint32(blocksPerSegment + block * 4) : null;
  }

  async #sealAll(): Promise<void> {
    for (const entry of this.#waiting) {
      this.#waiting.delete(entry);
      try {
        await this.#seal(entry);
      } catch (error) {
        // Whoever reads the bytes finds out and fetches them.
        this.#log.debug('cached bytes could not be checksummed', {
          key: entry.content.key,
          cause: String(error),
        });
      }
      if (this.#closed) return;
    }
  }

  async #seal(entry: CachedContent): Promise<void> {
    const { content, extents } = entry;
    const scratch = new Uint8Array(blockBytes);
    for (let start = 0; start < content.sizeBytes; start += segmentBytes) {
      const { file, id } = entry;
      if (file === null || id === null || entry.gone || this.#closed) return;
      if (!extents.overlaps(start, start + segmentBytes)) {
        const next = extents.indexAfter(start);
        if (next === extents.count) return;
        start = extents.startOf(next) - (extents.startOf(next) % segmentBytes) - segmentBytes;
        continue;
      }
      await this.#sealSegment(entry, file, id, start, scratch);
    }
  }

  async #sealSegment(
    entry: CachedContent,
    file: LocalFile,
    id: number,
    segmentStart: number,
    scratch: Uint8Array,
  ): Promise<void> {
    const segment = segmentStart / segmentBytes;
    const before = this.#index.sums(id, segment);
    const row = before?.length === rowBytes ? Uint8Array.from(before) : new Uint8Array(rowBytes);
    const view = viewOf(row);
    let added = 0;
    for (let block = 0; block < blocksPerSegment; block += 1) {
      const start = segmentStart + block * blockBytes;
      const end = Math.min(start + blockBytes, entry.content.sizeBytes);
      // What another run left is trusted once it was compared, or read without anything to compare it with.
      const isWhole = start < end && entry.extents.covers(start, end) && entry.trusted.covers(start, end);
      if (!isWhole || row[block] === 1) continue;
      if (added % blocksPerTurn === 0) await nextTurn();
      view.setUint32(blocksPerSegment + block * 4, await sumOf(file, scratch, start, end));
      row[block] = 1;
      added += 1;
    }
    if (added > 0 && !entry.gone && !this.#closed) this.#index.putSums(id, segment, row);
  }
}

async function sumOf(file: LocalFile, scratch: Uint8Array, start: number, end: number): Promise<number> {
  await file.read(scratch, 0, end - start, start);
  return crc32(scratch.subarray(0, end - start));
}

function viewOf(row: Uint8Array): DataView {
  return new DataView(row.buffer, row.byteOffset, row.byteLength);
}
