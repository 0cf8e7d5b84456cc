// The system side of one mount: brings up the listener, has the system mount made and removed around it, and keeps the record that a
// later run needs to recognise it. Used by MountController; decides nothing about states.

import type { BusyProgram } from '../../shared/model.ts';
import type { ListenOptions } from '../engine/engine.ts';
import type { MountEngine } from './mount-engine.ts';
import type { MountEvent } from './mount-machine.ts';
import { makeMountPoint, removeCreated } from './mount-point.ts';
import type { MountRecord } from './mount-records.ts';
import { isMountedNow } from '../system/mount-table.ts';
import type { OsMountDriver } from '../system/os-mount.ts';
import { HostError } from '../problem.ts';
import { newExportPath } from '../system/secrets.ts';

export interface MountSystemOptions {
  readonly engine: MountEngine;
  readonly driverOf: (record: MountRecord) => OsMountDriver;
  readonly listenHost: string;
  /** The remembered port if it is free, else another. */
  readonly choosePort: (record: MountRecord) => Promise<number>;
  readonly record: () => MountRecord;
  readonly changeRecord: (change: Partial<MountRecord>) => Promise<void>;
}

export class MountSystem {
  readonly #options: MountSystemOptions;

  constructor(options: MountSystemOptions) {
    this.#options = options;
  }

  /** With `orphan` the system mount of a dead run is there and only needs its server back, on the same port. */
  async attach(orphan: boolean, signal: AbortSignal): Promise<MountEvent> {
    const { engine, changeRecord } = this.#options;
    const { port, exportPath } = engine.listening ?? (await this.#listen(orphan));
    signal.throwIfAborted();
    const { mountPoint, serverOnly } = this.#options.record();
    if (serverOnly || mountPoint === null) {
      await changeRecord({ port, exportPath: null });
      await engine.setMountWindow(true);
      return { type: 'osMounted' };
    }
    if (orphan) return (await this.isMounted()) ? { type: 'osMounted' } : { type: 'ejected' };
    const made = await makeMountPoint(mountPoint);
    const createdDirs = [...new Set([...this.#options.record().createdDirs, ...made])];
    // Before the command: a mount that is made while this process dies is recognised at the next start.
    await changeRecord({ port, exportPath, createdDirs });
    await this.#mount(mountPoint, port, exportPath, signal);
    return { type: 'osMounted' };
  }

  async detach(force: boolean, signal: AbortSignal): Promise<MountEvent> {
    const { mountPoint, exportPath, source } = this.#options.record();
    if (mountPoint === null || exportPath === null) return { type: 'osUnmounted' };
    const outcome = await this.#driver().unmount(mountPoint, exportPath, force, signal);
    if (outcome.type === 'gone') {
      await this.#cleanUp();
      return { type: 'osUnmounted' };
    }
    const { programs, detail } = outcome;
    const message = `“${source}” at “${mountPoint}” is in use: ${listPrograms(programs, detail)}. Close what uses it and try again`;
    return { type: 'busy', problem: { code: 'busy', message, retryable: true, programs } };
  }

  /** What the kernel still holds back reaches the server, as far as that is possible in some seconds. */
  async sync(signal: AbortSignal): Promise<void> {
    const { mountPoint, serverOnly } = this.#options.record();
    if (mountPoint !== null && !serverOnly) await this.#driver().syncMount(mountPoint, signal);
  }

  /** Served without a system mount counts as mounted. */
  async isMounted(): Promise<boolean> {
    const { mountPoint, exportPath, serverOnly } = this.#options.record();
    if (serverOnly || mountPoint === null || exportPath === null) return true;
    const driver = this.#driver();
    return isMountedNow(() => driver.table(), mountPoint, exportPath);
  }

  #driver(): OsMountDriver {
    return this.#options.driverOf(this.#options.record());
  }

  async #listen(orphan: boolean): Promise<ListenOptions> {
    const { engine, listenHost, choosePort } = this.#options;
    const record = this.#options.record();
    const isServed = record.serverOnly || record.mountPoint === null;
    const preset =
      orphan || isServed || record.mountPoint === null
        ? null
        : await this.#driver().preset(record.mountPoint);
    if (orphan && (record.port === null || record.exportPath === null)) {
      throw new HostError(
        'internal',
        `The port of “${record.source}” is not known any more; unmount it by force`,
      );
    }
    const port = (orphan ? record.port : preset?.port) ?? (await choosePort(record));
    const exportPath = (orphan ? record.exportPath : preset?.exportPath) ?? newExportPath();
    // Of a mount that Linux makes for us only the kernel itself may be the peer; elsewhere that cannot be told.
    const peers = process.platform === 'linux' && !isServed && listenHost === '127.0.0.1' ? 'kernel' : 'any';
    const options: ListenOptions = { host: listenHost, port, exportPath, peers };
    await engine.listen(options);
    return options;
  }

  async #mount(mountPoint: string, port: number, exportPath: string, signal: AbortSignal): Promise<void> {
    const { engine, listenHost } = this.#options;
    const { readOnly } = this.#options.record();
    await engine.setMountWindow(true);
    try {
      await this.#driver().mount({ host: listenHost, port, exportPath, mountPoint, readOnly }, signal);
    } catch (error) {
      if (!(await this.isMounted())) await this.#cleanUp();
      throw error;
    } finally {
      await engine.setMountWindow(false);
    }
  }

  async #cleanUp(): Promise<void> {
    await removeCreated(this.#options.record().createdDirs);
    await this.#options.changeRecord({ createdDirs: [], exportPath: null });
  }
}

const namedPrograms = 5;

function listPrograms(programs: readonly BusyProgram[], detail: string): string {
  if (programs.length === 0) return detail || 'by a program that cannot be seen';
  const names = programs.slice(0, namedPrograms).map((program) => `${program.name} (${program.pid})`);
  const others = programs.length - names.length;
  return names.join(', ') + (others > 0 ? ` and ${others} more` : '');
}
