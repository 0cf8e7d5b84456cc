// One stream of upload bytes through the codecs: chunked and hashed as it is pushed, then compressed chunk by chunk for those
// that must be sent. Runs in `codec-worker.ts`, or inline in tests. Knows nothing of files or of the Hub.

import { ChunkEncoder } from '../xet/chunk-encoder.ts';
import { Chunker } from '../xet/chunker.ts';
import { chunkHash } from '../xet/hash.ts';
import { chunkHeaderBytes } from '../xet/xorb.ts';
import type { Block, SharedBuffer } from './upload-buffers.ts';

/** Chunks that a push completed, in order, as flat arrays that cross threads cheaply. */
export interface ChunkedBlock {
  /** 32 bytes each. */
  readonly hashes: Uint8Array;
  readonly sizes: Uint32Array;
}

/** What `encode` did. */
export interface EncodedRun {
  /** Bytes of each encoded chunk. */
  readonly lengths: Uint32Array;
  /** Buffers of the blocks whose chunks are all resolved: the caller's again. */
  readonly blocks: readonly Block[];
}

interface HeldBlock {
  readonly buffer: Block;
  /** Chunks of the stream up to its last. */
  readonly chunksSoFar: number;
}

const wordBytes = 8;

export class CodecStream {
  readonly #chunker = new Chunker();
  readonly #encoder = new ChunkEncoder();
  /** Plain chunks that were reported and not yet resolved by `encode`, oldest first. */
  #held: Uint8Array[] = [];
  #blocks: HeldBlock[] = [];
  #scratch = new Uint8Array(0);
  #reported = 0;
  #resolved = 0;

  /** Takes the block's buffer over until `encode` gives it back. `last` also completes the final chunk. */
  push(block: Block, last: boolean): ChunkedBlock {
    const hashes: Uint8Array[] = [];
    const sizes: number[] = [];
    const emit = (chunk: Uint8Array): void => {
      hashes.push(chunkHash(chunk));
      sizes.push(chunk.length);
      // A chunk that lies within the block is kept as a view; one put together in the chunker's buffer is copied.
      this.#held.push(chunk.buffer === block.buffer ? chunk : new Uint8Array(chunk));
    };
    this.#chunker.push(block, emit);
    if (last) this.#chunker.finish(emit);
    this.#reported += sizes.length;
    this.#blocks.push({ buffer: new Uint8Array(block.buffer), chunksSoFar: this.#reported });
    return { hashes: Buffer.concat(hashes), sizes: Uint32Array.from(sizes) };
  }

  /**
   * Resolves the oldest `wanted.length` chunks: those marked non-zero are encoded into `target` from `at`, the others dropped.
   * See `ChunkEncoder.encodeAll` for the room they need.
   */
  encode(wanted: Uint8Array, target: SharedBuffer, at: number): EncodedRun {
    const chunks = this.#held.slice(0, wanted.length).filter((_, i) => wanted[i] !== 0);
    const lengths = this.#encodeInto(chunks, target, at);
    this.#held = this.#held.slice(wanted.length);
    this.#resolved += wanted.length;
    const blocks: Block[] = [];
    for (;;) {
      const block = this.#blocks[0];
      if (block === undefined || block.chunksSoFar > this.#resolved) break;
      blocks.push(block.buffer);
      this.#blocks.shift();
    }
    return { lengths, blocks };
  }

  /**
   * By way of memory that is not shared: V8 copies to shared memory byte by byte, at 2.6 GB/s, unless both sides are aligned
   * alike, which is four times as fast.
   */
  #encodeInto(chunks: readonly Uint8Array[], target: SharedBuffer, at: number): Uint32Array {
    if (chunks.length === 0) return new Uint32Array(0);
    const roomBytes = target.length - at;
    const start = at % wordBytes;
    const worstBytes = chunks.reduce((sum, chunk) => sum + chunkHeaderBytes + chunk.length, 0);
    if (worstBytes > roomBytes) throw new RangeError(`${worstBytes} bytes of chunks into ${roomBytes}`);
    if (this.#scratch.length < start + worstBytes) this.#scratch = new Uint8Array(start + worstBytes);
    const lengths = this.#encoder.encodeAll(chunks, this.#scratch.subarray(start));
    const usedBytes = lengths.reduce((sum, length) => sum + length, 0);
    target.set(this.#scratch.subarray(start, start + usedBytes), at);
    return lengths;
  }
}
