// The data directory: made private, and owned by one host at a time. The lock is a database lock of the system (released by the kernel
// when the process dies, however it dies), so no stale lock file can keep a host out.

import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { findPlaces } from '../../shared/places.ts';
import type { Places } from '../../shared/places.ts';
import { HostError } from '../problem.ts';

export function currentPlaces(env: NodeJS.ProcessEnv = process.env): Places {
  return findPlaces({
    platform: process.platform,
    homeDir: homedir(),
    env,
    temporaryDir: env['XDG_RUNTIME_DIR'] ?? tmpdir(),
    uid: process.getuid?.() ?? 0,
  });
}

export interface DataDirLock {
  release(): void;
}

/** Makes the directories (0700) and takes the lock. `conflict` when another host has it. */
export async function lockDataDir(places: Places): Promise<DataDirLock> {
  for (const directory of [places.dataDir, places.cacheDir, places.logDir, places.controlSocketDir]) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  }
  await makePrivate(places.dataDir);
  await makePrivate(places.controlSocketDir);
  const ownerPath = join(places.dataDir, 'host.pid');
  const database = new DatabaseSync(join(places.dataDir, 'host.lock'));
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    if (!(cause instanceof Error && /locked/.test(cause.message))) throw cause;
    const pid = await readFile(ownerPath, 'utf8').catch(() => 'unknown');
    throw new HostError(
      'conflict',
      `Another Hubdrive host (process ${pid.trim()}) uses “${places.dataDir}”. Use that one, stop it, or set HUBDRIVE_HOME to another folder`,
      { cause },
    );
  }
  await writeFile(ownerPath, `${process.pid}\n`, { mode: 0o600 });
  return {
    release: () => {
      if (database.isOpen) database.close();
    },
  };
}

async function makePrivate(directory: string): Promise<void> {
  const info = await stat(directory);
  const uid = process.getuid?.() ?? info.uid;
  if (info.uid !== uid) {
    throw new HostError(
      'conflict',
      `“${directory}” belongs to another user. Set HUBDRIVE_HOME to a folder of your own`,
    );
  }
  if ((info.mode & 0o077) !== 0) await chmod(directory, 0o700);
}
