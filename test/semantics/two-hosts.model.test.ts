// Two real hosts on one bucket of the embedded Hub do what they like: edit, rename, remove, look, send, stop, are killed, and
// now and then a reply of the Hub is lost. At rest both mounts and the Hub agree; every content that a host acknowledged by
// COMMIT is there unless the same host replaced or removed it later; and nothing the Hub ever held was half of something.
// Repeat with HUBDRIVE_MODEL_SEED=n[,n…]; longer with HUBDRIVE_MODEL_STEPS=n and HUBDRIVE_MODEL_SEEDS=how many.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { FsError } from '../../src/vfs/fs-error.ts';
import { bucket, HubHosts, type HubHost } from '../support/hub-hosts.ts';
import { settle } from '../support/manual-clock.ts';
import { randomOf } from '../support/random.ts';

const steps = Number(process.env['HUBDRIVE_MODEL_STEPS'] ?? 70);
const seedCount = Number(process.env['HUBDRIVE_MODEL_SEEDS'] ?? 4);
const seeds =
  process.env['HUBDRIVE_MODEL_SEED']?.split(',').map(Number) ??
  Array.from({ length: seedCount }, (_, index) => index + 1);
const paths = ['a', 'b.txt', 'dir', 'dir/a', 'dir/sub', 'dir/sub/x', 'dir/sub/y', 'other', 'other/a'];
const first = { a: 'first a', 'dir/a': 'first dir/a', 'dir/sub/x': 'first x', 'other/a': 'first other' };
/** A file of several chunks. */
const largeBytes = 300_000;

class Model {
  readonly #hosts: HubHosts;
  readonly #all: readonly HubHost[];
  readonly #random: () => number;
  /** Every state a file had at one moment, anywhere. */
  readonly #states = new Set<string>();
  /** Acknowledged by COMMIT, and not replaced or removed since by the host that showed it. */
  readonly #precious = new Map<string, string>();
  readonly #checked = new Set<string>();
  readonly #halves: string[] = [];
  readonly trace: string[] = [];
  /** The Hub has no condition for a commit: two hosts that look and then send at the same moment can miss one another. */
  #sending: Promise<void> = Promise.resolve();

  constructor(hosts: HubHosts, all: readonly HubHost[], random: () => number) {
    this.#hosts = hosts;
    this.#all = all;
    this.#random = random;
    for (const text of ['', ...Object.values(first)]) this.#states.add(digestOf(text));
    for (const host of all) this.#watch(host);
  }

