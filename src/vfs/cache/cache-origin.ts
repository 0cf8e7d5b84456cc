// Bytes that a cached content shares with another one: after an edit the new version has most of its bytes where the old one
// has them, so nothing unchanged is ever downloaded again. Used by lazy-file.ts (reads) and snapshot.ts (what was sent).
//
// Origins form a chain (an edit of an edit). `flattenOrigin` keeps it short: the small ranges that the middle one changed are copied
// and its origin becomes ours.

import type { ContentRef } from '../../hub/remote-store.ts';
import type { CacheOrigin } from './cache-index.ts';
import type { CachedContent } from './cached-content.ts';
import type { ContentCache } from './content-cache.ts';
import { ExtentMap } from '../storage/extents.ts';
import type { MaybePromise } from '../file-system.ts';
import { ShortFileError } from '../storage/local-file.ts';
import type { Snapshot } from '../parts.ts';

/** Also ends a chain that another mount made circular. */
const longestChain = 8;
/** A version that changed more than this stays in the chain instead of being copied. */
const flattenLimitBytes = 64 * 1024 * 1024;
const sliceBytes = 256 * 1024;

/** What a sent version has in common with its base; null for nothing. */
export function originOf(snapshot: Snapshot, content: ContentRef): CacheOrigin | null {
  const { base } = snapshot;
  if (base === null || base.key === content.key) return null;
  const same = ExtentMap.of({ start: 0, end: Math.min(base.sizeBytes, content.sizeBytes) });
  for (const { start, end } of snapshot.dirty) same.remove(start, end);
  return same.count === 0 ? null : { content: base, same };
}

/** The parts of [start, end) that can be read on this disk. */
export function localRanges(
  cache: ContentCache,
  entry: CachedContent,
  start: number,
  end: number,
  depth = 0,
): ExtentMap {
  const found = ExtentMap.of(...(entry.file === null ? [] : entry.extents.within(start, end)));
  const { origin } = entry;
  if (origin === null || depth === longestChain) return found;
  for (const gap of found.gaps(start, end)) {
    for (const same of origin.same.within(gap.start, gap.end)) {
      found.addAll(localRanges(cache, cache.open(origin.content), same.start, same.end, depth + 1));
    }
  }
  return found;
}

/**
 * Reads a range that `localRanges` has. Throws or rejects when a file turns out to be damaged or gone: it is discarded then, so that a
 * second try fetches. `target` is borrowed until it is done. `isEdit`: the bytes go into a new content, so their checksums are compared.
 */
export function readLocal(
  cache: ContentCache,
  entry: CachedContent,
  offset: number,
  target: Uint8Array,
  targetOffset: number,
  length: number,
  isEdit = false,
): MaybePromise<void> {
  const { file } = entry;
  if (!entry.used) cache.noteUse(entry);
  if (file !== null && entry.extents.covers(offset, offset + length)) {
    const isSure = cache.checksums.isSure(entry, offset, offset + length, isEdit);
    return cache.guard(entry, () =>
      isSure
        ? file.read(target, targetOffset, length, offset)
        : cache.checksums.read(entry, file, target, targetOffset, length, offset),
    );
  }
  const waits: Promise<void>[] = [];
  const read = (from: CachedContent, start: number, end: number): void => {
    const reading = readLocal(cache, from, start, target, targetOffset + start - offset, end - start, isEdit);
    if (reading !== undefined) waits.push(reading);
  };
  try {
    for (const own of entry.extents.within(offset, offset + length)) read(entry, own.start, own.end);
    for (const gap of entry.extents.gaps(offset, offset + length)) {
      const { origin } = entry;
      if (origin === null || !origin.same.covers(gap.start, gap.end)) {
        throw new ShortFileError(`cached bytes of "${entry.content.key}" went away`);
      }
      read(cache.open(origin.content), gap.start, gap.end);
    }
  } catch (error) {
    waits.push(Promise.reject(error));
  }
  return waits.length === 0 ? undefined : allSettled(waits);
}

async function allSettled(waits: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(waits)) if (result.status === 'rejected') throw result.reason;
}

/** Takes the middle out of a chain of three where it is small. In slices; may stop anywhere. */
export async function flattenOrigin(cache: ContentCache, content: ContentRef): Promise<void> {
  const entry = cache.open(content);
  const { origin } = entry;
  if (origin === null || entry.adopting) return;
  const middle = cache.open(origin.content);
  const { origin: next } = middle;
  if (next === null || middle.extents.totalBytes > flattenLimitBytes) return;
  const scratch = new Uint8Array(sliceBytes);
  for (const { start, end } of middle.extents.intersect(origin.same).ranges()) {
    for (const gap of entry.extents.gaps(start, end)) {
      for (let position = gap.start; position < gap.end; position += sliceBytes) {
        const length = Math.min(sliceBytes, gap.end - position);
        try {
          await readLocal(cache, middle, position, scratch, 0, length, true);
        } catch {
          return; // it said so in the log, and the chain stays as long as it is
        }
        if (entry.gone || !cache.store(entry, position, scratch.subarray(0, length))) return;
      }
    }
  }
  if (!entry.gone) cache.setOrigin(entry, { content: next.content, same: next.same.intersect(origin.same) });
}
