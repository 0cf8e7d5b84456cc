// What rows are given: folders that are removed afterwards, processes that are ended, the embedded Hub and the real host each in its own
// process. One world per bench; whatever it started is ended by `close`.

import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild, type BenchChild, type ChildOptions } from './child.ts';
import { HostProcess, type HostOptions } from './host-process.ts';
import type { GeneratedFile, HubAddress } from './hub-child.ts';
import type { HubSettings } from '../src/hub-local/faults.ts';

const hubModule = new URL('./hub-child.ts', import.meta.url);
const sharedMemory = '/dev/shm';

export interface BenchHub extends HubAddress {
  readonly child: BenchChild;
  put(files: readonly GeneratedFile[]): Promise<void>;
  close(): Promise<void>;
}

export interface WorldOptions {
  /** Smaller files and fewer operations: shows that everything works, its figures are no measurement. */
  readonly isQuick: boolean;
  /** Where each host leaves CPU profiles of its threads when it ends; null: it takes none. */
  readonly profileDir: string | null;
  /** Subjects that shall not be measured. */
  readonly without: readonly string[];
}

export class BenchWorld {
  readonly isQuick: boolean;
  readonly without: readonly string[];
  readonly #profileDir: string | null;
  readonly #folders: string[] = [];
  readonly #running = new Set<{ close(): Promise<void> }>();

  constructor(options: WorldOptions) {
    this.isQuick = options.isQuick;
    this.without = options.without;
    this.#profileDir = options.profileDir;
    process.once('exit', this.#onExit);
  }

  /** `full` in a real bench, `quick` in a quick one. */
  scaled<T>(full: T, quick: T): T {
    return this.isQuick ? quick : full;
  }

  /** A new folder on the disk of the temporary files. */
  folder(): Promise<string> {
    return this.#make(tmpdir());
  }

  /** A new folder in memory where the system has such a place, else on disk. */
  memoryFolder(): Promise<string> {
    return this.#make(existsSync(sharedMemory) ? sharedMemory : tmpdir());
  }

  async #make(parent: string): Promise<string> {
    const folder = await mkdtemp(join(parent, 'hubdrive-bench-'));
    this.#folders.push(folder);
    return folder;
  }

  startChild(options: ChildOptions = {}): BenchChild {
    return this.track(startChild(options));
  }

  async startHub(settings: Partial<HubSettings> = {}): Promise<BenchHub> {
    const child = this.startChild();
    const dataDir = await this.folder();
    const address = await child.call<HubAddress>(hubModule, 'openHub', { dataDir, settings });
    return {
      ...address,
      child,
      put: (files) => child.call(hubModule, 'putGenerated', files),
      close: () => child.close(),
    };
  }

  /** The real host; see HostProcess. */
  async startHost(hub: HubAddress, options: HostOptions = {}): Promise<HostProcess> {
    return this.track(
      await HostProcess.start(await this.folder(), hub, { profileDir: this.#profileDir, ...options }),
    );
  }

  /** Ends `running` at the latest with the world. */
  track<T extends { close(): Promise<void> }>(running: T): T {
    this.#running.add(running);
    return running;
  }

  /** The process ends before `close`, by a signal: nothing is left behind, also not in memory. */
  readonly #onExit = (): void => {
    for (const running of this.#running) void running.close();
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  };

  /** Ends all that runs, newest first, and removes the folders. */
  async close(): Promise<void> {
    for (const running of [...this.#running].reverse()) await running.close();
    this.#running.clear();
    process.off('exit', this.#onExit);
    for (const folder of this.#folders.splice(0)) await rm(folder, { recursive: true, force: true });
  }
}
