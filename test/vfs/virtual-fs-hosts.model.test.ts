// Two hosts with one bucket, each doing what it likes: in the end both show exactly what the Hub has, and every content that
// a program wrote last and did not remove is somewhere on the Hub. HUBDRIVE_MODEL_SEED repeats a run.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { RemoteOperation } from '../../src/hub/remote-store.ts';
import { settle } from '../support/manual-clock.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { randomOf } from '../support/random.ts';
import { FsHarness, owner } from '../support/virtual-fs-harness.ts';
import { runTraced } from '../support/traced-run.ts';

const seeds = process.env['HUBDRIVE_MODEL_SEED']?.split(',').map(Number) ?? [1, 2, 3, 4];
const steps = Number(process.env['HUBDRIVE_MODEL_STEPS'] ?? 120);
const names = ['a', 'b', 'dir', 'dir/a', 'dir/sub', 'dir/sub/x', 'dir/sub/y', 'other', 'other/a'];

class Hosts {
  readonly #hosts: readonly FsHarness[];
  readonly #remote: MemoryRemoteStore;
  readonly #random: () => number;
  /** Contents whose last act was a write; removing or overwriting a file here takes its content out. */
  readonly #precious = new Set<string>();
  /** Inodes by host that a program has open and that nobody removed on that host: their handles must lead to them. */
  readonly #open: readonly Set<number>[];
  readonly trace: string[] = [];

  constructor(hosts: readonly FsHarness[], remote: MemoryRemoteStore, random: () => number) {
    this.#hosts = hosts;
    this.#open = hosts.map(() => new Set());
    this.#remote = remote;
    this.#random = random;
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[Math.floor(this.#random() * choices.length)];
    if (choice === undefined) throw new Error('nothing to choose from');
    return choice;
  }

  async step(): Promise<void> {
    const number = Math.floor(this.#random() * this.#hosts.length);
    const h = this.#hosts[number];
    const open = this.#open[number];
    if (h === undefined || open === undefined) return;
    const path = this.#pick(names);
    const other = this.#pick(names);
    const dice = this.#random();
    const say = (what: string): void => void this.trace.push(`${number}: ${what}`);
    if (dice < 0.1 && open.size > 0) {
      const ino = this.#pick([...open]);
      const text = `${number} wrote ${this.trace.length} through a handle`;
      say(`write to ${ino}, ${h.fs.pathOf(ino)}`);
      await this.#overwrite(h, ino, text);
    } else if (dice < 0.35) {
      const text = `${number} wrote ${this.trace.length}`;
      say(`write ${path}`);
      await this.#attempt(async () => {
        await this.#giveUp(h, path);
        open.add(await h.write(path, text));
        this.#precious.add(text);
      });
    } else if (dice < 0.45) {
      say(`mkdir ${path}`);
      await this.#attempt(() => h.mkdir(path));
    } else if (dice < 0.6) {
      say(`rename ${path} ${other}`);
      await this.#attempt(async () => {
        const replaced = path === other ? null : await this.#giveUp(h, other);
        await h.rename(path, other);
        if (replaced !== null) open.delete(replaced);
      });
    } else if (dice < 0.7) {
      say(`remove ${path}`);
      await this.#attempt(async () => {
        const removed = await this.#giveUp(h, path);
        await h.remove(path);
        if (removed !== null) open.delete(removed);
      });
    } else if (dice < 0.8) {
      const ms = Math.floor(this.#random() * 40_000);
      say(`sleep ${ms}`);
      await h.clock.advanceAsync(ms);
    } else if (dice < 0.88) {
      say('flush');
      await h.flush();
    } else if (dice < 0.95) {
      say('refresh');
      await h.refresh();
    } else {
      const how = this.#random() < 0.5 ? 'restart' : 'crash';
      say(how);
      await h[how]();
    }
  }

  /**
   * Between comparing and committing another client can change a file unseen: the Hub has no condition for that. Here, one host
   * finishes what is due before the other goes on.
   */
  async check(): Promise<void> {
    for (let turns = 0; turns < 500 && this.#hosts.some(isSending); turns += 1) await settle();
  }

  /** The person replaces or removes this content on purpose. Returns the inode number, null where there is no file. */
  async #giveUp(h: FsHarness, path: string): Promise<number | null> {
    const { type, ino } = await h.lookup(path).catch(() => ({ type: 'none', ino: 0 }));
    if (type !== 'file') return null;
    this.#precious.delete(await h.read(path));
    return ino;
  }

  /** Whatever other clients did to the file: a program that has it open neither fails nor loses what it writes. */
  async #overwrite(h: FsHarness, ino: number, text: string): Promise<void> {
    const { sizeBytes } = h.fs.getAttributes(ino);
    const target = new Uint8Array(sizeBytes);
    await h.fs.read(ino, 0, target);
    this.#precious.delete(Buffer.from(target).toString());
    await h.fs.setAttributes(ino, { sizeBytes: 0 }, owner);
    await h.fs.write(ino, 0, Buffer.from(text));
    await h.fs.commit(ino);
    this.#precious.add(text);
  }

  async #attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Error && error.name === 'FsError')) throw error;
    }
  }

  async finish(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      for (const h of this.#hosts) {
        await h.flush();
        await h.refresh();
      }
    }
    const hub = new Map(this.#remote.paths().map((path) => [path, this.#remote.text(path) ?? '']));
    for (const [number, h] of this.#hosts.entries()) {
      assert.deepEqual(sorted(await filesOf(h)), sorted(hub), `host ${number} shows what the Hub has`);
      assert.deepEqual(h.fs.uploads.pending(), []);
    }
    const kept = new Set(hub.values());
    for (const text of this.#precious) assert.ok(kept.has(text), `"${text}" was lost`);
  }
}

