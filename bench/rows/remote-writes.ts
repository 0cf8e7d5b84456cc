// Writes to the Hub: how fast a program writes, how long after its COMMIT the Hub has the file, and what the same data costs a second
// time.

import { LoadTarget } from '../load/load-target.ts';
import type { LoadSpec } from '../load/workloads.ts';
import { HubTraffic, linkRoute, plainRoute, RemoteEngine, type Route } from '../remote-world.ts';
import {
  verify,
  type BenchGroup,
  type BenchTarget,
  type BenchValue,
  type OpenGroup,
  type Unit,
} from '../row.ts';
import type { BenchHub, BenchWorld } from '../world.ts';

const mib = 1024 * 1024;
const bucket = 'demo/writes';
const sizesMiB = [50, 200, 500];
const depth = 8;
const secondSent = 'second write of the same data: bytes of xorbs sent';

export const remoteWritesGroup: BenchGroup = {
  name: 'remote writes',
  targets: [{ metric: secondSent, atMost: 0 } satisfies BenchTarget],
  warmUpRuns: 0,
  maxRuns: 3,
  open,
};

async function open(world: BenchWorld): Promise<OpenGroup> {
  const hub = await world.startHub();
  await hub.put([{ bucket, path: 'there', kind: 'random', sizeBytes: 1024, seed: 1 }]);
  const routes = [await plainRoute(hub), await linkRoute(world, hub)];
  // No run may write what an earlier one sent.
  let seed = 1000;
  return {
    async run() {
      const values: BenchValue[] = [];
      for (const route of routes) {
        for (const sizeMiB of world.scaled(sizesMiB, [2, 4])) {
          seed += 1;
          values.push(...(await writeTwice({ world, hub, route, sizeMiB, seed })));
        }
      }
      return values;
    },
    close: () => hub.close(),
  };
}

interface Writing {
  readonly world: BenchWorld;
  readonly hub: BenchHub;
  readonly route: Route;
  readonly sizeMiB: number;
  readonly seed: number;
}

async function writeTwice({ world, hub, route, sizeMiB, seed }: Writing): Promise<BenchValue[]> {
  const values: BenchValue[] = [];
  const engine = await RemoteEngine.open(world, route, bucket);
  const load = world.startChild();
  const target = await LoadTarget.open(load, engine.address);
  const traffic = new HubTraffic(hub);
  const note = (metric: string, unit: Unit, value: number): void => {
    values.push({ metric, subject: 'hubdrive', unit, value });
  };
  const name = `random ${sizeMiB} MiB`;
  const megabytes = (sizeMiB * mib) / 1e6;

  const first = await writeFile(target, engine, `first-${seed}-`, sizeMiB, seed);
  if (route.suffix === '') note(`write and COMMIT, ${name}`, 'MB/s', megabytes / first.writeSeconds);
  note(`commit latency, ${name}${route.suffix}`, 'ms', first.commitMs);
  note(
    `write end to end, ${name}${route.suffix}`,
    'MB/s',
    megabytes / (first.writeSeconds + first.commitMs / 1000),
  );

  await traffic.begin();
  const second = await writeFile(target, engine, `second-${seed}-`, sizeMiB, seed);
  const { sentBytes } = await traffic.since('cas.xorb-upload');
  note(`commit latency of the same data again, ${name}${route.suffix}`, 'ms', second.commitMs);
  if (route.suffix === '' && sizeMiB >= world.scaled(200, 4)) note(secondSent, 'bytes', sentBytes);
  await load.close();
  await engine.close();
  await verifyCommitted(hub, [`first-${seed}-0`, `second-${seed}-0`]);
  return values;
}

/** `commitMs`: from the answer to COMMIT until the Hub has the file, asked to be sent at once. */
async function writeFile(
  target: LoadTarget,
  engine: RemoteEngine,
  prefix: string,
  sizeMiB: number,
  seed: number,
): Promise<{ writeSeconds: number; commitMs: number }> {
  await target.run({ kind: 'create', dir: target.root, prefix, count: 1, depth: 1 });
  const file = await target.lookUp(`${prefix}0`);
  const fileBytes = sizeMiB * mib;
  const write: LoadSpec = {
    ...{
      kind: 'write',
      file,
      fileBytes,
      blockBytes: mib,
      count: sizeMiB,
      depth,
      order: 'sequential',
      seed: 1,
    },
    ...{ stable: 0, content: { kind: 'random', seed } },
  };
  const written = await target.run(write);
  const committed = await target.run({ kind: 'commit', file, count: 1, depth: 1 });
  const startedMs = performance.now();
  await engine.call('flushEngine');
  const commitMs = performance.now() - startedMs;
  return { writeSeconds: written.seconds + committed.seconds, commitMs };
}

async function verifyCommitted(hub: BenchHub, paths: readonly string[]): Promise<void> {
  const answer = await fetch(`${hub.endpoint}/api/buckets/${bucket}/tree`, {
    headers: { authorization: `Bearer ${hub.token}` },
  });
  const entries = (await answer.json()) as readonly { readonly path: string; readonly xetHash?: string }[];
  const [first, second] = paths.map((path) => entries.find((entry) => entry.path === path)?.xetHash);
  verify(first !== undefined && first === second, `the Hub lacks ${paths.join(' or ')}, or they differ`);
}
