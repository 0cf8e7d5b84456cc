// From the chunks of a file to its entry in a shard. Segments are kept short, because both official clients and the
// server's own edit help work in whole segments: with long ones an edit of theirs moves up to 64 MiB.

import { fileHash, rangeHash } from '../xet/hash.ts';
import type { ShardFile, ShardSegment } from '../xet/shard.ts';
import type { PlacedChunk } from './manifest.ts';

/** About 1 MiB of file; 96 bytes of shard each. */
const chunksPerSegment = 16;
/** Beyond this many segments they get longer, so that the shard of a huge file stays small. */
const targetSegments = 4096;

export interface SegmentedFile {
  readonly segments: readonly ShardSegment[];
  readonly verification: readonly Uint8Array[];
}

/** Runs of chunks that follow one another in one xorb, cut to a bounded length. */
export function makeSegments(chunks: readonly PlacedChunk[]): SegmentedFile {
  const limit = Math.max(chunksPerSegment, Math.ceil(chunks.length / targetSegments));
  const segments: ShardSegment[] = [];
  const verification: Uint8Array[] = [];
  let start = 0;
  while (start < chunks.length) {
    const first = chunks[start] as PlacedChunk;
    let end = start + 1;
    while (
      end < chunks.length &&
      end - start < limit &&
      follows(first, chunks[end] as PlacedChunk, end - start)
    )
      end += 1;
    const run = chunks.slice(start, end);
    segments.push({
      xorbHash: first.xorb,
      unpackedBytes: run.reduce((sum, chunk) => sum + chunk.sizeBytes, 0),
      chunkStart: first.index,
      chunkEnd: first.index + run.length,
    });
    verification.push(rangeHash(run.map((chunk) => chunk.hash)));
    start = end;
  }
  return { segments, verification };
}

function follows(first: PlacedChunk, chunk: PlacedChunk, distance: number): boolean {
  return chunk.index === first.index + distance && Buffer.compare(chunk.xorb, first.xorb) === 0;
}

export function makeShardFile(chunks: readonly PlacedChunk[]): ShardFile {
  return { hash: fileHash(chunks), ...makeSegments(chunks), sha256: null };
}
