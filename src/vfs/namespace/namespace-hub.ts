// What must be sent because names changed: decides for a name that appears or disappears which operation the upload queue
// gets and what the Hub holds there afterwards. Used by the namespace operations, always inside their transaction.

import type { NamespaceContext } from './namespace-context.ts';
import { baseRef, isFile } from './namespace-context.ts';
import { inodeFlag } from './inode-columns.ts';
import type { FormerName } from './namespace-nameless.ts';

/** A name goes away: what the Hub holds under it must go too. Call before the name is removed. */
export function vacateHub(context: NamespaceContext, entry: number): void {
  const path = context.tree.remotePath(entry);
  const expect = context.tree.expect(entry) ?? context.uploads.unsureKey(path);
  if (expect === null) return;
  context.uploads.log({ type: 'delete', path, expect });
}

/** A name of a file has appeared where the Hub holds `held`: its content must come there. Call after the name is there. */
export function placeOnHub(context: NamespaceContext, entry: number, held: string | null): void {
  const { tree, uploads, content } = context;
  const slot = tree.index.inodeOf(entry);
  const path = tree.hubPath(entry);
  if (path === null || !isFile(context, slot)) {
    // Local-only names, folders and symlinks: the Hub shall hold nothing here.
    if (held !== null) uploads.log({ type: 'delete', path: tree.remotePath(entry), expect: held });
    tree.setExpectKey(entry, null);
    return;
  }
  const ino = tree.index.inoOf(slot);
  const base = baseRef(context, slot);
  if (base === null || content.isStaged(ino)) {
    tree.setExpectKey(entry, held);
    uploads.noteChanged(ino);
    return;
  }
  if (held !== base.key) {
    if (held !== null) uploads.log({ type: 'delete', path, expect: held });
    uploads.log({ type: 'copy', path, content: base, mtimeMs: tree.mtimeMs(slot) });
  }
  tree.setExpectKey(entry, base.key);
}

/** After names of a file went away: without a place on the Hub nothing of it is to be sent. */
export function forgetUploadIfUnplaced(context: NamespaceContext, slot: number): void {
  if (!isFile(context, slot)) return;
  const { index } = context.tree;
  for (let entry = index.firstName(slot); entry !== -1; entry = index.nextName(entry)) {
    if (!context.tree.isLocalOnly(entry)) return;
  }
  context.uploads.noteRemoved(index.inoOf(slot));
}

/** What a name was, for when it is gone. */
export function formerName({ tree }: NamespaceContext, entry: number): FormerName {
  const { index } = tree;
  return {
    parent: index.inoOf(index.parentOf(entry)),
    name: index.nameOf(entry),
    remoteName: index.remoteNameOf(entry),
  };
}

/** Call before a name goes: files without a name may remember the folder. */
export function noteNameGoes(context: NamespaceContext, entry: number): void {
  const { index } = context.tree;
  const slot = index.inodeOf(entry);
  if (!index.isDirectory(slot)) return;
  context.nameless.noteFolderGone(index.inoOf(slot), formerName(context, entry));
}

/** Removes an inode that has no name any more, with its staged bytes. */
export function dropInode(context: NamespaceContext, slot: number): void {
  const ino = context.tree.index.inoOf(slot);
  if (isFile(context, slot)) {
    context.uploads.noteRemoved(ino);
    context.content.forget(ino);
  }
  context.tree.destroyInode(slot);
}

/** Whether the Hub has, or may have, anything below a folder. */
export function hubHasBelow(context: NamespaceContext, directory: number): boolean {
  const { tree } = context;
  if (!tree.hasFlag(directory, inodeFlag.listed)) return true;
  return !tree.index.order(directory).visit(0, (entry) => {
    if (tree.expect(entry) !== null || context.uploads.unsureKey(tree.remotePath(entry)) !== null)
      return false;
    const slot = tree.index.inodeOf(entry);
    return !(tree.index.isDirectory(slot) && hubHasBelow(context, slot));
  });
}

/** All names below a folder that lead to files. */
export function fileNamesBelow(context: NamespaceContext, directory: number, found: number[] = []): number[] {
  const { tree } = context;
  tree.index.order(directory).visit(0, (entry) => {
    const slot = tree.index.inodeOf(entry);
    if (tree.index.isDirectory(slot)) fileNamesBelow(context, slot, found);
    else if (isFile(context, slot)) found.push(entry);
    return true;
  });
  return found;
}

/** A folder below `directory` (or itself) that was never listed, or -1. */
export function unlistedBelow(context: NamespaceContext, directory: number): number {
  const { tree } = context;
  if (!tree.hasFlag(directory, inodeFlag.listed)) return directory;
  let unlisted = -1;
  tree.index.order(directory).visit(0, (entry) => {
    const slot = tree.index.inodeOf(entry);
    if (tree.index.isDirectory(slot)) unlisted = unlistedBelow(context, slot);
    return unlisted === -1;
  });
  return unlisted;
}

/** Removes a name, and its inode if that was the last one. What the Hub has there stays: perhaps another inode takes the name. */
export function dropName(context: NamespaceContext, entry: number): void {
  const { tree } = context;
  const slot = tree.index.inodeOf(entry);
  noteNameGoes(context, entry);
  tree.removeName(entry);
  if (tree.index.firstName(slot) === -1) {
    dropInode(context, slot);
    return;
  }
  forgetUploadIfUnplaced(context, slot);
  tree.edit(slot);
  tree.touch(slot, false);
  tree.save(slot);
}
