// Random local changes, another client's changes, faults and kills against the upload queue. When everything is quiet,
// the Hub and the mount hold the same, and no version is lost that nobody overwrote knowingly.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../support/manual-clock.ts';
import { hubError, keyOf, MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { UploadWorld } from '../support/upload-world.ts';

const runs = Number(process.env['UPLOAD_MODEL_RUNS'] ?? 40);
const steps = Number(process.env['UPLOAD_MODEL_STEPS'] ?? 120);
const firstSeed = Number(process.env['UPLOAD_MODEL_SEED'] ?? 1);

const names = ['a', 'b', 'c', 'd/e', 'd/f', 'd/g', 'h/e', 'h/f', 'd/s/x', 'd/s/y'];
const folders = ['d', 'h', 'k', 'd/s', 'h/s'];

/** mulberry32: small, seeded, good enough to choose steps. */
function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

class Model {
  readonly random: () => number;
  readonly trace: string[] = [];
  /** Versions that must still be somewhere on the Hub in the end, and who made them. */
  readonly alive = new Map<string, string>();
  world: UploadWorld;
  /** A step that runs inside a request may not wait for that request. */
  insideRequest = false;
  /** Between our look at the Hub and our commit: the Hub has no conditional writes, so others' changes there are lost. */
  insideCommit = false;
  #version = 0;
  #unseen: { readonly path: string; readonly text: string; readonly at: number }[] = [];

  constructor(seed: number, world: UploadWorld) {
    this.random = randomSource(seed);
    this.world = world;
  }

  pick<T>(choices: readonly T[]): T | null {
    return choices[Math.floor(this.random() * choices.length)] ?? null;
  }

  newText(who: string): string {
    const text = `${who} ${(this.#version += 1)} `.padEnd(1 + Math.floor(this.random() * 40), '.');
    this.alive.set(text, who);
    this.trace.push(`= ${this.#version}`);
    return text;
  }

  /** The person saw this version and replaced or removed it. */
  overwrittenLocally(path: string): void {
    const ino = this.world.inodeAt(path);
    if (ino === null) return;
    this.alive.delete(this.world.text(path) ?? '');
    // What the Hub has under our belief, at any name of the file, is known to us as well.
    const known = new Set(this.world.uploadTargets(ino).map(({ expect }) => expect));
    for (const text of this.alive.keys()) if (known.has(keyOf(Buffer.from(text)))) this.alive.delete(text);
  }

  overwrittenRemotely(path: string): void {
    this.alive.delete(this.world.remote.text(path) ?? '');
  }

  putTheirs(path: string): void {
    this.overwrittenRemotely(path);
    const text = this.newText('theirs');
    this.#unseen.push({ path, text, at: this.world.clock.now() });
    this.world.remote.put(path, text);
  }

  /** What another client put since our look at the Hub, at the same instant, cannot be seen: commits are not conditional. */
  excuseUnseen(paths: readonly string[]): void {
    const now = this.world.clock.now();
    this.#unseen = this.#unseen.filter(({ at }) => at === now);
    for (const { path, text } of this.#unseen) {
      if (paths.includes(path)) this.alive.delete(text);
    }
  }
}

async function step(model: Model): Promise<void> {
  const { world } = model;
  const paths = world.paths();
  const path = model.pick(paths);
  const roll = model.random();
  if (roll < 0.2) {
    const target = model.pick([...names, ...paths]) ?? 'a';
    model.trace.push(`write ${target}`);
    model.overwrittenLocally(target);
    world.write(target, model.newText('local'));
  } else if (roll < 0.28 && path !== null) {
    model.trace.push(`remove ${path}`);
    model.overwrittenLocally(path);
    world.remove(path);
  } else if (roll < 0.42 && path !== null) {
    const to = model.pick([...names, ...paths]) ?? 'a';
    if (to === path) return;
    model.trace.push(`rename ${path} ${to}`);
    model.overwrittenLocally(to);
    world.rename(path, to);
  } else if (roll < 0.48) {
    const from = model.pick(folders) ?? 'd';
    const to = model.pick(folders) ?? 'h';
    const isEmpty = (folder: string): boolean => !paths.some((one) => one.startsWith(`${folder}/`));
    // The namespace only logs a tree where the Hub has nothing at the new place.
    const freeThere =
      !world.remote.paths().some((one) => one.startsWith(`${to}/`)) && !world.queue.isPathPending(to);
    if (from === to || `${to}/`.startsWith(`${from}/`) || isEmpty(from) || !isEmpty(to) || !freeThere) return;
    model.trace.push(`renameFolder ${from} ${to}`);
    world.renameFolder(from, to);
  } else if (roll < 0.62 && model.insideCommit) {
    return;
  } else if (roll < 0.505) {
    const to = model.pick(names.filter((name) => !paths.includes(name)));
    if (path === null || to === null) return;
    model.trace.push(`link ${path} ${to}`);
    world.link(path, to);
  } else if (roll < 0.58) {
    const target = model.pick([...names, ...world.remote.paths()]) ?? 'a';
    model.trace.push(`theirs ${target}`);
    model.putTheirs(target);
  } else if (roll < 0.62) {
    const target = model.pick(world.remote.paths());
    if (target === null) return;
    model.trace.push(`theirs delete ${target}`);
    model.overwrittenRemotely(target);
    world.remote.delete(target);
  } else if (roll < 0.67) {
    model.trace.push('poll');
    world.poll();
  } else if (roll < 0.77) {
    addFault(model);
  } else if (roll < 0.8) {
    if (model.insideRequest) return;
    model.trace.push('kill');
    const next = world.killedCopy();
    await world.close();
    model.world = next;
    await next.start(model.random);
  } else if (roll < 0.82) {
    model.trace.push('flush');
    void world.queue.flush().catch(() => undefined);
    await settle(Math.floor(model.random() * 10));
  } else {
    if (model.insideRequest) return;
    const delayMs = model.pick([0, 100, 1000, 2500, 10_000, 60_000]) ?? 0;
    model.trace.push(`wait ${delayMs}`);
    await world.clock.advanceAsync(delayMs);
    await settle(Math.floor(model.random() * 6));
  }
}

function addFault(model: Model): void {
  const { remote } = model.world;
  const method = model.pick(['upload', 'commit', 'stat', 'listRecursive', 'commit'] as const) ?? 'commit';
  const code =
    model.pick(['network', 'server', 'rate-limited', 'unauthorized', 'invalid'] as const) ?? 'network';
  const error = hubError(code, code === 'network' || code === 'server' || code === 'rate-limited');
  const kind = model.pick(['fail', 'lost reply', 'race', 'line'] as const);
  model.trace.push(`fault ${kind} ${method} ${code}`);
  if (kind === 'line') {
    const bad = model.pick(names) ?? 'a';
    remote.refuse(bad, error, 1 + Math.floor(model.random() * 3));
  } else if (kind === 'lost reply' && method === 'commit') remote.loseReplies(1, error);
  else if (kind === 'race') {
    // Something happens here while the request is under way.
    remote.intercept(method, 1, async () => {
      if (model.world.closed) return;
      model.insideRequest = true;
      model.insideCommit = method === 'commit';
      await step(model);
      model.insideRequest = false;
      model.insideCommit = false;
    });
  } else remote.fail(method, error, 1 + Math.floor(model.random() * 2));
}

async function run(seed: number): Promise<void> {
  const remote = new MemoryRemoteStore({ pageSize: 3 });
  const model = new Model(seed, await UploadWorld.create(remote, new ManualClock()));
  remote.onApply = (paths) => {
    model.trace.push(`[${paths.join(' ')}]`);
    model.excuseUnseen(paths);
  };
  try {
    for (const name of names.slice(0, 5)) remote.put(name, model.newText('theirs'));
    model.world.poll();
    for (let count = 0; count < steps; count += 1) await step(model);
    remote.endFaults();
    await model.world.quiet();
    model.world.poll();
    const local = Object.fromEntries(model.world.paths().map((path) => [path, model.world.text(path)]));
    assert.deepEqual(local, model.world.remoteTexts(), 'the Hub and the mount agree');
    const kept = new Set(Object.values(local));
    const lost = [...model.alive.keys()].filter((text) => !kept.has(text));
    assert.deepEqual(lost, [], 'nothing is lost');
    assert.equal(model.world.content.snapshots.size, 0);
    assert.equal(model.world.clock.pendingTimers, 0);
  } catch (cause) {
    throw new Error(`seed ${seed}: ${model.trace.join('; ')}`, { cause });
  } finally {
    await model.world.close();
  }
}

test(`random changes on both sides lose nothing and end equal (seeds from ${firstSeed})`, async () => {
  for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) await run(seed);
});
