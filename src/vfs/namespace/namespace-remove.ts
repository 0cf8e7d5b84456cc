// REMOVE and RMDIR. Used by the namespace.

import { FsError } from '../fs-error.ts';
import type { Change, MaybePromise } from '../file-system.ts';
import {
  changeOf,
  checkNameLength,
  checkWritable,
  findName,
  keepDirectory,
  whenListed,
} from './namespace-context.ts';
import type { NamespaceContext } from './namespace-context.ts';
import { dropName, vacateHub } from './namespace-hub.ts';

/** Never for folders. An inode without a name is gone at once: NFS clients rename a file that is open instead of removing it. */
export function removeFile(context: NamespaceContext, directory: number, name: string): MaybePromise<Change> {
  checkWritable(context, 'remove');
  checkName(name, 'remove');
  return whenListed(context, [directory], () => {
    const { tree } = context;
    const parent = tree.directorySlot(directory, 'remove');
    const entry = findName(context, parent, name, 'remove');
    if (tree.index.isDirectory(tree.index.inodeOf(entry))) {
      throw new FsError('EISDIR', 'remove', { path: tree.pathOfEntry(entry) });
    }
    return tree.transaction(() => {
      const before = tree.before(parent);
      vacateHub(context, entry);
      takeNameAway(context, entry);
      keepDirectory(context, parent);
      tree.touchDirectory(parent);
      return changeOf(context, parent, before);
    });
  });
}

export function removeDirectory(
  context: NamespaceContext,
  directory: number,
  name: string,
): MaybePromise<Change> {
  checkWritable(context, 'rmdir');
  checkName(name, 'rmdir');
  return whenListed(context, [directory], () => {
    const { tree } = context;
    const parent = tree.directorySlot(directory, 'rmdir');
    const entry = findName(context, parent, name, 'rmdir');
    const slot = tree.index.inodeOf(entry);
    if (!tree.index.isDirectory(slot))
      throw new FsError('ENOTDIR', 'rmdir', { path: tree.pathOfEntry(entry) });
    const listing = context.whenListed(tree.index.inoOf(slot));
    if (listing !== null) return listing.then(() => removeDirectory(context, directory, name));
    if (tree.index.order(slot).count > 0) {
      throw new FsError('ENOTEMPTY', 'rmdir', { path: tree.pathOfEntry(entry) });
    }
    return tree.transaction(() => {
      const before = tree.before(parent);
      takeNameAway(context, entry);
      keepDirectory(context, parent);
      tree.touchDirectory(parent);
      return changeOf(context, parent, before);
    });
  });
}

/** Removes a name, and its inode if that was the last one. The Hub's side and the folder's times are the caller's. */
export function takeNameAway(context: NamespaceContext, entry: number): void {
  const { index } = context.tree;
  context.noteLocalChange(index.inoOf(index.parentOf(entry)), index.remoteNameOf(entry));
  dropName(context, entry);
}

function checkName(name: string, operation: string): void {
  if (name === '.' || name === '') throw new FsError('EINVAL', operation, { path: name });
  if (name === '..') throw new FsError('ENOTEMPTY', operation, { path: name });
  checkNameLength(name, operation);
}
