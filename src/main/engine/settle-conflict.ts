// Carries out a person's choice between two versions that were both kept: theirs under the name, ours beside it. Runs in the engine
// thread on the file system itself, so that what programs see and what is sent to the Hub follow as from any rename or removal.

import type { FileSystem } from '../../vfs/file-system.ts';
import { FsError } from '../../vfs/fs-error.ts';

/** Paths inside the mount. */
export interface ConflictSettlement {
  readonly path: string;
  /** Our version. */
  readonly minePath: string;
  readonly keep: 'mine' | 'theirs';
}

/** Rejects with `FsError`. A version that is gone already leaves nothing to settle. */
export async function settleConflict(fileSystem: FileSystem, settlement: ConflictSettlement): Promise<void> {
  const { path, minePath, keep } = settlement;
  try {
    const mine = await findParent(fileSystem, minePath);
    if (keep === 'theirs') {
      await fileSystem.remove(mine.directory, mine.name);
      return;
    }
    const wanted = await findParent(fileSystem, path);
    await fileSystem.rename(mine.directory, mine.name, wanted.directory, wanted.name);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== 'ENOENT') throw error;
  }
}

async function findParent(
  fileSystem: FileSystem,
  path: string,
): Promise<{ readonly directory: number; readonly name: string }> {
  const names = path.split('/');
  const name = names.pop() ?? '';
  let directory = fileSystem.rootIno;
  for (const step of names) directory = (await fileSystem.lookup(directory, step)).ino;
  return { directory, name };
}
