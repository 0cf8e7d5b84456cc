// New names: files, folders, symlinks and hard links, with NFS's three ways of creating a file. Used by the namespace.

import { FsError } from '../fs-error.ts';
import type { Caller, Change, Created, CreateMode, MaybePromise, SetAttributes } from '../file-system.ts';
import { inodeFlag, typeCode } from './inode-columns.ts';
import { applyAttributes } from './namespace-attributes.ts';
import {
  changeOf,
  checkNewName,
  checkWritable,
  isFile,
  whenListed,
  type NamespaceContext,
} from './namespace-context.ts';
import { placeOnHub } from './namespace-hub.ts';
import type { NewInode } from './namespace-tree.ts';

/** As `ext4`. */
const mostLinks = 65_000;
const longestTargetBytes = 4096;

export function createFile(
  context: NamespaceContext,
  directory: number,
  name: string,
  how: CreateMode,
  caller: Caller,
): MaybePromise<Created> {
  checkWritable(context, 'create');
  checkNewName(name, 'create');
  return whenListed(context, [directory], () => {
    const { tree } = context;
    const parent = tree.directorySlot(directory, 'create');
    const existing = tree.index.find(parent, name);
    if (existing !== -1) return reuse(context, parent, existing, how, caller);
    const wishes = how.type === 'exclusive' ? {} : how.attributes;
    return tree.transaction(() => {
      const before = tree.before(parent);
      const slot = tree.createInode({
        ...newInode(typeCode.file, wishes, caller, 0o644),
        ...(how.type === 'exclusive' ? { verifier: Uint8Array.from(how.verifier) } : {}),
      });
      const created = addTo(context, parent, name, slot, before);
      // A fresh file of some size (`truncate -s`) is all zeros; staging learns of it by the first truncate.
      const sizeBytes = wishes.sizeBytes ?? 0;
      if (sizeBytes === 0) return created;
      const done = applyAttributes(context, slot, { sizeBytes }, caller);
      return done instanceof Promise
        ? done.then(({ after }) => ({ ...created, attributes: after }))
        : { ...created, attributes: done.after };
    });
  });
}

/** Whether a CREATE changes names only, and no content. */
export function isPlainCreate(
  { tree }: NamespaceContext,
  directory: number,
  name: string,
  how: CreateMode,
): boolean {
  const sizeBytes = how.type === 'exclusive' ? undefined : how.attributes.sizeBytes;
  if (sizeBytes === undefined) return true;
  const parent = tree.index.slotOf(directory);
  return sizeBytes === 0 && (parent === -1 || tree.index.find(parent, name) === -1);
}

/** CREATE of a name that exists. */
function reuse(
  context: NamespaceContext,
  parent: number,
  entry: number,
  how: CreateMode,
  caller: Caller,
): MaybePromise<Created> {
  const { tree } = context;
  const slot = tree.index.inodeOf(entry);
  const unchanged = changeOf(context, parent, tree.before(parent));
  const same: Created = { attributes: tree.attributes(slot), directory: unchanged };
  if (how.type === 'exclusive') {
    const verifier = tree.verifier(slot);
    if (verifier !== null && Buffer.compare(verifier, how.verifier) === 0) return same;
    throw new FsError('EEXIST', 'create', { path: tree.pathOfEntry(entry) });
  }
  if (how.type === 'guarded' || !isFile(context, slot)) {
    throw new FsError('EEXIST', 'create', { path: tree.pathOfEntry(entry) });
  }
  // RFC 1813 3.3.8 with the practice of knfsd: an existing file only gets the size.
  const { sizeBytes } = how.attributes;
  if (sizeBytes === undefined) return same;
  const done = applyAttributes(context, slot, { sizeBytes }, caller);
  return done instanceof Promise
    ? done.then(({ after }) => ({ attributes: after, directory: unchanged }))
    : { attributes: done.after, directory: unchanged };
}

