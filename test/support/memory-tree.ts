// The inodes and entries of MemoryFileSystem: plain maps and the rules of names, without any of the FileSystem contract.

import { FsError } from '../../src/vfs/fs-error.ts';
import type { Attributes, Caller, Change, FileType, SetAttributes, Time } from '../../src/vfs/file-system.ts';

const largestFileBytes = 256 * 1024 * 1024;

export interface MemoryNode {
  readonly ino: number;
  readonly type: FileType;
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  data: Buffer;
  target: string;
  parent: number;
  exclusiveVerifier: string | null;
  atime: Time;
  mtime: Time;
  ctime: Time;
  readonly entries: Map<string, { readonly ino: number; readonly cookie: number }>;
  /** Every entry there ever was, in cookie order; those that are gone are not in `entries` under that cookie. */
  readonly listed: { readonly name: string; readonly cookie: number }[];
}

export class MemoryTree {
  readonly rootIno = 1;
  readonly #isReadOnly: boolean;
  readonly #owner: Caller;
  readonly #nodes = new Map<number, MemoryNode>();
  #nextIno = 2;
  #nextCookie = 3;
  #tick = 0;

  constructor(owner: Caller, isReadOnly: boolean) {
    this.#owner = owner;
    this.#isReadOnly = isReadOnly;
    this.#nodes.set(this.rootIno, this.#node(this.rootIno, 'directory', this.rootIno, 0o755, owner));
  }

