// What the Hub shows becomes names and inodes here: new, changed and vanished entries, one at a time, inside the caller's
// transaction. Decides what is never pulled away: staged, pending and open files. Used by the listing and by conflicts.

import type { RemoteEntry } from '../../hub/remote-store.ts';
import { inodeFlag, rowOf, typeCode } from './inode-columns.ts';
import { isFile, type NamespaceContext } from './namespace-context.ts';
import { dropInode, formerName, noteNameGoes } from './namespace-hub.ts';
import { namelessMaxAgeMs } from './namespace-nameless.ts';
import type { Time } from '../file-system.ts';
import { alternativeName, shownName } from './remote-names.ts';

/** A file read within this time counts as open: NFS has no OPEN that would tell. */
export const openWindowMs = 5_000;
const mostDroppedAtOnce = 200;

export type Applied = 'same' | 'added' | 'changed' | 'removed' | 'postponed';

export type RemoteState =
  | { readonly type: 'file'; readonly key: string; readonly sizeBytes: number; readonly mtimeMs: number }
  | { readonly type: 'directory'; readonly mtimeMs: number | null };

export function stateOf(entry: RemoteEntry): RemoteState {
  if (entry.type === 'directory') return { type: 'directory', mtimeMs: entry.mtimeMs };
  return { type: 'file', key: entry.content.key, sizeBytes: entry.content.sizeBytes, mtimeMs: entry.mtimeMs };
}

/** Shows an entry of the Hub that has no name here. Returns the new entry. Touching the folder is the caller's. */
export function addRemote(
  context: NamespaceContext,
  parent: number,
  remoteName: string,
  remote: RemoteState,
): number {
  const { tree } = context;
  const { uid, gid } = tree.attributes(tree.slot(1, 'list'));
  const mtime = remote.mtimeMs === null ? tree.now() : timeOfMs(remote.mtimeMs);
  let shown = shownName(remoteName);
  for (let attempt = 1; tree.index.findExact(parent, shown) !== -1; attempt += 1) {
    shown = alternativeName(remoteName, remote.type, attempt);
  }
  const storedRemoteName = shown === remoteName ? null : remoteName;
  if (remote.type === 'directory') {
    const slot = tree.createInode({
      type: typeCode.directory,
      mode: context.readOnly ? 0o555 : 0o755,
      uid,
      gid,
      mtime,
    });
    return tree.addName(parent, shown, slot, 'nothing', storedRemoteName);
  }
  const slot = tree.createInode({
    type: typeCode.file,
    mode: context.readOnly ? 0o444 : 0o644,
    uid,
    gid,
    mtime,
    sizeBytes: remote.sizeBytes,
    base: { key: remote.key, sizeBytes: remote.sizeBytes },
  });
  return tree.addName(parent, shown, slot, 'base', storedRemoteName);
}

/**
 * Makes a name agree with what the Hub surely has there at this moment (null: nothing). Staged files are left alone (the upload
 * finds the conflict), open ones are postponed.
 */
export function applyRemoteFile(
  context: NamespaceContext,
  parent: number,
  remoteName: string,
  remote: (RemoteState & { readonly type: 'file' }) | null,
): Applied {
  const { tree } = context;
  const entry = tree.index.findRemote(parent, remoteName, false);
  if (entry === -1) {
    if (remote === null) return 'same';
    addRemote(context, parent, remoteName, remote);
    return 'added';
  }
  const expect = tree.expect(entry);
  const slot = tree.index.inodeOf(entry);
  if (expect === (remote?.key ?? null) || !isFile(context, slot)) return 'same';
  // A file the Hub never had, or with unsent changes: its upload compares and keeps both.
  if (tree.baseKey(slot) === null || context.content.isStaged(tree.index.inoOf(slot))) return 'same';
  if (expect === null) return 'same';
  if (isOpen(context, slot)) return 'postponed';
  if (remote === null) {
    removeRemote(context, entry);
    return 'removed';
  }
  const hasOtherNames = tree.index.nextName(tree.index.firstName(slot)) !== -1;
  if (hasOtherNames) {
    removeRemote(context, entry);
    addRemote(context, parent, remoteName, remote);
  } else {
    replaceBase(context, entry, remote);
  }
  return 'changed';
}

