// What the remote rows stand on: the embedded Hub in a process of its own, links of our own in front of it, and engines that reach it
// plainly or over such a link. Each is a process, so that none shares an event loop with another.

import { join } from 'node:path';
import { engineYoungMegabytes } from '../src/main/engine/engine-client.ts';
import type { RouteCount } from '../src/hub-local/faults.ts';
import type { BenchChild } from './child.ts';
import { codeCacheDir } from './host-process.ts';
import type { HubAddress } from './hub-child.ts';
import type { EngineAddress } from './remote-world-engine.ts';
import type { HttpDownload, HttpFigures } from './remote-world-http.ts';
import type { LinkShape, LinkUse } from './remote-world-link.ts';
import type { BenchHub, BenchWorld } from './world.ts';

const engineModule = new URL('./remote-world-engine.ts', import.meta.url);
const httpModule = new URL('./remote-world-http.ts', import.meta.url);
const linkModule = new URL('./remote-world-link.ts', import.meta.url);

/** A home's connection to a data centre: 30 ms for a round trip, 1 Gbit/s each way. */
export const wideArea: LinkShape = { oneWayMs: 15, bytesPerSecond: 125_000_000 };

/** A way to the Hub. */
export interface Route {
  /** `` for the plain one; what rows' names end in. */
  readonly suffix: string;
  readonly hub: HubAddress;
  /** Processes that are on other machines in life. */
  readonly remotePids: readonly number[];
}

export async function plainRoute(hub: BenchHub): Promise<Route> {
  const remotePids = [hub.child.pid];
  return Promise.resolve({ suffix: '', hub: { endpoint: hub.endpoint, token: hub.token }, remotePids });
}

/** The Hub's signed URLs name the host that the client asked, so that downloads go over the link too. */
export async function linkRoute(world: BenchWorld, hub: BenchHub, shape = wideArea): Promise<Route> {
  const child = world.startChild();
  const targetPort = Number(new URL(hub.endpoint).port);
  const { port } = await child.call<LinkUse>(linkModule, 'openLink', { ...shape, targetPort });
  return {
    suffix: `, ${2 * shape.oneWayMs} ms ${(shape.bytesPerSecond * 8) / 1e9} Gbit/s`,
    hub: { endpoint: `http://127.0.0.1:${port}`, token: hub.token },
    remotePids: [hub.child.pid, child.pid],
  };
}

/** The engine of one mount; each `open` is a fresh process, so also a restart is as after a kill of everything in memory. */
export class RemoteEngine {
  readonly #world: BenchWorld;
  readonly #child: BenchChild;
  readonly dir: string;
  readonly address: EngineAddress;

  private constructor(world: BenchWorld, child: BenchChild, dir: string, address: EngineAddress) {
    this.#world = world;
    this.#child = child;
    this.dir = dir;
    this.address = address;
  }

  /** Without `dir`: nothing was ever cached here. */
  static async open(
    world: BenchWorld,
    route: Route,
    bucket: string,
    options: { readonly dir?: string; readonly isWatched?: boolean } = {},
  ): Promise<RemoteEngine> {
    const child = world.startChild({
      // As the launcher sets them, and as the host limits engine threads.
      env: { UV_THREADPOOL_SIZE: '16', NODE_COMPILE_CACHE: codeCacheDir },
      nodeFlags: [`--max-semi-space-size=${engineYoungMegabytes / 3}`],
    });
    const place = options.dir ?? join(await world.folder(), 'engine');
    const order = { hub: route.hub, source: `bucket/${bucket}`, dir: place };
    if (options.isWatched === true) await child.call(engineModule, 'watchStalls', null);
    const address = await child.call<EngineAddress>(engineModule, 'openEngine', order);
    return new RemoteEngine(world, child, place, address);
  }

  get pid(): number {
    return this.#child.pid;
  }

  call<T>(name: string, argument: unknown = null): Promise<T> {
    return this.#child.call<T>(engineModule, name, argument);
  }

  /** A new engine on the same folders; `isWatched`: stalls count from before it opens. */
  async restart(route: Route, bucket: string, isWatched = false): Promise<RemoteEngine> {
    await this.close();
    return RemoteEngine.open(this.#world, route, bucket, { dir: this.dir, isWatched });
  }

  async close(): Promise<void> {
    await this.call('closeEngine');
    await this.#child.close();
  }
}

/** Xet hashes of the bucket's files by path. */
export async function hashesOf(hub: HubAddress, bucket: string): Promise<ReadonlyMap<string, string>> {
  const answer = await fetch(`${hub.endpoint}/api/buckets/${bucket}/tree`, {
    headers: { authorization: `Bearer ${hub.token}` },
  });
  const entries = (await answer.json()) as readonly { readonly path: string; readonly xetHash?: string }[];
  return new Map(entries.map(({ path, xetHash }) => [path, xetHash ?? '']));
}

/** In a process of its own each time; `first` is downloaded before, so that code is compiled and connections are open. */
export async function downloadPlainly(
  world: BenchWorld,
  order: HttpDownload,
  first: HttpDownload | null = null,
): Promise<HttpFigures> {
  const child = world.startChild();
  try {
    if (first !== null) await child.call(httpModule, 'downloadOverHttp', first);
    return await child.call<HttpFigures>(httpModule, 'downloadOverHttp', order);
  } finally {
    await child.close();
  }
}

/** Requests and bytes by route since the start of the Hub. */
export class HubTraffic {
  readonly #hub: HubAddress;
  #before: Readonly<Record<string, RouteCount>> = {};

  constructor(hub: HubAddress) {
    this.#hub = hub;
  }

  async begin(): Promise<void> {
    this.#before = await this.#read();
  }

  /** Since `begin`, of the routes whose name begins with `prefix`. */
  async since(prefix: string): Promise<{ requests: number; sentBytes: number; receivedBytes: number }> {
    const total = { requests: 0, sentBytes: 0, receivedBytes: 0 };
    for (const [name, { count, requestBytes, responseBytes }] of Object.entries(await this.#read())) {
      if (!name.startsWith(prefix)) continue;
      const before = this.#before[name];
      total.requests += count - (before?.count ?? 0);
      total.receivedBytes += responseBytes - (before?.responseBytes ?? 0);
      total.sentBytes += requestBytes - (before?.requestBytes ?? 0);
    }
    return total;
  }

  async #read(): Promise<Record<string, RouteCount>> {
    const answer = await fetch(`${this.#hub.endpoint}/__hubdrive/counters`, {
      headers: { authorization: `Bearer ${this.#hub.token}` },
    });
    return (await answer.json()) as Record<string, RouteCount>;
  }
}