  /** Strictly increasing, a microsecond at a time. */
  now(): Time {
    this.#tick += 1;
    return { sec: 1_700_000_000 + Math.floor(this.#tick / 1_000_000), nsec: (this.#tick % 1_000_000) * 1000 };
  }

  enter(directory: MemoryNode, name: string, ino: number): void {
    const cookie = this.#nextCookie;
    this.#nextCookie += 1;
    directory.entries.set(name, { ino, cookie });
    directory.listed.push({ name, cookie });
  }

  #node(ino: number, type: FileType, parent: number, mode: number, owner: Caller): MemoryNode {
    const now = this.now();
    return {
      ino,
      type,
      mode,
      uid: owner.uid,
      gid: owner.gid,
      nlink: type === 'directory' ? 2 : 1,
      data: Buffer.alloc(0),
      target: '',
      parent,
      exclusiveVerifier: null,
      atime: now,
      mtime: now,
      ctime: now,
      entries: new Map(),
      listed: [],
    };
  }

  add(parent: number, name: string, type: FileType, mode: number, owner: Caller = this.#owner): MemoryNode {
    const ino = this.#nextIno;
    this.#nextIno += 1;
    const node = this.#node(ino, type, parent, mode, owner);
    this.#nodes.set(ino, node);
    this.enter(this.live(parent), name, ino);
    return node;
  }

  live(ino: number): MemoryNode {
    const node = this.#nodes.get(ino);
    if (node === undefined) throw new FsError('ESTALE', 'find inode');
    return node;
  }

  file(ino: number): MemoryNode {
    const node = this.live(ino);
    if (node.type === 'directory') throw new FsError('EISDIR', 'use file');
    if (node.type === 'symlink') throw new FsError('EINVAL', 'use file');
    return node;
  }

  directory(ino: number): MemoryNode {
    const node = this.live(ino);
    if (node.type !== 'directory') throw new FsError('ENOTDIR', 'use folder');
    return node;
  }

  entry(parent: MemoryNode, name: string): MemoryNode {
    const entry = parent.entries.get(name);
    if (entry === undefined) throw new FsError('ENOENT', 'find name', { path: name });
    return this.live(entry.ino);
  }

  refuseOwnSubtree(node: MemoryNode, to: MemoryNode): void {
    for (let at = to; ; at = this.live(at.parent)) {
      if (at.ino === node.ino) throw new FsError('EINVAL', 'rename');
      if (at.ino === this.rootIno) return;
    }
  }

  replace(to: MemoryNode, name: string, existing: MemoryNode, node: MemoryNode): void {
    if (existing.type === 'directory' && node.type !== 'directory') throw new FsError('EISDIR', 'rename');
    if (existing.type !== 'directory' && node.type === 'directory') throw new FsError('ENOTDIR', 'rename');
    if (existing.entries.size > 0) throw new FsError('ENOTEMPTY', 'rename');
    if (existing.type === 'directory') to.nlink -= 1;
    this.unlink(to, name, existing);
  }

  unlink(parent: MemoryNode, name: string, node: MemoryNode): void {
    parent.entries.delete(name);
    parent.mtime = this.now();
    node.nlink -= node.type === 'directory' ? 2 : 1;
    node.ctime = this.now();
    if (node.nlink <= 0) this.#nodes.delete(node.ino);
  }

  apply(node: MemoryNode, changes: SetAttributes): void {
    const now = this.now();
    if (changes.mode !== undefined) node.mode = changes.mode;
    if (changes.uid !== undefined) node.uid = changes.uid;
    if (changes.gid !== undefined) node.gid = changes.gid;
    if (changes.sizeBytes !== undefined) {
      this.resize(node, changes.sizeBytes);
      node.mtime = now;
    }
    if (changes.atime !== undefined) node.atime = changes.atime === 'now' ? now : changes.atime;
    if (changes.mtime !== undefined) node.mtime = changes.mtime === 'now' ? now : changes.mtime;
  }

  resize(node: MemoryNode, sizeBytes: number): void {
    if (sizeBytes === node.data.length) return;
    // It is all in memory: calls with random offsets must not ask for terabytes of it.
    if (sizeBytes > largestFileBytes) throw new FsError('EFBIG', 'resize', { path: `inode ${node.ino}` });
    const data = Buffer.alloc(sizeBytes);
    node.data.copy(data, 0, 0, sizeBytes);
    node.data = data;
  }

  before(node: MemoryNode): Change['before'] {
    return { sizeBytes: this.#sizeOf(node), mtime: node.mtime, ctime: node.ctime };
  }

  change(node: MemoryNode, work: () => void): Change {
    const before = this.before(node);
    work();
    node.ctime = this.now();
    return { before, after: this.attributes(node) };
  }

  #sizeOf(node: MemoryNode): number {
    if (node.type === 'directory') return 4096;
    return node.type === 'symlink' ? Buffer.byteLength(node.target) : node.data.length;
  }

  attributes(node: MemoryNode): Attributes {
    const { ino, type, mode, nlink, uid, gid, atime, mtime, ctime } = node;
    const sizeBytes = this.#sizeOf(node);
    const shownMode = this.#isReadOnly ? mode & ~0o222 : mode;
    return {
      ino,
      type,
      mode: shownMode,
      nlink,
      uid,
      gid,
      sizeBytes,
      usedBytes: sizeBytes,
      atime,
      mtime,
      ctime,
    };
  }

  pathOf(ino: number): string | null {
    if (ino === this.rootIno) return '';
    for (const node of this.#nodes.values()) {
      for (const [name, entry] of node.entries) {
        if (entry.ino !== ino) continue;
        const parent = this.pathOf(node.ino);
        return parent === null || parent === '' ? name : `${parent}/${name}`;
      }
    }
    return null;
  }

  /** The entries with a greater cookie, in cookie order. */
  *entriesAfter(
    directory: MemoryNode,
    cookie: number,
  ): Generator<{ name: string; ino: number; cookie: number }> {
    const { entries, listed } = directory;
    for (let index = firstAfter(listed, cookie); index < listed.length; index += 1) {
      const listing = listed[index];
      const entry = listing === undefined ? undefined : entries.get(listing.name);
      if (listing !== undefined && entry?.cookie === listing.cookie) yield { name: listing.name, ...entry };
    }
  }
}

/** Index of the first entry with a greater cookie. */
function firstAfter(listed: readonly { readonly cookie: number }[], cookie: number): number {
  let low = 0;
  let high = listed.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((listed[middle]?.cookie ?? 0) > cookie) high = middle;
    else low = middle + 1;
  }
  return low;
}
