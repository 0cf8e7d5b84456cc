// How long a small call takes while a large file is being sent, beside the same calls on the idle engine.

import { LoadTarget } from '../load/load-target.ts';
import type { LoadSpec } from '../load/workloads.ts';
import type { Measured } from '../load/load-connection.ts';
import { linkRoute, plainRoute, RemoteEngine, type Route } from '../remote-world.ts';
import { verify, type BenchGroup, type BenchValue, type OpenGroup } from '../row.ts';
import type { BenchWorld } from '../world.ts';

const mib = 1024 * 1024;
const bucket = 'demo/serving';
const served = { kind: 'random', seed: 71 } as const;
const servedMiB = 16;
const idle = 'idle engine';
const rowOf = (call: string, suffix: string): string => `${call} p99 during an upload${suffix}`;

export const uploadServingGroup: BenchGroup = {
  name: 'serving during an upload',
  targets: ['', ', 30 ms 1 Gbit/s'].flatMap((suffix) =>
    ['GETATTR', 'READ 4 KiB'].map((call) => ({ metric: rowOf(call, suffix), against: idle, atMost: 3 })),
  ),
  maxRuns: 3,
  open,
};

async function open(world: BenchWorld): Promise<OpenGroup> {
  const hub = await world.startHub();
  await hub.put([{ bucket, path: 'served', sizeBytes: servedMiB * mib, ...served }]);
  const routes = [await plainRoute(hub), await linkRoute(world, hub)];
  const rounds: Round[] = [];
  for (const route of routes) {
    const engine = await RemoteEngine.open(world, route, bucket);
    const load = world.startChild();
    rounds.push(new Round(world, route, engine, await LoadTarget.open(load, engine.address)));
  }
  let seed = 2000;
  return {
    async run() {
      const values: BenchValue[] = [];
      for (const round of rounds) values.push(...(await round.measure((seed += 1))));
      return values;
    },
    async close() {
      for (const round of rounds) await round.close();
      await hub.close();
    },
  };
}

class Round {
  readonly #world: BenchWorld;
  readonly #route: Route;
  readonly #engine: RemoteEngine;
  readonly #target: LoadTarget;

  constructor(world: BenchWorld, route: Route, engine: RemoteEngine, target: LoadTarget) {
    this.#world = world;
    this.#route = route;
    this.#engine = engine;
    this.#target = target;
  }

  async measure(seed: number): Promise<BenchValue[]> {
    const uploadMiB = this.#world.scaled(400, 16);
    const calls = this.#world.scaled(4000, 50);
    const file = await this.#target.lookUp('served');
    const blocks = { file, fileBytes: servedMiB * mib, seed: 9, depth: 1 };
    await this.#target.run({
      ...{
        ...blocks,
        kind: 'read',
        blockBytes: mib,
        count: servedMiB,
        order: 'sequential',
        expected: served,
      },
    });
    const specs: readonly (readonly [string, LoadSpec])[] = [
      ['GETATTR', { kind: 'getattr', file, fileBytes: blocks.fileBytes, count: calls, depth: 1 }],
      [
        'READ 4 KiB',
        { ...blocks, kind: 'read', blockBytes: 4096, count: calls, order: 'random', expected: null },
      ],
    ];
    const idleFigures = new Map<string, Measured>();
    for (const [name, spec] of specs) idleFigures.set(name, await this.#target.run(spec));

    await this.#engine.call('pauseUploads');
    const path = await this.#write(uploadMiB, seed);
    await this.#engine.call('resumeUploads');
    let isSending = true;
    const sent = this.#engine.call('flushEngine').finally(() => (isSending = false));
    const busyFigures = new Map<string, Measured>();
    for (const [name, spec] of specs) {
      busyFigures.set(name, await this.#target.run(spec));
      verify(isSending || this.#world.isQuick, `${path} was sent before ${calls} calls were answered`);
    }
    await sent;
    return specs.flatMap(([name]) => [
      this.#figure(name, 'hubdrive', busyFigures.get(name)),
      this.#figure(name, idle, idleFigures.get(name)),
    ]);
  }

  #figure(call: string, subject: string, measured: Measured | undefined): BenchValue {
    const value = measured?.p99Us ?? Number.NaN;
    return { metric: rowOf(call, this.#route.suffix), subject, unit: 'us', value };
  }

  async #write(sizeMiB: number, seed: number): Promise<string> {
    const prefix = `sent-${seed}-`;
    await this.#target.run({ kind: 'create', dir: this.#target.root, prefix, count: 1, depth: 1 });
    const file = await this.#target.lookUp(`${prefix}0`);
    await this.#target.run({
      ...{ kind: 'write', file, fileBytes: sizeMiB * mib, blockBytes: mib, count: sizeMiB, depth: 8 },
      ...{ order: 'sequential', seed: 1, stable: 0, content: { kind: 'random', seed } },
    });
    await this.#target.run({ kind: 'commit', file, count: 1, depth: 1 });
    return `${prefix}0`;
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}
