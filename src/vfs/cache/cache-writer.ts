// Writes fetched bytes into the cache file of their content: little at once, much off the serving thread. Used by content-cache.ts,
// which says where the file is and keeps the ranges.

import type { Log } from '../../shared/log.ts';
import type { CachedContent } from './cached-content.ts';
import type { MaybePromise } from '../file-system.ts';
import type { LocalFile } from '../storage/local-file.ts';
import { errnoOf } from '../storage/staging-disk.ts';

/** A chunk. Writing it takes less time than handing it to another thread and back. */
const synchronousBytes = 128 * 1024;

/** `full`: this disk has no room, and nothing changed. `lost`: the content was evicted or distrusted meanwhile. */
export type StoreOutcome = 'stored' | 'full' | 'lost';

export interface CacheWriterParts {
  /** The file of an entry that has none. Throws what the disk says. */
  create(entry: CachedContent): LocalFile;
  /** The bytes are in the file. */
  stored(entry: CachedContent, start: number, end: number): void;
  /** The file is not there any more. */
  lose(entry: CachedContent): void;
  readonly log: Log;
}

export class CacheWriter {
  readonly #parts: CacheWriterParts;
  /** The last store failed: told once in the log. */
  #isFull = false;

  constructor(parts: CacheWriterParts) {
    this.#parts = parts;
  }

  store(entry: CachedContent, offset: number, bytes: Uint8Array): boolean {
    const end = offset + bytes.length;
    if (entry.extents.covers(offset, end)) return true;
    try {
      entry.file ??= this.#parts.create(entry);
      entry.file.write(bytes, offset);
    } catch (error) {
      this.#failed(entry, error);
      return false;
    }
    this.#stored(entry, offset, end);
    return true;
  }

  storeLater(entry: CachedContent, offset: number, bytes: Uint8Array): MaybePromise<StoreOutcome> {
    const end = offset + bytes.length;
    const isQuick = bytes.length <= synchronousBytes && entry.file?.isBeingWritten !== true;
    if (isQuick || entry.extents.covers(offset, end)) {
      return this.store(entry, offset, bytes) ? 'stored' : 'full';
    }
    let writing: Promise<void>;
    try {
      entry.file ??= this.#parts.create(entry);
      writing = entry.file.writeLater(bytes, offset);
    } catch (error) {
      this.#failed(entry, error);
      return 'full';
    }
    return writing.then(
      () => {
        if (entry.gone) return 'lost';
        this.#stored(entry, offset, end);
        return 'stored';
      },
      (error: unknown) => {
        if (entry.gone) return 'lost';
        this.#failed(entry, error);
        return 'full';
      },
    );
  }

  #stored(entry: CachedContent, start: number, end: number): void {
    this.#isFull = false;
    this.#parts.stored(entry, start, end);
  }

  #failed(entry: CachedContent, error: unknown): void {
    const code = errnoOf(error);
    // Another mount evicted it: the next bytes go to a new file.
    if (code === 'ENOENT') this.#parts.lose(entry);
    if (!this.#isFull) this.#parts.log.warn('the cache cannot store bytes', { cause: code ?? String(error) });
    this.#isFull = true;
  }
}
