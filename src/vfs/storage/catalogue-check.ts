// Finds out whether the catalogue of a mount is whole, by SQLite's own check of every page and row. A large one is checked on a
// thread with a connection of its own, while the caller goes on. Used by catalogue-recovery.ts, which decides what follows.

import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';

/** About 10 ms of checking. */
const inlineBytes = 4 * 1024 * 1024;
const workerFile = import.meta.url.endsWith('.ts')
  ? './catalogue-check-worker.ts'
  : './catalogue-check-worker.js';

/** What SQLite finds first, 'ok' for nothing. Reads every page, at a stretch. */
export function checkCatalogue(handle: DatabaseSync): string {
  return String(handle.prepare('PRAGMA quick_check(1)').get()?.['quick_check']);
}

/** As `checkCatalogue`: at once where the file is small, else on a thread that has let go of it when this settles. */
export async function checkCatalogueApart(path: string, handle: DatabaseSync): Promise<string> {
  if (sizeOf(path) + sizeOf(`${path}-wal`) <= inlineBytes) return checkCatalogue(handle);
  // A thread that failed has told nothing: what it met is met here again, with its code.
  return (await askThread(path)) ?? checkCatalogue(handle);
}

/** Null where no thread answers: the system may give none, or the file cannot be read. */
function askThread(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    let worker: Worker;
    try {
      worker = new Worker(new URL(workerFile, import.meta.url), {
        name: 'hubdrive-check',
        workerData: path,
      });
    } catch {
      resolve(null); // the caller does it
      return;
    }
    let found: string | null = null;
    worker.on('message', (reply: unknown) => {
      found = String(reply);
    });
    worker.on('error', () => {
      found = null;
    });
    worker.on('exit', () => resolve(found));
  });
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
