// A plain file system in memory that the real one is compared with: POSIX names, hard links, symlinks, bytes. Errors are
// codes. It also says which files the Hub must have in the end.

import { isLocalOnlyName } from '../../src/vfs/namespace/local-names.ts';

export interface ModelNode {
  readonly type: 'file' | 'directory' | 'symlink';
  readonly children: Map<string, ModelNode>;
  bytes: Buffer;
  target: string;
  mode: number;
  links: number;
  /** What the real one called it, once seen. */
  ino: number | null;
}

export class ModelError extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export function modelNode(type: ModelNode['type'], text = ''): ModelNode {
  const mode = type === 'directory' ? 0o755 : type === 'file' ? 0o644 : 0o777;
  return { type, children: new Map(), bytes: Buffer.from(text), target: '', mode, links: 1, ino: null };
}

export class ModelFileSystem {
  readonly root = modelNode('directory');

  node(path: string): ModelNode {
    let at = this.root;
    for (const name of path.split('/').filter((segment) => segment !== '')) {
      if (at.type !== 'directory') throw new ModelError('ENOTDIR');
      const next = at.children.get(name);
      if (next === undefined) throw new ModelError('ENOENT');
      at = next;
    }
    return at;
  }

  find(path: string): ModelNode | null {
    try {
      return this.node(path);
    } catch {
      return null;
    }
  }

  parent(path: string): { readonly directory: ModelNode; readonly name: string } {
    const slash = path.lastIndexOf('/');
    const directory = this.node(path.slice(0, Math.max(0, slash)));
    if (directory.type !== 'directory') throw new ModelError('ENOTDIR');
    return { directory, name: path.slice(slash + 1) };
  }

  file(path: string): ModelNode {
    const node = this.node(path);
    if (node.type === 'directory') throw new ModelError('EISDIR');
    if (node.type === 'symlink') throw new ModelError('EINVAL');
    return node;
  }

  create(path: string): ModelNode {
    const { directory, name } = this.parent(path);
    const existing = directory.children.get(name);
    if (existing !== undefined) {
      if (existing.type !== 'file') throw new ModelError('EEXIST');
      return existing;
    }
    const node = modelNode('file');
    directory.children.set(name, node);
    return node;
  }

  add(path: string, node: ModelNode): void {
    const { directory, name } = this.parent(path);
    if (directory.children.has(name)) throw new ModelError('EEXIST');
    directory.children.set(name, node);
  }

  write(path: string, offset: number, data: Buffer): void {
    const node = this.file(path);
    this.truncate(node, Math.max(node.bytes.length, offset + data.length));
    data.copy(node.bytes, offset);
  }

  truncate(node: ModelNode, sizeBytes: number): void {
    const bytes = Buffer.alloc(sizeBytes);
    node.bytes.copy(bytes);
    node.bytes = bytes;
  }

  link(path: string, toPath: string): void {
    const { directory, name } = this.parent(toPath);
    const node = this.node(path);
    if (node.type === 'directory') throw new ModelError('EPERM');
    if (directory.children.has(name)) throw new ModelError('EEXIST');
    directory.children.set(name, node);
    node.links += 1;
  }

  remove(path: string): void {
    const { directory, name } = this.parent(path);
    const node = directory.children.get(name);
    if (node === undefined) throw new ModelError('ENOENT');
    if (node.type === 'directory') throw new ModelError('EISDIR');
    directory.children.delete(name);
    node.links -= 1;
  }

  removeDirectory(path: string): void {
    const { directory, name } = this.parent(path);
    const node = directory.children.get(name);
    if (node === undefined) throw new ModelError('ENOENT');
    if (node.type !== 'directory') throw new ModelError('ENOTDIR');
    if (node.children.size > 0) throw new ModelError('ENOTEMPTY');
    directory.children.delete(name);
  }

  rename(path: string, toPath: string): void {
    const from = this.parent(path);
    const to = this.parent(toPath);
    const node = from.directory.children.get(from.name);
    if (node === undefined) throw new ModelError('ENOENT');
    if (node.type === 'directory' && `${toPath}/`.startsWith(`${path}/`) && toPath !== path) {
      throw new ModelError('EINVAL');
    }
    const target = to.directory.children.get(to.name);
    if (target !== undefined && target !== node) {
      if (node.type === 'directory' && target.type !== 'directory') throw new ModelError('ENOTDIR');
      if (node.type !== 'directory' && target.type === 'directory') throw new ModelError('EISDIR');
      if (target.children.size > 0) throw new ModelError('ENOTEMPTY');
    }
    if (target === node) return;
    if (target !== undefined) target.links -= 1;
    from.directory.children.delete(from.name);
    to.directory.children.set(to.name, node);
  }

  /** Every name, folders included, with its node; children after their folder. */
  *walk(directory = this.root, prefix = ''): Generator<readonly [path: string, node: ModelNode]> {
    for (const [name, node] of directory.children) {
      yield [prefix + name, node];
      if (node.type === 'directory') yield* this.walk(node, `${prefix}${name}/`);
    }
  }

  /** What the Hub must hold once everything was sent. */
  hubFiles(): Map<string, string> {
    const files = new Map<string, string>();
    for (const [path, node] of this.walk()) {
      if (node.type === 'file' && !path.split('/').some(isLocalOnlyName))
        files.set(path, node.bytes.toString());
    }
    return files;
  }
}
