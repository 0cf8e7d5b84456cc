// Picks the driver of this system and gives it the real surroundings. Used by the shells.

import { access, readFile } from 'node:fs/promises';
import { createBusyFinder, nodeScripts } from './busy-programs.ts';
import type { RunScript } from './busy-programs.ts';
import { runCommand } from './command-runner.ts';
import { createDarwinDriver } from './os-mount-darwin.ts';
import { createLinuxDriver } from './os-mount-linux.ts';
import type { OsMountDriver } from './os-mount.ts';
import { errnoOf, HostError } from '../problem.ts';

export function createSystemDriver(runScript: RunScript = nodeScripts(runCommand)): OsMountDriver {
  switch (process.platform) {
    case 'darwin':
      return createDarwinDriver(runCommand);
    case 'linux':
      return createLinuxDriver({
        run: runCommand,
        readText: (path) => readFile(path, 'utf8'),
        exists: systemFileExists,
        isRoot: process.geteuid?.() === 0,
        findBusyPrograms: createBusyFinder(runScript),
      });
    default:
      throw new HostError(
        'unsupported',
        `Hubdrive mounts on Linux and macOS; ${process.platform} is not supported yet`,
      );
  }
}

/** For files of the system (fstab, helper programs) only, never for mounted paths. */
async function systemFileExists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return false;
  }
}
