// Puts bytes into the content store without HTTP, exactly as an uploading client would: chunks, xorbs, a shard. Used by
// the demo seed and by tests that prepare a bucket.

import { createHash } from 'node:crypto';
import type { CompressionPolicy } from '../xet/chunk-encoder.ts';
import { Chunker } from '../xet/chunker.ts';
import { chunkHash, fileHash, hashFromHex, hashToHex, rangeHash, type ChunkInfo } from '../xet/hash.ts';
import { writeShard, type ShardFile, type ShardSegment } from '../xet/shard.ts';
import { XorbBuilder } from '../xet/xorb-builder.ts';
import type { CasStore } from './cas-store.ts';

export interface StoreOptions {
  /** Registers the SHA-256 too, as repos need it. */
  readonly sha256?: boolean;
  readonly compression?: CompressionPolicy;
  /** Starts a new segment after this many chunks; without it, one segment per xorb. */
  readonly segmentChunks?: number;
}

interface PlacedChunk extends ChunkInfo {
  readonly xorb: number;
  readonly index: number;
}

/** Stores the contents, packed into as few xorbs as possible; returns their file hashes in the same order. */
export async function storeContents(
  cas: CasStore,
  contents: readonly Uint8Array[],
  options: StoreOptions = {},
): Promise<string[]> {
  const packer = new Packer(cas, options.compression ?? 'auto');
  const placed: PlacedChunk[][] = [];
  for (const content of contents) placed.push(await packer.pack(content));
  const xorbHashes = await packer.finish();
  const files = contents.map((content, index): ShardFile => {
    const chunks = placed[index] ?? [];
    const runs = splitRuns(chunks, options.segmentChunks ?? Number.POSITIVE_INFINITY);
    return {
      hash: fileHash(chunks),
      segments: runs.map((run) => segmentOf(run, xorbHashes)),
      verification: runs.map((run) => rangeHash(run.map((chunk) => chunk.hash))),
      sha256: options.sha256 === true ? hashFromHex(sha256Hex(content)) : null,
    };
  });
  cas.putShard(writeShard({ files, xorbs: [] }));
  return files.map((file) => hashToHex(file.hash));
}

/**
 * Stores a file that is `block` repeated `times` times, while only one block lies on disk: huge files for benchmarks. Its
 * hash is valid, but not the one that chunking the whole would give.
 */
export async function storeRepeated(
  cas: CasStore,
  block: Uint8Array,
  times: number,
  options: StoreOptions = {},
): Promise<string> {
  const packer = new Packer(cas, options.compression ?? 'auto');
  const chunks = await packer.pack(block);
  const xorbHashes = await packer.finish();
  const runs = splitRuns(chunks, options.segmentChunks ?? Number.POSITIVE_INFINITY);
  const segments = runs.map((run) => segmentOf(run, xorbHashes));
  const verification = runs.map((run) => rangeHash(run.map((chunk) => chunk.hash)));
  const repeat = <T>(list: readonly T[]): T[] => Array.from({ length: times }, () => list).flat();
  const hash = fileHash(repeat(chunks));
  const file = { hash, segments: repeat(segments), verification: repeat(verification), sha256: null };
  cas.putShard(writeShard({ files: [file], xorbs: [] }));
  return hashToHex(hash);
}

export function sha256Hex(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

class Packer {
  readonly #cas: CasStore;
  readonly #compression: CompressionPolicy;
  readonly #placed = new Map<string, PlacedChunk>();
  readonly #hashes: Uint8Array[] = [];
  #builder = new XorbBuilder();

  constructor(cas: CasStore, compression: CompressionPolicy) {
    this.#cas = cas;
    this.#compression = compression;
  }

  async pack(content: Uint8Array): Promise<PlacedChunk[]> {
    const pieces: Uint8Array[] = [];
    const chunker = new Chunker();
    const keep = (chunk: Uint8Array): void => {
      pieces.push(Uint8Array.from(chunk));
    };
    chunker.push(content, keep);
    chunker.finish(keep);
    const chunks: PlacedChunk[] = [];
    for (const piece of pieces) chunks.push(await this.#place(piece));
    return chunks;
  }

  async #place(piece: Uint8Array): Promise<PlacedChunk> {
    const hash = chunkHash(piece);
    const key = hashToHex(hash);
    const known = this.#placed.get(key);
    if (known !== undefined) return known;
    if (!this.#builder.fits(piece.byteLength)) await this.#seal();
    const index = this.#builder.add(piece, hash, this.#compression);
    const chunk = { hash, sizeBytes: piece.byteLength, xorb: this.#hashes.length, index };
    this.#placed.set(key, chunk);
    return chunk;
  }

  async #seal(): Promise<void> {
    const { hash, bytes } = this.#builder.finish();
    this.#builder = new XorbBuilder();
    this.#hashes.push(hash);
    await this.#cas.putXorb(hashToHex(hash), onePiece(bytes));
  }

  /** The hashes of all xorbs, by the numbers in `PlacedChunk.xorb`. */
  async finish(): Promise<readonly Uint8Array[]> {
    if (this.#builder.chunkCount > 0) await this.#seal();
    return this.#hashes;
  }
}

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield await Promise.resolve(bytes);
}

/** Runs of chunks that follow each other in one xorb. */
function splitRuns(chunks: readonly PlacedChunk[], maxChunks: number): PlacedChunk[][] {
  const runs: PlacedChunk[][] = [];
  for (const chunk of chunks) {
    const run = runs.at(-1);
    const previous = run?.at(-1);
    const follows =
      previous !== undefined && previous.xorb === chunk.xorb && previous.index + 1 === chunk.index;
    if (run !== undefined && follows && run.length < maxChunks) run.push(chunk);
    else runs.push([chunk]);
  }
  return runs;
}

function segmentOf(run: readonly PlacedChunk[], xorbHashes: readonly Uint8Array[]): ShardSegment {
  const [first] = run;
  const xorbHash = first === undefined ? undefined : xorbHashes[first.xorb];
  if (first === undefined || xorbHash === undefined)
    throw new Error('A segment needs chunks of a stored xorb');
  return {
    xorbHash,
    unpackedBytes: run.reduce((sum, chunk) => sum + chunk.sizeBytes, 0),
    chunkStart: first.index,
    chunkEnd: first.index + run.length,
  };
}
