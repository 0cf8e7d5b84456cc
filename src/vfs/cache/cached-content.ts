// What the cache is built from and what it knows in memory about one content. Made and changed by content-cache.ts; lazy-file.ts and cache-origin.ts read it.

import type { ContentRef } from '../../hub/remote-store.ts';
import type { Clock, Log } from '../../shared/log.ts';
import type { CacheIndex, CacheOrigin } from './cache-index.ts';
import { ExtentMap } from '../storage/extents.ts';
import type { HandlePool } from '../storage/handle-pool.ts';
import type { HotMemory, LocalFile } from '../storage/local-file.ts';
import type { StagingDisk } from '../storage/staging-disk.ts';

export interface ContentCacheOptions {
  readonly directory: string;
  readonly limitBytes: number;
  readonly index: CacheIndex;
  readonly disk: StagingDisk;
  readonly pool: HandlePool;
  readonly memory: HotMemory;
  readonly clock: Clock;
  readonly log: Log;
}

/** The cache's view of one content. `extents` are readable; only what was recorded survives a restart. */
export interface CachedContent {
  readonly content: ContentRef;
  file: LocalFile | null;
  /** Row of the index; null until something is stored. */
  id: number | null;
  revision: number;
  readonly extents: ExtentMap;
  /** Where further bytes may be found on this disk. */
  origin: CacheOrigin | null;
  /** Of `extents`: written by this run, or compared with their checksums. */
  readonly trusted: ExtentMap;
  /** In the file, not yet recorded. */
  unrecorded: ExtentMap;
  used: boolean;
  /** Evicted or found damaged: open it anew. */
  gone: boolean;
  /** A sent staging file that still waits for its move into the cache folder. */
  adopting: boolean;
}

export function emptyEntry(content: ContentRef): CachedContent {
  return {
    content,
    file: null,
    id: null,
    revision: 0,
    extents: new ExtentMap(),
    origin: null,
    trusted: new ExtentMap(),
    unrecorded: new ExtentMap(),
    used: false,
    gone: false,
    adopting: false,
  };
}

/** A sent staging file that serves before it is moved. */
export function adoptedEntry(
  content: ContentRef,
  file: LocalFile,
  extents: ExtentMap,
  origin: CacheOrigin | null,
): CachedContent {
  return {
    ...emptyEntry(content),
    file,
    extents: extents.copy(),
    origin,
    trusted: extents.copy(),
    unrecorded: extents.copy(),
    used: true,
    adopting: true,
  };
}
