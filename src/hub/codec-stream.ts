// One stream of upload bytes through the codecs: chunked and hashed as it is pushed, then compressed chunk by chunk for those
// that must be sent. Runs in `codec-worker.ts`, or inline in tests. Knows nothing of files or of the Hub.

import { ChunkEncoder } from '../xet/chunk-encoder.ts';
import { Chunker } from '../xet/chunker.ts';
import { chunkHash } from '../xet/hash.ts';
import type { UploadBuffer } from './upload-buffers.ts';

/** Chunks that a push completed, in order, as flat arrays that cross threads cheaply. */
export interface ChunkedBlock {
  /** 32 bytes each. */
  readonly hashes: Uint8Array;
  readonly sizes: Uint32Array;
}

/** What `encode` did, with all that is the caller's again. */
export interface EncodedRun {
  /** Bytes of each encoded chunk. */
  readonly lengths: Uint32Array;
  readonly target: UploadBuffer;
  /** Buffers of the blocks whose chunks are all resolved. */
  readonly blocks: readonly UploadBuffer[];
}

interface HeldBlock {
  readonly buffer: UploadBuffer;
  /** Chunks of the stream up to its last. */
  readonly chunksSoFar: number;
}

export class CodecStream {
  readonly #chunker = new Chunker();
  readonly #encoder = new ChunkEncoder();
  /** Plain chunks that were reported and not yet resolved by `encode`, oldest first. */
  #held: Uint8Array[] = [];
  #blocks: HeldBlock[] = [];
  #reported = 0;
  #resolved = 0;

  /** Takes the block's buffer over until `encode` gives it back. `last` also completes the final chunk. */
  push(block: UploadBuffer, last: boolean): ChunkedBlock {
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
  encode(wanted: Uint8Array, target: UploadBuffer, at: number): EncodedRun {
    const resolved = this.#held.splice(0, wanted.length);
    this.#resolved += resolved.length;
    const chunks = resolved.filter((_, i) => wanted[i] !== 0);
    const lengths = this.#encoder.encodeAll(chunks, target.subarray(at));
    const blocks: UploadBuffer[] = [];
    for (;;) {
      const block = this.#blocks[0];
      if (block === undefined || block.chunksSoFar > this.#resolved) break;
      blocks.push(block.buffer);
      this.#blocks.shift();
    }
    return { lengths, target, blocks };
  }
}
