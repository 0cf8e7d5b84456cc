// The parts of a file as an upload puts it together, and their way into a shard. Segments are kept short, because both
// official clients and the server's own edit help work in whole segments: with long ones an edit of theirs moves up to
// 64 MiB.

import { rangeHash } from '../xet/hash.ts';
import type { ShardSegment } from '../xet/shard.ts';
import type { PlacedChunk } from './manifest.ts';
import { runInTurns } from './turns.ts';
import type { XorbReference } from './xorb-uploads.ts';

/** Where a chunk is; shared by equal chunks of one upload and filled in once the chunk is in a xorb. */
export interface ChunkPlace {
  xorb: XorbReference | null;
  index: number;
}

export interface ChunkPiece {
  readonly type: 'chunk';
  readonly hash: Uint8Array;
  readonly sizeBytes: number;
  readonly place: ChunkPlace;
}

/** A term of the base whose chunks are not known one by one. */
export interface TermPiece {
  readonly type: 'term';
  readonly sizeBytes: number;
  readonly xorb: Uint8Array;
  readonly chunkStart: number;
  readonly chunkEnd: number;
}

export type FilePiece = ChunkPiece | TermPiece;

export interface SegmentedFile {
  readonly segments: readonly ShardSegment[];
  readonly verification: readonly Uint8Array[];
}

/** About 1 MiB of file; 96 bytes of shard each. */
const chunksPerSegment = 16;
/** Beyond this many segments they get longer, so that the shard of a huge file stays small. */
const targetSegments = 4096;
/** Some 0.5 ms. */
const chunksPerTurn = 1024;

/** The chunk with its final place. All xorbs must be sealed. */
export function placedChunk(piece: ChunkPiece): PlacedChunk {
  const xorb = piece.place.xorb?.hash;
  if (xorb === null || xorb === undefined) throw new Error('A chunk of an upload is in no xorb');
  return { hash: piece.hash, sizeBytes: piece.sizeBytes, xorb, index: piece.place.index };
}

/**
 * In turns: runs of chunks that follow one another in one xorb, cut to a bounded length; terms stay one segment each, with the
 * verification hash that `termHash` gives for the byte range it has in the file.
 */
export function makeSegments(
  pieces: readonly FilePiece[],
  termHash: (term: TermPiece) => Uint8Array,
): Promise<SegmentedFile> {
  return runInTurns(segmentSteps(pieces, termHash));
}

function* segmentSteps(
  pieces: readonly FilePiece[],
  termHash: (term: TermPiece) => Uint8Array,
): Generator<void, SegmentedFile> {
  const limit = Math.max(chunksPerSegment, Math.ceil(pieces.length / targetSegments));
  const segments: ShardSegment[] = [];
  const verification: Uint8Array[] = [];
  let run: PlacedChunk[] = [];
  const finishRun = (): void => {
    const [first] = run;
    if (first === undefined) return;
    segments.push({
      xorbHash: first.xorb,
      unpackedBytes: run.reduce((sum, chunk) => sum + chunk.sizeBytes, 0),
      chunkStart: first.index,
      chunkEnd: first.index + run.length,
    });
    verification.push(rangeHash(run.map((chunk) => chunk.hash)));
    run = [];
  };
  let looked = 0;
  for (const piece of pieces) {
    looked += 1;
    if (looked % chunksPerTurn === 0) yield;
    if (piece.type === 'term') {
      finishRun();
      const { xorb, sizeBytes, chunkStart, chunkEnd } = piece;
      segments.push({ xorbHash: xorb, unpackedBytes: sizeBytes, chunkStart, chunkEnd });
      verification.push(termHash(piece));
      continue;
    }
    const chunk = placedChunk(piece);
    if (run.length === limit || !follows(run, chunk)) finishRun();
    run.push(chunk);
  }
  finishRun();
  return { segments, verification };
}

function follows(run: readonly PlacedChunk[], chunk: PlacedChunk): boolean {
  const [first] = run;
  if (first === undefined) return true;
  return chunk.index === first.index + run.length && Buffer.compare(chunk.xorb, first.xorb) === 0;
}
