// One stream of upload bytes through the codecs: chunked and hashed as it is pushed, then compressed chunk by chunk for those
// that must be sent. Runs in `codec-worker.ts`, or inline in tests. Knows nothing of files or of the Hub.

import { ChunkEncoder } from '../xet/chunk-encoder.ts';
import { Chunker } from '../xet/chunker.ts';
import { chunkHash, hashSizeBytes } from '../xet/hash.ts';

/** Chunks that a push completed, in order, as flat arrays that cross threads cheaply. */
export interface ChunkedBlock {
  /** 32 bytes each. */
  readonly hashes: Uint8Array;
  readonly sizes: Uint32Array;
}

export class CodecStream {
  readonly #chunker = new Chunker();
  readonly #encoder = new ChunkEncoder();
  /** Plain chunks that were reported and not yet resolved by `encode`, oldest first. */
  #held: Uint8Array[] = [];

  /** `block` must stay as it is until `encode` has resolved the chunks in it. `last` also completes the final chunk. */
  push(block: Uint8Array, last: boolean): ChunkedBlock {
    const chunks: Uint8Array[] = [];
    // A chunk that lies within the block is kept as a view; one put together in the chunker's buffer is copied.
    const emit = (chunk: Uint8Array): void => {
      chunks.push(chunk.buffer === block.buffer ? chunk : new Uint8Array(chunk));
    };
    this.#chunker.push(block, emit);
    if (last) this.#chunker.finish(emit);
    const hashes = new Uint8Array(chunks.length * hashSizeBytes);
    const sizes = new Uint32Array(chunks.length);
    chunks.forEach((chunk, i) => {
      hashes.set(chunkHash(chunk), i * hashSizeBytes);
      sizes[i] = chunk.length;
      this.#held.push(chunk);
    });
    return { hashes, sizes };
  }

  /**
   * Resolves the oldest `wanted.length` chunks: those marked non-zero are encoded into `target`, the others dropped. Returns
   * the bytes of each encoded chunk; see `ChunkEncoder.encodeAll` for the room they need.
   */
  encode(wanted: Uint8Array, target: Uint8Array): Uint32Array {
    const resolved = this.#held.splice(0, wanted.length);
    return this.#encoder.encodeAll(
      resolved.filter((_, i) => wanted[i] !== 0),
      target,
    );
  }
}
