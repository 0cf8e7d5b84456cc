// The chunk list of one file: which chunks it is made of, and in which xorb each of them is. Lets reads be verified and
// edits be sent without asking the CAS. Held in flat arrays, 46 bytes a chunk. Made by reader and writer, kept by
// `manifest-store.ts`.

import { fileHash, hashSizeBytes, type ChunkInfo } from '../xet/hash.ts';
import { xorbMaxChunks } from '../xet/xorb.ts';
import { runAtOnce, runInTurns } from './turns.ts';

/** A chunk and where the CAS has it. */
export interface PlacedChunk extends ChunkInfo {
  readonly xorb: Uint8Array;
  /** Position in the xorb. */
  readonly index: number;
}

const formatVersion = 1;
/** Version, chunk count, xorb count, as 32-bit words. */
const headerBytes = 12;
/** Size, xorb number and index after each hash. */
const placeBytes = 10;
/** Some 0.5 ms. */
const chunksPerTurn = 2048;

export class Manifest {
  readonly #hashes: Uint8Array;
  readonly #xorbs: readonly Uint8Array[];
  readonly #xorbNumbers: Uint32Array;
  readonly #indexes: Uint16Array;
  /** Where each chunk begins, and the file's size at the end. */
  readonly #offsets: Float64Array;

  private constructor(
    hashes: Uint8Array,
    sizes: ArrayLike<number>,
    xorbs: readonly Uint8Array[],
    xorbNumbers: Uint32Array,
    indexes: Uint16Array,
  ) {
    this.#hashes = hashes;
    this.#xorbs = xorbs;
    this.#xorbNumbers = xorbNumbers;
    this.#indexes = indexes;
    this.#offsets = new Float64Array(sizes.length + 1);
    for (let i = 0; i < sizes.length; i += 1) {
      this.#offsets[i + 1] = (this.#offsets[i] as number) + (sizes[i] as number);
    }
  }

  /** Copies what it needs. */
  static of(chunks: readonly PlacedChunk[]): Manifest {
    return runAtOnce(Manifest.#gather(chunks));
  }

  /** The same for a long list, in turns; `chunks` must stay as they are meanwhile. */
  static ofInTurns(chunks: readonly PlacedChunk[]): Promise<Manifest> {
    return runInTurns(Manifest.#gather(chunks));
  }

  static *#gather(chunks: readonly PlacedChunk[]): Generator<void, Manifest> {
    const hashes = new Uint8Array(chunks.length * hashSizeBytes);
    const xorbs: Uint8Array[] = [];
    const numbers = new Map<string, number>();
    const xorbNumbers = new Uint32Array(chunks.length);
    const indexes = new Uint16Array(chunks.length);
    const sizes = new Uint32Array(chunks.length);
    let last: Uint8Array | null = null;
    let lastNumber = 0;
    for (const [i, chunk] of chunks.entries()) {
      if (i > 0 && i % chunksPerTurn === 0) yield;
      hashes.set(chunk.hash, i * hashSizeBytes);
      if (chunk.xorb !== last) {
        last = chunk.xorb;
        const key = Buffer.from(chunk.xorb).toString('latin1');
        lastNumber = numbers.get(key) ?? xorbs.length;
        if (lastNumber === xorbs.length) {
          numbers.set(key, lastNumber);
          xorbs.push(Uint8Array.from(chunk.xorb));
        }
      }
      xorbNumbers[i] = lastNumber;
      indexes[i] = chunk.index;
      sizes[i] = chunk.sizeBytes;
    }
    return new Manifest(hashes, sizes, xorbs, xorbNumbers, indexes);
  }

  get count(): number {
    return this.#indexes.length;
  }

  get sizeBytes(): number {
    return this.#offsets[this.count] as number;
  }

  /** File offset at which chunk `i` begins; `i` may be `count`, for the end. */
  offsetAt(i: number): number {
    return this.#offsets[i] as number;
  }

  chunkAt(i: number): PlacedChunk {
    return {
      hash: this.hashAt(i),
      sizeBytes: this.offsetAt(i + 1) - this.offsetAt(i),
      xorb: this.#xorbs[this.#xorbNumbers[i] as number] as Uint8Array,
      index: this.#indexes[i] as number,
    };
  }

  /** A view, not a copy. */
  hashAt(i: number): Uint8Array {
    return this.#hashes.subarray(i * hashSizeBytes, (i + 1) * hashSizeBytes);
  }

  /** The chunk that holds the byte at `offset`; `count` at or after the end. */
  findChunk(offset: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#offsets[middle + 1] as number) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The chunk that begins exactly at `offset`, -1 if none does. */
  chunkStartingAt(offset: number): number {
    const i = this.findChunk(offset);
    return i < this.count && this.#offsets[i] === offset ? i : -1;
  }

  chunks(): PlacedChunk[] {
    return Array.from({ length: this.count }, (_, i) => this.chunkAt(i));
  }

  fileHash(): Uint8Array {
    return fileHash(this.chunks());
  }

  encode(): Uint8Array {
    const count = this.count;
    const bytes = Buffer.allocUnsafe(
      headerBytes + this.#xorbs.length * hashSizeBytes + count * (hashSizeBytes + placeBytes),
    );
    bytes.writeUInt32LE(formatVersion, 0);
    bytes.writeUInt32LE(count, 4);
    bytes.writeUInt32LE(this.#xorbs.length, 8);
    let at = headerBytes;
    for (const xorb of this.#xorbs) {
      bytes.set(xorb, at);
      at += hashSizeBytes;
    }
    bytes.set(this.#hashes, at);
    at += this.#hashes.length;
    for (let i = 0; i < count; i += 1) {
      bytes.writeUInt32LE(this.offsetAt(i + 1) - this.offsetAt(i), at);
      bytes.writeUInt32LE(this.#xorbNumbers[i] as number, at + 4);
      bytes.writeUInt16LE(this.#indexes[i] as number, at + 8);
      at += placeBytes;
    }
    return bytes;
  }

  /** Null for anything `encode` cannot have made. Whether the hashes are right is not looked at. */
  static decode(source: Uint8Array): Manifest | null {
    const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
    if (bytes.length < headerBytes || bytes.readUInt32LE(0) !== formatVersion) return null;
    const count = bytes.readUInt32LE(4);
    const xorbCount = bytes.readUInt32LE(8);
    const expected = headerBytes + xorbCount * hashSizeBytes + count * (hashSizeBytes + placeBytes);
    if (bytes.length !== expected) return null;
    const xorbs = Array.from({ length: xorbCount }, (_, i) =>
      Uint8Array.from(bytes.subarray(headerBytes + i * hashSizeBytes, headerBytes + (i + 1) * hashSizeBytes)),
    );
    let at = headerBytes + xorbCount * hashSizeBytes;
    const hashes = Uint8Array.from(bytes.subarray(at, at + count * hashSizeBytes));
    at += hashes.length;
    const sizes = new Uint32Array(count);
    const xorbNumbers = new Uint32Array(count);
    const indexes = new Uint16Array(count);
    for (let i = 0; i < count; i += 1) {
      sizes[i] = bytes.readUInt32LE(at);
      xorbNumbers[i] = bytes.readUInt32LE(at + 4);
      indexes[i] = bytes.readUInt16LE(at + 8);
      if ((xorbNumbers[i] as number) >= xorbCount || (indexes[i] as number) >= xorbMaxChunks) return null;
      at += placeBytes;
    }
    return new Manifest(hashes, sizes, xorbs, xorbNumbers, indexes);
  }
}
