// How long a small call takes while a large file is being sent, beside the same calls on the idle engine. Twice: with a Hub that
// competes for this machine's processors, which is what is judged, and with one that stands back.

import { setTimeout as delay } from 'node:timers/promises';
import { percentileUs } from '../load/load-connection.ts';
import { LoadTarget } from '../load/load-target.ts';
import type { LoadSpec } from '../load/workloads.ts';
import { linkRoute, plainRoute, RemoteEngine, type Route } from '../remote-world.ts';
import { verify, type BenchGroup, type BenchValue, type OpenGroup } from '../row.ts';
import { standBack } from '../stand-back.ts';
import type { BenchHub, BenchWorld } from '../world.ts';

const mib = 1024 * 1024;
const bucket = 'demo/serving';
const served = { kind: 'random', seed: 71 } as const;
const servedMiB = 16;
const idle = 'idle engine';
const calls = ['GETATTR', 'READ 4 KiB'] as const;
type Call = (typeof calls)[number];
const remoteHub = ', the Hub stands back';
/** Between two looks whether the upload still runs. */
const callsAtATime = 500;
/** An upload begins so long after the last write, when the file has been checksummed. */
const restMs = 2000;
/** Threads have started, and the Hub has got something. */
const underWayMs = 150;
/** Of a slow machine; then there are fewer calls. */
const mostUploads = 4;

const rowOf = (call: Call, suffix: string): string => `${call} p99 during an upload${suffix}`;

export const uploadServingGroup: BenchGroup = {
  name: 'serving during an upload',
  targets: ['', ', 30 ms 1 Gbit/s'].flatMap((suffix) =>
    calls.map((call) => ({ metric: rowOf(call, suffix), against: idle, atMost: 3 })),
  ),
  maxRuns: 3,
  open,
};

async function open(world: BenchWorld): Promise<OpenGroup> {
  const rounds: Round[] = [];
  const hubs: BenchHub[] = [];
  const missing: { subject: string; why: string }[] = [];
  for (const mode of ['', remoteHub]) {
    const hub = await world.startHub();
    hubs.push(hub);
    await hub.put([{ bucket, path: 'served', sizeBytes: servedMiB * mib, ...served }]);
    const routes = [await plainRoute(hub), await linkRoute(world, hub)];
    if (mode !== '') {
      try {
        await standBack(routes.flatMap((route) => route.remotePids));
      } catch {
        missing.push({ subject: 'a Hub that stands back', why: 'it needs Linux and chrt (util-linux)' });
        break;
      }
    }
    for (const route of routes) rounds.push(await openRound(world, route, route.suffix + mode));
  }
  let seed = 2000;
  return {
    missing,
    async run() {
      const values: BenchValue[] = [];
      for (const round of rounds) values.push(...(await round.measure(() => (seed += 1))));
      return values;
    },
    async close() {
      for (const round of rounds) await round.close();
      for (const hub of hubs) await hub.close();
    },
  };
}

async function openRound(world: BenchWorld, route: Route, suffix: string): Promise<Round> {
  const engine = await RemoteEngine.open(world, route, bucket);
  const target = await LoadTarget.open(world.startChild(), engine.address);
  const file = await target.lookUp('served');
  const blocks = { file, fileBytes: servedMiB * mib, seed: 9, depth: 1 };
  await target.run({
    ...{ ...blocks, kind: 'read', blockBytes: mib, count: servedMiB, order: 'sequential', expected: served },
  });
  const count = world.scaled(callsAtATime, 50);
  const specs: Record<Call, LoadSpec> = {
    GETATTR: { kind: 'getattr', file, fileBytes: blocks.fileBytes, count, depth: 1 },
    'READ 4 KiB': { ...blocks, kind: 'read', blockBytes: 4096, count, order: 'random', expected: null },
  };
  return new Round(world, engine, target, specs, suffix);
}

/** Durations by call, of any number of runs. */
class Durations {
  readonly #parts: Record<Call, Float64Array[]> = { GETATTR: [], 'READ 4 KiB': [] };

