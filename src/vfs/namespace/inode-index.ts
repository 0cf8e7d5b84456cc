// The namespace in memory: inodes and names in typed arrays, found by inode number and by (folder, name). About 200 bytes an
// entry; answers every look-up without SQLite. It knows nothing of persistence or of the Hub; the namespace tree keeps both
// in step. Slots and entry numbers are reused, so nothing outside may keep one across a turn.

import { DirectoryOrder } from './directory-order.ts';
import { EntryColumns, entryFlag, entryRow } from './entry-columns.ts';
import type { EntryVisitor } from '../file-system.ts';
import { InodeColumns, rowOf, typeCode } from './inode-columns.ts';
import { NameArena, foldName, hashName, hashNumber, isAscii } from './name-arena.ts';
import { isLegal } from './remote-names.ts';
import { SlotTable } from './slot-table.ts';

export interface NewEntry {
  readonly parent: number;
  readonly name: string;
  readonly inode: number;
  readonly cookie: number;
  readonly flags: number;
  readonly remoteName: string | null;
  readonly otherExpect: string | null;
}

export class InodeIndex {
  readonly inodes = new InodeColumns();
  readonly #entries = new EntryColumns();
  readonly #names = new NameArena();
  readonly #byIno: SlotTable;
  readonly #byName: SlotTable;
  readonly #directories = new Map<number, DirectoryOrder>();
  readonly #otherExpect = new Map<number, string>();
  readonly #remoteNames = new Map<number, string>();
  /** Entries shown under another name than the Hub's, by folder, type and Hub name. */
  readonly #byRemoteName = new Map<string, number>();
  /** Of these, the ones whose Hub name is legal here and was only taken. */
  readonly #crowded = new Set<number>();
  readonly #foldCase: boolean;
  #wantedIno = 0;
  /** What was looked for last, as the same inode is mostly asked for again at once; checked before it is used. */
  #recentSlot = -1;
  readonly #scoreIno = (slot: number): number =>
    this.inodes.page(slot).ino[rowOf(slot)] === this.#wantedIno ? 3 : 0;

  /** `foldCase`: a name that is not found is looked for without regard to case. */
  constructor(options: { readonly foldCase: boolean }) {
    this.#foldCase = options.foldCase;
    this.#byIno = new SlotTable((slot) => hashNumber(this.inodes.page(slot).ino[rowOf(slot)] ?? 0));
    this.#byName = new SlotTable((entry) => this.#entries.page(entry).hash[entryRow(entry)] ?? 0);
  }

  get inodeCount(): number {
    return this.inodes.count;
  }

  get entryCount(): number {
    return this.#entries.count;
  }

  // ---- inodes ---------------------------------------------------------------------------------------------------------

  /** Slot of the inode number, or -1. */
  slotOf(ino: number): number {
    const recent = this.#recentSlot;
    if (recent !== -1) {
      if (this.inoOf(recent) === ino) return recent;
      // Files of a folder mostly got their numbers, and their rows, one after the other.
      const next = recent + 1;
      if (ino !== 0 && next < this.inodes.slotLimit && this.inoOf(next) === ino) {
        this.#recentSlot = next;
        return next;
      }
    }
    this.#wantedIno = ino;
    const slot = this.#byIno.find(hashNumber(ino), this.#scoreIno);
    if (slot !== -1) this.#recentSlot = slot;
    return slot;
  }

  addInode(ino: number, type: number): number {
    const slot = this.inodes.allocate(ino);
    this.inodes.page(slot).type[rowOf(slot)] = type;
    this.#byIno.add(hashNumber(ino), slot);
    if (type === typeCode.directory) this.#directories.set(slot, new DirectoryOrder());
    return slot;
  }

