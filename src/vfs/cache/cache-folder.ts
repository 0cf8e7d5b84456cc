// Where the files of the content cache lie: `<first two digits>/<kind>-<hash>-<row number>`. Used by content-cache.ts.

import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CacheIndex } from './cache-index.ts';
import type { StagingDisk } from '../storage/staging-disk.ts';

export function cacheFolderOf(directory: string, key: string): string {
  return `${directory}/${fileNameOf(key).folder}`;
}

export function cachePathOf(directory: string, key: string, id: number): string {
  const { folder, name } = fileNameOf(key);
  return `${directory}/${folder}/${name}-${id}`;
}

/** Keys come from the Hub: only the known forms reach the file system as they are. */
function fileNameOf(key: string): { readonly folder: string; readonly name: string } {
  const match = /^(xet|git):([0-9a-f]{40}|[0-9a-f]{64})$/.exec(key);
  const hash = match?.[2] ?? createHash('sha256').update(key).digest('hex');
  return { folder: hash.slice(0, 2), name: `${match?.[1] ?? 'other'}-${hash}` };
}

/** Deletes cache files that no row names: leftovers of a crash between row and file. One folder in a turn. */
export async function sweepCacheFolder(
  directory: string,
  disk: StagingDisk,
  index: CacheIndex,
  isStopped: () => boolean,
): Promise<void> {
  for (const folder of await disk.list(directory)) {
    if (!/^[0-9a-f]{2}$/.test(folder)) continue;
    for (const name of await disk.list(`${directory}/${folder}`)) {
      if (isStopped()) return;
      const id = Number(name.slice(name.lastIndexOf('-') + 1));
      if (Number.isSafeInteger(id) && index.revisionOf(id) === null) {
        disk.unlink(`${directory}/${folder}/${name}`);
      }
    }
    await nextTurn();
  }
}
