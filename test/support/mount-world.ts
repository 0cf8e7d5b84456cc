// A mount controller with a fake engine and a fake system around it, on a manual clock. For tests of the host.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MountController } from '../../src/main/mounts/mount-controller.ts';
import type { MountRecord } from '../../src/main/mounts/mount-records.ts';
import { serverOnlyDriver } from '../../src/main/system/os-mount.ts';
import type { MountStateName } from '../../src/shared/model.ts';
import { silentLog } from '../../src/shared/log.ts';
import { FakeDriver } from './fake-driver.ts';
import { FakeEngines } from './fake-engine.ts';
import { ManualClock, settle } from './manual-clock.ts';

export class MountWorld {
  readonly dir = mkdtempSync(join(tmpdir(), 'hubdrive-mount-'));
  readonly mountPoint = join(this.dir, 'owner', 'name');
  readonly clock = new ManualClock();
  readonly engines = new FakeEngines();
  readonly driver = new FakeDriver();
  readonly saved: MountRecord[] = [];
  readonly states: MountStateName[] = ['idle'];
  readonly controller: MountController;

  constructor(change: Partial<MountRecord> = {}) {
    const record: MountRecord = { ...sampleRecord(this.mountPoint), ...change };
    this.controller = new MountController({
      record,
      endpoint: 'http://127.0.0.1:9',
      listenHost: '127.0.0.1',
      clock: this.clock,
      log: silentLog,
      driverOf: (current) => (current.serverOnly ? serverOnlyDriver : this.driver),
      createEngine: (current, listener) =>
        this.engines.create(
          {
            endpoint: 'http://127.0.0.1:9',
            source: current.source,
            revision: current.revision,
            readOnly: current.readOnly,
            dataDir: join(this.dir, 'data'),
            cacheDir: join(this.dir, 'cache'),
            cacheLimitBytes: 1,
            pollIntervalMs: 1,
            owner: { uid: 0, gid: 0 },
            hostName: 'here',
            userAgent: 'test',
          },
          listener,
        ),
      choosePort: (current) => Promise.resolve(current.port ?? 21_000),
      drainTimeoutMs: () => 60_000,
      saveRecord: (current) => {
        this.saved.push(current);
        return Promise.resolve();
      },
      onChange: () => this.#noteState(),
      onActivity: () => undefined,
    });
  }

  #noteState(): void {
    const { name } = this.controller.state;
    if (this.states.at(-1) !== name) this.states.push(name);
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    await settle(12);
  }

  async mount(): Promise<void> {
    this.controller.dispatch({ type: 'mountRequested' });
    await this.controller.waitFor((state) => state.name === 'mounted');
  }

  unmount(wish: { discard?: boolean; ifUnsent?: 'keep' | 'stay'; force?: boolean } = {}): void {
    const { discard = false, ifUnsent = 'keep', force = false } = wish;
    this.controller.dispatch({ type: 'unmountRequested', discard, ifUnsent, force });
  }

  close(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export function sampleRecord(mountPoint: string): MountRecord {
  return {
    id: 'bucket-demo-work-1',
    source: 'bucket/demo/work',
    revision: null,
    hub: 'demo',
    mountPoint,
    readOnly: false,
    serverOnly: false,
    port: null,
    exportPath: null,
    wanted: false,
    createdDirs: [],
    unsent: { files: 0, bytes: 0 },
  };
}
