// RENAME: atomic, replacing, within the rules of POSIX; decides what the Hub must do so that it ends up the same without
// moving bytes. A folder of any size is renamed by one logged operation. Used by the namespace.

import { FsError } from '../fs-error.ts';
import type { Change, MaybePromise } from '../file-system.ts';
import {
  baseRef,
  changeOf,
  checkNewName,
  checkWritable,
  findName,
  isFile,
  keepDirectory,
  whenListed,
} from './namespace-context.ts';
import type { NamespaceContext } from './namespace-context.ts';
import {
  dropName,
  fileNamesBelow,
  forgetUploadIfUnplaced,
  hubHasBelow,
  placeOnHub,
  unlistedBelow,
  vacateHub,
} from './namespace-hub.ts';

export interface Renamed {
  readonly from: Change;
  readonly to: Change;
}

export function renameEntry(
  context: NamespaceContext,
  fromDirectory: number,
  fromName: string,
  toDirectory: number,
  toName: string,
): MaybePromise<Renamed> {
  checkWritable(context, 'rename');
  checkNewName(fromName, 'rename');
  checkNewName(toName, 'rename');
  return whenListed(context, [fromDirectory, toDirectory], () => {
    const { tree } = context;
    const from = tree.directorySlot(fromDirectory, 'rename');
    const to = tree.directorySlot(toDirectory, 'rename');
    const source = findName(context, from, fromName, 'rename');
    const target = tree.index.find(to, toName);
    const waits = check(context, source, to, toName, target);
    if (waits !== null) {
      return waits.then(() => renameEntry(context, fromDirectory, fromName, toDirectory, toName));
    }
    const beforeFrom = tree.before(from);
    const beforeTo = tree.before(to);
    const isSameName = target === source && tree.index.nameOf(source) === toName;
    const isSameInode = target !== -1 && tree.index.inodeOf(target) === tree.index.inodeOf(source);
    if (isSameName || (isSameInode && target !== source)) {
      return { from: changeOf(context, from, beforeFrom), to: changeOf(context, to, beforeTo) };
    }
    return tree.transaction(() => {
      if (tree.index.isDirectory(tree.index.inodeOf(source)))
        moveDirectory(context, source, to, toName, target);
      else moveFile(context, source, to, toName, target);
      keepDirectory(context, from);
      tree.touchDirectory(from);
      if (to !== from) tree.touchDirectory(to);
      return { from: changeOf(context, from, beforeFrom), to: changeOf(context, to, beforeTo) };
    });
  });
}

/** Throws what forbids the rename; returns what must be listed before that can be known. `target` may be -1. */
function check(
  context: NamespaceContext,
  source: number,
  to: number,
  toName: string,
  target: number,
): Promise<void> | null {
  const { tree } = context;
  const slot = tree.index.inodeOf(source);
  const sourceIsDirectory = tree.index.isDirectory(slot);
  const path = tree.pathOfEntry(source);
  if (sourceIsDirectory) {
    for (let at = to; ; at = tree.parentOfDirectory(at)) {
      if (at === slot)
        throw new FsError('EINVAL', 'rename', { path, message: 'a folder cannot go into itself' });
      if (tree.parentOfDirectory(at) === at) break;
    }
  }
  if (target !== -1 && target !== source) {
    const targetSlot = tree.index.inodeOf(target);
    const targetIsDirectory = tree.index.isDirectory(targetSlot);
    const targetPath = tree.pathOfEntry(target);
    if (sourceIsDirectory && !targetIsDirectory) throw new FsError('ENOTDIR', 'rename', { path: targetPath });
    if (!sourceIsDirectory && targetIsDirectory) throw new FsError('EISDIR', 'rename', { path: targetPath });
    if (targetIsDirectory) {
      const listing = context.whenListed(tree.index.inoOf(targetSlot));
      if (listing !== null) return listing;
      if (tree.index.order(targetSlot).count > 0)
        throw new FsError('ENOTEMPTY', 'rename', { path: targetPath });
    }
  }
  if (!sourceIsDirectory || tree.isLocalOnly(source)) return null;
  // To where nothing is sent: the Hub's files below must be deleted one by one, so all of them must be known.
  if (!tree.isLocalName(to, toName)) return null;
  const unlisted = unlistedBelow(context, slot);
  return unlisted === -1 ? null : context.whenListed(tree.index.inoOf(unlisted));
}

function moveFile(
  context: NamespaceContext,
  source: number,
  to: number,
  toName: string,
  target: number,
): void {
  const { tree, uploads } = context;
  const slot = tree.index.inodeOf(source);
  const fromPath = tree.hubPath(source);
  const expect = tree.expect(source);
  const base = baseRef(context, slot);
  const isRespelled = target === source;
  const held = target === -1 || isRespelled ? null : tree.expect(target);
  const canMove = isFile(context, slot) && fromPath !== null && base !== null && expect === base.key;
  const isSamePath = isRespelled && tree.index.remoteNameOf(source) === toName;
  if (!canMove && !isSamePath) vacateHub(context, source);
  if (target !== -1 && !isRespelled) dropName(context, target);
  context.noteLocalChange(tree.index.inoOf(tree.index.parentOf(source)), tree.index.remoteNameOf(source));
  tree.removeName(source);
  const entry = tree.addName(to, toName, slot, 'nothing');
  context.noteLocalChange(tree.index.inoOf(to), toName);
  const toPath = tree.hubPath(entry);
  if (isSamePath) {
    // Shown under another name than the Hub's, and now under the Hub's.
    tree.setExpectKey(entry, expect);
  } else if (canMove && toPath !== null) {
    const mtimeMs = tree.mtimeMs(slot);
    uploads.log({ type: 'move', from: fromPath, to: toPath, content: base, mtimeMs, expectTo: held });
    tree.setExpectKey(entry, base.key);
  } else {
    if (canMove) uploads.log({ type: 'delete', path: fromPath, expect: base.key });
    placeOnHub(context, entry, held);
  }
  forgetUploadIfUnplaced(context, slot);
  tree.edit(slot);
  tree.touch(slot, false);
  tree.save(slot);
}

function moveDirectory(
  context: NamespaceContext,
  source: number,
  to: number,
  toName: string,
  target: number,
): void {
  const { tree, uploads } = context;
  const slot = tree.index.inodeOf(source);
  const fromPath = tree.hubPath(source);
  if (target !== -1 && target !== source) dropName(context, target);
  context.noteLocalChange(tree.index.inoOf(tree.index.parentOf(source)), tree.index.remoteNameOf(source));
  const isLocalAfter = tree.isLocalName(to, toName);
  const isOnHub = fromPath !== null && hubHasBelow(context, slot);
  if (fromPath !== null && isLocalAfter) {
    for (const file of fileNamesBelow(context, slot)) {
      vacateHub(context, file);
      tree.setExpectKey(file, null);
    }
  }
  tree.removeName(source);
  const entry = tree.addName(to, toName, slot, 'nothing');
  context.noteLocalChange(tree.index.inoOf(to), toName);
  const toPath = tree.hubPath(entry);
  if (fromPath !== null && toPath !== null) {
    if (fromPath !== toPath && isOnHub) uploads.log({ type: 'moveTree', from: fromPath, to: toPath });
  } else if (fromPath === null && toPath !== null) {
    for (const file of fileNamesBelow(context, slot)) placeOnHub(context, file, tree.expect(file));
  } else if (fromPath !== null) {
    for (const file of fileNamesBelow(context, slot))
      forgetUploadIfUnplaced(context, tree.index.inodeOf(file));
  }
  tree.edit(slot);
  tree.touch(slot, false);
  tree.save(slot);
}
