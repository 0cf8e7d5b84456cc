// A whole FileSystem in memory: what the NFS tests serve and the reference that model tests compare with. No bounds,
// every answer at once unless a test puts a gate or a failure in front of an operation.

import { MemoryTree, type MemoryNode } from './memory-tree.ts';
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

export interface MemoryFileSystemOptions {
  readonly readOnly?: boolean;
  readonly generation?: Uint8Array;
  readonly owner?: Caller;
}

export type GatedOperation =
  'lookup' | 'read' | 'write' | 'commit' | 'create' | 'remove' | 'rename' | 'readDirectory' | 'sync';

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
  readonly #tree: MemoryTree;
  readonly #verifier = Buffer.from('0000000000000001', 'hex');

  constructor(options: MemoryFileSystemOptions = {}) {
    this.readOnly = options.readOnly ?? false;
    this.generation = options.generation ?? Buffer.from('af63bd4c8601b7df', 'hex');
    this.#tree = new MemoryTree(options.owner ?? { uid: 1000, gid: 1000 }, this.readOnly);
  }

  // ---- for tests ----------------------------------------------------------------------------------------------------

  /** Makes the file with its folders; returns its inode. */
  addFile(path: string, content: Uint8Array | string = ''): number {
    const names = path.split('/');
    const name = names.pop() ?? '';
    const directory = names.reduce((parent, folder) => {
      return (
        this.#tree.directory(parent).entries.get(folder)?.ino ??
        this.#tree.add(parent, folder, 'directory', 0o755).ino
      );
    }, this.rootIno);
    const node = this.#tree.add(directory, name, 'file', 0o644);
    node.data = Buffer.from(content);
    return node.ino;
  }

  contentOf(ino: number): Buffer {
    return this.#tree.live(ino).data;
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
    return this.#tree.attributes(this.#tree.live(ino));
  }

  lookup(directory: number, name: string): MaybePromise<Attributes> {
    return this.#perform('lookup', directory, () => {
      const parent = this.#tree.directory(directory);
      if (name === '.') return this.#tree.attributes(parent);
      if (name === '..') return this.#tree.attributes(this.#tree.live(parent.parent));
      return this.#tree.attributes(this.#tree.entry(parent, name));
    });
  }

  setAttributes(ino: number, changes: SetAttributes, caller: Caller, guard?: Time): MaybePromise<Change> {
    this.#count('setAttributes');
    const node = this.#tree.live(ino);
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
    return this.#tree.change(node, () => this.#tree.apply(node, changes));
  }

  readLink(ino: number): string {
    const node = this.#tree.live(ino);
    if (node.type !== 'symlink') throw new FsError('EINVAL', 'readLink');
    return node.target;
  }

  read(ino: number, offset: number, target: Uint8Array): MaybePromise<{ bytesRead: number; eof: boolean }> {
    return this.#perform('read', ino, () => {
      const { data } = this.#tree.file(ino);
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
      const node = this.#tree.file(ino);
      return this.#tree.change(node, () => {
        this.#tree.resize(node, Math.max(node.data.length, offset + copy.length));
        copy.copy(node.data, offset);
        node.exclusiveVerifier = null;
        node.mtime = this.#tree.now();
      });
    });
  }

  async commit(ino: number): Promise<Attributes> {
    return await this.#perform('commit', ino, () => this.#tree.attributes(this.#tree.file(ino)));
  }

  create(directory: number, name: string, how: CreateMode, caller: Caller): MaybePromise<Created> {
    return this.#perform('create', directory, () => {
      this.#refuseIfReadOnly();
      const parent = this.#tree.directory(directory);
      const existing = parent.entries.get(name);
      if (existing !== undefined) return this.#createExisting(parent, this.#tree.live(existing.ino), how);
      return this.#make(parent, name, 'file', caller, (node) => {
        if (how.type === 'exclusive') node.exclusiveVerifier = Buffer.from(how.verifier).toString('hex');
        else this.#tree.apply(node, how.attributes);
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
    const created = this.#make(parent, name, 'directory', caller, (node) =>
      this.#tree.apply(node, attributes),
    );
    parent.nlink += 1;
    return { ...created, directory: { ...created.directory, after: this.#tree.attributes(parent) } };
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
    const node = this.#tree.live(ino);
    if (node.type === 'directory') throw new FsError('EISDIR', 'link');
    const parent = this.#directoryForNew(directory, name);
    const change = this.#tree.change(parent, () => {
      this.#tree.enter(parent, name, ino);
      parent.mtime = this.#tree.now();
    });
    node.nlink += 1;
    node.ctime = this.#tree.now();
    return { attributes: this.#tree.attributes(node), directory: change };
  }

  remove(directory: number, name: string): MaybePromise<Change> {
    return this.#perform('remove', directory, () => {
      this.#refuseIfReadOnly();
      const parent = this.#tree.directory(directory);
      const node = this.#tree.entry(parent, name);
      if (node.type === 'directory') throw new FsError('EISDIR', 'remove', { path: name });
      return this.#tree.change(parent, () => this.#tree.unlink(parent, name, node));
    });
  }

  removeDirectory(directory: number, name: string): MaybePromise<Change> {
    this.#count('removeDirectory');
    this.#refuseIfReadOnly();
    const parent = this.#tree.directory(directory);
    const node = this.#tree.entry(parent, name);
    if (node.type !== 'directory') throw new FsError('ENOTDIR', 'removeDirectory', { path: name });
    if (node.entries.size > 0) throw new FsError('ENOTEMPTY', 'removeDirectory', { path: name });
    return this.#tree.change(parent, () => {
      parent.nlink -= 1;
      this.#tree.unlink(parent, name, node);
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
      const from = this.#tree.directory(fromDirectory);
      const to = this.#tree.directory(toDirectory);
      const node = this.#tree.entry(from, fromName);
      const existing = to.entries.get(toName);
      const fromBefore = this.#tree.before(from);
      const toBefore = this.#tree.before(to);
      if (existing?.ino !== node.ino) {
        this.#tree.refuseOwnSubtree(node, to);
        if (existing !== undefined) this.#tree.replace(to, toName, this.#tree.live(existing.ino), node);
        from.entries.delete(fromName);
        this.#tree.enter(to, toName, node.ino);
        if (node.type === 'directory') {
          from.nlink -= 1;
          to.nlink += 1;
          node.parent = to.ino;
        }
        node.ctime = this.#tree.now();
        for (const directory of [from, to]) directory.mtime = directory.ctime = this.#tree.now();
      }
      return {
        from: { before: fromBefore, after: this.#tree.attributes(from) },
        to: { before: toBefore, after: this.#tree.attributes(to) },
      };
    });
  }

  readDirectory(directory: number, afterCookie: number, visit: EntryVisitor): MaybePromise<boolean> {
    return this.#perform('readDirectory', directory, () => {
      for (const { name, ino, cookie } of this.#tree.entriesAfter(
        this.#tree.directory(directory),
        afterCookie,
      )) {
        if (!visit(name, ino, cookie)) return false;
      }
      return true;
    });
  }

  async sync(): Promise<void> {
    await this.#perform('sync', this.rootIno, () => undefined);
  }

  space(): Space {
    return { totalBytes: 10 * 2 ** 40, freeBytes: 9 * 2 ** 40, totalFiles: 1_000_000, freeFiles: 999_000 };
  }

  parentOf(directory: number): number {
    return this.#tree.directory(directory).parent;
  }

  pathOf(ino: number): string | null {
    return this.#tree.pathOf(ino);
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

  #make(
    parent: MemoryNode,
    name: string,
    type: FileType,
    caller: Caller,
    fill: (node: MemoryNode) => void,
  ): Created {
    let ino = 0;
    const directory = this.#tree.change(parent, () => {
      const node = this.#tree.add(parent.ino, name, type, type === 'directory' ? 0o755 : 0o644, caller);
      fill(node);
      ino = node.ino;
      parent.mtime = this.#tree.now();
    });
    return { attributes: this.getAttributes(ino), directory };
  }

  #createExisting(parent: MemoryNode, node: MemoryNode, how: CreateMode): Created {
    if (how.type === 'exclusive') {
      if (node.exclusiveVerifier !== Buffer.from(how.verifier).toString('hex'))
        throw new FsError('EEXIST', 'create');
    } else if (how.type === 'guarded') {
      throw new FsError('EEXIST', 'create');
    } else if (node.type === 'directory') {
      throw new FsError('EISDIR', 'create');
    } else if (how.attributes.sizeBytes !== undefined) {
      const { sizeBytes } = how.attributes;
      this.#tree.change(node, () => this.#tree.apply(node, { sizeBytes }));
    }
    return {
      attributes: this.#tree.attributes(node),
      directory: { before: this.#tree.before(parent), after: this.#tree.attributes(parent) },
    };
  }

  #directoryForNew(ino: number, name: string): MemoryNode {
    this.#refuseIfReadOnly();
    const node = this.#tree.directory(ino);
    if (node.entries.has(name)) throw new FsError('EEXIST', 'make', { path: name });
    return node;
  }

  #refuseIfReadOnly(): void {
    if (this.readOnly) throw new FsError('EROFS', 'change');
  }
}
