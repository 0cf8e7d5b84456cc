// Buffers of uploads, kept for the next use: fresh memory costs more processor time than storing noise in it. Used by the codec
// pool and by uploads.
//
// Blocks that are read wander to a codec thread and back. What is encoded goes into shared memory instead: transferring a whole
// xorb to and fro for each block made the garbage collector of the serving thread run every few milliseconds.

import type { HubClock, HubTimer } from './surroundings.ts';

/** Sizes that are kept; what is asked for is rounded up to one of them. */
const keptSizes = [1024 * 1024, 4 * 1024 * 1024, 16 * 1024 * 1024] as const;
export const largestBufferBytes = 16 * 1024 * 1024;
const idleMs = 10_000;

/** Whole: it begins where its memory begins. */
export type Block = Uint8Array<ArrayBuffer>;
export type SharedBuffer = Uint8Array<SharedArrayBuffer>;

export class UploadBuffers<B extends Block | SharedBuffer> {
  readonly #limitBytes: number;
  readonly #clock: HubClock;
  readonly #make: (sizeBytes: number) => B;
  #idle: HubTimer | null = null;
  #wasUsed = false;
  readonly #free: B[] = [];
  #freeBytes = 0;

  /** `limitBytes` bounds what lies idle; after ten to twenty seconds without use all of it is let go. */
  constructor(limitBytes: number, clock: HubClock, make: (sizeBytes: number) => B) {
    this.#limitBytes = limitBytes;
    this.#clock = clock;
    this.#make = make;
  }

  /** Bytes kept for the next use. */
  get idleBytes(): number {
    return this.#freeBytes;
  }

  /** At least `sizeBytes`, at most `largestBufferBytes`; what it holds is left over from its last use. */
  take(sizeBytes: number): B {
    const size = keptSizes.find((kept) => kept >= sizeBytes);
    if (size === undefined) throw new RangeError(`No upload buffer has ${sizeBytes} bytes`);
    this.#wasUsed = true;
    const found = this.#free.findIndex((buffer) => buffer.length === size);
    if (found === -1) return this.#make(size);
    this.#freeBytes -= size;
    const [buffer] = this.#free.splice(found, 1);
    if (this.#free.length === 0) this.clear();
    return buffer as B;
  }

  /** Takes back all of a buffer. Nobody may use it any more: if that is doubtful, it is left to the garbage collector instead. */
  give(buffer: B): void {
    this.#wasUsed = true;
    if (this.#freeBytes + buffer.length > this.#limitBytes) return;
    this.#free.push(buffer);
    this.#freeBytes += buffer.length;
    if (this.#idle === null) this.#armIdle();
  }

  #armIdle(): void {
    this.#wasUsed = false;
    this.#idle = this.#clock.schedule(idleMs, () => {
      if (this.#wasUsed) this.#armIdle();
      else this.clear();
    });
  }

  /** Lets go of what lies idle. */
  clear(): void {
    this.#idle?.cancel();
    this.#idle = null;
    this.#free.length = 0;
    this.#freeBytes = 0;
  }
}

export function makeBlock(sizeBytes: number): Block {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer);
}

export function makeShared(sizeBytes: number): SharedBuffer {
  return new Uint8Array(new SharedArrayBuffer(sizeBytes));
}
