// Reads of a little of a cold file: how many round trips until its first byte, a range, pages here and there, and how much is fetched for
// what was asked.

import { LoadTarget } from '../load/load-target.ts';
import { HubTraffic, linkRoute, plainRoute, RemoteEngine, wideArea, type Route } from '../remote-world.ts';
import type { BenchGroup, BenchValue, OpenGroup, Unit } from '../row.ts';
import type { BenchHub, BenchWorld } from '../world.ts';

const kib = 1024;
const mib = 1024 * kib;
const bucket = 'demo/first-reads';
const seed = 61;
const firstFiles = 8;
const quietMs = 500;

const firstByte = 'first 4 KiB of a cold file: round trips of 30 ms';
const fetchedFor = (name: string): string => `random ${name} of a cold file: fetched by asked`;

export const remoteFirstReadsGroup: BenchGroup = {
  name: 'remote first reads',
  targets: [
    // Less than three: a third one does not fit in, and the rest is work.
    { metric: firstByte, atMost: 2.99 },
    { metric: fetchedFor('64 KiB'), atMost: 4 },
  ],
  warmUpRuns: 0,
  maxRuns: 3,
  open,
};

async function open(world: BenchWorld): Promise<OpenGroup> {
  const hub = await world.startHub();
  const largeMiB = world.scaled(500, 32);
  const smallMiB = world.scaled(20, 2);
  const small = Array.from({ length: firstFiles + 1 }, (_, index) => ({
    path: `small-${index}`,
    seed: seed + index,
  }));
  const kind = 'random' as const;
  await hub.put([
    { bucket, path: 'large', kind, sizeBytes: largeMiB * mib, seed: seed - 1 },
    ...small.map((file) => ({ bucket, kind, sizeBytes: smallMiB * mib, ...file })),
  ]);
  const link = await linkRoute(world, hub);
  const plain = await plainRoute(hub);
  const measuring: Measuring = { world, hub, largeMiB, smallMiB };
  return {
    async run() {
      return [
        ...(await measureFirstBytes(measuring, link)),
        ...(await measureRange(measuring, plain)),
        ...(await measureRange(measuring, link)),
        ...(await measureRandom(measuring, plain, '64 KiB', 64 * kib)),
        ...(await measureRandom(measuring, plain, '4 KiB', 4 * kib)),
        ...(await measureRandom(measuring, link, '4 KiB', 4 * kib)),
      ];
    },
    close: () => hub.close(),
  };
}

interface Measuring {
  readonly world: BenchWorld;
  readonly hub: BenchHub;
  readonly largeMiB: number;
  readonly smallMiB: number;
}

async function withEngine<T>(
  { world }: Measuring,
  route: Route,
  work: (target: LoadTarget) => Promise<T>,
): Promise<T> {
  const engine = await RemoteEngine.open(world, route, bucket);
  const load = world.startChild();
  try {
    return await work(await LoadTarget.open(load, engine.address));
  } finally {
    await load.close();
    await engine.close();
  }
}

function reads(file: Uint8Array, sizeMiB: number, blockBytes: number, count: number, contentSeed: number) {
  return {
    kind: 'read' as const,
    ...{ file, fileBytes: sizeMiB * mib, blockBytes, count, depth: 1, seed: 77 },
    expected: { kind: 'random' as const, seed: contentSeed },
  };
}

/** Token and connections are there, as in an engine that has served a file before. */
function measureFirstBytes(measuring: Measuring, link: Route): Promise<BenchValue[]> {
  return withEngine(measuring, link, async (target) => {
    const durationsMs: number[] = [];
    for (let index = 0; index <= firstFiles; index += 1) {
      const file = await target.lookUp(`small-${index}`);
      const spec = reads(file, measuring.smallMiB, 4 * kib, 1, seed + index);
      const { seconds } = await target.run({ ...spec, order: 'sequential' });
      if (index > 0) durationsMs.push(seconds * 1000);
      // What is read ahead of one file must not be in the way of the next one's first byte.
      await new Promise((resolve) => setTimeout(resolve, quietMs));
    }
    const medianMs = durationsMs.toSorted((a, b) => a - b)[durationsMs.length >> 1] ?? Number.NaN;
    return [
      figure('first 4 KiB of a cold file', 'ms', medianMs),
      figure(firstByte, 'x', medianMs / (2 * wideArea.oneWayMs)),
    ];
  });
}

/** The first that this engine reads at all: with token, plan and connections. */
function measureRange(measuring: Measuring, route: Route): Promise<BenchValue[]> {
  return withEngine(measuring, route, async (target) => {
    const file = await target.lookUp('large');
    const firstBlock = Math.min(25, measuring.largeMiB - 1);
    const spec = reads(file, measuring.largeMiB, mib, 1, seed - 1);
    const { seconds } = await target.run({ ...spec, order: 'sequential', firstBlock });
    return [figure(`1 MiB at 25 MiB of a cold file${route.suffix}`, 'ms', seconds * 1000)];
  });
}

function measureRandom(
  measuring: Measuring,
  route: Route,
  name: string,
  blockBytes: number,
): Promise<BenchValue[]> {
  return withEngine(measuring, route, async (target) => {
    const traffic = new HubTraffic(measuring.hub);
    const file = await target.lookUp('large');
    const count = measuring.world.scaled(100, 20);
    await traffic.begin();
    const { seconds } = await target.run({
      ...reads(file, measuring.largeMiB, blockBytes, count, seed - 1),
      order: 'random',
    });
    const { receivedBytes } = await traffic.since('cas.xorb-data');
    const values = [figure(`${count} random ${name} of a cold file${route.suffix}`, 'ms', seconds * 1000)];
    if (route.suffix === '') values.push(figure(fetchedFor(name), 'x', receivedBytes / (count * blockBytes)));
    return values;
  });
}

function figure(metric: string, unit: Unit, value: number): BenchValue {
  return { metric, subject: 'hubdrive', unit, value };
}
