// What an engine left on the disk: nothing but what it should while nothing is pending, and what it set aside. Used by the crash tests.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { CrashWorld } from './crash-world.ts';

/** A busy disk takes its time for the sync before a file is removed. */
const patienceMs = 10_000;

/** With nothing pending: no staging file, no cache file that no row names, no temporary of the Hub client. */
export async function checkNoLeftovers(world: CrashWorld): Promise<void> {
  const { dataDir, cacheDir } = world;
  const staged = (): string[] => readdirSync(join(dataDir, 'staging'));
  for (const until = Date.now() + patienceMs; staged().length > 0 && Date.now() < until;)
    await world.settle();
  assert.deepEqual(staged(), [], 'no staging file is left');
  for (const name of readdirSync(join(dataDir, 'hub'))) {
    assert.match(name, /^(manifests-[0-9a-f]+\.db(-wal|-shm)?|[\w-]+\.json)$/);
  }
  const database = new DatabaseSync(join(cacheDir, 'cache.db'), { readOnly: true });
  const ids = new Set(
    database
      .prepare('SELECT id FROM content')
      .all()
      .map((row) => Number(row['id'])),
  );
  database.close();
  for (const folder of readdirSync(cacheDir)) {
    if (folder.startsWith('cache.db')) continue;
    for (const name of readdirSync(join(cacheDir, folder))) {
      const id = Number(name.slice(name.lastIndexOf('-') + 1));
      assert.ok(ids.has(id), `the cache file "${name}" has a row`);
    }
  }
}

/** Names in the folder of what was set aside. */
export function setAsideOf({ dataDir }: CrashWorld): readonly string[] {
  const folder = join(dataDir, 'set-aside');
  return existsSync(folder) ? readdirSync(folder) : [];
}