function replaceBase(
  context: NamespaceContext,
  entry: number,
  remote: RemoteState & { readonly type: 'file' },
): void {
  const { tree } = context;
  const slot = tree.index.inodeOf(entry);
  tree.setBase(slot, remote);
  tree.setExpectKey(entry, remote.key);
  const page = tree.edit(slot);
  const row = rowOf(slot);
  const mtime = timeOfMs(remote.mtimeMs);
  page.sizeBytes[row] = remote.sizeBytes;
  page.mtimeSec[row] = mtime.sec;
  page.mtimeNsec[row] = mtime.nsec;
  tree.touch(slot, false);
  tree.save(slot);
  context.content.baseChanged(tree.index.inoOf(slot));
}

/** Takes away a name that the Hub has no more. A program may have the file open, so its inode stays. */
export function removeRemote(context: NamespaceContext, entry: number): void {
  const { tree, nameless, uploads } = context;
  const slot = tree.index.inodeOf(entry);
  const ino = tree.index.inoOf(slot);
  const former = formerName(context, entry);
  noteNameGoes(context, entry);
  tree.removeName(entry);
  if (tree.index.firstName(slot) === -1) {
    if (!isFile(context, slot)) {
      dropInode(context, slot);
      return;
    }
    uploads.noteRemoved(ino);
    nameless.add(ino, former, tree.hasFlag(slot, inodeFlag.used));
  }
  tree.edit(slot);
  tree.touch(slot, false);
  tree.save(slot);
  dropSurplus(context); // perhaps of this very inode
}

/** Files without a name that nobody used for long, or of which there are too many, end for ever. */
export function dropSurplus(context: NamespaceContext): void {
  const { tree, nameless, content } = context;
  const surplus = nameless.surplus(mostDroppedAtOnce);
  if (surplus.length === 0) return;
  tree.transaction(() => {
    for (const ino of surplus) {
      const slot = tree.index.slotOf(ino);
      if (slot !== -1 && content.isStaged(ino)) continue;
      if (slot !== -1 && nameless.isTooOld(ino) && isUsedWithin(context, slot, namelessMaxAgeMs)) {
        nameless.renew(ino);
        continue;
      }
      nameless.delete(ino);
      if (slot !== -1) dropInode(context, slot);
    }
  });
}

/** Whether a folder that the Hub does not list any more may go when nothing is left in it. */
export function mayVanish(context: NamespaceContext, directory: number): boolean {
  const { tree } = context;
  return !tree.hasFlag(directory, inodeFlag.kept) && tree.index.firstName(directory) !== -1;
}

export function isOpen(context: NamespaceContext, slot: number): boolean {
  return isUsedWithin(context, slot, openWindowMs);
}

function isUsedWithin(context: NamespaceContext, slot: number, windowMs: number): boolean {
  const usedAt = context.tree.page(slot).usedAtSec.get(rowOf(slot));
  return usedAt !== 0 && context.clock.monotonic() - (usedAt - 1) * 1000 < windowMs;
}

/** Remembers that the inode is in use at this moment. */
export function noteUsed(context: NamespaceContext, slot: number): void {
  const page = context.tree.page(slot);
  const row = rowOf(slot);
  page.usedAtSec.set(row, Math.floor(context.clock.monotonic() / 1000) + 1);
  page.flags[row] = (page.flags[row] ?? 0) | inodeFlag.used;
}

export function timeOfMs(ms: number): Time {
  const sec = Math.floor(ms / 1000);
  return { sec, nsec: Math.min(999_999_999, Math.max(0, Math.floor((ms - sec * 1000) * 1e6))) };
}
