// What earlier runs left: mounts with unsent changes that `mounts.json` has lost, and system mounts of another Hub. Used at the start of
// the host; it deletes no data.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSource } from '../../hub/source.ts';
import type { Log } from '../../shared/log.ts';
import { readUnsentTotals, type UnsentTotals } from '../../vfs/content/unsent-totals.ts';
import { removeCreated } from './mount-point.ts';
import { mountIdOf, newMountRecord } from './mount-records.ts';
import type { MountRecord, MountRecords } from './mount-records.ts';
import type { OsMountDriver } from '../system/os-mount.ts';
import { errnoOf } from '../problem.ts';

export interface LeftoverOptions {
  /** Holds a folder for each mount. */
  readonly mountsDir: string;
  readonly hub: string;
  readonly records: MountRecords;
  readonly log: Log;
}

/** Remembers the mounts again whose folder has something unsent: they are shown, sent, and can be mounted or discarded as before. */
export async function recoverLostMounts(options: LeftoverOptions): Promise<void> {
  const { mountsDir, records, log } = options;
  for (const id of await foldersIn(mountsDir)) {
    if (records.find(id) !== undefined) continue;
    const dataDir = join(mountsDir, id);
    const unsent = unsentIn(dataDir, log);
    if (unsent === null || unsent.files === 0) continue;
    const record = await identify(options, id);
    const about = { dataDir, files: unsent.files, bytes: unsent.bytes };
    if (record === null) {
      log.warn(
        'A folder holds unsent changes of a mount that is not known at this Hub; they are kept',
        about,
      );
      continue;
    }
    log.warn('A mount with unsent changes was no longer remembered; it is taken up again', {
      ...about,
      source: record.source,
    });
    await records.save({ ...record, unsent });
  }
}

async function foldersIn(mountsDir: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(mountsDir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function unsentIn(dataDir: string, log: Log): UnsentTotals | null {
  try {
    return readUnsentTotals(dataDir);
  } catch (error) {
    log.warn('What a folder holds of a mount could not be read; it is kept', {
      dataDir,
      cause: String(error),
    });
    return null;
  }
}

/** The source as the Hub client remembers it, if the folder's name is that of this source at this Hub. */
async function identify({ mountsDir, hub }: LeftoverOptions, id: string): Promise<MountRecord | null> {
  try {
    const stored: unknown = JSON.parse(await readFile(join(mountsDir, id, 'hub', 'source.json'), 'utf8'));
    const name = typeof stored === 'object' && stored !== null && 'name' in stored ? stored.name : null;
    // Endpoint, source, revision: only the source may have spaces in it.
    const match = typeof name === 'string' ? /^\S+ (.+) (\S*)$/.exec(name) : null;
    if (match === null) return null;
    const spec = parseSource(match[1] ?? '', match[2] === '' ? null : (match[2] ?? null));
    return mountIdOf(spec, hub) === id
      ? newMountRecord(spec, hub, { readOnly: false, serverOnly: false })
      : null;
  } catch {
    return null; // unknown: the caller says so
  }
}

/** Left mounted by a run that used another Hub: cannot be served, so it is taken away if nothing uses it. */
export async function detachForeign(
  record: MountRecord,
  { log, systemDriver, records }: { log: Log; systemDriver: OsMountDriver; records: MountRecords },
): Promise<void> {
  const { mountPoint, exportPath, source, hub } = record;
  if (mountPoint === null || exportPath === null) return;
  const fields = { source, mountPoint, hub };
  try {
    const outcome = await systemDriver.unmount(mountPoint, exportPath, false, new AbortController().signal);
    if (outcome.type === 'gone') {
      await removeCreated(record.createdDirs);
      await records.save({ ...record, exportPath: null, createdDirs: [] });
      log.info('A mount that an earlier run left for another Hub was removed', fields);
    } else
      log.warn(
        'A mount that an earlier run left for another Hub is in use; start the host for that Hub',
        fields,
      );
  } catch (error) {
    log.warn('A mount that an earlier run left for another Hub could not be removed', {
      ...fields,
      cause: String(error),
    });
  }
}
