// The tree of inodes and names, in memory and in the catalogue at once: every change here does both, and a transaction that
// rolls back undoes both. It knows Hub paths but not what must be sent: the namespace operations decide that.

import type { Clock } from '../shared/log.ts';
import { firstCookie, lastCookie } from './directory-order.ts';
import { entryFlag } from './entry-columns.ts';
import { FsError } from './fs-error.ts';
import type { Attributes, Change, Time } from './file-system.ts';
import { inodeFlag, readKey, rowOf, typeCode, typeName, writeKey, type InodePage } from './inode-columns.ts';
import { InodeIndex } from './inode-index.ts';
import { isLocalOnlyName } from './local-names.ts';
import type { EntryRow, InodeRow, NamespaceStore } from './namespace-store.ts';

export const rootIno = 1;
/** Inode numbers are reserved in the catalogue by this many at a time. */
const inoReserve = 1024;

export type Expect = EntryRow['expect'];

export interface NewInode {
  readonly type: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes?: number;
  readonly mtime?: Time;
  readonly atime?: Time;
  readonly flags?: number;
  readonly base?: { readonly key: string; readonly sizeBytes: number };
  readonly target?: string;
  readonly verifier?: Uint8Array;
}

export class NamespaceTree {
  readonly index: InodeIndex;
  readonly #store: NamespaceStore;
  readonly #clock: Clock;
  readonly #targets = new Map<number, string>();
  readonly #verifiers = new Map<number, Uint8Array>();
  /** Inodes whose state before the open transaction is remembered for its rollback. */
  readonly #edited = new Set<number>();
  /** Inodes whose attributes in memory are newer than in the catalogue. */
  readonly #unsaved = new Set<number>();
  #nextIno = 0;
  #reservedIno = 0;

  constructor(store: NamespaceStore, clock: Clock, options: { readonly foldCase: boolean }) {
    this.#store = store;
    this.#clock = clock;
    this.index = new InodeIndex(options);
  }

  transaction<T>(work: () => T): T {
    return this.#store.database.transaction(work);
  }

  afterCommit(callback: () => void): void {
    this.#store.database.afterCommit(callback);
  }

  // ---- start ------------------------------------------------------------------------------------------------------------

  /** Puts a stored row into memory; start only. */
  loadInode(row: InodeRow): void {
    this.#restore(this.index.addInode(row.ino, row.type), row);
  }

  /** Puts a stored name into memory; start only. False if its folder or inode is not there. */
  loadEntry(row: EntryRow): boolean {
    const parent = this.index.slotOf(row.parent);
    const inode = this.index.slotOf(row.ino);
    if (parent === -1 || inode === -1 || !this.index.isDirectory(parent)) return false;
    this.#insert(parent, inode, row);
    return true;
  }

