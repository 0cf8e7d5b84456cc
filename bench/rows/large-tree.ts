// Buckets of 100,000 names in one folder and of a million in a thousand folders: first and later listings over NFS, memory, the longest
// time for which the engine could answer nobody, and a new start on what it knows.

import { LoadTarget } from '../load/load-target.ts';
import { HubTraffic, plainRoute, RemoteEngine, type Route } from '../remote-world.ts';
import type { EngineMemory, Stalls } from '../remote-world-engine.ts';
import { folderName, type TreeOptions } from '../remote-world-tree.ts';
import type { BenchGroup, BenchTarget, BenchValue, OpenGroup, Unit } from '../row.ts';
import type { BenchHub, BenchWorld } from '../world.ts';

const treeModule = new URL('../remote-world-tree.ts', import.meta.url);
const emptyBucket = 'demo/no-tree';
const pageBytes = 64 * 1024;

interface Tree extends TreeOptions {
  readonly name: string;
  readonly entries: number;
}

function treesOf(world: BenchWorld): readonly Tree[] {
  const files = world.scaled(1000, 50);
  const folders = world.scaled(1000, 20);
  const flat = world.scaled(100_000, 2000);
  return [
    { name: flatName, bucket: 'demo/flat', folders: 0, files: flat, entries: flat + 1 },
    {
      ...{ name: deepName, bucket: 'demo/deep', folders, files },
      entries: folders * (files + 1) + 1,
    },
  ];
}

const flatName = '100,000 in one folder';
const deepName = '1,000,000 in 1,000 folders';

function targetsOf(): BenchTarget[] {
  return [
    // What an engine needs once, whatever the number of names, would be most of it for fewer.
    { metric: `resident memory of an entry, ${deepName}`, atMost: 260 },
    { metric: `resident memory of an entry after a new start, ${deepName}`, atMost: 260 },
    ...[flatName, deepName].flatMap((name) => [
      { metric: `longest work at a stretch, first listing, ${name}`, atMost: 20 },
      { metric: `longest work at a stretch, later listing, ${name}`, atMost: 20 },
      { metric: `longest work at a stretch, start, ${name}`, atMost: 20 },
      { metric: `top folder again, ${name}`, atMost: 1000 },
      { metric: `listings asked of the Hub after a new start, ${name}`, atMost: 0 },
    ]),
  ];
}

export const largeTreeGroup: BenchGroup = {
  name: 'large trees',
  targets: targetsOf(),
  warmUpRuns: 0,
  maxRuns: 1,
  open,
};

async function open(world: BenchWorld): Promise<OpenGroup> {
  const hub = await world.startHub();
  const route = await plainRoute(hub);
  await hub.child.call(treeModule, 'putTree', { bucket: emptyBucket, folders: 0, files: 10 });
  const trees = treesOf(world);
  for (const { bucket, folders, files } of trees) {
    await hub.child.call(treeModule, 'putTree', { bucket, folders, files });
  }
  return {
    async run() {
      const baseBytes = await emptyEngineBytes(world, route);
      const values: BenchValue[] = [];
      for (const tree of trees)
        values.push(...(await new TreeRun(world, hub, route, tree, baseBytes).measure()));
      return values;
    },
    close: () => hub.close(),
  };
}

/** What an engine holds that has done all this for a few names. */
async function emptyEngineBytes(world: BenchWorld, route: Route): Promise<number> {
  const engine = await RemoteEngine.open(world, route, emptyBucket);
  const load = world.startChild();
  const target = await LoadTarget.open(load, engine.address);
  for (let time = 0; time < 20; time += 1) {
    await target.list({ dir: target.root, pageBytes, expected: 11, isVerified: false });
  }
  const { residentBytes } = await engine.call<EngineMemory>('engineMemory');
  await load.close();
  await engine.close();
  return residentBytes;
}

class TreeRun {
  readonly #world: BenchWorld;
  readonly #traffic: HubTraffic;
  readonly #route: Route;
  readonly #tree: Tree;
  readonly #baseBytes: number;
  readonly #values: BenchValue[] = [];

  constructor(world: BenchWorld, hub: BenchHub, route: Route, tree: Tree, baseBytes: number) {
    this.#world = world;
    this.#traffic = new HubTraffic(hub);
    this.#route = route;
    this.#tree = tree;
    this.#baseBytes = baseBytes;
  }

  async measure(): Promise<BenchValue[]> {
    const { bucket, entries } = this.#tree;
    const engine = await RemoteEngine.open(this.#world, this.#route, bucket);
    const load = this.#world.startChild();
    const target = await LoadTarget.open(load, engine.address);
    await engine.call('watchStalls');
    const first = await this.#listAll(target, true);
    this.#noteStalls('first listing', await engine.call('longestStalls'));
    this.#note('first listing of everything', 'entries/s', entries / first.seconds);
    await engine.call('watchStalls');
    const again = await this.#listAll(target, false);
    this.#noteStalls('later listing', await engine.call('longestStalls'));
    this.#note('listing of everything again', 'entries/s', entries / again.seconds);
    this.#note('top folder again', 'ms', again.topSeconds * 1000);
    this.#noteMemory('resident memory of an entry', await engine.call<EngineMemory>('engineMemory'));
    await load.close();
    await this.#measureStart(engine);
    return this.#values;
  }

  async #measureStart(before: RemoteEngine): Promise<void> {
    await this.#traffic.begin();
    const engine = await before.restart(this.#route, this.#tree.bucket, true);
    const { openMs } = engine.address;
    this.#note('start on what is known', 'ms', openMs);
    this.#noteStalls('start', await engine.call('longestStalls'));
    const load = this.#world.startChild();
    const target = await LoadTarget.open(load, engine.address);
    await this.#listAll(target, true);
    const { requests } = await this.#traffic.since('bucket.tree');
    this.#note('listings asked of the Hub after a new start', 'count', requests);
    this.#noteMemory(
      'resident memory of an entry after a new start',
      await engine.call<EngineMemory>('engineMemory'),
    );
    await load.close();
    await engine.close();
  }

  async #listAll(target: LoadTarget, isVerified: boolean): Promise<{ seconds: number; topSeconds: number }> {
    const { folders, files } = this.#tree;
    const top = await target.list({
      ...{ dir: target.root, pageBytes, isVerified },
      expected: (folders === 0 ? files : folders) + 1,
    });
    let seconds = top.seconds;
    for (let folder = 0; folder < folders; folder += 1) {
      const dir = await target.lookUp(folderName(folder));
      seconds += (await target.list({ dir, pageBytes, expected: files, isVerified })).seconds;
    }
    return { seconds, topSeconds: top.seconds };
  }

  #note(metric: string, unit: Unit, value: number): void {
    this.#values.push({ metric: `${metric}, ${this.#tree.name}`, subject: 'hubdrive', unit, value });
  }

  #noteStalls(when: string, { workMs, wallMs }: Stalls): void {
    this.#note(`longest work at a stretch, ${when}`, 'ms', workMs);
    this.#note(`longest wait for the event loop, ${when}`, 'ms', wallMs);
  }

  #noteMemory(metric: string, { residentBytes }: EngineMemory): void {
    this.#note(metric, 'bytes', (residentBytes - this.#baseBytes) / this.#tree.entries);
  }
}
