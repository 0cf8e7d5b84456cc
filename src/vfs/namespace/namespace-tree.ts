// The tree of inodes and names, in memory and in the catalogue at once: every change here does both, and a transaction that
// rolls back undoes both. It knows Hub paths but not what must be sent: the namespace operations decide that.

import { randomInt } from 'node:crypto';
import type { Clock } from '../../shared/log.ts';
import { firstCookie, lastCookie } from './directory-order.ts';
import { entryFlag } from './entry-columns.ts';
import { FsError } from '../fs-error.ts';
import type { Time } from '../file-system.ts';
import { rowOf, writeKey, type InodePage } from './inode-columns.ts';
import type { EntryRow, InodeRow, NamespaceStore } from './namespace-store.ts';
import { NamespaceView } from './namespace-view.ts';

export const rootIno = 1;
/** Inode numbers are reserved in the catalogue by this many at a time. */
const inoReserve = 1024;
const inoJump = 2 ** 40;

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

export class NamespaceTree extends NamespaceView {
  readonly #store: NamespaceStore;
  readonly #clock: Clock;
  /** Inodes whose state before the open transaction is remembered for its rollback. */
  readonly #edited = new Set<number>();
  /** Inodes whose attributes in memory are newer than in the catalogue. */
  readonly #unsaved = new Set<number>();
  #nextIno = 0;
  #reservedIno = 0;
  #transactions = 0;

  constructor(store: NamespaceStore, clock: Clock, options: { readonly foldCase: boolean }) {
    super(clock, options);
    this.#store = store;
    this.#clock = clock;
  }

  transaction<T>(work: () => T): T {
    this.#transactions += 1;
    return this.#store.database.transaction(work);
  }

  /** How many were ever begun here, nested ones too. */
  get transactions(): number {
    return this.#transactions;
  }

  afterCommit(callback: () => void): void {
    this.#store.database.afterCommit(callback);
  }

  /** A number that the catalogue keeps by name; null where it has none. */
  fact(name: string): number | null {
    return this.#store.fact(name);
  }

  setFact(name: string, value: number): void {
    this.#store.setFact(name, value);
  }

  // ---- start ------------------------------------------------------------------------------------------------------------

  /** Puts a stored row into memory; start only. */
  loadInode(row: InodeRow): void {
    this.restoreRow(this.index.addInode(row.ino, row.type), row);
  }

  /** Puts stored names into memory; start only. Rows of one folder should follow one another. Returns of how many the folder or inode is not there. */
  loadEntries(rows: readonly EntryRow[]): number {
    let lost = 0;
    let parent = -1;
    let parentIno = 0;
    for (const row of rows) {
      if (row.parent !== parentIno) {
        parentIno = row.parent;
        parent = this.index.slotOf(parentIno);
        if (parent !== -1 && !this.index.isDirectory(parent)) parent = -1;
      }
      const inode = parent === -1 ? -1 : this.index.slotOf(row.ino);
      if (inode === -1) lost += 1;
      else this.insertRow(parent, inode, row);
    }
    return lost;
  }

  /**
   * Sets where new inode numbers start: above all ever given out here. Where the catalogue is new or lost some of its past
   * (`isDamaged`), far from any number that a handle of that past may name, whatever the clock said then.
   */
  startNumbers(isDamaged: boolean): void {
    const stored = this.#store.fact('next_ino');
    const epochSec = Math.max(1, Math.floor(this.#clock.now() / 1000) - 1_735_689_600);
    this.#nextIno = stored ?? epochSec * 65_536;
    if (stored === null || isDamaged) this.#nextIno += randomInt(inoJump);
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

  // ---- changing (inside a transaction) ----------------------------------------------------------------------------------

  createInode(fresh: NewInode): number {
    const now = this.now();
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
    this.restoreRow(slot, row);
    this.#store.database.onRollback(() => this.#forget(row.ino));
    return slot;
  }

  destroyInode(slot: number): void {
    const row = this.inodeRowAt(slot);
    const unsaved = this.#unsaved.has(row.ino);
    this.#store.deleteInode(row.ino);
    this.#forget(row.ino);
    this.#store.database.onRollback(() => {
      this.restoreRow(this.index.addInode(row.ino, row.type), row);
      if (unsaved) this.#unsaved.add(row.ino);
    });
  }

  #forget(ino: number): void {
    this.dropFromMemory(ino);
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
    const entry = this.insertRow(parent, inode, row);
    this.#store.database.onRollback(() => {
      const directory = this.index.slotOf(row.parent);
      const found = directory === -1 ? -1 : this.index.order(directory).next(row.cookie - 1);
      if (found !== -1 && this.index.cookieOf(found) === row.cookie) this.index.removeEntry(found);
    });
    return entry;
  }

  /** Takes a name away; the inode stays, perhaps without a name. */
  removeName(entry: number): void {
    const row = this.entryRowAt(entry);
    this.#store.deleteEntry(row.parent, row.cookie);
    this.index.removeEntry(entry);
    this.#store.database.onRollback(() => {
      this.insertRow(this.index.slotOf(row.parent), this.index.slotOf(row.ino), row);
    });
  }

  setExpect(entry: number, expect: Expect): void {
    const row = this.entryRowAt(entry);
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
      const row = this.inodeRowAt(slot);
      if (this.#edited.size === 0) this.#store.database.afterCommit(() => this.#edited.clear());
      this.#edited.add(ino);
      this.#store.database.onRollback(() => {
        const now = this.index.slotOf(ino);
        if (now !== -1) this.restoreRow(now, row);
        this.#unsaved.add(ino);
        this.#edited.clear();
      });
    }
    return this.page(slot);
  }

  setVerifier(slot: number, verifier: Uint8Array | null): void {
    this.edit(slot);
    const ino = this.index.inoOf(slot);
    this.putVerifier(ino, verifier);
  }

  save(slot: number): void {
    const row = this.inodeRowAt(slot);
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
    let { sec, nsec } = this.now();
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

  /** Touches a folder whose entries changed, and saves it. A Hub name that became free is shown again as it is. */
  touchDirectory(slot: number): void {
    for (const entry of this.index.uncrowded(slot)) {
      const { expect } = this.entryRowAt(entry);
      const name = this.index.remoteNameOf(entry);
      if (this.index.findExact(slot, name) !== -1) continue; // a file and a folder both waited for it
      const inode = this.index.inodeOf(entry);
      this.removeName(entry);
      this.addName(slot, name, inode, expect);
    }
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
}
