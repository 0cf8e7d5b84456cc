// Which chunks an edit of a file can change: the windows of `/v2/file-chunk-hashes`. Pure.

import { chunkMaxBytes, chunkMinBytes } from '../xet/chunker.ts';
import type { Span } from './byte-range.ts';

/** After this many suitable chunks in a row past the edit, chunking has found its old cuts again. */
const resyncChunks = 2;
const suitableFromBytes = 2 * chunkMinBytes;
const suitableBelowBytes = chunkMaxBytes - chunkMinBytes;

/** A run of chunks [chunkStart, chunkEnd) at bytes [start, end) of the file. */
export interface ChunkWindow {
  readonly chunkStart: number;
  readonly chunkEnd: number;
  readonly start: number;
  readonly end: number;
}

/** `sizes`: plain bytes of the file's chunks in order. `dirty`: sorted, disjoint, inside the file, not empty. */
export function findWindows(sizes: readonly number[], dirty: readonly Span[]): ChunkWindow[] {
  const windows: ChunkWindow[] = [];
  let chunk = 0;
  let at = 0;
  let next = 0;
  while (next < dirty.length) {
    const first = dirty[next] as Span;
    while (at + (sizes[chunk] ?? Infinity) <= first.start) at += sizes[chunk++] ?? 0;
    const [chunkStart, start] = [chunk, at];
    let suitable = 0;
    let dirtyEnd = first.end;
    next++;
    while (chunk < sizes.length) {
      const size = sizes[chunk] ?? 0;
      if (at < dirtyEnd) suitable = 0;
      else if (suitable === resyncChunks) break;
      else suitable = size >= suitableFromBytes && size < suitableBelowBytes ? suitable + 1 : 0;
      at += size;
      chunk++;
      // An edit that begins inside what was just taken in belongs to this window.
      for (; next < dirty.length && (dirty[next] as Span).start < at; next++) {
        dirtyEnd = Math.max(dirtyEnd, (dirty[next] as Span).end);
        suitable = 0;
      }
    }
    windows.push({ chunkStart, chunkEnd: chunk, start, end: at });
  }
  return windows;
}
