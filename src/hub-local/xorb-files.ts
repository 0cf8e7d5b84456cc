// Xorbs as plain files on disk: `xorbs/ab/<hash>`, written beside and renamed in, read through a bounded pool of open
// descriptors. Hands out byte ranges in reused buffers, so that serving costs no allocation per piece.

import { mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';

const maxOpenFiles = 128;
const pieceBytes = 1024 * 1024;

interface OpenFile {
  readonly handle: Promise<FileHandle>;
  users: number;
}

export class XorbFiles {
  readonly #directory: string;
  readonly #temporary: string;
  readonly #open = new Map<string, OpenFile>();
  readonly #spareBuffers: Buffer[] = [];

  private constructor(dataDir: string) {
    this.#directory = join(dataDir, 'xorbs');
    this.#temporary = join(dataDir, 'incoming');
  }

  static async open(dataDir: string): Promise<XorbFiles> {
    const files = new XorbFiles(dataDir);
    await mkdir(files.#directory, { recursive: true });
    await mkdir(files.#temporary, { recursive: true });
    // What a killed process left half-written was never acknowledged.
    for (const name of await readdir(files.#temporary))
      await rm(join(files.#temporary, name), { force: true });
    return files;
  }

  /** A new temporary file; `adopt` or `discard` must follow. */
  async create(): Promise<IncomingFile> {
    const path = join(this.#temporary, randomUUID());
    return new IncomingFile(path, await open(path, 'wx', 0o600));
  }

  /** Moves a finished temporary file to its place. With `durable` its bytes are on the disk before it shows there. */
  async adopt(incoming: IncomingFile, hash: string, sizeBytes: number, durable: boolean): Promise<void> {
    await incoming.finish(sizeBytes, durable);
    const folder = join(this.#directory, hash.slice(0, 2));
    await mkdir(folder, { recursive: true });
    await rename(incoming.path, join(folder, hash));
  }

  async discard(incoming: IncomingFile): Promise<void> {
    await incoming.abandon();
    await rm(incoming.path, { force: true });
  }

  /**
   * Feeds bytes [start, end) of a xorb to `sink` in pieces of up to 1 MiB, reading the next piece while the last one
   * is being dealt with. A piece is borrowed until `sink`'s promise settles.
   */
  async read(
    hash: string,
    start: number,
    end: number,
    sink: (piece: Buffer) => Promise<void>,
  ): Promise<void> {
    const file = this.#acquire(hash);
    const buffers = [this.#takeBuffer(), this.#takeBuffer()];
    let sending: Promise<void> = Promise.resolve();
    try {
      const handle = await file.handle;
      let turn = 0;
      for (let at = start; at < end; at += pieceBytes) {
        const buffer = buffers[turn] as Buffer;
        turn = 1 - turn;
        const piece = buffer.subarray(0, Math.min(pieceBytes, end - at));
        await readFully(handle, piece, at);
        await sending;
        sending = sink(piece);
        // Awaited one turn later; a failure in between must not count as unhandled.
        sending.catch(() => undefined);
      }
      await sending;
    } finally {
      await sending.catch(() => undefined);
      this.#spareBuffers.push(...buffers);
      this.#release(hash, file);
    }
  }

  async close(): Promise<void> {
    const files = [...this.#open.values()];
    this.#open.clear();
    for (const file of files) await (await file.handle).close();
  }

  #takeBuffer(): Buffer {
    return this.#spareBuffers.pop() ?? Buffer.allocUnsafeSlow(pieceBytes);
  }

  #acquire(hash: string): OpenFile {
    let file = this.#open.get(hash);
    if (file === undefined) {
      const handle = open(join(this.#directory, hash.slice(0, 2), hash), 'r');
      file = { handle, users: 0 };
      handle.catch(() => this.#open.delete(hash));
    } else {
      this.#open.delete(hash);
    }
    this.#open.set(hash, file);
    file.users++;
    this.#trim();
    return file;
  }

  #release(hash: string, file: OpenFile): void {
    file.users--;
    if (this.#spareBuffers.length > 32) this.#spareBuffers.length = 32;
    if (this.#open.get(hash) === file) this.#trim();
  }

  #trim(): void {
    if (this.#open.size <= maxOpenFiles) return;
    for (const [hash, file] of this.#open) {
      if (file.users > 0) continue;
      this.#open.delete(hash);
      file.handle.then(
        (handle) => handle.close(),
        () => undefined,
      );
      if (this.#open.size <= maxOpenFiles) return;
    }
  }
}

/** Receives bytes in any sizes, writes them in large ones. */
export class IncomingFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #closed = false;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Keeps `piece` until it is written. */
  async write(piece: Uint8Array): Promise<void> {
    this.#pending.push(piece);
    this.#pendingBytes += piece.byteLength;
    if (this.#pendingBytes >= pieceBytes) await this.#flush();
  }

  async finish(sizeBytes: number, durable: boolean): Promise<void> {
    await this.#flush();
    await this.#handle.truncate(sizeBytes);
    if (durable) await this.#handle.datasync();
    await this.abandon();
  }

  async abandon(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle.close();
  }

  async #flush(): Promise<void> {
    if (this.#pending.length === 0) return;
    const pieces = this.#pending;
    let left = this.#pendingBytes;
    this.#pending = [];
    this.#pendingBytes = 0;
    const { bytesWritten } = await this.#handle.writev(pieces);
    left -= bytesWritten;
    if (left !== 0) throw new Error(`${this.path}: ${left} bytes could not be written`);
  }
}

async function readFully(handle: FileHandle, target: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < target.byteLength) {
    const { bytesRead } = await handle.read(target, done, target.byteLength - done, position + done);
    if (bytesRead === 0)
      throw new Error(`A stored xorb is shorter than the index says (at byte ${position + done})`);
    done += bytesRead;
  }
}