  add(call: Call, durationsMs: Float64Array): void {
    this.#parts[call].push(durationsMs);
  }

  count(call: Call): number {
    return this.#parts[call].reduce((sum, part) => sum + part.length, 0);
  }

  p99Us(call: Call): number {
    return percentileUs(Float64Array.from(this.#parts[call].flatMap((part) => [...part])).toSorted(), 0.99);
  }
}

class Round {
  readonly #world: BenchWorld;
  readonly #engine: RemoteEngine;
  readonly #target: LoadTarget;
  readonly #specs: Record<Call, LoadSpec>;
  readonly #suffix: string;

  constructor(
    world: BenchWorld,
    engine: RemoteEngine,
    target: LoadTarget,
    specs: Record<Call, LoadSpec>,
    suffix: string,
  ) {
    this.#world = world;
    this.#engine = engine;
    this.#target = target;
    this.#specs = specs;
    this.#suffix = suffix;
  }

  /** Idle and busy in turns, until there are as many calls of both kinds as a 99th percentile wants. */
  async measure(nextSeed: () => number): Promise<BenchValue[]> {
    const wantedCalls = this.#world.scaled(5000, 1);
    const uploadMiB = this.#world.scaled(400, 16);
    const idleCalls = new Durations();
    const busyCalls = new Durations();
    let sendingMs = 0;
    let sentBytes = 0;
    const isEnough = (): boolean => calls.every((call) => busyCalls.count(call) >= wantedCalls);
    for (let uploads = 0; uploads < mostUploads && !isEnough(); uploads += 1) {
      await this.#engine.call('pauseUploads');
      await this.#write(uploadMiB, nextSeed());
      await delay(this.#world.scaled(restMs, 0));
      const before = idleCalls.count('GETATTR');
      while (idleCalls.count('GETATTR') - before < wantedCalls / 2)
        for (const call of calls) await this.#call(call, idleCalls, () => true);
      await this.#engine.call('resumeUploads');
      const startedMs = performance.now();
      let isSending = true;
      const sent = this.#engine.call('flushEngine').finally(() => (isSending = false));
      await delay(this.#world.scaled(underWayMs, 0));
      while (isSending)
        for (const call of calls) await this.#call(call, busyCalls, () => isSending || this.#world.isQuick);
      await sent;
      sendingMs += performance.now() - startedMs;
      sentBytes += uploadMiB * mib;
    }
    verify(
      calls.every((call) => busyCalls.count(call) > 0),
      'an upload was over before a call was answered',
    );
    const rate = { metric: `upload beside these calls${this.#suffix}`, subject: 'hubdrive' } as const;
    return [
      ...calls.flatMap((call) => [
        this.#figure(call, 'hubdrive', busyCalls),
        this.#figure(call, idle, idleCalls),
      ]),
      { ...rate, unit: 'MB/s', value: sentBytes / 1000 / sendingMs },
    ];
  }

  /** Calls in the middle of which the upload ended do not count. */
  async #call(call: Call, into: Durations, counts: () => boolean): Promise<void> {
    const { durationsMs } = await this.#target.run(this.#specs[call]);
    if (counts()) into.add(call, durationsMs);
  }

  #figure(call: Call, subject: string, durations: Durations): BenchValue {
    return { metric: rowOf(call, this.#suffix), subject, unit: 'us', value: durations.p99Us(call) };
  }

  async #write(sizeMiB: number, seed: number): Promise<void> {
    const prefix = `sent-${seed}-`;
    await this.#target.run({ kind: 'create', dir: this.#target.root, prefix, count: 1, depth: 1 });
    const file = await this.#target.lookUp(`${prefix}0`);
    await this.#target.run({
      ...{ kind: 'write', file, fileBytes: sizeMiB * mib, blockBytes: mib, count: sizeMiB, depth: 8 },
      ...{ order: 'sequential', seed: 1, stable: 0, content: { kind: 'random', seed } },
    });
    await this.#target.run({ kind: 'commit', file, count: 1, depth: 1 });
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}
