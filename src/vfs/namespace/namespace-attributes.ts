// SETATTR and the size, times and dirty state that writing moves. Modes, owners and times of day live only in the catalogue
// (the Hub has no place for them but a file's mtime, which goes with the next upload). Used by the namespace.

import { FsError } from '../fs-error.ts';
import type { Caller, Change, MaybePromise, SetAttributes, Time } from '../file-system.ts';
import { rowOf } from './inode-columns.ts';
import { changeOf, checkWritable, isFile, timeOf, type NamespaceContext } from './namespace-context.ts';
import { giveNameBack } from './namespace-return.ts';

/** 2^53 - 1 would do for JavaScript; ext4 holds 16 TiB. */
const largestFileBytes = 2 ** 44;
const setIdBits = 0o6000;

export function setAttributes(
  context: NamespaceContext,
  ino: number,
  changes: SetAttributes,
  caller: Caller,
  guard?: Time,
): MaybePromise<Change> {
  checkWritable(context, 'setattr');
  const slot = context.tree.slot(ino, 'setattr');
  const { ctime } = context.tree.attributes(slot);
  if (guard !== undefined && (guard.sec !== ctime.sec || guard.nsec !== ctime.nsec)) {
    throw new FsError('ENOTSYNC', 'setattr', { path: context.tree.pathOf(slot) });
  }
  return applyAttributes(context, slot, changes, caller);
}

/** Applies all of `changes` or nothing. Joins an open transaction. */
export function applyAttributes(
  context: NamespaceContext,
  slot: number,
  changes: SetAttributes,
  caller: Caller,
): MaybePromise<Change> {
  const { tree } = context;
  checkOwner(context, slot, changes, caller);
  const ino = tree.index.inoOf(slot);
  const before = tree.before(slot);
  const { sizeBytes } = changes;
  if (sizeBytes === undefined) return finish(context, ino, changes, before);
  checkSize(context, slot, sizeBytes);
  // One transaction: bytes that are cut off with the size still as it was would be sent as zeros.
  return tree.transaction(() => {
    const truncated = context.content.truncate(ino, sizeBytes);
    return truncated instanceof Promise
      ? // Others may have changed it meanwhile, so there is no honest "before".
        truncated.then(() => finish(context, ino, changes, null))
      : finish(context, ino, changes, before);
  });
}

function finish(
  context: NamespaceContext,
  ino: number,
  changes: SetAttributes,
  before: Change['before'],
): Change {
  const { tree } = context;
  const slot = tree.slot(ino, 'setattr');
  return tree.transaction(() => {
    const page = tree.edit(slot);
    const row = rowOf(slot);
    if (tree.verifier(slot) !== null) tree.setVerifier(slot, null);
    if (changes.mode !== undefined) page.mode[row] = changes.mode & 0o7777;
    const ownerChanged = changes.uid !== undefined || changes.gid !== undefined;
    if (changes.uid !== undefined) page.uid.set(row, changes.uid);
    if (changes.gid !== undefined) page.gid.set(row, changes.gid);
    if (ownerChanged && changes.mode === undefined && isFile(context, slot)) {
      page.mode[row] = (page.mode[row] ?? 0) & ~setIdBits;
    }
    if (changes.sizeBytes !== undefined) page.sizeBytes[row] = changes.sizeBytes;
    tree.touch(slot, changes.sizeBytes !== undefined);
    if (changes.atime !== undefined) {
      const atime = timeOf(context, changes.atime);
      page.atimeSec[row] = atime.sec;
      page.atimeNsec[row] = atime.nsec;
    }
    if (changes.mtime !== undefined) {
      const mtime = timeOf(context, changes.mtime);
      page.mtimeSec[row] = mtime.sec;
      page.mtimeNsec[row] = mtime.nsec;
    }
    tree.save(slot);
    if (changes.sizeBytes !== undefined) {
      if (context.content.isStaged(ino)) giveNameBack(context, slot);
      noteContentChanged(context, slot);
    }
    return changeOf(context, slot, before);
  });
}

/** The content of a file changed: it must be sent, unless all its names are local-only. */
export function noteContentChanged(context: NamespaceContext, slot: number): void {
  const { tree } = context;
  for (let entry = tree.index.firstName(slot); entry !== -1; entry = tree.index.nextName(entry)) {
    if (tree.isLocalOnly(entry)) continue;
    context.uploads.noteChanged(tree.index.inoOf(slot));
    return;
  }
}

function checkOwner(context: NamespaceContext, slot: number, changes: SetAttributes, caller: Caller): void {
  const uid = context.tree.page(slot).uid.get(rowOf(slot));
  if (changes.uid === undefined || changes.uid === uid || caller.uid === 0) return;
  throw new FsError('EPERM', 'setattr', {
    path: context.tree.pathOf(slot),
    message: 'only root may give a file away',
  });
}

function checkSize(context: NamespaceContext, slot: number, sizeBytes: number): void {
  const path = context.tree.pathOf(slot);
  if (context.tree.index.isDirectory(slot)) throw new FsError('EISDIR', 'setattr', { path });
  if (!isFile(context, slot)) throw new FsError('EINVAL', 'setattr', { path });
  if (sizeBytes > largestFileBytes) throw new FsError('EFBIG', 'setattr', { path });
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new FsError('EINVAL', 'setattr', { path });
}

export function checkWriteEnd(context: NamespaceContext, slot: number, end: number): void {
  if (end > largestFileBytes) throw new FsError('EFBIG', 'write', { path: context.tree.pathOf(slot) });
}
