// The tree of inodes and names as it is in memory: reading it, its paths, and turning rows of the catalogue into memory and
// back. Changes nothing by itself; `NamespaceTree` does, together with the catalogue.

import type { Clock } from '../../shared/log.ts';
import { firstCookie } from './directory-order.ts';
import { entryFlag } from './entry-columns.ts';
import { FsError } from '../fs-error.ts';
import type { Attributes, Change, Time } from '../file-system.ts';
import { inodeFlag, readKey, rowOf, typeCode, typeName, writeKey, type InodePage } from './inode-columns.ts';
import { InodeIndex } from './inode-index.ts';
import { isLocalOnlyName } from './local-names.ts';
import type { EntryRow, InodeRow } from './namespace-store.ts';

export class NamespaceView {
  readonly index: InodeIndex;
  readonly #clock: Clock;
  readonly #targets = new Map<number, string>();
  readonly #verifiers = new Map<number, Uint8Array>();

  constructor(clock: Clock, options: { readonly foldCase: boolean }) {
    this.#clock = clock;
    this.index = new InodeIndex(options);
  }

  /** Slot of a live inode; ESTALE when it is gone. */
  slot(ino: number, operation: string): number {
    const slot = this.index.slotOf(ino);
    if (slot === -1) throw new FsError('ESTALE', operation, { message: `inode ${ino} is gone` });
    return slot;
  }

  directorySlot(ino: number, operation: string): number {
    const slot = this.slot(ino, operation);
    if (!this.index.isDirectory(slot)) throw new FsError('ENOTDIR', operation, { path: this.pathOf(slot) });
    return slot;
  }

  page(slot: number): InodePage {
    return this.index.inodes.page(slot);
  }

  hasFlag(slot: number, flag: number): boolean {
    return ((this.page(slot).flags[rowOf(slot)] ?? 0) & flag) !== 0;
  }

  attributes(slot: number): Attributes {
    const page = this.page(slot);
    const row = rowOf(slot);
    const type = page.type[row] ?? 0;
    const links = page.links[row] ?? 0;
    const directory = type === typeCode.directory;
    const sizeBytes = directory ? 4096 : (page.sizeBytes[row] ?? 0);
    return {
      ino: page.ino[row] ?? 0,
      type: typeName(type),
      mode: page.mode[row] ?? 0,
      // 1 says "unknown" for a folder whose subfolders are not known: `find` would trust a 2.
      // A file without a name still takes writes: with a 0 kernels may throw dirty pages away.
      nlink: directory ? ((page.flags[row] ?? 0) & inodeFlag.listed ? 2 + links : 1) : Math.max(1, links),
      uid: page.uid.get(row),
      gid: page.gid.get(row),
      sizeBytes,
      usedBytes: directory ? 4096 : Math.ceil(sizeBytes / 512) * 512,
      atime: { sec: page.atimeSec[row] ?? 0, nsec: page.atimeNsec[row] ?? 0 },
      mtime: { sec: page.mtimeSec[row] ?? 0, nsec: page.mtimeNsec[row] ?? 0 },
      ctime: { sec: page.ctimeSec[row] ?? 0, nsec: page.ctimeNsec[row] ?? 0 },
    };
  }

  /** What `wcc_data` wants from before a change. */
  before(slot: number): Change['before'] {
    const { sizeBytes, mtime, ctime } = this.attributes(slot);
    return { sizeBytes, mtime, ctime };
  }

  baseKey(slot: number): string | null {
    return readKey(this.page(slot), rowOf(slot));
  }

  baseSizeBytes(slot: number): number {
    return this.page(slot).baseSizeBytes[rowOf(slot)] ?? 0;
  }

  mtimeMs(slot: number): number {
    const { mtime } = this.attributes(slot);
    return mtime.sec * 1000 + mtime.nsec / 1e6;
  }

  usedAtSec(slot: number): number {
    return this.page(slot).usedAtSec.get(rowOf(slot));
  }

  target(slot: number): string | null {
    return this.#targets.get(this.index.inoOf(slot)) ?? null;
  }

  verifier(slot: number): Uint8Array | null {
    return this.#verifiers.get(this.index.inoOf(slot)) ?? null;
  }

  /** Key of what the Hub holds at a name. */
  expect(entry: number): string | null {
    const flags = this.index.flagsOf(entry);
    if (flags & entryFlag.expectBase) return this.baseKey(this.index.inodeOf(entry));
    return flags & entryFlag.expectOther ? this.index.otherExpectOf(entry) : null;
  }

  parentOfDirectory(slot: number): number {
    const entry = this.index.firstName(slot);
    return entry === -1 ? slot : this.index.parentOf(entry);
  }

  /** Shown path inside the mount by the inode's first name; '' for the root. */
  pathOf(slot: number): string {
    const entry = this.index.firstName(slot);
    return entry === -1 ? '' : this.pathOfEntry(entry);
  }

  pathOfEntry(entry: number): string {
    const above = this.pathOf(this.index.parentOf(entry));
    const name = this.index.nameOf(entry);
    return above === '' ? name : `${above}/${name}`;
  }

  /** Path that the Hub would have for a name, also for a local-only one (the Hub may hold files of such names). */
  remotePath(entry: number): string {
    const above = this.remotePathOfDirectory(this.index.parentOf(entry));
    const name = this.index.remoteNameOf(entry);
    return above === '' ? name : `${above}/${name}`;
  }

