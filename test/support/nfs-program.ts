// What a program does with paths on a mount, over NFS: a thin layer over the test client that looks names up at every call.

import { NfsFailure, type Nfs3Client } from './nfs-client.ts';
import type { NfsFixture } from './nfs-fixture.ts';

const longestTransferBytes = 1024 * 1024;

export class NfsProgram {
  readonly nfs: NfsFixture;
  readonly client: Nfs3Client;
  readonly root: Uint8Array;

  constructor(nfs: NfsFixture, client: Nfs3Client, root: Uint8Array) {
    this.nfs = nfs;
    this.client = client;
    this.root = root;
  }

  async handle(path: string): Promise<Uint8Array> {
    return path === '' ? this.root : this.client.walk(this.root, path);
  }

  /** The handle of the folder above, and the last name. */
  async split(path: string): Promise<{ folder: Uint8Array; name: string }> {
    const slash = path.lastIndexOf('/');
    return { folder: await this.handle(path.slice(0, Math.max(0, slash))), name: path.slice(slash + 1) };
  }

  /** Creates or truncates, writes, syncs. */
  async save(path: string, data: string | Uint8Array): Promise<Uint8Array> {
    const { folder, name } = await this.split(path);
    const file = await this.client.create(folder, name, { changes: { size: 0 } });
    await this.write(file, 0, data);
    await this.client.commit(file);
    return file;
  }

  async write(file: Uint8Array, offset: number, data: string | Uint8Array): Promise<void> {
    const bytes = Buffer.from(data);
    for (let at = 0; at < bytes.length; at += longestTransferBytes) {
      await this.client.write(file, offset + at, bytes.subarray(at, at + longestTransferBytes));
    }
  }

  async text(path: string): Promise<string> {
    return (await this.bytes(path)).toString('utf8');
  }

  async bytes(path: string): Promise<Buffer> {
    return this.client.readAll(await this.handle(path));
  }

  async names(path = ''): Promise<string[]> {
    return (await this.client.list(await this.handle(path))).sort();
  }

  async attributes(path: string) {
    return this.client.getattr(await this.handle(path));
  }

  async mkdir(path: string): Promise<Uint8Array> {
    const { folder, name } = await this.split(path);
    return this.client.mkdir(folder, name);
  }

  async symlink(path: string, target: string): Promise<Uint8Array> {
    const { folder, name } = await this.split(path);
    return this.client.symlink(folder, name, target);
  }

  async link(path: string, toPath: string): Promise<void> {
    const { folder, name } = await this.split(toPath);
    await this.client.link(await this.handle(path), folder, name);
  }

  async rename(path: string, toPath: string): Promise<void> {
    const from = await this.split(path);
    const to = await this.split(toPath);
    await this.client.rename(from.folder, from.name, to.folder, to.name);
  }

  async remove(path: string): Promise<void> {
    const { folder, name } = await this.split(path);
    await this.client.remove(folder, name);
  }

  async rmdir(path: string): Promise<void> {
    const { folder, name } = await this.split(path);
    await this.client.rmdir(folder, name);
  }
}

/** `OK`, or the name of the status. */
export async function statusOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'OK';
  } catch (error) {
    if (error instanceof NfsFailure) return error.statusName;
    throw error;
  }
}
