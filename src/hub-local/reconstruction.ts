// Plans how a byte range of a file is put together from xorb chunks: the terms and the fetch ranges of
// `/v1/reconstructions` and `/v2/reconstructions`. Pure; URLs are made by the route.

import type { CasStore, FileRecord } from './cas-store.ts';
import type { XorbRecord } from './xorb-record.ts';

/** Chunk ends are exclusive. */
export interface Term {
  readonly xorb: XorbRecord;
  readonly chunkStart: number;
  readonly chunkEnd: number;
  readonly plainBytes: number;
}

/** Chunk ends are exclusive, byte ends inclusive, as on the wire. */
export interface FetchRange {
  readonly chunkStart: number;
  readonly chunkEnd: number;
  readonly byteStart: number;
  readonly byteEnd: number;
}

export interface Plan {
  readonly offsetIntoFirstRange: number;
  readonly terms: readonly Term[];
  /** Per xorb, sorted and merged; every term lies inside one of its xorb's ranges. */
  readonly fetches: ReadonlyMap<XorbRecord, readonly FetchRange[]>;
}

/** The plan for bytes [start, end) of `file`; 0 ≤ start < end ≤ size, or an empty file. */
export function planReconstruction(cas: CasStore, file: FileRecord, start: number, end: number): Plan {
  const terms: Term[] = [];
  let offsetIntoFirstRange = 0;
  let segmentStart = 0;
  for (const segment of file.segments) {
    const segmentEnd = segmentStart + segment.plainBytes;
    if (segmentStart >= end) break;
    if (segmentEnd > start) {
      const xorb = cas.xorbById(segment.xorbId);
      const trimmed = trimSegment(
        xorb,
        segment.chunkStart,
        segment.chunkEnd,
        start - segmentStart,
        end - segmentStart,
      );
      if (terms.length === 0) offsetIntoFirstRange = start - segmentStart - trimmed.skippedBytes;
      terms.push(trimmed.term);
    }
    segmentStart = segmentEnd;
  }
  return { offsetIntoFirstRange, terms, fetches: mergeFetches(terms) };
}

/** Drops the chunks before byte `from` and after byte `to` of a segment. */
function trimSegment(
  xorb: XorbRecord,
  chunkStart: number,
  chunkEnd: number,
  from: number,
  to: number,
): { term: Term; skippedBytes: number } {
  let first = chunkStart;
  let skippedBytes = 0;
  while (skippedBytes + xorb.plainBytes(first) <= from) skippedBytes += xorb.plainBytes(first++);
  let last = first;
  let end = skippedBytes;
  while (last < chunkEnd && end < to) end += xorb.plainBytes(last++);
  return {
    term: { xorb, chunkStart: first, chunkEnd: last, plainBytes: end - skippedBytes },
    skippedBytes,
  };
}

function mergeFetches(terms: readonly Term[]): Map<XorbRecord, FetchRange[]> {
  const byXorb = new Map<XorbRecord, Term[]>();
  for (const term of terms) {
    const list = byXorb.get(term.xorb);
    if (list === undefined) byXorb.set(term.xorb, [term]);
    else list.push(term);
  }
  const merged = new Map<XorbRecord, FetchRange[]>();
  for (const [xorb, list] of byXorb) {
    const ranges: { start: number; end: number }[] = [];
    for (const term of list.toSorted((a, b) => a.chunkStart - b.chunkStart)) {
      const last = ranges.at(-1);
      if (last !== undefined && term.chunkStart <= last.end) last.end = Math.max(last.end, term.chunkEnd);
      else ranges.push({ start: term.chunkStart, end: term.chunkEnd });
    }
    merged.set(
      xorb,
      ranges.map(({ start, end }) => ({
        chunkStart: start,
        chunkEnd: end,
        byteStart: xorb.storedStart(start),
        byteEnd: xorb.storedEnd(end - 1) - 1,
      })),
    );
  }
  return merged;
}
