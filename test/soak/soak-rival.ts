// A program that keeps files open while another client of the Hub deletes or changes them, and then writes on. What both sides
// wrote last must be on the Hub in the end. Used by soak.ts, a few at a time.

import { setTimeout as delay } from 'node:timers/promises';
import { digestOf } from '../crash/ledger.ts';
import { pattern } from '../support/content-bench.ts';
import { NfsFailure, type Nfs3Client } from '../support/nfs-client.ts';
import { ConnectionLost, SoakConnection } from './soak-connection.ts';
import { bucket, type SoakHost } from './soak-host.ts';
import { longestContestMs } from './soak-visitor.ts';

const folder = 'contested';
const largestFileBytes = 100_000;
const lookEveryMs = 300;
/** Longer than a file counts as open after a READ. */
const longestPauseMs = 8000;
/** After a reply that got lost the deletion is not seen: the file is sent again. */
const patienceMs = 40_000;

export class SoakRival {
  readonly connection: SoakConnection;
  /** Path to digests that must be found at it or beside it. */
  readonly contests = new Map<string, readonly string[]>();
  readonly #host: SoakHost;
  readonly #root: Uint8Array;
  readonly #random: () => number;
  readonly #name: string;
  #directory: Uint8Array = new Uint8Array(0);
  #seed: number;
  #untilMs = 0;

  constructor(host: SoakHost, root: Uint8Array, random: () => number, index: number) {
    this.connection = new SoakConnection(host);
    this.#host = host;
    this.#root = root;
    this.#random = random;
    this.#name = `rival ${index}`;
    this.#seed = 10_000_000 * (index + 1);
  }

  /** The folder must be there. */
  async open(): Promise<void> {
    await this.connection.connect();
    this.#directory = await this.connection.ask((nfs) => nfs.lookup(this.#root, folder));
  }

  async work(untilMs: number): Promise<void> {
    this.#untilMs = untilMs;
    while (this.#isOn()) {
      const name = `${this.#name}, ${this.#seed}`;
      try {
        if (this.#random() < 0.6) await this.#writeAfterDeletion(name);
        else await this.#changeOnBothSides(name);
      } catch (cause) {
        throw new Error(`${folder}/${name}`, { cause });
      }
    }
  }

  #isOn(): boolean {
    return performance.now() < this.#untilMs;
  }

  async #writeAfterDeletion(name: string): Promise<void> {
    const path = `${folder}/${name}`;
    const bytes = this.#fresh();
    const handle = await this.#ask((nfs) => nfs.create(this.#directory, name, { guarded: false }));
    await this.#write(handle, 0, bytes);
    if (!(await this.#seen(() => Promise.resolve(this.#isOnHub(path))))) return;
    this.#host.hub.content.deleteFiles(bucket, [path]);
    if (!(await this.#seen(() => this.#isGoneHere(name)))) return;
    const digests: string[] = [];
    if (this.#random() < 0.3) digests.push(await this.#putThere(path));
    await delay(this.#random() * longestPauseMs);
    const change = this.#fresh().subarray(0, 1 + Math.floor(this.#random() * bytes.length));
    await this.#write(handle, 0, change);
    bytes.set(change.subarray(0, bytes.length));
    const whole = change.length > bytes.length ? change : bytes;
    this.contests.set(path, [...digests, digestOf(whole)]);
  }

  async #changeOnBothSides(name: string): Promise<void> {
    const path = `${folder}/${name}`;
    await this.#putThere(path);
    let handle: Uint8Array | null = null;
    const isThere = await this.#seen(async () => {
      handle = await this.#find(name);
      return handle !== null;
    });
    if (!isThere || handle === null) return;
    const found: Uint8Array = handle;
    if (this.#random() < 0.5) await this.#ask((nfs) => nfs.read(found, 0, 1 << 20));
    const ours = this.#fresh();
    await this.#ask((nfs) => nfs.setattr(found, { size: 0 }));
    const writtenAtMs = performance.now();
    await this.#write(found, 0, ours);
    const theirs = await this.#putThere(path);
    if (performance.now() - writtenAtMs > longestContestMs) return;
    this.contests.set(path, [digestOf(ours), theirs]);
  }

  #fresh(): Buffer {
    return pattern(1 + Math.floor(this.#random() ** 2 * largestFileBytes), this.#seed++);
  }

  async #putThere(path: string): Promise<string> {
    const bytes = this.#fresh();
    await this.#host.hub.content.putFile(bucket, path, bytes);
    return digestOf(bytes);
  }

  #isOnHub(path: string): boolean {
    return this.#host.hub.content.listFiles(bucket).some((file) => file.path === path);
  }

  async #isGoneHere(name: string): Promise<boolean> {
    return (await this.#find(name)) === null;
  }

  async #find(name: string): Promise<Uint8Array | null> {
    try {
      return await this.#ask((nfs) => nfs.lookup(this.#directory, name));
    } catch (error) {
      if (error instanceof NfsFailure && error.statusName === 'NOENT') return null;
      throw error;
    }
  }

  /** False where the run ends before, or nothing is seen for long. */
  async #seen(look: () => Promise<boolean>): Promise<boolean> {
    const startedAt = performance.now();
    while (!(await look())) {
      if (!this.#isOn() || performance.now() - startedAt > patienceMs) return false;
      await delay(lookEveryMs);
    }
    return this.#isOn();
  }

  async #write(handle: Uint8Array, offset: number, data: Uint8Array): Promise<void> {
    await this.#ask((nfs) => nfs.write(handle, offset, data, 2));
  }

  /** As a kernel: says it again where the server went away under the call. */
  async #ask<T>(call: (nfs: Nfs3Client) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await this.connection.ask(call);
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        await this.connection.connect();
      }
    }
  }
}
