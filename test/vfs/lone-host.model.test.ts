// One host alone with its bucket, whose every answer may come late, get lost, or come to a host that was killed meanwhile: it
// never meets another client's version, because there is none. HUBDRIVE_MODEL_SEED and HUBDRIVE_MODEL_STEPS repeat or lengthen a run.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { RemoteEntry, RemoteOperation } from '../../src/hub/remote-store.ts';
import { settle } from '../support/manual-clock.ts';
import { hubError, MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { randomOf } from '../support/random.ts';
import { throwIfAborted, whenAborted } from '../support/remote-listing.ts';
import { FsHarness, owner } from '../support/virtual-fs-harness.ts';
import { runTraced } from '../support/traced-run.ts';

const seeds = process.env['HUBDRIVE_MODEL_SEED']?.split(',').map(Number) ?? [1, 2, 3, 4, 5, 6];
const steps = Number(process.env['HUBDRIVE_MODEL_STEPS'] ?? 250);
const names = ['a', 'b', 'c', 'd', 'e', 'f'];

/** Lets calls of the Hub wait for the test, before and after they take effect. */
class SlowHub {
  readonly #random: () => number;
  readonly #waiting = new Set<() => void>();
  /** Part of the calls that wait; of answers that get lost. */
  slowness = 0.6;
  losses = 0.15;

  constructor(remote: MemoryRemoteStore, random: () => number) {
    this.#random = random;
    const commit = remote.commit.bind(remote);
    const stat = remote.stat.bind(remote);
    const list = remote.list.bind(remote);
    const wait = (signal?: AbortSignal): Promise<void> => this.#wait(signal);
    const lose = (): void => {
      if (this.#random() < this.losses) throw hubError('network', true, 'the reply got lost');
    };
    Object.assign(remote, {
      async commit(operations: readonly RemoteOperation[], signal?: AbortSignal) {
        await wait(signal);
        const results = await commit(operations, signal);
        await wait(signal);
        lose();
        return results;
      },
      async stat(paths: readonly string[], signal?: AbortSignal) {
        await wait(signal);
        const found = await stat(paths, signal);
        await wait(signal);
        lose();
        return found;
      },
      async *list(directory: string, signal?: AbortSignal): AsyncIterable<readonly RemoteEntry[]> {
        const pages: (readonly RemoteEntry[])[] = [];
        for await (const page of list(directory, signal)) pages.push(page);
        await wait(signal);
        lose();
        yield* pages;
      },
    });
  }

  async #wait(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.#random() >= this.slowness) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    try {
      await Promise.race([promise, whenAborted(signal)]);
    } finally {
      this.#waiting.delete(resolve);
    }
  }

  /** Lets some of the waiting calls go on, or all. */
  release(part = 1): void {
    for (const resolve of [...this.#waiting]) if (this.#random() < part) resolve();
  }
}

class Run {
  readonly #h: FsHarness;
  readonly #hub: SlowHub;
  readonly #random: () => number;
  readonly #files = new Map<string, string>();
  readonly trace: string[] = [];

  constructor(h: FsHarness, hub: SlowHub, random: () => number) {
    this.#h = h;
    this.#hub = hub;
    this.#random = random;
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[Math.floor(this.#random() * choices.length)];
    if (choice === undefined) throw new Error('nothing to choose from');
    return choice;
  }

  async step(): Promise<void> {
    const h = this.#h;
    const dice = this.#random();
    const existing = [...this.#files.keys()];
    const path = existing.length > 0 && dice > 0.1 ? this.#pick(existing) : `d/${this.#pick(names)}`;
    if (dice < 0.25) await this.#write(path);
    else if (dice < 0.32) await this.#append(path);
    else if (dice < 0.47) await this.#rename(path, `d/${this.#pick(names)}`);
    else if (dice < 0.55) await this.#remove(path);
    else if (dice < 0.75) {
      const ms = Math.floor(this.#random() * 3_000);
      this.trace.push(`sleep ${ms}`);
      await h.clock.advanceAsync(ms);
    } else if (dice < 0.88) {
      this.trace.push('some answers');
      this.#hub.release(0.5);
      await settle(this.#pick([1, 4, 12]));
    } else if (dice < 0.93) {
      this.trace.push('refresh');
      h.fs.refresh().catch(() => undefined); // it may fail, and end with a host that is killed
      await settle();
    } else if (dice < 0.97) {
      this.trace.push('crash');
      await h.crash();
    } else {
      this.trace.push('all answers');
      this.#hub.release();
      await settle(12);
    }
    this.#tellConflicts();
  }

  async #write(path: string): Promise<void> {
    const text = `${path} ${this.trace.length}`;
    this.trace.push(`write ${path}`);
    await this.#h.write(path, text);
    this.#files.set(path, text);
  }

  async #append(path: string): Promise<void> {
    const text = this.#files.get(path);
    if (text === undefined) return;
    this.trace.push(`append ${path}`);
    const more = `, ${this.trace.length}`;
    const { ino, sizeBytes } = await this.#h.lookup(path);
    await this.#h.fs.setAttributes(ino, { mode: 0o600 }, owner);
    await this.#h.fs.write(ino, sizeBytes, Buffer.from(more));
    await this.#h.fs.commit(ino);
    this.#files.set(path, text + more);
  }

  async #rename(path: string, to: string): Promise<void> {
    const text = this.#files.get(path);
    if (text === undefined) return;
    this.trace.push(`rename ${path} ${to}`);
    await this.#h.rename(path, to);
    this.#files.delete(path);
    this.#files.set(to, text);
  }

  async #remove(path: string): Promise<void> {
    if (!this.#files.has(path)) return;
    this.trace.push(`remove ${path}`);
    await this.#h.remove(path);
    this.#files.delete(path);
  }

  #tellConflicts(): void {
    const { events } = this.#h.fs.activity.drain();
    const conflicts = events.filter(({ kind }) => kind === 'CONFLICT');
    assert.deepEqual(
      conflicts.map(({ path, toPath, detail }) => ({ path, toPath, detail })),
      [],
      'nobody else is there',
    );
  }

  async check(): Promise<void> {
    assert.deepEqual(await this.#h.names('d'), [...this.#files.keys()].map((path) => path.slice(2)).sort());
    for (const [path, text] of this.#files) assert.equal(await this.#h.read(path), text, path);
  }

  async finish(): Promise<void> {
    this.#hub.slowness = 0;
    this.#hub.losses = 0;
    this.#hub.release();
    await settle(12);
    await this.#h.flush();
    await this.#h.refresh();
    this.#tellConflicts();
    await this.check();
    const { remote } = this.#h;
    const hub = remote.paths().map((path) => [path, remote.text(path)] as const);
    assert.deepEqual(hub, [...this.#files, ['other', 'x']].toSorted());
  }
}

async function runSeed(t: TestContext, seed: number): Promise<void> {
  const remote = new MemoryRemoteStore({ events: seed % 3 === 0 });
  remote.put('d/a', 'first');
  remote.put('other', 'x');
  const random = randomOf(seed);
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  await h.remove('d/a');
  const hub = new SlowHub(remote, random);
  const run = new Run(h, hub, random);
  await runTraced(t, seed, steps, run);
}

for (const seed of seeds) {
  test(`a host alone makes no conflict, whatever becomes of answers (seed ${seed})`, (t) => runSeed(t, seed));
}
