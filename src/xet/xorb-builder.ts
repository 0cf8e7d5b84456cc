// Builds xorbs for upload out of chunks. They carry no footer. Used by the embedded Hub; uploads of
// the Hub client encode into buffers of their own.

import { ChunkEncoder, encodeChunk, type CompressionPolicy } from './chunk-encoder.ts';
import { xorbHash, type ChunkInfo } from './hash.ts';
import { chunkHeaderBytes, xorbMaxBytes, xorbMaxChunks } from './xorb.ts';

/** Collects chunks into one xorb. The caller asks `fits` before each addition. */
export class XorbBuilder {
  readonly #parts: Uint8Array[] = [];
  readonly #chunks: ChunkInfo[] = [];
  readonly #encoder = new ChunkEncoder();
  #sizeBytes = 0;

  /** Serialized bytes so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get chunkCount(): number {
    return this.#chunks.length;
  }

  /** Whether a chunk of `plainBytes` can be added whatever it compresses to. */
  fits(plainBytes: number): boolean {
    return (
      this.#chunks.length < xorbMaxChunks && this.#sizeBytes + chunkHeaderBytes + plainBytes <= xorbMaxBytes
    );
  }

  /** Compresses and adds; `plain` is borrowed, `hash` is kept. Returns the chunk's index in the xorb. */
  add(plain: Uint8Array, hash: Uint8Array, policy: CompressionPolicy = 'auto'): number {
    return this.addEncoded(encodeChunk(plain, policy, this.#encoder), plain.length, hash);
  }

  /** Adds what `encodeChunk` made; `encoded` and `hash` are kept. */
  addEncoded(encoded: Uint8Array, plainBytes: number, hash: Uint8Array): number {
    if (!this.fits(encoded.length - chunkHeaderBytes)) throw new RangeError('The xorb is full');
    this.#parts.push(encoded);
    this.#chunks.push({ hash, sizeBytes: plainBytes });
    this.#sizeBytes += encoded.length;
    return this.#chunks.length - 1;
  }

  /** The builder must not be used afterwards. */
  finish(): { readonly hash: Uint8Array; readonly bytes: Uint8Array; readonly chunks: readonly ChunkInfo[] } {
    return {
      hash: xorbHash(this.#chunks),
      bytes: Buffer.concat(this.#parts, this.#sizeBytes),
      chunks: this.#chunks,
    };
  }
}
