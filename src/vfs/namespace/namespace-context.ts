// What the namespace operations work on, and the checks that all of them begin with. Used by the `namespace-*.ts` files.

import type { ContentRef } from '../../hub/remote-store.ts';
import type { Clock, Log } from '../../shared/log.ts';
import { FsError } from '../fs-error.ts';
import type { Change, MaybePromise, Time } from '../file-system.ts';
import { inodeFlag, rowOf, typeCode } from './inode-columns.ts';
import type { NamelessFiles } from './namespace-nameless.ts';
import type { NamespaceTree } from './namespace-tree.ts';
import type { ActivitySink, ContentStore, UploadQueue } from '../parts.ts';

export const longestNameBytes = 255;

/** What knows which folders were listed, and lists the others. */
export interface FolderListings {
  /** Null when all the Hub has in the folder is known, else settles when it is or after the time a kernel may wait (EAGAIN). */
  whenListed(directory: number): Promise<void> | null;
  /** A name in the folder changed here: a listing that runs must not undo it. */
  noteLocalChange(directory: number, remoteName: string): void;
}

export interface NamespaceContext extends FolderListings {
  readonly tree: NamespaceTree;
  readonly nameless: NamelessFiles;
  readonly content: ContentStore;
  readonly uploads: UploadQueue;
  readonly activity: ActivitySink;
  readonly clock: Clock;
  readonly log: Log;
  readonly hostName: string;
  readonly readOnly: boolean;
}

/** Runs `work` in this turn if the folders are known, else after they were listed. `work` must look everything up by number. */
export function whenListed<T>(
  context: NamespaceContext,
  directories: readonly number[],
  work: () => MaybePromise<T>,
): MaybePromise<T> {
  for (const directory of directories) {
    const listing = context.whenListed(directory);
    if (listing !== null) return listing.then(() => whenListed(context, directories, work));
  }
  return work();
}

export function checkWritable(context: NamespaceContext, operation: string): void {
  if (context.readOnly)
    throw new FsError('EROFS', operation, { message: 'this source is mounted read-only' });
}

/** Refuses what cannot be a new name. */
export function checkNewName(name: string, operation: string): void {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
    throw new FsError('EINVAL', operation, { path: name });
  }
  checkNameLength(name, operation);
}

export function checkNameLength(name: string, operation: string): void {
  if (name.length * 3 > longestNameBytes && Buffer.byteLength(name) > longestNameBytes) {
    throw new FsError('ENAMETOOLONG', operation, { message: `a name may have ${longestNameBytes} bytes` });
  }
}

/** The entry of a name that must be there. */
export function findName(
  context: NamespaceContext,
  directory: number,
  name: string,
  operation: string,
): number {
  const entry = context.tree.index.find(directory, name);
  if (entry === -1) throw new FsError('ENOENT', operation, { path: name });
  return entry;
}

export function isFile(context: NamespaceContext, slot: number): boolean {
  return context.tree.page(slot).type[rowOf(slot)] === typeCode.file;
}

export function changeOf(context: NamespaceContext, slot: number, before: Change['before']): Change {
  return { before, after: context.tree.attributes(slot) };
}

/** The remote content that a file is based on. */
export function baseRef(context: NamespaceContext, slot: number): ContentRef | null {
  const { tree } = context;
  const key = tree.baseKey(slot);
  if (key === null) return null;
  const path = context.uploads.remotePathNow(basePath(context, slot));
  return { key, sizeBytes: tree.baseSizeBytes(slot), path };
}

/** Hub path of a file's first name, or of the name it had before another client deleted it. */
export function basePath({ tree, nameless }: NamespaceContext, slot: number): string {
  const name = tree.index.firstName(slot);
  return name === -1 ? (nameless.pathOf(tree.index.inoOf(slot), tree) ?? '') : tree.remotePath(name);
}

/** Marks a folder that lost or gained a name by a program here: it stays although the Hub may not be able to hold it. */
export function keepDirectory(context: NamespaceContext, slot: number): void {
  if (!context.tree.hasFlag(slot, inodeFlag.kept)) context.tree.setFlag(slot, inodeFlag.kept, true);
}

export function timeOf(context: NamespaceContext, wish: Time | 'now'): Time {
  return wish === 'now' ? context.tree.now() : wish;
}
