// Measures and empties the content cache from outside the mounts that share it, as one more of its users. Used by the host, also while
// nothing is mounted. What is not sent lies in the staging folder of its mount and is never looked at here.

import { existsSync } from 'node:fs';
import type { Log } from '../../shared/log.ts';
import { cachePathOf } from './cache-folder.ts';
import { openCacheIndex } from './cache-index.ts';
import type { CacheIndex } from './cache-index.ts';
import { evictOldest } from './cache-limits.ts';
import { nodeDisk } from '../storage/staging-disk.ts';

/** Bytes of recorded content; what came in the last seconds may be missing. */
export function measureCache(directory: string, log: Log): number {
  const index = openExisting(directory, log);
  if (index === null) return 0;
  try {
    return index.usedBytes();
  } finally {
    index.close();
  }
}

/** Removes all that can be fetched again. Resolves to the bytes freed. Files that are open keep their room until they are closed. */
export async function emptyCache(directory: string, log: Log): Promise<number> {
  const index = openExisting(directory, log);
  if (index === null) return 0;
  try {
    return await evictOldest(index, Infinity, ({ id, key }) => {
      const removed = index.remove(id);
      if (removed === null) return 0;
      nodeDisk.unlink(cachePathOf(directory, key, id));
      return removed;
    });
  } finally {
    index.close();
  }
}

function openExisting(directory: string, log: Log): CacheIndex | null {
  const path = `${directory}/cache.db`;
  return existsSync(path) ? openCacheIndex(path, log) : null;
}
