// Reads of a staging or cache file on this disk: small ones that are surely in the page cache are done at once, the others
// off the serving thread, because a synchronous read that waits for the disk would stall every client.

import { ExtentMap } from './extents.ts';
import type { MaybePromise } from '../file-system.ts';
import { PooledFile } from './handle-pool.ts';
import type { HandlePool } from './handle-pool.ts';

/** Up to here a pread of hot bytes costs less than two thread switches (measured: docs/performance.md). */
const synchronousReadLimitBytes = 256 * 1024;
/** More ranges than this are not worth remembering: random first touches of a huge file. */
const hotRangeLimit = 8192;

/** How many bytes may be believed to be in the page cache, over all files of a mount. */
export class HotMemory {
  readonly #limitBytes: number;
  #usedBytes = 0;
  /** Up to so many hot bytes are read in the turn that asks for them. Whoever changes it puts it back in the same turn. */
  atOnceBytes = synchronousReadLimitBytes;
  /** Raised when the belief is given up: ranges noted before are no longer hot. */
  epoch = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  note(bytes: number): void {
    this.#usedBytes += bytes;
    if (this.#usedBytes <= this.#limitBytes) return;
    this.#usedBytes = 0;
    this.epoch += 1;
  }
}

/** The file has fewer bytes than its index promises: somebody else changed it. */
export class ShortFileError extends Error {
  override readonly name = 'ShortFileError';
}

export class LocalFile extends PooledFile {
  readonly #pool: HandlePool;
  readonly #memory: HotMemory;
  readonly #hot = new ExtentMap();
  #epoch = 0;
  #writesLater = 0;

  constructor(pool: HandlePool, memory: HotMemory, path: string, create: boolean) {
    super(path, create);
    this.#pool = pool;
    this.#memory = memory;
  }

  /** Fills `length` bytes of `target`, borrowed until it is done. Throws or rejects with ShortFileError or an errno error. */
  read(target: Uint8Array, targetOffset: number, length: number, position: number): MaybePromise<void> {
    if (length <= this.#memory.atOnceBytes && this.#isHot(position, position + length)) {
      const bytes = this.#pool.read(this, target, targetOffset, length, position);
      if (bytes < length) throw this.#short(position + bytes);
      return undefined;
    }
    return this.#readLater(target, targetOffset, length, position);
  }

  async #readLater(
    target: Uint8Array,
    targetOffset: number,
    length: number,
    position: number,
  ): Promise<void> {
    const bytes = await this.#pool.readLater(this, target, targetOffset, length, position);
    if (bytes < length) throw this.#short(position + bytes);
    this.#noteHot(position, position + length);
  }

  /** All of `data`, in this turn. */
  write(data: Uint8Array, position: number): void {
    this.#pool.write(this, data, position);
    this.#noteHot(position, position + data.length);
  }

  /** All of `data`, off this thread; borrowed until it is done. */
  async writeLater(data: Uint8Array, position: number): Promise<void> {
    this.#writesLater += 1;
    try {
      await this.#pool.writeLater(this, data, position);
    } finally {
      this.#writesLater -= 1;
    }
    this.#noteHot(position, position + data.length);
  }

  /** A `write` would have to wait for the system's lock on the file. */
  get isBeingWritten(): boolean {
    return this.#writesLater > 0;
  }

  /** Reads and writes the same bytes in one turn: nobody else's write can be undone by it. `scratch` holds at least `length`. */
  copyWithin(scratch: Uint8Array, position: number, length: number): void {
    this.copyTo(this, scratch, position, length);
  }

  /** Copies bytes to the same position of `other` in one turn. */
  copyTo(other: LocalFile, scratch: Uint8Array, position: number, length: number): void {
    const bytes = this.#pool.read(this, scratch, 0, length, position);
    if (bytes < length) throw this.#short(position + bytes);
    other.write(scratch.subarray(0, length), position);
  }

  withDescriptor<T>(work: (descriptor: number) => Promise<T>): Promise<T> {
    return this.#pool.withWritable(this, work);
  }

  release(): void {
    this.#pool.release(this);
  }

  #isHot(start: number, end: number): boolean {
    return this.#epoch === this.#memory.epoch && this.#hot.covers(start, end);
  }

  #noteHot(start: number, end: number): void {
    if (this.#epoch !== this.#memory.epoch || this.#hot.count >= hotRangeLimit) {
      this.#hot.clear();
      this.#epoch = this.#memory.epoch;
    }
    const before = this.#hot.totalBytes;
    this.#hot.add(start, end);
    this.#memory.note(this.#hot.totalBytes - before);
  }

  #short(position: number): ShortFileError {
    return new ShortFileError(`"${this.path}" ends at ${position}, inside its recorded bytes`);
  }
}
