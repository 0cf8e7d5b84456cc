// READ, WRITE and COMMIT of files: delegates bytes to content, and moves sizes and times in memory per WRITE; SQLite hears of
// them at COMMIT or a second later. Used by the facade.

import type { Timer } from '../shared/log.ts';
import { FsError } from './fs-error.ts';
import type { Attributes, Change, MaybePromise } from './file-system.ts';
import { inodeFlag, rowOf } from './namespace/inode-columns.ts';
import { checkWriteEnd, noteContentChanged } from './namespace/namespace-attributes.ts';
import { checkWritable, isFile, type NamespaceContext } from './namespace/namespace-context.ts';
import { giveNameBack } from './namespace/namespace-return.ts';
import { noteUsed } from './namespace/namespace-remote.ts';

/** Attributes wait at most this long for the catalogue. */
const saveDelayMs = 1_000;
const rowsPerSave = 200;
/** While writing goes on the queue hears of it this often, for its debounce. */
const noticeIntervalMs = 500;
const mostRememberedNotices = 10_000;
const setIdBits = 0o6000;

export interface ReadResult {
  readonly bytesRead: number;
  readonly eof: boolean;
}

export class FileIo {
  readonly #context: NamespaceContext;
  /** Monotonic time of the last notice to the upload queue, by inode. */
  readonly #noticedAt = new Map<number, number>();
  #timer: Timer | null = null;

  constructor(context: NamespaceContext) {
    this.#context = context;
  }

  read(ino: number, offset: number, target: Uint8Array, isAlone: boolean): MaybePromise<ReadResult> {
    const slot = this.#fileSlot(ino, 'read');
    const sizeBytes = this.#sizeBytes(slot);
    if (offset >= sizeBytes) return { bytesRead: 0, eof: true };
    noteUsed(this.#context, slot);
    const room = Math.min(target.length, sizeBytes - offset);
    const reading = this.#context.content.read(
      ino,
      offset,
      room === target.length ? target : target.subarray(0, room),
      isAlone,
    );
    if (typeof reading === 'number') return { bytesRead: reading, eof: offset + reading >= sizeBytes };
    return reading.then((bytesRead) => ({
      bytesRead,
      eof: offset + bytesRead >= this.#sizeNow(ino, sizeBytes),
    }));
  }

  #sizeNow(ino: number, otherwise: number): number {
    const slot = this.#context.tree.index.slotOf(ino);
    return slot === -1 ? otherwise : this.#sizeBytes(slot);
  }

  write(ino: number, offset: number, data: Uint8Array): MaybePromise<Change> {
    checkWritable(this.#context, 'write');
    const { tree, content } = this.#context;
    const slot = this.#fileSlot(ino, 'write');
    const before = tree.before(slot);
    if (data.length === 0) return { before, after: tree.attributes(slot) };
    const end = offset + data.length;
    checkWriteEnd(this.#context, slot, end);
    const isFirst = !content.isStaged(ino);
    const writing = content.write(ino, offset, data, () => this.#written(ino, end, isFirst));
    if (writing instanceof Promise) return writing.then(() => this.#changeOf(ino, null));
    return this.#changeOf(ino, before);
  }

  #changeOf(ino: number, before: Change['before']): Change {
    const { tree } = this.#context;
    return { before, after: tree.attributes(tree.slot(ino, 'write')) };
  }

  #written(ino: number, end: number, isFirst: boolean): void {
    const { tree, clock } = this.#context;
    const slot = tree.slot(ino, 'write');
    const page = tree.page(slot);
    const row = rowOf(slot);
    if (end > (page.sizeBytes[row] ?? 0)) page.sizeBytes[row] = end;
    const mode = page.mode[row] ?? 0;
    if (mode & setIdBits) page.mode[row] = mode & ~setIdBits;
    page.flags[row] = (page.flags[row] ?? 0) | inodeFlag.used;
    tree.touch(slot, true);
    tree.defer(slot);
    const now = clock.monotonic();
    const noticedAt = this.#noticedAt.get(ino);
    const isNameless = tree.index.firstName(slot) === -1;
    if (isFirst || isNameless || noticedAt === undefined || now - noticedAt >= noticeIntervalMs) {
      if (this.#noticedAt.size >= mostRememberedNotices) this.#noticedAt.clear();
      this.#noticedAt.set(ino, now);
      tree.transaction(() => {
        if (tree.verifier(slot) !== null) tree.setVerifier(slot, null);
        tree.saveInode(ino);
        if (isNameless) giveNameBack(this.#context, slot);
        noteContentChanged(this.#context, slot);
      });
    } else this.#saveLater();
  }

  /** The size goes to the catalogue before the bytes are synced, so that what is on disk is within it. */
  async commit(ino: number): Promise<Attributes> {
    const { tree, content, uploads } = this.#context;
    tree.slot(ino, 'commit');
    tree.saveInode(ino);
    await content.commit(ino);
    uploads.noteCommittedLocally(ino);
    return tree.attributes(tree.slot(ino, 'commit'));
  }

  #saveLater(): void {
    this.#timer ??= this.#context.clock.schedule(saveDelayMs, () => {
      this.#timer = null;
      try {
        this.#context.tree.saveDeferred(rowsPerSave);
      } catch (error) {
        this.#context.log.error('Sizes and times could not be saved; trying again', {}, error);
      }
      if (this.#context.tree.deferredCount > 0) this.#saveLater();
    });
  }

  #fileSlot(ino: number, operation: string): number {
    const slot = this.#context.tree.slot(ino, operation);
    if (isFile(this.#context, slot)) return slot;
    const code = this.#context.tree.index.isDirectory(slot) ? 'EISDIR' : 'EINVAL';
    throw new FsError(code, operation, { path: this.#context.tree.pathOf(slot) });
  }

  #sizeBytes(slot: number): number {
    return this.#context.tree.page(slot).sizeBytes[rowOf(slot)] ?? 0;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    while (this.#context.tree.deferredCount > 0) this.#context.tree.saveDeferred(rowsPerSave);
  }
}
