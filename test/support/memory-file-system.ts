// A whole FileSystem in memory: what the NFS tests serve and the reference that model tests compare with. Plain maps, no
// bounds, every answer at once unless a test puts a gate or a failure in front of an operation.

import { FsError } from '../../src/vfs/fs-error.ts';
import type {
  Attributes,
  Caller,
  Change,
  Created,
  CreateMode,
  EntryVisitor,
  FileSystem,
  FileType,
  MaybePromise,
  SetAttributes,
  Space,
  Time,
} from '../../src/vfs/file-system.ts';

interface Node {
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

export interface MemoryFileSystemOptions {
  readonly readOnly?: boolean;
  readonly generation?: Uint8Array;
  readonly owner?: Caller;
}

export type GatedOperation =
  'lookup' | 'read' | 'write' | 'commit' | 'create' | 'remove' | 'rename' | 'readDirectory';

/** FNV-1a 64 of the source identifier, as VirtualFs has it. */
export function generationOfSource(source: string): Uint8Array {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(source)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  const generation = Buffer.alloc(8);
  generation.writeBigUInt64BE(hash);
  return generation;
}

export class MemoryFileSystem implements FileSystem {
  readonly rootIno = 1;
  readonly readOnly: boolean;
  readonly generation: Uint8Array;
  /** Calls that reached the file system, by method. */
  readonly calls = new Map<string, number>();
  /** Thrown by the operation instead of doing it. */
  readonly failures = new Map<GatedOperation, () => unknown>();
  /** The operation is done when the promise resolves. Asked once per call with its inode. */
  readonly gates = new Map<GatedOperation, (ino: number) => Promise<void> | undefined>();
  readonly #nodes = new Map<number, Node>();
  readonly #verifier = Buffer.from('0000000000000001', 'hex');
  readonly #owner: Caller;
  #nextIno = 2;
  #nextCookie = 3;
  #tick = 0;

  constructor(options: MemoryFileSystemOptions = {}) {
    this.readOnly = options.readOnly ?? false;
    this.generation = options.generation ?? Buffer.from('af63bd4c8601b7df', 'hex');
    this.#owner = options.owner ?? { uid: 1000, gid: 1000 };
    this.#nodes.set(this.rootIno, this.#node(this.rootIno, 'directory', this.rootIno, 0o755, this.#owner));
  }

  // ---- for tests ----------------------------------------------------------------------------------------------------

  /** Makes the file with its folders; returns its inode. */
  addFile(path: string, content: Uint8Array | string = ''): number {
    const names = path.split('/');
    const name = names.pop() ?? '';
    const directory = names.reduce((parent, folder) => {
      return (
        this.#directory(parent).entries.get(folder)?.ino ?? this.#add(parent, folder, 'directory', 0o755).ino
      );
    }, this.rootIno);
    const node = this.#add(directory, name, 'file', 0o644);
    node.data = Buffer.from(content);
    return node.ino;
  }

  contentOf(ino: number): Buffer {
    return this.#live(ino).data;
  }

  /** As after a failed sync or a restart that lost data. */
  changeVerifier(): void {
    this.#verifier.writeUInt32BE(this.#verifier.readUInt32BE(4) + 1, 4);
  }

  countOf(method: string): number {
    return this.calls.get(method) ?? 0;
  }

  // ---- FileSystem ---------------------------------------------------------------------------------------------------

  writeVerifier(): Uint8Array {
    return this.#verifier;
  }

  getAttributes(ino: number): Attributes {
    return this.#attributes(this.#live(ino));
  }