  /** Again after each start. */
  #watch(host: HubHost): void {
    host.store.afterCommit = async (lines) => {
      for (const line of lines) {
        const text = line.type === 'add' ? ` ${line.content.key.slice(4, 10)}` : '';
        this.trace.push(`hub<-${host.name}: ${line.type} ${line.path}${text}`);
      }
      await this.#checkHub();
    };
  }

  async #checkHub(): Promise<void> {
    for (const { path, xetHash } of this.#hosts.hub.content.listFiles(bucket)) {
      if (this.#checked.has(xetHash)) continue;
      this.#checked.add(xetHash);
      const text = (await this.#hosts.hub.content.readContent(xetHash)).toString('latin1');
      // Inside a commit a failed assertion would only be a failed request.
      if (!this.#states.has(digestOf(text))) {
        this.#halves.push(`"${path}" on the Hub was never a state of a file: "${text.slice(0, 100)}"`);
      }
    }
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)] ?? assert.fail('nothing to choose from');
  }

  async step(number: number): Promise<void> {
    assert.deepEqual(this.#halves, []);
    const host = this.#pick(this.#all);
    const path = this.#pick(paths);
    const other = this.#pick(paths);
    const token = `<${host.name} ${number}>`;
    const say = (what: string): void => void this.trace.push(`${host.name}: ${what}`);
    const dice = this.#random();
    if (dice < 0.15) {
      say(`save ${path}`);
      await this.#try(() => this.#save(host, path, this.#fresh(token)));
    } else if (dice < 0.35) {
      say(`edit ${path}`);
      await this.#try(() => this.#edit(host, path, token));
    } else if (dice < 0.4) {
      say(`mkdir ${path}`);
      await this.#try(() => host.mkdir(path));
    } else if (dice < 0.52) {
      say(`rename ${path} ${other}`);
      await this.#try(async () => {
        if (path !== other) await this.#giveUp(host, other);
        await host.rename(path, other);
      });
    } else if (dice < 0.56) {
      say(`link ${path} ${other}`);
      await this.#try(() => host.link(path, other));
    } else if (dice < 0.65) {
      say(`remove ${path}`);
      await this.#try(() => this.#remove(host, path));
    } else if (dice < 0.7) {
      say('sleep');
      await host.clock.advanceAsync(Math.floor(this.#random() * 40_000));
    } else if (dice < 0.82) await this.#startSending(host);
    else if (dice < 0.86) {
      say('wait');
      await this.#sending;
    } else if (dice < 0.93) {
      say('refresh');
      await host.refresh();
    } else if (dice < 0.96) {
      say('a reply gets lost');
      this.#hosts.hub.faults.add({ route: 'bucket.batch', count: 1, drop: this.#pick(drops) });
    } else {
      const how = this.#pick(['restart', 'crash'] as const);
      say(how);
      await this.#again(host, how);
    }
  }

  #fresh(token: string): string {
    return this.#random() < 0.1 ? token.padEnd(largeBytes, token) : token;
  }

  /** Goes on in the background while the next steps are made. */
  async #startSending(host: HubHost): Promise<void> {
    await this.#sending;
    this.trace.push(`${host.name}: flush`);
    this.#sending = this.#send(host);
  }

  async #send(host: HubHost): Promise<void> {
    const { store } = host;
    // Stopped, killed, or the Hub failed: it is tried again later.
    await host.flush().catch((error: unknown) => assert.ok(error instanceof FsError, String(error)));
    for (let quiet = 0; quiet < 3; quiet += 1) {
      await settle();
      if (store.inFlight > 0) quiet = -1;
    }
  }

  async #save(host: HubHost, path: string, text: string): Promise<void> {
    await this.#giveUp(host, path);
    this.#states.add(digestOf(text.slice(0, text.length / 2)));
    this.#states.add(digestOf(text));
    const ino = await host.save(path, text.slice(0, text.length / 2));
    await host.write(ino, Math.floor(text.length / 2), text.slice(text.length / 2));
    await this.#commit(host, ino, text);
  }

  async #edit(host: HubHost, path: string, token: string): Promise<void> {
    const { ino, type } = await host.lookup(path);
    if (type !== 'file') return;
    const before = await host.text(path);
    const how = this.#random();
    const at = how < 0.5 ? Math.floor(this.#random() * before.length) : before.length;
    const isCut = how > 0.85;
    const cut = Math.floor(before.length / 2);
    const after = isCut
      ? before.slice(0, cut)
      : before.slice(0, at) + token + before.slice(at + token.length);
    this.#states.add(digestOf(after));
    this.#precious.delete(digestOf(before));
    if (isCut) await host.fs.setAttributes(ino, { sizeBytes: cut }, { uid: 1000, gid: 1000 });
    else await host.write(ino, at, token);
    if (this.#random() < 0.8) await this.#commit(host, ino, after);
  }

  async #commit(host: HubHost, ino: number, text: string): Promise<void> {
    await host.fs.commit(ino);
    // A cut may leave a content that was there before: nobody can tell whose it is.
    if (text.endsWith('>')) this.#precious.set(digestOf(text), text.slice(-40));
  }

  async #remove(host: HubHost, path: string): Promise<void> {
    await this.#giveUp(host, path);
    const { type } = await host.lookup(path);
    await (type === 'directory' ? host.rmdir(path) : host.remove(path));
  }

  /** The person replaces or removes on purpose what the host shows there. */
  async #giveUp(host: HubHost, path: string): Promise<void> {
    const { type } = await host.lookup(path).catch(() => ({ type: 'none' }));
    if (type === 'file') this.#precious.delete(digestOf(await host.text(path)));
  }

  async #again(host: HubHost, how: 'restart' | 'crash'): Promise<void> {
    await host[how]();
    this.#watch(host);
    await this.#sending;
    // What was not committed may be as it was at any time before: a state like any other from now on.
    if (how === 'crash') {
      for (const text of Object.values(await host.files())) this.#states.add(digestOf(text));
    }
  }

  /** What cannot be done with these names is refused; that is no matter here. */
  async #try(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      assert.ok(!['EIO', 'ESTALE', 'EAGAIN'].includes(error.code), error.message);
      this.trace.push(`  ${error.code}`);
    }
  }

  async finish(): Promise<void> {
    await this.#sending;
    this.#hosts.hub.faults.clear();
    for (let round = 0; round < 3; round += 1) {
      for (const host of this.#all) {
        await host.flush();
        await host.refresh();
      }
    }
    assert.deepEqual(this.#halves, []);
    const hub = await this.#hosts.files();
    for (const host of this.#all) {
      assert.deepEqual(await shownBy(host), sorted(hub), `${host.name} shows what the Hub has`);
      assert.deepEqual(host.fs.uploads.pending(), []);
    }
    const kept = new Set(Object.values(hub).map(digestOf));
    for (const [digest, text] of this.#precious) assert.ok(kept.has(digest), `"${text}" was lost`);
  }
}

const drops = ['before-handling', 'before-headers'] as const;

function digestOf(text: string): string {
  return createHash('sha1').update(text, 'latin1').digest('hex');
}

/** A file and a folder of one name are told apart by a mark that the Hub does not have. */
async function shownBy(host: HubHost): Promise<[string, string][]> {
  const files = Object.entries(await host.files());
  return sorted(Object.fromEntries(files.map(([path, text]) => [path.replaceAll(marks, ''), text])));
}

const marks = / \((?:file|folder)(?: \d+)?\)/g;

function sorted(files: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(files)
    .map(([path, text]): [string, string] => [path, text.length > 100 ? digestOf(text) : text])
    .sort(([one], [other]) => (one < other ? -1 : 1));
}

async function run(t: TestContext, seed: number): Promise<void> {
  const hosts = await HubHosts.open(t, first, { settings: { events: seed % 2 === 0 } });
  const all = [
    await hosts.host({ name: 'one', startedAt: Date.UTC(2026, 0, 2) }),
    await hosts.host({ name: 'two', startedAt: Date.UTC(2025, 5, 6) }),
  ];
  const model = new Model(hosts, all, randomOf(seed));
  try {
    for (let step = 0; step < steps; step += 1) await model.step(step);
    await model.finish();
  } catch (error) {
    t.diagnostic(`seed ${seed}, the last of ${model.trace.length}:\n${model.trace.slice(-80).join('\n')}`);
    throw error;
  }
}

for (const seed of seeds) {
  test(`two hosts that do what they like lose nothing and end equal (seed ${seed})`, (t) => run(t, seed));
}
