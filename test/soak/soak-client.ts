// One program at work in a folder of its own on the mount: creates, writes, appends, cuts, renames, removes and reads back, and
// knows after each kill of the host what may be there. Used by soak.ts.

import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { added, Ledger, removed, renamed, type LedgerFile, type Names } from '../crash/ledger.ts';
import { pattern } from '../support/content-bench.ts';
import { ConnectionLost, SoakConnection } from './soak-connection.ts';
import type { SoakHost } from './soak-host.ts';

const mostFiles = 25;
const pauseMs = 15;
const largestPieceBytes = 512 * 1024;
const largestFileBytes = 2 * 1024 * 1024;

export class SoakClient {
  readonly folder: string;
  readonly ledger = new Ledger();
  readonly connection: SoakConnection;
  readonly counts: Record<string, number> = {};
  bytesWritten = 0;
  readonly #root: Uint8Array;
  readonly #random: () => number;
  #directory: Uint8Array = new Uint8Array(0);
  #nextName = 0;
  #step = 0;

  constructor(host: SoakHost, root: Uint8Array, folder: string, random: () => number) {
    this.connection = new SoakConnection(host);
    this.#root = root;
    this.folder = folder;
    this.#random = random;
  }

  async open(): Promise<void> {
    await this.connection.connect();
    this.#directory = await this.connection.ask((nfs) => nfs.mkdir(this.#root, this.folder));
  }

  /** Rejects at the first difference. */
  async work(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) {
      try {
        await this.#doSomething();
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw this.#named(error);
        await this.recover();
      }
      await delay(pauseMs * this.#random());
    }
    await this.#finish();
  }

  /** Everything committed, whatever happens meanwhile. */
  async #finish(): Promise<void> {
    for (;;) {
      try {
        for (const file of this.ledger.names.files.values()) await this.#commit(file);
        return;
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw this.#named(error);
        await this.recover();
      }
    }
  }

  #named(error: unknown): Error {
    return new Error(`${this.folder}, step ${this.#step}`, { cause: error });
  }

  async #doSomething(): Promise<void> {
    this.#step += 1;
    const files = [...this.ledger.names.files.keys()];
    const path = files[Math.floor(this.#random() * files.length)];
    const dice = this.#random();
    if (path === undefined || (dice < 0.15 && files.length < mostFiles)) return this.#create();
    const file = this.ledger.file(path);
    if (dice < 0.4) return this.#write(file, Math.floor(this.#random() * (file.bytes.length + 1)));
    if (dice < 0.5) return this.#write(file, file.bytes.length);
    if (dice < 0.57) return this.#truncate(file);
    if (dice < 0.67) return this.#rename(path, files);
    if (dice < 0.73) return this.#remove(path);
    return this.#read(path, file);
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  async #create(): Promise<void> {
    const path = `file ${this.#nextName++}`;
    const file = this.ledger.newFile();
    await this.#change(added(this.ledger.names, path, file), async () => {
      file.handle = await this.connection.ask((nfs) => nfs.create(this.#directory, path, { guarded: true }));
    });
    this.#count('create');
    await this.#write(file, 0);
  }

  async #write(file: LedgerFile, offset: number): Promise<void> {
    const size = Math.ceil(this.#random() ** 4 * largestPieceBytes) + 1;
    if (offset + size > largestFileBytes) return this.#truncate(file);
    const data = pattern(size, this.#step * 7 + 1);
    const stable = this.#random() < 0.1 ? 2 : 0;
    file.write(offset, data);
    const { bytes } = file;
    const { verf, committed } = await this.connection.ask((nfs) =>
      nfs.write(handleOf(file), offset, data, stable),
    );
    this.bytesWritten += size;
    this.#count(offset === 0 ? 'write' : 'overwrite or append');
    if (committed > 0) file.acknowledge(bytes);
    else file.writeVerifier = Buffer.from(verf).toString('hex');
    // What may be lost is bounded, as it is in a kernel.
    if (this.#random() < 0.6 || file.content.history.length > 6) await this.#commit(file);
  }

  async #commit(file: LedgerFile): Promise<void> {
    const { bytes } = file;
    const { verf } = await this.connection.ask((nfs) => nfs.commit(handleOf(file)));
    if (file.writeVerifier === null || Buffer.from(verf).toString('hex') === file.writeVerifier) {
      file.acknowledge(bytes);
    }
    this.#count('commit');
  }

  async #truncate(file: LedgerFile): Promise<void> {
    const size = Math.floor(this.#random() * Math.min(largestFileBytes, file.bytes.length * 1.2));
    file.truncate(size);
    await this.connection.ask((nfs) => nfs.setattr(handleOf(file), { size }));
    file.acknowledgeTruncate(size);
    this.#count('truncate');
  }

  async #rename(path: string, files: readonly string[]): Promise<void> {
    const other = files[Math.floor(this.#random() * files.length)] ?? path;
    const to = this.#random() < 0.4 && other !== path ? other : `renamed ${this.#nextName++}`;
    await this.#change(renamed(this.ledger.names, path, to), async () => {
      await this.connection.ask((nfs) => nfs.rename(this.#directory, path, this.#directory, to));
    });
    this.#count('rename');
  }

  async #remove(path: string): Promise<void> {
    await this.#change(removed(this.ledger.names, path), async () => {
      await this.connection.ask((nfs) => nfs.remove(this.#directory, path));
    });
    this.#count('unlink');
  }

  async #read(path: string, file: LedgerFile): Promise<void> {
    const found = await this.#readAll(handleOf(file));
    assert.ok(found.equals(file.bytes), `"${path}" reads back as it was written`);
    this.#count('read back');
  }

  async #readAll(handle: Uint8Array): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (let offset = 0; ;) {
      const { data, eof } = await this.connection.ask((nfs) => nfs.read(handle, offset, 1 << 20));
      parts.push(data);
      offset += data.length;
      if (eof) return Buffer.concat(parts);
    }
  }

  async #change(after: Names, work: () => Promise<void>): Promise<void> {
    this.ledger.uncertain = after;
    await work();
    this.ledger.adopt(after);
    this.ledger.uncertain = null;
    this.ledger.gone.clear();
  }

  /** The host was killed: what is there now must be what was promised, or more. */
  async recover(): Promise<void> {
    for (;;) {
      try {
        await this.connection.connect();
        await this.check();
        return;
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw this.#named(error);
      }
    }
  }

  /** Compares names and contents, through old handles. */
  async check(): Promise<void> {
    const names = await this.connection.ask((nfs) => nfs.list(this.#directory));
    this.ledger.settle({ files: new Set(names), folders: new Set() });
    for (const [path, file] of this.ledger.names.files) {
      const byName = await this.connection.ask((nfs) => nfs.lookup(this.#directory, path));
      file.handle ??= byName;
      assert.deepEqual(Buffer.from(byName), Buffer.from(file.handle), `the handle of "${path}" is the same`);
      const found = await this.#readAll(file.handle);
      try {
        file.acceptAfterCrash(found);
      } catch (cause) {
        throw new Error(`"${path}" is not as it was promised`, { cause });
      }
      file.writeVerifier = null;
    }
  }
}

function handleOf(file: LedgerFile): Uint8Array {
  return file.handle ?? assert.fail('the file has no handle yet');
}
