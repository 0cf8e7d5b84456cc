// The engine of one mount in a process of its own: Hub client, VirtualFs and NFS server put together as the host's engine thread does it,
// with what a benchmark asks it besides: to send everything, how much memory it holds, how long it kept its event loop busy.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openHubStore } from '../src/hub/hub-store.ts';
import { parseSource } from '../src/hub/source.ts';
import { fileSystemOver } from '../src/main/engine/compose.ts';
import type { OpenedFileSystem, RunningServer } from '../src/main/engine/engine-runtime.ts';
import { silentLog, systemClock } from '../src/shared/log.ts';
import type { HubAddress } from './hub-child.ts';

export interface EngineOptions {
  /** Its endpoint may be a link's. */
  readonly hub: HubAddress;
  /** `bucket/OWNER/NAME` */
  readonly source: string;
  /** Catalogue, staging and cache; kept between two engines, it is a restart. */
  readonly dir: string;
}

export interface EngineAddress {
  readonly port: number;
  readonly exportPath: string;
  /** From the start of opening until NFS calls are answered. */
  readonly openMs: number;
}

interface OpenEngine {
  readonly fileSystem: OpenedFileSystem;
  readonly server: RunningServer;
  readonly drain: NodeJS.Timeout;
}

let opened: OpenEngine | null = null;
let stalls: StallWatch | null = null;
/** The histogram's own timer, ms. */
const stallResolutionMs = 1;

export async function openEngine({ hub, source, dir }: EngineOptions): Promise<EngineAddress> {
  const startedMs = performance.now();
  const owner = { uid: 1000, gid: 1000 };
  const open = fileSystemOver((spec, stateDir, { token, log }, signal) =>
    openHubStore(
      {
        endpoint: spec.endpoint,
        token,
        source: parseSource(spec.source, spec.revision),
        stateDir,
        log,
        userAgent: spec.userAgent,
      },
      signal,
    ),
  );
  const fileSystem = await open(
    {
      endpoint: hub.endpoint,
      source,
      revision: null,
      readOnly: false,
      dataDir: `${dir}/data`,
      cacheDir: `${dir}/cache`,
      cacheLimitBytes: 64 * 1024 ** 3,
      pollIntervalMs: 30_000,
      owner,
      hostName: 'bench',
      userAgent: 'hubdrive-bench',
    },
    { token: () => Promise.resolve(hub.token), log: silentLog, clock: systemClock },
    new AbortController().signal,
  );
  const exportPath = '/bench';
  const server = await fileSystem.listen({ host: '127.0.0.1', port: 0, exportPath, peers: 'any' });
  server.openMountWindow();
  // As the engine thread does for the host.
  const drain = setInterval(() => fileSystem.drainActivity(), 1000);
  opened = { fileSystem, server, drain };
  return { port: server.port, exportPath, openMs: performance.now() - startedMs };
}

function engineHere(): OpenEngine {
  if (opened === null) throw new Error('This process runs no engine');
  return opened;
}

/** Sends everything at once; resolves when it is committed on the Hub. */
export async function flushEngine(): Promise<void> {
  await engineHere().fileSystem.uploads.flush();
}

/** Resolves when everything was sent by itself. */
export async function awaitSent(): Promise<void> {
  const { uploads } = engineHere().fileSystem;
  while (uploads.pendingTotals().files > 0) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** What was written stays here until `flushEngine` or `resumeUploads`. */
export function pauseUploads(): void {
  engineHere().fileSystem.uploads.pause();
}

export function resumeUploads(): void {
  engineHere().fileSystem.uploads.resume();
}

export interface EngineMemory {
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly bufferBytes: number;
}

/** After a full garbage collection. */
export function engineMemory(): EngineMemory {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { residentBytes: rss, heapBytes: heapUsed, bufferBytes: arrayBuffers };
}

export interface Stalls {
  /** The longest time for which nothing else could run here, milliseconds; what other processes took of the machine is in it. */
  readonly wallMs: number;
  /** The most that this thread worked between two looks of a timer, milliseconds. */
  readonly workMs: number;
}

interface StallWatch {
  stop(): Stalls;
}

export function watchStalls(): void {
  stalls?.stop();
  const delays = monitorEventLoopDelay({ resolution: stallResolutionMs });
  delays.enable();
  let workedUs = threadMicroseconds();
  let longestUs = 0;
  const timer = setInterval(() => {
    const nowUs = threadMicroseconds();
    longestUs = Math.max(longestUs, nowUs - workedUs);
    workedUs = nowUs;
  }, stallResolutionMs);
  stalls = {
    stop() {
      delays.disable();
      clearInterval(timer);
      return { wallMs: Math.max(0, delays.max / 1e6 - stallResolutionMs), workMs: longestUs / 1000 };
    },
  };
}

function threadMicroseconds(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

/** Since `watchStalls`. */
export function longestStalls(): Stalls {
  const found = stalls?.stop() ?? { wallMs: 0, workMs: 0 };
  stalls = null;
  return found;
}

export async function closeEngine(): Promise<void> {
  const engine = opened;
  opened = null;
  if (engine === null) return;
  clearInterval(engine.drain);
  await engine.server.close();
  await engine.fileSystem.close();
}
