// 4 KiB overwritten in the middle of a file of 1 GiB: bytes moved in both directions, and time until the Hub has the new version. Once by
// an engine that has never read the file, and again by the same engine, which then knows its chunks.

import { LoadTarget } from '../load/load-target.ts';
import { HubTraffic, linkRoute, plainRoute, RemoteEngine, type Route } from '../remote-world.ts';
import type { BenchGroup, BenchValue, OpenGroup, Unit } from '../row.ts';
import type { BenchHub, BenchWorld } from '../world.ts';

const mib = 1024 * 1024;
const kib = 1024;
const bucket = 'demo/edits';
const editBytes = 4 * kib;

const movedRow = (what: string): string => `4 KiB into 1 GiB, ${what}: bytes moved`;

export const editGroup: BenchGroup = {
  name: 'edits',
  targets: [],
  warmUpRuns: 0,
  maxRuns: 3,
  open,
};

async function open(world: BenchWorld): Promise<OpenGroup> {
  const hub = await world.startHub();
  const sizeMiB = world.scaled(1024, 32);
  await hub.put([{ bucket, path: 'large', kind: 'random', sizeBytes: sizeMiB * mib, seed: 81 }]);
  const routes = [await plainRoute(hub), await linkRoute(world, hub)];
  let block = 1000;
  return {
    async run() {
      const values: BenchValue[] = [];
      for (const route of routes) values.push(...(await edit(world, hub, route, sizeMiB, (block += 2))));
      return values;
    },
    close: () => hub.close(),
  };
}

async function edit(
  world: BenchWorld,
  hub: BenchHub,
  route: Route,
  sizeMiB: number,
  firstBlock: number,
): Promise<BenchValue[]> {
  const values: BenchValue[] = [];
  const engine = await RemoteEngine.open(world, route, bucket);
  const load = world.startChild();
  const target = await LoadTarget.open(load, engine.address);
  const traffic = new HubTraffic(hub);
  const file = await target.lookUp('large');
  const fileBytes = sizeMiB * mib;
  const note = (metric: string, unit: Unit, value: number): void => {
    values.push({ metric, subject: 'hubdrive', unit, value });
  };
  for (const [what, at] of [
    ['file of another client', firstBlock],
    ['file known here', firstBlock * 3],
  ] as const) {
    await traffic.begin();
    await target.run({
      ...{ kind: 'write', file, fileBytes, blockBytes: editBytes, count: 1, depth: 1, order: 'sequential' },
      ...{ seed: 1, firstBlock: at, stable: 0, content: { kind: 'random', seed: firstBlock } },
    });
    await target.run({ kind: 'commit', file, count: 1, depth: 1 });
    const startedMs = performance.now();
    await engine.call('flushEngine');
    note(`4 KiB into 1 GiB, ${what}: on the Hub${route.suffix}`, 'ms', performance.now() - startedMs);
    if (route.suffix !== '') continue;
    const { sentBytes, receivedBytes } = await traffic.since('cas.');
    note(movedRow(`${what}, up`), 'bytes', sentBytes);
    note(movedRow(`${what}, down`), 'bytes', receivedBytes);
  }
  await load.close();
  await engine.close();
  return values;
}
