// Gives the chunks of one download their places in the file, checks them, and hands neighbours to the sink as one piece. Used by
// `xet-reader.ts`.

import { XetFormatError } from '../xet/errors.ts';
import { hashSizeBytes } from '../xet/hash.ts';
import type { ChunkVerifier } from './known-chunks.ts';
import { xorbHashOf, type PlanFetch, type PlanTerm } from './reconstruction.ts';
import type { ContentSink } from './remote-store.ts';

/** Chunks that stand one after the other in `plain`. */
export interface PlainChunks {
  /** Borrowed until the promise of `place` settles. */
  readonly plain: Uint8Array;
  readonly sizes: ArrayLike<number>;
  /** 32 bytes each; kept. */
  readonly hashes: Uint8Array;
}

/** Told of every chunk with its hash and place. */
export type ChunkObserver = (
  offset: number,
  hash: Uint8Array,
  sizeBytes: number,
  xorb: Uint8Array,
  index: number,
) => void;

interface Placement {
  readonly term: PlanTerm;
  /** File offset of the next chunk of the term. */
  at: number;
}

/** Neighbours both in the file and in memory. */
interface Run {
  readonly offset: number;
  readonly from: number;
  to: number;
}

/** Survives a repeated download: chunks placed before are skipped. */
export class ChunkPlacer {
  readonly #fetch: PlanFetch;
  readonly #verifier: ChunkVerifier;
  readonly #sink: ContentSink;
  readonly #onChunk: ChunkObserver | undefined;
  readonly #xorb: Uint8Array;
  readonly #placements: readonly Placement[];
  #placed = 0;

  constructor(fetch: PlanFetch, verifier: ChunkVerifier, sink: ContentSink, onChunk?: ChunkObserver) {
    this.#fetch = fetch;
    this.#verifier = verifier;
    this.#sink = sink;
    this.#onChunk = onChunk;
    this.#xorb = xorbHashOf(fetch);
    this.#placements = fetch.terms.map((term) => ({ term, at: term.fileStart }));
  }

  /** `index` counts from the first chunk of the download. Throws or rejects when the sink uses none of the bytes any more. */
  place(index: number, chunks: PlainChunks): void | Promise<void> {
    const runs: Run[] = [];
    const waits: Promise<void>[] = [];
    try {
      try {
        this.#judge(index, chunks, runs);
      } finally {
        // Also those before a wrong chunk: they count as placed and do not come again.
        for (const { offset, from, to } of runs) {
          const waiting = this.#sink(offset, chunks.plain.subarray(from, to));
          if (waiting !== undefined) waits.push(waiting);
        }
      }
    } catch (cause) {
      if (waits.length === 0) throw cause;
      waits.push(Promise.reject(cause));
    }
    return waits.length === 0 ? undefined : allSettled(waits);
  }

  #judge(index: number, { sizes, hashes }: PlainChunks, runs: Run[]): void {
    let from = 0;
    for (let i = 0; i < sizes.length; i += 1) {
      const size = sizes[i] ?? 0;
      const hash = hashes.subarray(i * hashSizeBytes, (i + 1) * hashSizeBytes);
      for (const at of this.#takePlaces(index + i, hash, size)) {
        const last = runs.at(-1);
        if (last !== undefined && last.to === from && last.offset + last.to - last.from === at)
          last.to += size;
        else runs.push({ offset: at, from, to: from + size });
      }
      from += size;
    }
  }

  /** The file offsets where the chunk belongs; none if it was placed before. */
  #takePlaces(index: number, hash: Uint8Array, size: number): readonly number[] {
    if (index < this.#placed) return [];
    const chunk = this.#fetch.chunkStart + index;
    const places: number[] = [];
    for (const { term, at } of this.#placements) {
      if (chunk < term.chunkStart || chunk >= term.chunkEnd) continue;
      const end = at + size;
      if (end > term.fileEnd || (chunk === term.chunkEnd - 1 && end !== term.fileEnd)) {
        throw new XetFormatError('chunks have other sizes than planned');
      }
      this.#verifier.check(at, hash, size, this.#xorb, chunk);
      this.#onChunk?.(at, hash, size, this.#xorb, chunk);
      places.push(at);
    }
    // Not before all of its places are found right: else it would come again for some of them only.
    for (const placement of this.#placements) {
      if (chunk >= placement.term.chunkStart && chunk < placement.term.chunkEnd) placement.at += size;
    }
    this.#placed = index + 1;
    return places;
  }
}

async function allSettled(waits: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(waits)) if (result.status === 'rejected') throw result.reason;
}