  lookup(directory: number, name: string): MaybePromise<Attributes> {
    return this.#perform('lookup', directory, () => {
      const parent = this.#directory(directory);
      if (name === '.') return this.#attributes(parent);
      if (name === '..') return this.#attributes(this.#live(parent.parent));
      return this.#attributes(this.#entry(parent, name));
    });
  }

  setAttributes(ino: number, changes: SetAttributes, caller: Caller, guard?: Time): MaybePromise<Change> {
    this.#count('setAttributes');
    const node = this.#live(ino);
    this.#refuseIfReadOnly();
    if (guard !== undefined && (guard.sec !== node.ctime.sec || guard.nsec !== node.ctime.nsec)) {
      throw new FsError('ENOTSYNC', 'setAttributes');
    }
    if (changes.sizeBytes !== undefined && node.type === 'directory')
      throw new FsError('EISDIR', 'setAttributes');
    if (changes.sizeBytes !== undefined && node.type === 'symlink')
      throw new FsError('EINVAL', 'setAttributes');
    if (changes.uid !== undefined && changes.uid !== node.uid && caller.uid !== 0) {
      throw new FsError('EPERM', 'setAttributes');
    }
    return this.#change(node, () => this.#apply(node, changes));
  }

  readLink(ino: number): string {
    const node = this.#live(ino);
    if (node.type !== 'symlink') throw new FsError('EINVAL', 'readLink');
    return node.target;
  }

  read(ino: number, offset: number, target: Uint8Array): MaybePromise<{ bytesRead: number; eof: boolean }> {
    return this.#perform('read', ino, () => {
      const { data } = this.#file(ino);
      const bytesRead = Math.max(0, Math.min(target.length, data.length - offset));
      target.set(data.subarray(offset, offset + bytesRead));
      return { bytesRead, eof: offset + bytesRead >= data.length };
    });
  }

  write(ino: number, offset: number, data: Uint8Array): MaybePromise<Change> {
    this.#refuseIfReadOnly();
    // The caller's bytes are only lent.
    const copy = Buffer.from(data);
    return this.#perform('write', ino, () => {
      const node = this.#file(ino);
      return this.#change(node, () => {
        this.#resize(node, Math.max(node.data.length, offset + copy.length));
        copy.copy(node.data, offset);
        node.exclusiveVerifier = null;
        node.mtime = this.#now();
      });
    });
  }

  async commit(ino: number): Promise<Attributes> {
    return await this.#perform('commit', ino, () => this.#attributes(this.#file(ino)));
  }

  create(directory: number, name: string, how: CreateMode, caller: Caller): MaybePromise<Created> {
    return this.#perform('create', directory, () => {
      this.#refuseIfReadOnly();
      const parent = this.#directory(directory);
      const existing = parent.entries.get(name);
      if (existing !== undefined) return this.#createExisting(parent, this.#live(existing.ino), how);
      return this.#make(parent, name, 'file', caller, (node) => {
        if (how.type === 'exclusive') node.exclusiveVerifier = Buffer.from(how.verifier).toString('hex');
        else this.#apply(node, how.attributes);
      });
    });
  }

  makeDirectory(
    directory: number,
    name: string,
    attributes: SetAttributes,
    caller: Caller,
  ): MaybePromise<Created> {
    this.#count('makeDirectory');
    const parent = this.#directoryForNew(directory, name);
    const created = this.#make(parent, name, 'directory', caller, (node) => this.#apply(node, attributes));
    parent.nlink += 1;
    return { ...created, directory: { ...created.directory, after: this.#attributes(parent) } };
  }

  makeSymlink(
    directory: number,
    name: string,
    target: string,
    _attributes: SetAttributes,
    caller: Caller,
  ): MaybePromise<Created> {
    this.#count('makeSymlink');
    return this.#make(this.#directoryForNew(directory, name), name, 'symlink', caller, (node) => {
      node.target = target;
    });
  }

  link(
    ino: number,
    directory: number,
    name: string,
  ): MaybePromise<{ attributes: Attributes; directory: Change }> {
    this.#count('link');
    const node = this.#live(ino);
    if (node.type === 'directory') throw new FsError('EISDIR', 'link');
    const parent = this.#directoryForNew(directory, name);
    const change = this.#change(parent, () => {
      this.#enter(parent, name, ino);
      parent.mtime = this.#now();
    });
    node.nlink += 1;
    node.ctime = this.#now();
    return { attributes: this.#attributes(node), directory: change };
  }

  remove(directory: number, name: string): MaybePromise<Change> {
    return this.#perform('remove', directory, () => {
      this.#refuseIfReadOnly();
      const parent = this.#directory(directory);
      const node = this.#entry(parent, name);
      if (node.type === 'directory') throw new FsError('EISDIR', 'remove', { path: name });
      return this.#change(parent, () => this.#unlink(parent, name, node));
    });
  }

  removeDirectory(directory: number, name: string): MaybePromise<Change> {
    this.#count('removeDirectory');
    this.#refuseIfReadOnly();
    const parent = this.#directory(directory);
    const node = this.#entry(parent, name);
    if (node.type !== 'directory') throw new FsError('ENOTDIR', 'removeDirectory', { path: name });
    if (node.entries.size > 0) throw new FsError('ENOTEMPTY', 'removeDirectory', { path: name });
    return this.#change(parent, () => {
      parent.nlink -= 1;
      this.#unlink(parent, name, node);
    });
  }

  rename(
    fromDirectory: number,
    fromName: string,
    toDirectory: number,
    toName: string,
  ): MaybePromise<{ from: Change; to: Change }> {
    return this.#perform('rename', fromDirectory, () => {
      this.#refuseIfReadOnly();
      const from = this.#directory(fromDirectory);
      const to = this.#directory(toDirectory);
      const node = this.#entry(from, fromName);
      const existing = to.entries.get(toName);
      const fromBefore = this.#before(from);
      const toBefore = this.#before(to);
      if (existing?.ino !== node.ino) {
        this.#refuseOwnSubtree(node, to);
        if (existing !== undefined) this.#replace(to, toName, this.#live(existing.ino), node);
        from.entries.delete(fromName);
        this.#enter(to, toName, node.ino);
        if (node.type === 'directory') {
          from.nlink -= 1;
          to.nlink += 1;
          node.parent = to.ino;
        }
        node.ctime = this.#now();
        for (const directory of [from, to]) directory.mtime = directory.ctime = this.#now();
      }
      return {
        from: { before: fromBefore, after: this.#attributes(from) },
        to: { before: toBefore, after: this.#attributes(to) },
      };
    });
  }

  readDirectory(directory: number, afterCookie: number, visit: EntryVisitor): MaybePromise<boolean> {
    return this.#perform('readDirectory', directory, () => {
      const { entries, listed } = this.#directory(directory);
      for (let index = firstAfter(listed, afterCookie); index < listed.length; index += 1) {
        const { name = '', cookie = 0 } = listed[index] ?? {};
        const entry = entries.get(name);
        if (entry?.cookie === cookie && !visit(name, entry.ino, cookie)) return false;
      }
      return true;
    });
  }

  space(): Space {
    return { totalBytes: 10 * 2 ** 40, freeBytes: 9 * 2 ** 40, totalFiles: 1_000_000, freeFiles: 999_000 };
  }

  parentOf(directory: number): number {
    return this.#directory(directory).parent;
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

  // ---- inside -------------------------------------------------------------------------------------------------------

  #count(method: string): void {
    this.calls.set(method, this.countOf(method) + 1);
  }

  #perform<T>(operation: GatedOperation, ino: number, work: () => T): MaybePromise<T> {
    this.#count(operation);
    const finish = (): T => {
      const failure = this.failures.get(operation);
      if (failure !== undefined) throw failure();
      return work();
    };
    const gate = this.gates.get(operation)?.(ino);
    return gate === undefined ? finish() : gate.then(finish);
  }

  /** Strictly increasing, a microsecond at a time. */
  #now(): Time {
    this.#tick += 1;
    return { sec: 1_700_000_000 + Math.floor(this.#tick / 1_000_000), nsec: (this.#tick % 1_000_000) * 1000 };
  }

  #enter(directory: Node, name: string, ino: number): void {
    const cookie = this.#nextCookie;
    this.#nextCookie += 1;
    directory.entries.set(name, { ino, cookie });
    directory.listed.push({ name, cookie });
  }

  #node(ino: number, type: FileType, parent: number, mode: number, owner: Caller): Node {
    const now = this.#now();
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

  #add(parent: number, name: string, type: FileType, mode: number, owner: Caller = this.#owner): Node {
    const ino = this.#nextIno;
    this.#nextIno += 1;
    const node = this.#node(ino, type, parent, mode, owner);
    this.#nodes.set(ino, node);
    this.#enter(this.#live(parent), name, ino);
    return node;
  }

  #make(parent: Node, name: string, type: FileType, caller: Caller, fill: (node: Node) => void): Created {
    let ino = 0;
    const directory = this.#change(parent, () => {
      const node = this.#add(parent.ino, name, type, type === 'directory' ? 0o755 : 0o644, caller);
      fill(node);
      ino = node.ino;
      parent.mtime = this.#now();
    });
    return { attributes: this.getAttributes(ino), directory };
  }

  #createExisting(parent: Node, node: Node, how: CreateMode): Created {
    if (how.type === 'exclusive') {
      if (node.exclusiveVerifier !== Buffer.from(how.verifier).toString('hex'))
        throw new FsError('EEXIST', 'create');
    } else if (how.type === 'guarded') {
      throw new FsError('EEXIST', 'create');
    } else if (node.type === 'directory') {
      throw new FsError('EISDIR', 'create');
    } else if (how.attributes.sizeBytes !== undefined) {
      const { sizeBytes } = how.attributes;
      this.#change(node, () => this.#apply(node, { sizeBytes }));
    }
    return {
      attributes: this.#attributes(node),
      directory: { before: this.#before(parent), after: this.#attributes(parent) },
    };
  }

  #live(ino: number): Node {
    const node = this.#nodes.get(ino);
    if (node === undefined) throw new FsError('ESTALE', 'find inode');
    return node;
  }

  #file(ino: number): Node {
    const node = this.#live(ino);
    if (node.type === 'directory') throw new FsError('EISDIR', 'use file');
    if (node.type === 'symlink') throw new FsError('EINVAL', 'use file');
    return node;
  }

  #directory(ino: number): Node {
    const node = this.#live(ino);
    if (node.type !== 'directory') throw new FsError('ENOTDIR', 'use folder');
    return node;
  }

  #directoryForNew(ino: number, name: string): Node {
    this.#refuseIfReadOnly();
    const node = this.#directory(ino);
    if (node.entries.has(name)) throw new FsError('EEXIST', 'make', { path: name });
    return node;
  }

  #entry(parent: Node, name: string): Node {
    const entry = parent.entries.get(name);
    if (entry === undefined) throw new FsError('ENOENT', 'find name', { path: name });
    return this.#live(entry.ino);
  }

  #refuseIfReadOnly(): void {
    if (this.readOnly) throw new FsError('EROFS', 'change');
  }

  #refuseOwnSubtree(node: Node, to: Node): void {
    for (let at = to; ; at = this.#live(at.parent)) {
      if (at.ino === node.ino) throw new FsError('EINVAL', 'rename');
      if (at.ino === this.rootIno) return;
    }
  }

  #replace(to: Node, name: string, existing: Node, node: Node): void {
    if (existing.type === 'directory' && node.type !== 'directory') throw new FsError('EISDIR', 'rename');
    if (existing.type !== 'directory' && node.type === 'directory') throw new FsError('ENOTDIR', 'rename');
    if (existing.entries.size > 0) throw new FsError('ENOTEMPTY', 'rename');
    if (existing.type === 'directory') to.nlink -= 1;
    this.#unlink(to, name, existing);
  }

  #unlink(parent: Node, name: string, node: Node): void {
    parent.entries.delete(name);
    parent.mtime = this.#now();
    node.nlink -= node.type === 'directory' ? 2 : 1;
    node.ctime = this.#now();
    if (node.nlink <= 0) this.#nodes.delete(node.ino);
  }

  #apply(node: Node, changes: SetAttributes): void {
    const now = this.#now();
    if (changes.mode !== undefined) node.mode = changes.mode;
    if (changes.uid !== undefined) node.uid = changes.uid;
    if (changes.gid !== undefined) node.gid = changes.gid;
    if (changes.sizeBytes !== undefined) {
      this.#resize(node, changes.sizeBytes);
      node.mtime = now;
    }
    if (changes.atime !== undefined) node.atime = changes.atime === 'now' ? now : changes.atime;
    if (changes.mtime !== undefined) node.mtime = changes.mtime === 'now' ? now : changes.mtime;
  }

  #resize(node: Node, sizeBytes: number): void {
    if (sizeBytes === node.data.length) return;
    const data = Buffer.alloc(sizeBytes);
    node.data.copy(data, 0, 0, sizeBytes);
    node.data = data;
  }

  #before(node: Node): Change['before'] {
    return { sizeBytes: this.#sizeOf(node), mtime: node.mtime, ctime: node.ctime };
  }

  #change(node: Node, work: () => void): Change {
    const before = this.#before(node);
    work();
    node.ctime = this.#now();
    return { before, after: this.#attributes(node) };
  }

  #sizeOf(node: Node): number {
    if (node.type === 'directory') return 4096;
    return node.type === 'symlink' ? Buffer.byteLength(node.target) : node.data.length;
  }

  #attributes(node: Node): Attributes {
    const { ino, type, mode, nlink, uid, gid, atime, mtime, ctime } = node;
    const sizeBytes = this.#sizeOf(node);
    const shownMode = this.readOnly ? mode & ~0o222 : mode;
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
