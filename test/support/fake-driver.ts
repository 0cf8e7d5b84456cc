// A system that mounts in memory: a table of mounts, with failures and busy programs on demand. For tests of the host.

import type { MountTableEntry } from '../../src/main/system/mount-table.ts';
import type {
  OsMountDriver,
  OsMountRequest,
  PresetMount,
  UnmountOutcome,
} from '../../src/main/system/os-mount.ts';
import type { BusyProgram } from '../../src/shared/model.ts';

export class FakeDriver implements OsMountDriver {
  readonly mountsForReal = true;
  readonly entries: MountTableEntry[] = [];
  readonly calls: string[] = [];
  mountError: Error | null = null;
  unmountError: Error | null = null;
  busyPrograms: readonly BusyProgram[] | null = null;
  presetMount: PresetMount | null = null;
  /** Runs in the middle of the mount command. */
  duringMount: (request: OsMountRequest, signal: AbortSignal) => Promise<void> = () => Promise.resolve();

  preset(): Promise<PresetMount | null> {
    return Promise.resolve(this.presetMount);
  }

  async mount(request: OsMountRequest, signal: AbortSignal): Promise<void> {
    this.calls.push(
      `mount ${request.mountPoint} port ${request.port}${request.readOnly ? ' read-only' : ''}`,
    );
    signal.throwIfAborted();
    await this.duringMount(request, signal);
    if (this.mountError !== null) throw this.mountError;
    this.add(request.mountPoint, request.exportPath);
  }

  unmount(mountPoint: string, _exportPath: string, force: boolean): Promise<UnmountOutcome> {
    this.calls.push(`unmount ${mountPoint}${force ? ' by force' : ''}`);
    if (this.unmountError !== null && !force) return Promise.reject(this.unmountError);
    if (this.busyPrograms !== null && !force) {
      return Promise.resolve({ type: 'busy', programs: this.busyPrograms, detail: '' });
    }
    this.remove(mountPoint);
    return Promise.resolve({ type: 'gone' });
  }

  table(): Promise<readonly MountTableEntry[]> {
    return Promise.resolve([...this.entries]);
  }

  syncMount(mountPoint: string): Promise<void> {
    this.calls.push(`sync ${mountPoint}`);
    return Promise.resolve();
  }

  describeWays() {
    return Promise.resolve([{ name: 'fake', available: true, detail: 'always' }]);
  }

  add(mountPoint: string, exportPath: string): void {
    this.entries.push({ mountPoint, type: 'nfs', device: `127.0.0.1:${exportPath}` });
  }

  remove(mountPoint: string): void {
    const at = this.entries.findIndex((entry) => entry.mountPoint === mountPoint);
    if (at >= 0) this.entries.splice(at, 1);
  }
}
