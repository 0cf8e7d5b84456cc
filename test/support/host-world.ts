// A whole host with fake engines and a fake system on a real control socket in a folder of its own. `restart` begins a new run on the same
// data. For tests of the host and of the command line’s contract.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '../../src/cli/connection.ts';
import { lockDataDir } from '../../src/main/files/data-dir.ts';
import type { DataDirLock } from '../../src/main/files/data-dir.ts';
import { startHost } from '../../src/main/host.ts';
import type { Host } from '../../src/main/host.ts';
import { ContractFailure } from '../../src/shared/contract.ts';
import type { MountArgument } from '../../src/shared/contract.ts';
import { silentLog } from '../../src/shared/log.ts';
import type { ErrorCode, HostState, MountView } from '../../src/shared/model.ts';
import type { Places } from '../../src/shared/places.ts';
import { FakeDriver } from './fake-driver.ts';
import { FakeEngines } from './fake-engine.ts';
import { ManualClock, settle } from './manual-clock.ts';

export class HostWorld {
  readonly dir: string;
  readonly places: Places;
  readonly driver = new FakeDriver();
  engines = new FakeEngines();
  clock = new ManualClock();
  #host: Host | null = null;
  #lock: DataDirLock | null = null;
  readonly #connections: Connection[] = [];

  private constructor(dir: string) {
    this.dir = dir;
    const dataDir = join(dir, 'data');
    this.places = {
      dataDir,
      cacheDir: join(dir, 'cache'),
      logDir: join(dir, 'logs'),
      controlSocketDir: dataDir,
      controlSocketPath: join(dataDir, 'control.sock'),
    };
  }

  static async start(): Promise<HostWorld> {
    const world = new HostWorld(await realpath(await mkdtemp(join(tmpdir(), 'hubdrive-host-'))));
    await world.begin();
    return world;
  }

  get host(): Host {
    if (this.#host === null) throw new Error('the host does not run');
    return this.#host;
  }

  /** `endpoint`: another Hub than the usual demo one. */
  async begin(endpoint: string | null = null): Promise<void> {
    // Before anything is awaited, so that the caller can say at once how they shall behave.
    this.engines = new FakeEngines();
    this.clock = new ManualClock();
    this.#lock = await lockDataDir(this.places);
    this.#host = await startHost({
      places: this.places,
      version: '9.9.9',
      endpoint: endpoint ?? 'http://127.0.0.1:9',
      demo: endpoint === null,
      tokens: () => Promise.resolve({ token: 'hf_demo', origin: 'demo' }),
      createEngine: (spec, listener) => this.engines.create(spec, listener),
      driver: this.driver,
      log: silentLog,
      clock: this.clock,
    });
  }

  async connect(): Promise<Connection> {
    const connection = await Connection.open(this.places.controlSocketPath);
    if (connection === null) throw new Error('nothing listens');
    this.#connections.push(connection);
    return connection;
  }

  async mount(change: Partial<MountArgument> = {}): Promise<MountView> {
    const connection = await this.connect();
    return connection.call('mounts:mount', { ...this.mountArgument(), ...change });
  }

  mountArgument(): MountArgument {
    return {
      source: 'bucket/demo/work',
      mountPoint: join(this.dir, 'mnt'),
      readOnly: false,
      revision: null,
      serverOnly: false,
    };
  }

  state(): HostState {
    return this.host.state();
  }

  only(): MountView {
    const [mount, ...others] = this.state().mounts;
    if (mount === undefined || others.length > 0) throw new Error('there is not exactly one mount');
    return mount;
  }

  /** Ends the run as a signal would. */
  async quit(): Promise<void> {
    for (const connection of this.#connections.splice(0)) connection.close();
    await this.#host?.quit(false);
    this.#lock?.release();
    this.#host = null;
  }

  /** Gives the run up as a kill would: nothing is unmounted, drained or written. */
  async forsake(): Promise<void> {
    const entries = [...this.driver.entries];
    const recordsPath = join(this.places.dataDir, 'mounts.json');
    const records = await readFile(recordsPath);
    await this.quit();
    this.driver.entries.splice(0, this.driver.entries.length, ...entries);
    await writeFile(recordsPath, records);
  }

  async close(): Promise<void> {
    if (this.#host !== null) await this.quit();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** The contract's answer to what must not work. */
export async function refusal(work: Promise<unknown>): Promise<{ code: ErrorCode; message: string }> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof ContractFailure, String(error));
    return error;
  }
  assert.fail('it should have been refused');
}

/** Far longer than anything takes that needs no clock. */
const patienceMs = 5000;

/** Lets promises, files and sockets go on until `test` holds. */
export async function eventually(test: () => boolean, what: string): Promise<void> {
  const until = performance.now() + patienceMs;
  while (!test()) {
    if (performance.now() > until) assert.fail(`it never happened: ${what}`);
    await settle(1);
  }
}
