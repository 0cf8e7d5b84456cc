// Reads of what the Hub has, in the order of a program that meets a file for the first time: cold, again, a range, pages here and there.
// Beside each cold read a plain parallel download of the same bytes (remote-world-http.ts).

import type { ContentKind } from '../content.ts';
import { LoadTarget } from '../load/load-target.ts';
import type { LoadSpec } from '../load/workloads.ts';
import {
  downloadPlainly,
  hashesOf,
  HubTraffic,
  linkRoute,
  plainRoute,
  RemoteEngine,
  wideArea,
  type Route,
} from '../remote-world.ts';
import type { BenchGroup, BenchTarget, BenchValue, OpenGroup, Unit } from '../row.ts';
import type { BenchHub, BenchWorld } from '../world.ts';

const kib = 1024;
const mib = 1024 * kib;
const bucket = 'demo/reads';
const depth = 8;
const pageReads = 100;

interface ReadFile {
  readonly path: string;
  readonly kind: ContentKind;
  readonly sizeMiB: number;
  readonly seed: number;
}

function filesOf(world: BenchWorld): readonly ReadFile[] {
  const sizes = world.scaled([50, 200, 500], [2, 4, 8]);
  const random = sizes.map((sizeMiB, index) => ({ sizeMiB, seed: 31 + index, kind: 'random' as const }));
  const text = { sizeMiB: sizes[1] ?? 0, seed: 41, kind: 'text' as const };
  return [...random, text].map((file) => ({ ...file, path: `${file.kind}-${file.sizeMiB}` }));
}

/** Read before each measurement by all subjects: what they do for the first time at all is no part of a cold read. */
function firstFileOf(world: BenchWorld): ReadFile {
  return { path: 'first', kind: 'text', sizeMiB: world.scaled(32, 2), seed: 51 };
}

/** Within 1.5 times its duration. */
const bound = 0.667;
const overLink = ', 30 ms 1 Gbit/s';

function targetsOf(): BenchTarget[] {
  const names = ['random 50 MiB', 'random 200 MiB', 'random 500 MiB', 'text 200 MiB'];
  return [
    ...names.map((name) => ({ metric: `cold read, ${name}`, against: 'http', atLeast: bound })),
    ...names.map((name) => ({ metric: `cold read, ${name}${overLink}`, against: 'http', atLeast: bound })),
    ...names.slice(1).map((name) => ({ metric: `share of the link, ${name}`, atLeast: 80 })),
    { metric: 'READs again after a restart: requests', atMost: 0 },
  ];
}

export const remoteReadsGroup: BenchGroup = {
  name: 'remote reads',
  targets: targetsOf(),
  warmUpRuns: 0,
  maxRuns: 3,
  open,
};

async function open(world: BenchWorld): Promise<OpenGroup> {
  const hub = await world.startHub();
  const files = filesOf(world);
  const first = firstFileOf(world);
  await hub.put(
    [...files, first].map(({ path, kind, sizeMiB, seed }) => ({
      bucket,
      path,
      kind,
      seed,
      sizeBytes: sizeMiB * mib,
    })),
  );
  const hashes = await hashesOf(hub, bucket);
  const routes = [await plainRoute(hub), await linkRoute(world, hub)];
  const orderOf = (file: ReadFile, route: Route) => ({
    ...{ ...route.hub, bucket, xetHash: hashes.get(file.path) ?? '', sizeBytes: file.sizeMiB * mib },
    isDecoding: true,
  });
  const reads = new RemoteReads(world, hub);
  return {
    async run() {
      const values: BenchValue[] = [];
      for (const route of routes) {
        for (const file of files) {
          values.push(...(await reads.measure(file, route)));
          const { durationMs } = await downloadPlainly(world, orderOf(file, route), orderOf(first, route));
          const metric = `cold read, ${nameOf(file)}${route.suffix}`;
          values.push({
            metric,
            subject: 'http',
            unit: 'MB/s',
            value: (file.sizeMiB * mib) / 1e3 / durationMs,
          });
        }
      }
      return values;
    },
    close: () => hub.close(),
  };
}

function nameOf({ kind, sizeMiB }: ReadFile): string {
  return `${kind} ${sizeMiB} MiB`;
}

class RemoteReads {
  readonly #world: BenchWorld;
  readonly #traffic: HubTraffic;

  constructor(world: BenchWorld, hub: BenchHub) {
    this.#world = world;
    this.#traffic = new HubTraffic(hub);
  }

  /** By an engine that never saw the file, and what it does with it afterwards. */
  async measure(file: ReadFile, route: Route): Promise<BenchValue[]> {
    const values: BenchValue[] = [];
    const engine = await RemoteEngine.open(this.#world, route, bucket);
    const load = this.#world.startChild();
    const target = await LoadTarget.open(load, engine.address);
    const handle = await target.lookUp(file.path);
    const first = firstFileOf(this.#world);
    await target.run(blocks(first, await target.lookUp(first.path), mib));
    const name = nameOf(file);
    const note = (metric: string, unit: Unit, value: number): void => {
      values.push({ metric, subject: 'hubdrive', unit, value });
    };
    await this.#traffic.begin();
    const cold = await target.run(blocks(file, handle, mib));
    note(`cold read, ${name}${route.suffix}`, 'MB/s', cold.bytes / 1e6 / cold.seconds);
    if (route.suffix !== '') {
      const { receivedBytes } = await this.#traffic.since('cas.xorb-data');
      note(`share of the link, ${name}`, '%', (receivedBytes / cold.seconds / wideArea.bytesPerSecond) * 100);
      await load.close();
      await engine.close();
      return values;
    }
    const again = await target.run(blocks(file, handle, mib));
    note(`read again, ${name}`, 'MB/s', again.bytes / 1e6 / again.seconds);
    const firstBlock = Math.min(25, file.sizeMiB - 1);
    const range = await target.run({ ...blocks(file, handle, mib), count: 1, depth: 1, firstBlock });
    note(`1 MiB at 25 MiB again, ${name}`, 'ms', range.seconds * 1000);
    const pages = { count: pageReads, depth: 1, order: 'random', seed: 5 } as const;
    const random = await target.run({ ...blocks(file, handle, 4 * kib), ...pages });
    note(`100 random 4 KiB again, ${name}`, 'ms', random.seconds * 1000);
    if (file.kind === 'text')
      note('READs again after a restart: requests', 'count', await this.#restart(engine, file, route));
    else await engine.close();
    await load.close();
    return values;
  }

  /** Requests for content after a new start on the same folders. */
  async #restart(engine: RemoteEngine, file: ReadFile, route: Route): Promise<number> {
    const again = await engine.restart(route, bucket);
    const load = this.#world.startChild();
    const target = await LoadTarget.open(load, again.address);
    const handle = await target.lookUp(file.path);
    await this.#traffic.begin();
    await target.run(blocks(file, handle, mib));
    const { requests } = await this.#traffic.since('cas.');
    await load.close();
    await again.close();
    return requests;
  }
}

/** All of the file, every byte compared. */
function blocks(file: ReadFile, handle: Uint8Array, blockBytes: number): Extract<LoadSpec, { kind: 'read' }> {
  const fileBytes = file.sizeMiB * mib;
  return {
    ...{ kind: 'read', file: handle, fileBytes, blockBytes, depth, order: 'sequential', seed: 1 },
    count: fileBytes / blockBytes,
    expected: { kind: file.kind, seed: file.seed },
  };
}
