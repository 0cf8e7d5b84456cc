// Another client of the Hub, which changes files in the mounted bucket while programs work on the mount, and a program that reads
// them there. Also makes both sides write the same new path, so that a conflict must keep both. Used by soak.ts.

import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { digestOf } from '../crash/ledger.ts';
import { pattern } from '../support/content-bench.ts';
import { NfsFailure } from '../support/nfs-client.ts';
import { ConnectionLost, SoakConnection } from './soak-connection.ts';
import { bucket, type SoakHost } from './soak-host.ts';

const folder = 'theirs';
const contestedFolder = 'contested';
const mostFiles = 15;
const changeEveryMs = 700;
const contestEveryMs = 6000;
/** Ours is sent after two seconds. What comes in the same moment can be missed: the Hub has no condition. */
export const longestContestMs = 1500;
/** One READ: a file must not change between two of them. */
const largestFileBytes = 200_000;

export class SoakVisitor {
  readonly connection: SoakConnection;
  /** Path to digest of what the bucket must hold of this client's. */
  readonly files = new Map<string, string>();
  /** Path to digests that must be found at it or beside it. */
  readonly contests = new Map<string, readonly string[]>();
  changes = 0;
  reads = 0;
  readonly #host: SoakHost;
  readonly #root: Uint8Array;
  readonly #random: () => number;
  readonly #versions = new Set<string>();
  #seed = 1;

  constructor(host: SoakHost, root: Uint8Array, random: () => number) {
    this.#host = host;
    this.connection = new SoakConnection(host);
    this.#root = root;
    this.#random = random;
  }

  async open(): Promise<void> {
    await this.connection.connect();
    await this.#put(`${folder}/first`);
    await this.connection.ask((nfs) => nfs.mkdir(this.#root, contestedFolder));
  }

  async work(untilMs: number): Promise<void> {
    let contestAtMs = performance.now() + contestEveryMs;
    while (performance.now() < untilMs) {
      await this.#changeOne();
      try {
        await this.#readOne();
        if (performance.now() > contestAtMs) {
          contestAtMs = performance.now() + contestEveryMs;
          await this.#contest();
        }
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        await this.connection.connect();
      }
      await delay(changeEveryMs * this.#random());
    }
  }

  async #changeOne(): Promise<void> {
    const paths = [...this.files.keys()];
    const existing = paths[Math.floor(this.#random() * paths.length)];
    this.changes += 1;
    if (existing !== undefined && this.#random() < 0.2 && paths.length > 1) {
      this.#host.hub.content.deleteFiles(bucket, [existing]);
      this.files.delete(existing);
    } else if (existing !== undefined && (this.#random() < 0.6 || paths.length >= mostFiles)) {
      await this.#put(existing);
    } else await this.#put(`${folder}/file ${this.#seed}`);
  }

  async #put(path: string): Promise<string> {
    const bytes = this.#fresh();
    const digest = digestOf(bytes);
    this.#versions.add(digest);
    await this.#host.hub.content.putFile(bucket, path, bytes);
    if (path.startsWith(folder)) this.files.set(path, digest);
    return digest;
  }

  #fresh(): Buffer {
    return pattern(1 + Math.floor(this.#random() ** 2 * largestFileBytes), 1_000_000 + this.#seed++);
  }

  /** Whatever the mount shows is one whole version, though perhaps not the newest. */
  async #readOne(): Promise<void> {
    const directory = await this.#tolerateMissing(() =>
      this.connection.ask((nfs) => nfs.lookup(this.#root, folder)),
    );
    if (directory === null) return;
    const names = await this.connection.ask((nfs) => nfs.list(directory));
    const name = names[Math.floor(this.#random() * names.length)];
    if (name === undefined) return;
    const bytes = await this.#tolerateMissing(async () => {
      const handle = await this.connection.ask((nfs) => nfs.lookup(directory, name));
      return (await this.connection.ask((nfs) => nfs.read(handle, 0, 1 << 20))).data;
    });
    if (bytes === null) return;
    this.reads += 1;
    assert.ok(this.#versions.has(digestOf(bytes)), `"${folder}/${name}" is one whole version`);
  }

  /** The other client may delete what was just listed. */
  async #tolerateMissing<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof NfsFailure && ['NOENT', 'STALE'].includes(error.statusName)) return null;
      throw error;
    }
  }

  async #contest(): Promise<void> {
    const name = `both ${this.#seed}`;
    const ours = this.#fresh();
    const directory = await this.connection.ask((nfs) => nfs.lookup(this.#root, contestedFolder));
    const handle = await this.connection.ask((nfs) => nfs.create(directory, name, { guarded: true }));
    const writtenAtMs = performance.now();
    await this.connection.ask((nfs) => nfs.write(handle, 0, ours, 2));
    const theirs = await this.#put(`${contestedFolder}/${name}`);
    if (performance.now() - writtenAtMs > longestContestMs) return;
    this.contests.set(`${contestedFolder}/${name}`, [digestOf(ours), theirs]);
  }

  /** Path and digest of every file that the mount shows. */
  readEverything(): Promise<(readonly [path: string, digest: string])[]> {
    return this.#insisting(async () => {
      const found: (readonly [string, string])[] = [];
      for (const [path, handle] of await this.#files(this.#root, '')) {
        found.push([path, digestOf(await this.connection.ask((nfs) => nfs.readAll(handle)))]);
      }
      return found;
    });
  }

  /** Paths of all files on the mount, none of which is read for it. */
  namesOnMount(): Promise<string[]> {
    return this.#insisting(async () => (await this.#files(this.#root, '')).map(([path]) => path));
  }

  async #insisting<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        await this.connection.connect();
      }
    }
  }

  async #files(directory: Uint8Array, prefix: string): Promise<(readonly [string, Uint8Array])[]> {
    const found: (readonly [string, Uint8Array])[] = [];
    for (const name of await this.connection.ask((nfs) => nfs.list(directory))) {
      const handle = await this.connection.ask((nfs) => nfs.lookup(directory, name));
      const { type } = await this.connection.ask((nfs) => nfs.getattr(handle));
      if (type === 2) found.push(...(await this.#files(handle, `${prefix}${name}/`)));
      else found.push([prefix + name, handle]);
    }
    return found;
  }
}