  remotePathOfDirectory(slot: number): string {
    const entry = this.index.firstName(slot);
    return entry === -1 ? '' : this.remotePath(entry);
  }

  /** Hub path of a name; null if it is or lies below a local-only name, so that nothing of it is sent. */
  hubPath(entry: number): string | null {
    return this.isLocalOnly(entry) ? null : this.remotePath(entry);
  }

  hubPathOfDirectory(slot: number): string | null {
    const entry = this.index.firstName(slot);
    return entry === -1 ? '' : this.hubPath(entry);
  }

  /** Whether a name in this folder would be local-only. */
  isLocalName(directory: number, name: string): boolean {
    const above = this.index.firstName(directory);
    return isLocalOnlyName(name) || (above !== -1 && this.isLocalOnly(above));
  }

  isLocalOnly(entry: number): boolean {
    for (let at = entry; at !== -1; at = this.index.firstName(this.index.parentOf(at))) {
      if (this.index.flagsOf(at) & entryFlag.localOnly) return true;
    }
    return false;
  }

  // ---- rows -----------------------------------------------------------------------------------------------------------------

  now(): Time {
    const ms = this.#clock.now();
    const sec = Math.floor(ms / 1000);
    return { sec, nsec: Math.min(999_999_999, Math.floor((ms - sec * 1000) * 1e6)) };
  }

  protected insertRow(parent: number, inode: number, row: EntryRow): number {
    const expect = row.expect;
    const flags = expect === 'base' ? entryFlag.expectBase : expect === 'nothing' ? 0 : entryFlag.expectOther;
    return this.index.addEntry({
      parent,
      name: row.name,
      inode,
      cookie: row.cookie,
      flags:
        flags |
        (row.remoteName !== null ? entryFlag.renamed : 0) |
        (isLocalOnlyName(row.name) ? entryFlag.localOnly : 0),
      remoteName: row.remoteName,
      otherExpect: typeof expect === 'object' ? expect.other : null,
    });
  }

  protected entryRowAt(entry: number): EntryRow {
    const flags = this.index.flagsOf(entry);
    const other = this.index.otherExpectOf(entry);
    return {
      parent: this.index.inoOf(this.index.parentOf(entry)),
      cookie: this.index.cookieOf(entry),
      ino: this.index.inoOf(this.index.inodeOf(entry)),
      name: this.index.nameOf(entry),
      remoteName: flags & entryFlag.renamed ? this.index.remoteNameOf(entry) : null,
      expect: other !== null ? { other } : flags & entryFlag.expectBase ? 'base' : 'nothing',
    };
  }

  protected inodeRowAt(slot: number): InodeRow {
    const page = this.page(slot);
    const row = rowOf(slot);
    const ino = page.ino[row] ?? 0;
    return {
      ino,
      type: page.type[row] ?? 0,
      mode: page.mode[row] ?? 0,
      uid: page.uid.get(row),
      gid: page.gid.get(row),
      sizeBytes: page.sizeBytes[row] ?? 0,
      atime: { sec: page.atimeSec[row] ?? 0, nsec: page.atimeNsec[row] ?? 0 },
      mtime: { sec: page.mtimeSec[row] ?? 0, nsec: page.mtimeNsec[row] ?? 0 },
      ctime: { sec: page.ctimeSec[row] ?? 0, nsec: page.ctimeNsec[row] ?? 0 },
      flags: page.flags[row] ?? 0,
      nextCookie: this.index.isDirectory(slot) ? this.index.order(slot).nextCookie : firstCookie,
      baseKey: readKey(page, row),
      baseSizeBytes: page.baseSizeBytes[row] ?? 0,
      target: this.#targets.get(ino) ?? null,
      verifier: this.#verifiers.get(ino) ?? null,
    };
  }

  protected restoreRow(slot: number, from: InodeRow): void {
    const page = this.page(slot);
    const row = rowOf(slot);
    page.mode[row] = from.mode;
    page.uid.set(row, from.uid);
    page.gid.set(row, from.gid);
    page.sizeBytes[row] = from.sizeBytes;
    page.atimeSec[row] = from.atime.sec;
    page.atimeNsec[row] = from.atime.nsec;
    page.mtimeSec[row] = from.mtime.sec;
    page.mtimeNsec[row] = from.mtime.nsec;
    page.ctimeSec[row] = from.ctime.sec;
    page.ctimeNsec[row] = from.ctime.nsec;
    page.flags[row] = from.flags;
    writeKey(page, row, from.baseKey);
    page.baseSizeBytes[row] = from.baseSizeBytes;
    if (from.target !== null) this.#targets.set(from.ino, from.target);
    if (from.verifier !== null) this.#verifiers.set(from.ino, from.verifier);
    else this.#verifiers.delete(from.ino);
    if (from.type !== typeCode.directory) return;
    const order = this.index.order(slot);
    order.nextCookie = Math.max(order.nextCookie, from.nextCookie);
  }

  protected putVerifier(ino: number, verifier: Uint8Array | null): void {
    if (verifier === null) this.#verifiers.delete(ino);
    else this.#verifiers.set(ino, verifier);
  }

  protected dropFromMemory(ino: number): void {
    const slot = this.index.slotOf(ino);
    if (slot !== -1) this.index.removeInode(slot);
    this.#targets.delete(ino);
    this.#verifiers.delete(ino);
  }
}
