// Buffers that wander between the serving thread and the codec threads, kept for the next use: fresh memory costs more
// processor time than storing noise in it. They are transferred, not shared, since JavaScript copies to and from shared memory
// byte by byte unless both sides are aligned alike. Used by the codec pool and by uploads.

import type { HubClock, HubTimer } from './surroundings.ts';

/** Sizes that are kept; what is asked for is rounded up to one of them. */
const keptSizes = [1024 * 1024, 4 * 1024 * 1024, 16 * 1024 * 1024] as const;

/** Whole: it begins where its memory begins. */
export type UploadBuffer = Uint8Array<ArrayBuffer>;

export const largestBufferBytes = 16 * 1024 * 1024;

const idleMs = 10_000;

export class UploadBuffers {
  readonly #limitBytes: number;
  readonly #clock: HubClock;
  #idle: HubTimer | null = null;
  readonly #free: UploadBuffer[] = [];
  #freeBytes = 0;

  /** `limitBytes` bounds what lies idle; after ten seconds without use all of it is let go. */
  constructor(limitBytes: number, clock: HubClock) {
    this.#limitBytes = limitBytes;
    this.#clock = clock;
  }

  /** Bytes kept for the next use. */
  get idleBytes(): number {
    return this.#freeBytes;
  }

  /** At least `sizeBytes`, at most `largestBufferBytes`; what it holds is left over from its last use. */
  take(sizeBytes: number): UploadBuffer {
    const size = keptSizes.find((kept) => kept >= sizeBytes);
    if (size === undefined) throw new RangeError(`No upload buffer has ${sizeBytes} bytes`);
    this.#idle?.cancel();
    this.#idle = null;
    const found = this.#free.findIndex((buffer) => buffer.length === size);
    if (found === -1) return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
    this.#freeBytes -= size;
    return this.#free.splice(found, 1)[0] as UploadBuffer;
  }

  /** Takes back all of a buffer. Nobody may use it any more: if that is doubtful, it is left to the garbage collector instead. */
  give(buffer: UploadBuffer): void {
    if (this.#freeBytes + buffer.length > this.#limitBytes) return;
    this.#free.push(buffer);
    this.#freeBytes += buffer.length;
    this.#idle ??= this.#clock.schedule(idleMs, () => this.clear());
  }

  /** Lets go of what lies idle. */
  clear(): void {
    this.#idle?.cancel();
    this.#idle = null;
    this.#free.length = 0;
    this.#freeBytes = 0;
  }
}
