// The rules for the folder that a mount appears in: made if absent, refused if not empty or not ours, never the home folder itself, and
// taken away afterwards if we made it and it is empty. Judges by the table of mounts first, so that no mounted path is touched.

import { mkdir, readdir, realpath, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { SourceSpec } from '../../hub/source.ts';
import { findMountOf, isInside } from '../system/mount-table.ts';
import type { MountTableEntry } from '../system/mount-table.ts';
import { errnoOf, HostError } from '../problem.ts';

export interface MountPointRules {
  readonly homeDir: string;
  readonly dataDir: string;
  readonly uid: number;
  readonly table: readonly MountTableEntry[];
}

/** `<mountFolder>/<owner>/<name>`; subfolder and revision become part of the name, so that mounts never lie in one another. */
export function defaultMountPoint(
  spec: SourceSpec,
  mountFolder: string | null,
  homeDir: string,
  isTaken: (path: string) => boolean,
): string {
  const folder = mountFolder ?? join(homeDir, 'Hubdrive');
  const parts = [spec.name, ...spec.subfolder.split('/').filter((part) => part !== '')];
  const name = parts.join('--') + (spec.revision === null ? '' : `@${spec.revision.replaceAll('/', '-')}`);
  const path = join(folder, spec.owner, name);
  return isTaken(path) ? join(folder, spec.owner, `${name} (${spec.kind})`) : path;
}

/**
 * Checks `path` without changing anything; resolves to it with symbolic links of existing parents followed, as the table of
 * mounts will show it.
 */
export async function checkMountPoint(path: string, rules: MountPointRules): Promise<string> {
  if (!path.startsWith('/')) throw refuse(path, 'it is not an absolute path');
  const wanted = resolve(path);
  refuseMounted(wanted, rules);
  const real = await followParents(wanted);
  refuseMounted(real, rules);
  const home = await realpath(rules.homeDir).catch(() => rules.homeDir);
  if (real === '/' || isInside(home, real))
    throw refuse(path, 'it is your home folder or holds it; choose a folder inside');
  if (isInside(real, rules.dataDir) || isInside(rules.dataDir, real)) {
    throw refuse(path, 'Hubdrive keeps its own data there; choose another folder');
  }
  await refuseUnlessEmptyAndOurs(real, rules.uid);
  return real;
}

function refuseMounted(path: string, { table }: MountPointRules): void {
  const mount = findMountOf(path, table);
  if (mount === null || mount.mountPoint === '/') return;
  if (mount.mountPoint === path) throw refuse(path, `something is mounted there already (${mount.device})`);
  if (mount.type.startsWith('nfs') && mount.device.startsWith('127.0.0.1:')) {
    throw refuse(path, `it lies inside the mount “${mount.mountPoint}”`);
  }
}

async function refuseUnlessEmptyAndOurs(path: string, uid: number): Promise<void> {
  const info = await orNullIfMissing(stat(path));
  if (info === null) {
    const parent = await existingParent(path);
    const parentInfo = await stat(parent);
    if (!parentInfo.isDirectory()) throw refuse(path, `“${parent}” is not a folder`);
    return;
  }
  if (!info.isDirectory()) throw refuse(path, 'it is not a folder');
  if (info.uid !== uid) throw refuse(path, 'it belongs to another user');
  const entries = await readdir(path);
  if (entries.length > 0) throw refuse(path, 'it is not empty; choose an empty or a new folder');
}

/** Makes the folder and its missing parents. Resolves to what was made, outermost first. */
export async function makeMountPoint(path: string): Promise<readonly string[]> {
  const missing: string[] = [];
  let current = path;
  while ((await orNullIfMissing(stat(current))) === null) {
    missing.unshift(current);
    current = dirname(current);
  }
  for (const directory of missing) {
    try {
      await mkdir(directory, { mode: 0o755 });
    } catch (cause) {
      if (errnoOf(cause) === 'EEXIST') continue;
      throw new HostError(
        'mount-point',
        `The folder “${directory}” could not be made (${errnoOf(cause) ?? 'unknown'})`,
        { cause },
      );
    }
  }
  return missing;
}

/** Removes the folders that are empty, innermost first; the others stay. Only after the table shows no mount there. */
export async function removeCreated(created: readonly string[]): Promise<void> {
  for (const directory of created.toReversed()) {
    try {
      await rmdir(directory);
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOENT') continue;
      if (
        code === 'ENOTEMPTY' ||
        code === 'EEXIST' ||
        code === 'EBUSY' ||
        code === 'EACCES' ||
        code === 'EPERM'
      )
        return;
      throw error;
    }
  }
}

async function followParents(path: string): Promise<string> {
  const parent = await existingParent(path);
  return join(await realpath(parent), path.slice(parent.length));
}

async function existingParent(path: string): Promise<string> {
  let current = path;
  while ((await orNullIfMissing(stat(current))) === null) current = dirname(current);
  return current;
}

async function orNullIfMissing<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return null;
    if (code === null) throw error;
    throw new HostError('mount-point', `The folder cannot be looked at: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function refuse(path: string, why: string): HostError {
  return new HostError('mount-point', `“${path}” cannot be used as a mount point: ${why}`);
}