  removeInode(slot: number): void {
    this.#byIno.remove(hashNumber(this.inoOf(slot)), slot);
    // A free row has the number 0, which nothing may find.
    if (slot === this.#recentSlot) this.#recentSlot = -1;
    this.#directories.delete(slot);
    this.inodes.free(slot);
  }

  inoOf(slot: number): number {
    return this.inodes.page(slot).ino[rowOf(slot)] ?? 0;
  }

  isDirectory(slot: number): boolean {
    return this.inodes.page(slot).type[rowOf(slot)] === typeCode.directory;
  }

  /** The order of a directory's entries. */
  order(slot: number): DirectoryOrder {
    const order = this.#directories.get(slot);
    if (order === undefined) throw new RangeError(`slot ${slot} is no directory`);
    return order;
  }

  directorySlots(): Iterable<number> {
    return this.#directories.keys();
  }

  // ---- names ------------------------------------------------------------------------------------------------------------

  addEntry(entry: NewEntry): number {
    const number = this.#entries.allocate();
    const page = this.#entries.page(number);
    const row = entryRow(number);
    const ascii = isAscii(entry.name);
    const length = ascii ? entry.name.length : Buffer.byteLength(entry.name);
    const hash = hashName(entry.parent, entry.name);
    page.parent[row] = entry.parent;
    page.inode[row] = entry.inode;
    page.cookie[row] = entry.cookie;
    page.nameAt[row] = this.#names.add(entry.name, length);
    page.nameLength[row] = length;
    page.flags[row] = (entry.flags & ~entryFlag.ascii) | (ascii ? entryFlag.ascii : 0);
    page.hash[row] = hash;
    if (entry.remoteName !== null) {
      this.#remoteNames.set(number, entry.remoteName);
      this.#byRemoteName.set(
        remoteKey(entry.parent, entry.remoteName, this.isDirectory(entry.inode)),
        number,
      );
      if (isLegal(entry.remoteName)) this.#crowded.add(number);
    }
    if (entry.otherExpect !== null) this.#otherExpect.set(number, entry.otherExpect);
    const inodePage = this.inodes.page(entry.inode);
    const inodeRow = rowOf(entry.inode);
    page.next.set(row, inodePage.firstEntry[inodeRow] ?? -1);
    inodePage.firstEntry[inodeRow] = number;
    this.#countLink(entry.parent, entry.inode, 1);
    this.#byName.add(hash, number);
    this.order(entry.parent).add(entry.cookie, number);
    return number;
  }

  removeEntry(number: number): void {
    const page = this.#entries.page(number);
    const row = entryRow(number);
    const parent = page.parent[row] ?? -1;
    const inode = page.inode[row] ?? -1;
    this.order(parent).remove(page.cookie[row] ?? 0);
    this.#byName.remove(page.hash[row] ?? 0, number);
    this.#names.release(page.nameAt[row] ?? 0, page.nameLength[row] ?? 0);
    const remoteName = this.#remoteNames.get(number);
    if (remoteName !== undefined) {
      this.#remoteNames.delete(number);
      this.#crowded.delete(number);
      this.#byRemoteName.delete(remoteKey(parent, remoteName, this.isDirectory(inode)));
    }
    this.#otherExpect.delete(number);
    this.#unchain(number, inode);
    this.#countLink(parent, inode, -1);
    this.#entries.free(number);
  }