export function makeDirectory(
  context: NamespaceContext,
  directory: number,
  name: string,
  attributes: SetAttributes,
  caller: Caller,
): MaybePromise<Created> {
  checkWritable(context, 'mkdir');
  // The Hub cannot hold an empty folder: it is known, and kept, because it was made here.
  const flags = inodeFlag.listed | inodeFlag.kept;
  return addFresh(context, directory, name, 'mkdir', {
    ...newInode(typeCode.directory, attributes, caller, 0o755),
    flags,
  });
}

export function makeSymlink(
  context: NamespaceContext,
  directory: number,
  name: string,
  target: string,
  attributes: SetAttributes,
  caller: Caller,
): MaybePromise<Created> {
  checkWritable(context, 'symlink');
  const sizeBytes = Buffer.byteLength(target);
  if (sizeBytes === 0) throw new FsError('EINVAL', 'symlink', { path: name });
  if (sizeBytes > longestTargetBytes) throw new FsError('ENAMETOOLONG', 'symlink', { path: name });
  return addFresh(context, directory, name, 'symlink', {
    ...newInode(typeCode.symlink, { ...attributes, mode: 0o777 }, caller, 0o777),
    target,
    sizeBytes,
  });
}

function addFresh(
  context: NamespaceContext,
  directory: number,
  name: string,
  operation: string,
  fresh: NewInode,
): MaybePromise<Created> {
  checkNewName(name, operation);
  return whenListed(context, [directory], () => {
    const { tree } = context;
    const parent = tree.directorySlot(directory, operation);
    const existing = tree.index.find(parent, name);
    if (existing !== -1) throw new FsError('EEXIST', operation, { path: tree.pathOfEntry(existing) });
    return tree.transaction(() => {
      const before = tree.before(parent);
      return addTo(context, parent, name, tree.createInode(fresh), before);
    });
  });
}

export function linkFile(
  context: NamespaceContext,
  ino: number,
  directory: number,
  name: string,
): MaybePromise<{ readonly attributes: Created['attributes']; readonly directory: Change }> {
  checkWritable(context, 'link');
  checkNewName(name, 'link');
  return whenListed(context, [directory], () => {
    const { tree } = context;
    const slot = tree.slot(ino, 'link');
    const parent = tree.directorySlot(directory, 'link');
    if (tree.index.isDirectory(slot))
      throw new FsError('EPERM', 'link', { path: name, message: 'it is a folder' });
    const existing = tree.index.find(parent, name);
    if (existing !== -1) throw new FsError('EEXIST', 'link', { path: tree.pathOfEntry(existing) });
    if (tree.attributes(slot).nlink >= mostLinks) throw new FsError('EMLINK', 'link', { path: name });
    return tree.transaction(() => {
      const before = tree.before(parent);
      tree.edit(slot);
      const created = addTo(context, parent, name, slot, before);
      tree.touch(slot, false);
      tree.save(slot);
      return { attributes: tree.attributes(slot), directory: created.directory };
    });
  });
}

/** Names an inode in a folder, decides what is sent and touches the folder. */
function addTo(
  context: NamespaceContext,
  parent: number,
  name: string,
  slot: number,
  before: Change['before'],
): Created {
  const { tree } = context;
  const entry = tree.addName(parent, name, slot, 'nothing');
  context.nameless.delete(tree.index.inoOf(slot));
  if (isFile(context, slot)) placeOnHub(context, entry, null);
  tree.touchDirectory(parent);
  context.noteLocalChange(tree.index.inoOf(parent), name);
  return { attributes: tree.attributes(slot), directory: changeOf(context, parent, before) };
}

function newInode(type: number, wishes: SetAttributes, caller: Caller, mode: number): NewInode {
  const isRoot = caller.uid === 0;
  return {
    type,
    mode: wishes.mode === undefined ? mode : wishes.mode & 0o7777,
    uid: isRoot && wishes.uid !== undefined ? wishes.uid : caller.uid,
    gid: wishes.gid ?? caller.gid,
    ...(wishes.mtime !== undefined && wishes.mtime !== 'now' ? { mtime: wishes.mtime } : {}),
    ...(wishes.atime !== undefined && wishes.atime !== 'now' ? { atime: wishes.atime } : {}),
  };
}
