// The memory that downloaded chunks are decoded into: a bounded number of blocks, made as they are needed. A block goes to the engine
// and comes back when its bytes are stored, so that a slow disk slows the network. Used in `download-worker.ts`.
//
// Blocks are transferred, not shared: V8 copies into shared memory word by word, at a quarter of the speed.

import { chunkMaxBytes } from '../xet/chunker.ts';

/** A message costs two threads some 20 µs each, and a write two more: 256 KiB take 4 % more processor time. */
export const batchBytes = 512 * 1024;
/** The last chunk of a batch may be of any size. */
const blockBytes = batchBytes + chunkMaxBytes;
/** 11 MiB a thread; one for each download under way, and a few at the engine. */
const blockLimit = 18;

export class DecodeBlocks {
  readonly #free: ArrayBuffer[] = [];
  readonly #waiting = new Set<() => void>();
  #made = 0;

  /** Null where all are in use: then `again` is called once when one is free. */
  take(again: () => void): Uint8Array<ArrayBuffer> | null {
    const block = this.#free.pop() ?? this.#make();
    if (block !== null) return new Uint8Array(block);
    this.#waiting.add(again);
    return null;
  }

  /** A block that nobody uses any more. */
  give(block: ArrayBuffer): void {
    this.#free.push(block);
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    next();
  }

  forget(again: () => void): void {
    this.#waiting.delete(again);
  }

  #make(): ArrayBuffer | null {
    if (this.#made === blockLimit) return null;
    this.#made += 1;
    return new ArrayBuffer(blockBytes);
  }
}