function isSending(h: FsHarness): boolean {
  return h.fs.uploads.pending().some(({ state }) => {
    if (state.state === 'safe') return state.sendAt <= h.clock.now();
    return state.state === 'uploading' || state.state === 'committing';
  });
}

async function filesOf(h: FsHarness, path = ''): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of await h.names(path)) {
    const inner = path === '' ? name : `${path}/${name}`;
    const { type } = await h.lookup(inner);
    if (type === 'directory') for (const [below, text] of await filesOf(h, inner)) files.set(below, text);
    else files.set(hubPath(inner), await h.read(inner));
  }
  return files;
}

function sorted(files: ReadonlyMap<string, string>): [string, string][] {
  return [...files].sort(([one], [other]) => (one < other ? -1 : 1));
}

/** A file and a folder of one Hub name are shown apart. */
function hubPath(shown: string): string {
  return shown.replaceAll(/ \((?:file|folder)(?: \d+)?\)/g, '');
}

async function runSeed(t: TestContext, seed: number): Promise<void> {
  const remote = new MemoryRemoteStore({ events: seed % 2 === 0 });
  for (const path of ['a', 'dir/a', 'dir/sub/x']) remote.put(path, `first ${path}`);
  const hosts = [
    await FsHarness.open(t, remote, { hostName: 'one' }),
    await FsHarness.open(t, remote, { hostName: 'two' }),
  ];
  const run = new Hosts(hosts, remote, randomOf(seed));
  const commit = remote.commit.bind(remote);
  Object.assign(remote, {
    async commit(operations: readonly RemoteOperation[], signal?: AbortSignal) {
      const results = await commit(operations, signal);
      for (const { type, path } of operations)
        run.trace.push(`hub: ${type} ${path} ${remote.text(path) ?? ''}`);
      return results;
    },
  });
  await runTraced(t, seed, steps, run);
}

for (const seed of seeds) {
  test(`two hosts on one bucket lose nothing and end equal (seed ${seed})`, (t) => runSeed(t, seed));
}