  /** Sets where new inode numbers start: above all ever given out here, and apart from those of a lost catalogue. */
  startNumbers(): void {
    const stored = this.#store.fact('next_ino');
    const epochSec = Math.max(1, Math.floor(this.#clock.now() / 1000) - 1_735_689_600);
    this.#nextIno = stored ?? epochSec * 65_536;
    this.#reservedIno = this.#nextIno;
  }

  #newIno(): number {
    if (this.#nextIno >= this.#reservedIno) {
      const before = this.#reservedIno;
      this.#reservedIno = this.#nextIno + inoReserve;
      this.#store.setFact('next_ino', this.#reservedIno);
      this.#store.database.onRollback(() => {
        this.#reservedIno = before;
      });
    }
    return this.#nextIno++;
  }

  // ---- reading ------------------------------------------------------------------------------------------------------------

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
      nlink: directory ? ((page.flags[row] ?? 0) & inodeFlag.listed ? 2 + links : 1) : links,
      uid: page.uid[row] ?? 0,
      gid: page.gid[row] ?? 0,
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
    return this.page(slot).usedAtSec[rowOf(slot)] ?? 0;
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

  // ---- changing (inside a transaction) ----------------------------------------------------------------------------------

  createInode(fresh: NewInode): number {
    const now = this.#now();
    const ino = this.#newIno();
    const row: InodeRow = {
      ino,
      type: fresh.type,
      mode: fresh.mode,
      uid: fresh.uid,
      gid: fresh.gid,
      sizeBytes: fresh.sizeBytes ?? 0,
      atime: fresh.atime ?? fresh.mtime ?? now,
      mtime: fresh.mtime ?? now,
      ctime: now,
      flags: fresh.flags ?? 0,
      nextCookie: firstCookie,
      baseKey: fresh.base?.key ?? null,
      baseSizeBytes: fresh.base?.sizeBytes ?? 0,
      target: fresh.target ?? null,
      verifier: fresh.verifier ?? null,
    };
    return this.createRow(row);
  }

  createRow(row: InodeRow): number {
    this.#store.putInode(row);
    const slot = this.index.addInode(row.ino, row.type);
    this.#restore(slot, row);
    this.#store.database.onRollback(() => this.#dropFromMemory(row.ino));
    return slot;
  }

  destroyInode(slot: number): void {
    const row = this.#rowAt(slot);
    const unsaved = this.#unsaved.has(row.ino);
    this.#store.deleteInode(row.ino);
    this.#dropFromMemory(row.ino);
    this.#store.database.onRollback(() => {
      this.#restore(this.index.addInode(row.ino, row.type), row);
      if (unsaved) this.#unsaved.add(row.ino);
    });
  }

  #dropFromMemory(ino: number): void {
    const slot = this.index.slotOf(ino);
    if (slot !== -1) this.index.removeInode(slot);
    this.#targets.delete(ino);
    this.#verifiers.delete(ino);
    this.#unsaved.delete(ino);
  }

  /** Gives an inode a name; the caller has checked that it is free and touches and saves the folder. */
  addName(
    parent: number,
    name: string,
    inode: number,
    expect: Expect,
    remoteName: string | null = null,
  ): number {
    const order = this.index.order(parent);
    if (order.nextCookie > lastCookie)
      throw new FsError('ENOSPC', 'create', { message: 'the folder has no cookies left' });
    const row: EntryRow = {
      parent: this.index.inoOf(parent),
      cookie: order.nextCookie,
      ino: this.index.inoOf(inode),
      name,
      remoteName,
      expect,
    };
    this.#store.putEntry(row);
    const entry = this.#insert(parent, inode, row);
    this.#store.database.onRollback(() => {
      const directory = this.index.slotOf(row.parent);
      const found = directory === -1 ? -1 : this.index.order(directory).next(row.cookie - 1);
      if (found !== -1 && this.index.cookieOf(found) === row.cookie) this.index.removeEntry(found);
    });
    return entry;
  }

  /** Takes a name away; the inode stays, perhaps without a name. */
  removeName(entry: number): void {
    const row = this.#entryRowAt(entry);
    this.#store.deleteEntry(row.parent, row.cookie);
    this.index.removeEntry(entry);
    this.#store.database.onRollback(() => {
      this.#insert(this.index.slotOf(row.parent), this.index.slotOf(row.ino), row);
    });
  }

  setExpect(entry: number, expect: Expect): void {
    const row = this.#entryRowAt(entry);
    this.#store.setExpect(row.parent, row.cookie, expect);
    this.index.setExpect(entry, expect);
    this.#store.database.onRollback(() => {
      const found = this.index.order(this.index.slotOf(row.parent)).next(row.cookie - 1);
      if (found !== -1) this.index.setExpect(found, row.expect);
    });
  }

  /** As `setExpect` by key: stores it as "the base" where it is the base's key. */
  setExpectKey(entry: number, key: string | null): void {
    this.setExpect(entry, this.expectOf(this.index.inodeOf(entry), key));
  }

  expectOf(inode: number, key: string | null): Expect {
    if (key === null) return 'nothing';
    return this.baseKey(inode) === key ? 'base' : { other: key };
  }

  /** Other names of the inode that expected the old base keep expecting its key. */
  setBase(slot: number, base: { readonly key: string; readonly sizeBytes: number } | null): void {
    const old = this.baseKey(slot);
    if (old !== (base?.key ?? null)) {
      for (let entry = this.index.firstName(slot); entry !== -1; entry = this.index.nextName(entry)) {
        if (old !== null && this.index.flagsOf(entry) & entryFlag.expectBase)
          this.setExpect(entry, { other: old });
      }
    }
    const page = this.edit(slot);
    const row = rowOf(slot);
    writeKey(page, row, base?.key ?? null);
    page.baseSizeBytes[row] = base?.sizeBytes ?? 0;
    if (base === null) return;
    for (let entry = this.index.firstName(slot); entry !== -1; entry = this.index.nextName(entry)) {
      if (this.index.otherExpectOf(entry) === base.key) this.setExpect(entry, 'base');
    }
  }

  /** The columns of an inode for changing; `save` must follow in the same transaction. */
  edit(slot: number): InodePage {
    const ino = this.index.inoOf(slot);
    if (!this.#edited.has(ino)) {
      const row = this.#rowAt(slot);
      if (this.#edited.size === 0) this.#store.database.afterCommit(() => this.#edited.clear());
      this.#edited.add(ino);
      this.#store.database.onRollback(() => {
        const now = this.index.slotOf(ino);
        if (now !== -1) this.#restore(now, row);
        this.#unsaved.add(ino);
        this.#edited.clear();
      });
    }
    return this.page(slot);
  }

  setVerifier(slot: number, verifier: Uint8Array | null): void {
    this.edit(slot);
    const ino = this.index.inoOf(slot);
    if (verifier === null) this.#verifiers.delete(ino);
    else this.#verifiers.set(ino, verifier);
  }

  save(slot: number): void {
    const row = this.#rowAt(slot);
    this.#store.putInode(row);
    this.#unsaved.delete(row.ino);
  }

  setFlag(slot: number, flag: number, on: boolean): void {
    const page = this.edit(slot);
    const row = rowOf(slot);
    const flags = page.flags[row] ?? 0;
    page.flags[row] = on ? flags | flag : flags & ~flag;
  }

  /** Sets ctime (and mtime) to now, later than before in any case. Needs no transaction; `save` or `defer` must follow. */
  touch(slot: number, alsoMtime: boolean): void {
    const page = this.page(slot);
    const row = rowOf(slot);
    let { sec, nsec } = this.#now();
    const oldSec = page.ctimeSec[row] ?? 0;
    const oldNsec = page.ctimeNsec[row] ?? 0;
    if (sec < oldSec || (sec === oldSec && nsec <= oldNsec)) {
      sec = oldNsec === 999_999_999 ? oldSec + 1 : oldSec;
      nsec = oldNsec === 999_999_999 ? 0 : oldNsec + 1;
    }
    page.ctimeSec[row] = sec;
    page.ctimeNsec[row] = nsec;
    if (!alsoMtime) return;
    page.mtimeSec[row] = sec;
    page.mtimeNsec[row] = nsec;
  }

  /** Touches a folder whose entries changed, and saves it. */
  touchDirectory(slot: number): void {
    this.edit(slot);
    this.touch(slot, true);
    this.save(slot);
  }

  // ---- attributes that may wait -------------------------------------------------------------------------------------------

  /** The attributes in memory are written with the next `saveDeferred`. */
  defer(slot: number): void {
    this.#unsaved.add(this.index.inoOf(slot));
  }

  get deferredCount(): number {
    return this.#unsaved.size;
  }

  isDeferred(ino: number): boolean {
    return this.#unsaved.has(ino);
  }

  /** Writes the attributes of at most `limit` inodes in one transaction. */
  saveDeferred(limit: number): void {
    this.transaction(() => {
      let left = limit;
      for (const ino of this.#unsaved) {
        if (left-- === 0) break;
        this.saveInode(ino);
      }
    });
  }

  /** Writes the attributes of one inode if they wait. */
  saveInode(ino: number): void {
    if (!this.#unsaved.has(ino)) return;
    const slot = this.index.slotOf(ino);
    if (slot === -1) {
      this.#unsaved.delete(ino);
      return;
    }
    this.transaction(() => {
      this.edit(slot);
      this.save(slot);
    });
  }

  // ---- rows -----------------------------------------------------------------------------------------------------------------

  now(): Time {
    return this.#now();
  }

  #now(): Time {
    const ms = this.#clock.now();
    const sec = Math.floor(ms / 1000);
    return { sec, nsec: Math.min(999_999_999, Math.floor((ms - sec * 1000) * 1e6)) };
  }

  #insert(parent: number, inode: number, row: EntryRow): number {
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

  #entryRowAt(entry: number): EntryRow {
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

  #rowAt(slot: number): InodeRow {
    const page = this.page(slot);
    const row = rowOf(slot);
    const ino = page.ino[row] ?? 0;
    return {
      ino,
      type: page.type[row] ?? 0,
      mode: page.mode[row] ?? 0,
      uid: page.uid[row] ?? 0,
      gid: page.gid[row] ?? 0,
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

  #restore(slot: number, from: InodeRow): void {
    const page = this.page(slot);
    const row = rowOf(slot);
    page.mode[row] = from.mode;
    page.uid[row] = from.uid;
    page.gid[row] = from.gid;
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
}
