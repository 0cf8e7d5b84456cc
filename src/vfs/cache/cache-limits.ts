// How much the content cache may hold, and which contents go first. Used by content-cache.ts, which removes them.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CacheIndex, EvictionCandidate } from './cache-index.ts';
import type { DiskSpace } from '../storage/staging-disk.ts';

/** An eviction for the size limit goes on until this part of the limit is free, so that it does not run all the time. */
const slackShare = 0.05;
/** Of the cache's disk; left free by the cache so that staging has room at once. */
const reserveShare = 0.02;
const largestReserveBytes = 1024 * 1024 * 1024;
/** Contents removed in one turn of the serving thread. */
const evictionBatch = 16;

/** What must go for the limit and for the free space of the disk; 0 where all is well. */
export function excessBytes(usedBytes: number, limitBytes: number, space: DiskSpace): number {
  const overLimit = usedBytes > limitBytes ? usedBytes - limitBytes * (1 - slackShare) : 0;
  const reserveBytes = Math.min(largestReserveBytes, space.totalBytes * reserveShare);
  return Math.min(usedBytes, Math.max(overLimit, reserveBytes - space.freeBytes, 0));
}

/** Removes the longest unused contents by `remove`, which tells the bytes freed, until `bytes` are free or nothing is left. */
export async function evictOldest(
  index: CacheIndex,
  bytes: number,
  remove: (candidate: EvictionCandidate) => number,
): Promise<number> {
  let freed = 0;
  while (freed < bytes) {
    const oldest = index.oldest(evictionBatch);
    if (oldest.length === 0) break;
    for (const candidate of oldest) if (freed < bytes) freed += remove(candidate);
    await nextTurn();
  }
  return freed;
}
