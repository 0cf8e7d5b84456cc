// What the upload queue asks of the namespace: where content belongs, what the Hub holds now, and how two versions are
// both kept. All changes run inside the queue's transaction.

import type { ContentRef } from '../../hub/remote-store.ts';
import { conflictName } from './conflict-name.ts';
import { inodeFlag, rowOf } from './inode-columns.ts';
import { isFile, type NamespaceContext } from './namespace-context.ts';
import { addRemote, type RemoteState } from './namespace-remote.ts';
import { rootIno } from './namespace-tree.ts';
import type { InodeContentView, NamespaceForUploads, RemoteTheirs, UploadTarget } from '../parts.ts';

export class UploadNames implements NamespaceForUploads, InodeContentView {
  readonly #context: NamespaceContext;
  readonly #view: InodeContentView;
  readonly #relist: (directories: readonly number[]) => void;

  constructor(
    context: NamespaceContext,
    view: InodeContentView,
    relist: (directories: readonly number[]) => void,
  ) {
    this.#context = context;
    this.#view = view;
    this.#relist = relist;
  }

  base(ino: number): ContentRef | null {
    return this.#view.base(ino);
  }

  sizeBytes(ino: number): number {
    return this.#view.sizeBytes(ino);
  }

  pathOf(ino: number): string | null {
    return this.#view.pathOf(ino);
  }

  uploadTargets(ino: number): readonly UploadTarget[] {
    const { tree } = this.#context;
    const slot = tree.index.slotOf(ino);
    if (slot === -1 || !isFile(this.#context, slot)) return [];
    const targets: UploadTarget[] = [];
    for (let entry = tree.index.firstName(slot); entry !== -1; entry = tree.index.nextName(entry)) {
      const path = tree.hubPath(entry);
      if (path !== null) targets.push({ path, expect: tree.expect(entry) });
    }
    return targets;
  }

  mtimeMs(ino: number): number {
    const slot = this.#context.tree.index.slotOf(ino);
    return slot === -1 ? this.#context.clock.now() : this.#context.tree.mtimeMs(slot);
  }

  noteCommitted(ino: number, path: string, content: ContentRef, clean: boolean): void {
    const { tree, uploads } = this.#context;
    const slot = tree.index.slotOf(ino);
    if (slot !== -1) {
      tree.setBase(slot, content);
      const row = rowOf(slot);
      if (clean) tree.edit(slot).sizeBytes[row] = content.sizeBytes;
      tree.save(slot);
      const entry = this.#nameAt(slot, path);
      if (entry !== -1) {
        this.#noteLocalChange(entry);
        tree.setExpectKey(entry, content.key);
        return;
      }
    }
    // The name went elsewhere while the commit was under way: the Hub must follow.
    const occupant = this.#fileAt(path);
    if (occupant !== -1) {
      if (tree.expect(occupant) === null) tree.setExpectKey(occupant, content.key);
      return;
    }
    const entry = slot === -1 ? -1 : this.#unplacedName(slot);
    const to = entry === -1 ? null : tree.hubPath(entry);
    if (to === null) {
      uploads.log({ type: 'delete', path, expect: content.key });
      return;
    }
    const expectTo = tree.expect(entry);
    uploads.log({ type: 'move', from: path, to, content, mtimeMs: tree.mtimeMs(slot), expectTo });
    tree.setExpectKey(entry, content.key);
  }

  /** The name of the inode that is this Hub path, else one that was before moves that are still to be done; -1 if none. */
  #nameAt(slot: number, path: string): number {
    const { tree, uploads } = this.#context;
    let former = -1;
    for (let entry = tree.index.firstName(slot); entry !== -1; entry = tree.index.nextName(entry)) {
      const now = tree.hubPath(entry);
      if (now === path) return entry;
      if (former === -1 && now !== null && uploads.remotePathNow(now) === path) former = entry;
    }
    return former;
  }

  #unplacedName(slot: number): number {
    const { tree } = this.#context;
    const baseKey = tree.baseKey(slot);
    for (let entry = tree.index.firstName(slot); entry !== -1; entry = tree.index.nextName(entry)) {
      if (!tree.isLocalOnly(entry) && tree.expect(entry) !== baseKey) return entry;
    }
    return -1;
  }