  #unchain(number: number, inode: number): void {
    const next = this.nextName(number);
    const inodePage = this.inodes.page(inode);
    const inodeRow = rowOf(inode);
    if (inodePage.firstEntry[inodeRow] === number) {
      inodePage.firstEntry[inodeRow] = next;
      return;
    }
    let at = inodePage.firstEntry[inodeRow] ?? -1;
    while (at !== -1 && this.nextName(at) !== number) at = this.nextName(at);
    if (at !== -1) this.#entries.page(at).next.set(entryRow(at), next);
  }

  /** Directories count their subdirectories, everything else counts its names. */
  #countLink(parent: number, inode: number, by: number): void {
    const counted = this.isDirectory(inode) ? parent : inode;
    const page = this.inodes.page(counted);
    const row = rowOf(counted);
    page.links[row] = (page.links[row] ?? 0) + by;
  }

  /**
   * The entry of this name: exact, else equal but for Unicode normalisation, else (if so opened) but for case, else one that the
   * Hub knows by this name; -1 if none.
   */
  find(parent: number, name: string): number {
    const entry = this.#findShown(parent, name);
    if (entry !== -1 || this.#byRemoteName.size === 0) return entry;
    const file = this.#byRemoteName.get(remoteKey(parent, name, false));
    return file ?? this.#byRemoteName.get(remoteKey(parent, name, true)) ?? -1;
  }

  #findShown(parent: number, name: string): number {
    const ascii = isAscii(name);
    let folded: string | null = null;
    return this.#byName.find(hashName(parent, name), (entry) => {
      const page = this.#entries.page(entry);
      const row = entryRow(entry);
      if (page.parent[row] !== parent) return 0;
      const length = page.nameLength[row] ?? 0;
      const storedAscii = ((page.flags[row] ?? 0) & entryFlag.ascii) !== 0;
      if (ascii && storedAscii) {
        if (length !== name.length) return 0;
        if (this.#names.equalsAscii(page.nameAt[row] ?? 0, name)) return 3;
        if (!this.#foldCase) return 0;
      }
      const stored = this.#names.read(page.nameAt[row] ?? 0, length, storedAscii);
      if (stored === name) return 3;
      if (stored.normalize('NFC') === name.normalize('NFC')) return 2;
      if (!this.#foldCase) return 0;
      folded ??= foldName(name);
      return foldName(stored) === folded ? 1 : 0;
    });
  }

  /** The entry whose name is this one unit by unit, or -1. */
  findExact(parent: number, name: string): number {
    const entry = this.#findShown(parent, name);
    return entry !== -1 && this.nameOf(entry) === name ? entry : -1;
  }

  nameOf(entry: number): string {
    const page = this.#entries.page(entry);
    const row = entryRow(entry);
    const ascii = ((page.flags[row] ?? 0) & entryFlag.ascii) !== 0;
    return this.#names.read(page.nameAt[row] ?? 0, page.nameLength[row] ?? 0, ascii);
  }

  /** The name the Hub has for it. */
  remoteNameOf(entry: number): string {
    return this.#remoteNames.get(entry) ?? this.nameOf(entry);
  }

  parentOf(entry: number): number {
    return this.#entries.page(entry).parent[entryRow(entry)] ?? -1;
  }

  inodeOf(entry: number): number {
    return this.#entries.page(entry).inode[entryRow(entry)] ?? -1;
  }

  /** Shows an entry to a visitor of its folder; false when the visitor wants no more. */
  show(entry: number, cookie: number, visit: EntryVisitor): boolean {
    const ino = this.#inoOfEntry(entry);
    if (visit.raw === undefined) return visit(this.nameOf(entry), ino, cookie);
    const page = this.#entries.page(entry);
    const row = entryRow(entry);
    const at = page.nameAt[row] ?? 0;
    const start = this.#names.startOf(at);
    return visit.raw(this.#names.blockOf(at), start, start + (page.nameLength[row] ?? 0), ino, cookie);
  }

  /** Number of the inode that an entry names; finding its slot next costs nothing. */
  #inoOfEntry(entry: number): number {
    const slot = this.inodeOf(entry);
    if (slot !== -1) this.#recentSlot = slot;
    return this.inoOf(slot);
  }

  cookieOf(entry: number): number {
    return this.#entries.page(entry).cookie[entryRow(entry)] ?? 0;
  }

  flagsOf(entry: number): number {
    return this.#entries.page(entry).flags[entryRow(entry)] ?? 0;
  }

  /** First name of an inode, or -1. */
  firstName(slot: number): number {
    return this.inodes.page(slot).firstEntry[rowOf(slot)] ?? -1;
  }

  /** Next name of the same inode, or -1. */
  nextName(entry: number): number {
    return this.#entries.page(entry).next.get(entryRow(entry));
  }

  otherExpectOf(entry: number): string | null {
    return this.#otherExpect.get(entry) ?? null;
  }

  /** Records what the Hub holds at an entry: nothing, the inode's base, or `other`. */
  setExpect(entry: number, expect: 'nothing' | 'base' | { readonly other: string }): void {
    const page = this.#entries.page(entry);
    const row = entryRow(entry);
    const flags = (page.flags[row] ?? 0) & ~(entryFlag.expectBase | entryFlag.expectOther);
    this.#otherExpect.delete(entry);
    if (expect === 'nothing') page.flags[row] = flags;
    else if (expect === 'base') page.flags[row] = flags | entryFlag.expectBase;
    else {
      page.flags[row] = flags | entryFlag.expectOther;
      this.#otherExpect.set(entry, expect.other);
    }
  }

  /** Entries shown under another name only because theirs was taken, and whose name is free again. */
  uncrowded(parent: number): number[] {
    if (this.#crowded.size === 0) return [];
    return [...this.#crowded].filter(
      (entry) => this.parentOf(entry) === parent && this.#findShown(parent, this.remoteNameOf(entry)) === -1,
    );
  }

  /** The folder (or else the file or link) that the Hub knows by this name, or -1. */
  findRemote(parent: number, remoteName: string, isDirectory: boolean): number {
    const entry = this.findExact(parent, remoteName);
    if (
      entry !== -1 &&
      !this.#remoteNames.has(entry) &&
      this.isDirectory(this.inodeOf(entry)) === isDirectory
    ) {
      return entry;
    }
    if (this.#byRemoteName.size === 0) return -1;
    return this.#byRemoteName.get(remoteKey(parent, remoteName, isDirectory)) ?? -1;
  }
}

function remoteKey(parent: number, remoteName: string, isDirectory: boolean): string {
  return `${parent}${isDirectory ? 'd' : 'f'}${remoteName}`;
}
