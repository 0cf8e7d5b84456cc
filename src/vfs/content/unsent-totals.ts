// What of a mount that is not open is not on the Hub yet, by its catalogue alone, and how to give it up. Used by the host for mounts that
// nobody has mounted.

import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface UnsentTotals {
  readonly files: number;
  readonly bytes: number;
}

/** As the queue counts it: files and changes of names. Null where there is no catalogue; throws where it cannot be read. */
export function readUnsentTotals(dataDir: string): UnsentTotals | null {
  const path = join(dataDir, 'catalogue.db');
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return null;
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const count = (sql: string): number => Number(database.prepare(sql).get()?.['n'] ?? 0);
    const tables = count(
      "SELECT count(*) AS n FROM sqlite_schema WHERE name IN ('upload_files', 'upload_log', 'staged_layer')",
    );
    if (tables < 3) return { files: 0, bytes: 0 };
    return {
      files: count('SELECT (SELECT count(*) FROM upload_files) + (SELECT count(*) FROM upload_log) AS n'),
      bytes: count("SELECT coalesce(sum(dirty_bytes), 0) AS n FROM staged_layer WHERE state = 'live'"),
    };
  } finally {
    database.close();
  }
}

/**
 * Deletes the names and the unsent bytes of a mount that is not open, on a person's explicit wish only. What was set aside stays.
 * They are out of the way when it returns, so that a mount may begin anew; the promise is about their space on the disk.
 */
export async function discardUnsent(dataDir: string): Promise<void> {
  // The catalogue first: without it nothing can name the bytes, and a crash before they are gone leaves them set aside.
  for (const suffix of ['-wal', '-shm', '']) rmSync(join(dataDir, `catalogue.db${suffix}`), { force: true });
  const staging = join(dataDir, 'staging');
  const discarded = `${staging}.discarded`;
  // An earlier discard may have been cut short.
  if (existsSync(discarded)) rmSync(discarded, { recursive: true, force: true });
  if (!existsSync(staging)) return;
  renameSync(staging, discarded);
  await rm(discarded, { recursive: true, force: true });
}