  keepBoth(ino: number, path: string, theirs: RemoteTheirs | null): string {
    const { tree, clock, hostName } = this.#context;
    const slot = tree.index.slotOf(ino);
    const entry = slot === -1 ? -1 : this.#nameAt(slot, path);
    if (entry === -1) return this.uploadTargets(ino)[0]?.path ?? path;
    const parent = tree.index.parentOf(entry);
    const name = tree.index.nameOf(entry);
    const remoteName = tree.index.remoteNameOf(entry);
    this.#noteLocalChange(entry);
    let ours = conflictName(name, hostName, clock.now());
    for (let copy = 2; tree.index.find(parent, ours) !== -1; copy += 1) {
      ours = conflictName(name, hostName, clock.now(), copy);
    }
    tree.removeName(entry);
    const moved = tree.addName(parent, ours, slot, 'nothing');
    this.#noteLocalChange(moved);
    if (theirs !== null) addRemote(this.#context, parent, remoteName, stateOfTheirs(theirs));
    tree.edit(slot);
    tree.touch(slot, false);
    tree.save(slot);
    tree.setFlag(parent, inodeFlag.kept, true);
    tree.touchDirectory(parent);
    return tree.remotePath(moved);
  }

  restoreTheirs(path: string, theirs: RemoteTheirs): void {
    const { tree } = this.#context;
    const segments = path.split('/');
    const last = segments.pop() ?? '';
    let parent = tree.slot(rootIno, 'restore');
    for (const segment of segments) {
      if (!tree.hasFlag(parent, inodeFlag.listed)) return;
      let entry = tree.index.findRemote(parent, segment, true);
      if (entry === -1) {
        // The folder was removed here; unlisted, so that everything the Hub has in it comes back.
        entry = addRemote(this.#context, parent, segment, { type: 'directory', mtimeMs: null });
        tree.touchDirectory(parent);
      }
      parent = tree.index.inodeOf(entry);
    }
    if (!tree.hasFlag(parent, inodeFlag.listed) || tree.index.findRemote(parent, last, false) !== -1) return;
    const entry = addRemote(this.#context, parent, last, stateOfTheirs(theirs));
    this.#noteLocalChange(entry);
    tree.touchDirectory(parent);
  }

  inodeAt(path: string): number | null {
    const entry = this.#fileAt(path);
    return entry === -1 ? null : this.#context.tree.index.inoOf(this.#context.tree.index.inodeOf(entry));
  }

  #fileAt(path: string): number {
    const { tree } = this.#context;
    const segments = path.split('/');
    const last = segments.pop() ?? '';
    const parent = directoryAt(this.#context, segments);
    return parent.isExact ? tree.index.findRemote(parent.slot, last, false) : -1;
  }

  noteDiscarded(ino: number): void {
    const { tree, content } = this.#context;
    const slot = tree.index.slotOf(ino);
    content.forget(ino);
    if (slot === -1) return;
    if (tree.baseKey(slot) !== null) {
      tree.edit(slot).sizeBytes[rowOf(slot)] = tree.baseSizeBytes(slot);
      tree.touch(slot, true);
      tree.save(slot);
      content.baseChanged(ino);
      return;
    }
    const lost: number[] = [];
    for (let entry = tree.index.firstName(slot); entry !== -1; entry = tree.index.firstName(slot)) {
      const parent = tree.index.parentOf(entry);
      // The Hub has another version under this name (an atomic save was given up): list to show it.
      if (tree.expect(entry) !== null) lost.push(tree.index.inoOf(parent));
      this.#noteLocalChange(entry);
      tree.removeName(entry);
      tree.touchDirectory(parent);
    }
    tree.destroyInode(slot);
    tree.afterCommit(() => this.#relist(lost));
  }

  noteArrived(path: string, key: string): boolean {
    const { tree } = this.#context;
    const entry = this.#fileAt(path);
    if (entry === -1 || tree.isLocalOnly(entry) || !isFile(this.#context, tree.index.inodeOf(entry)))
      return false;
    tree.setExpectKey(entry, key);
    return true;
  }

  noteSent(paths: readonly string[]): void {
    for (const path of paths) {
      const segments = path.split('/');
      const name = segments.pop() ?? '';
      const { slot, isExact } = directoryAt(this.#context, segments);
      if (isExact) this.#context.noteLocalChange(this.#context.tree.index.inoOf(slot), name);
    }
  }

  relist(paths: readonly string[]): void {
    const directories = new Set<number>();
    for (const path of paths) {
      const { slot } = directoryAt(this.#context, path.split('/').slice(0, -1));
      directories.add(this.#context.tree.index.inoOf(slot));
    }
    this.#context.tree.afterCommit(() => this.#relist([...directories]));
  }

  #noteLocalChange(entry: number): void {
    const { index } = this.#context.tree;
    this.#context.noteLocalChange(index.inoOf(index.parentOf(entry)), index.remoteNameOf(entry));
  }
}

/** The folder of these Hub names, or the deepest one above it that is known here. */
export function directoryAt(
  context: NamespaceContext,
  segments: readonly string[],
): { readonly slot: number; readonly isExact: boolean } {
  const { tree } = context;
  let slot = tree.slot(rootIno, 'look up');
  for (const segment of segments) {
    const entry = tree.index.findRemote(slot, segment, true);
    if (entry === -1) return { slot, isExact: false };
    slot = tree.index.inodeOf(entry);
  }
  return { slot, isExact: true };
}

function stateOfTheirs(theirs: RemoteTheirs): RemoteState & { readonly type: 'file' } {
  const { key, sizeBytes } = theirs.content;
  return { type: 'file', key, sizeBytes, mtimeMs: theirs.mtimeMs };
}
