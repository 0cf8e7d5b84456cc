// The macOS driver: mount_nfs as the user on a folder that the user owns. Nothing here was run on a Mac yet; command lines and parsing
// follow Apple's sources (mount_nfs.c, nfs_vfsops.c) and are pinned by tests.

import type { BusyProgram } from '../../shared/model.ts';
import type { RunCommand } from './command-runner.ts';
import { isMountedNow, parseDarwinMountOutput } from './mount-table.ts';
import type { MountTableEntry } from './mount-table.ts';
import { darwinOptions } from './os-mount-options.ts';
import type { OsMountDriver, OsMountRequest, UnmountOutcome } from './os-mount.ts';
import { HostError } from '../problem.ts';

const mountDeadlineMs = 30_000;
const unmountDeadlineMs = 25_000;
const forceDeadlineMs = 20_000;
const tableDeadlineMs = 10_000;
const syncDeadlineMs = 10_000;
const lsofDeadlineMs = 8_000;

export function createDarwinDriver(run: RunCommand): OsMountDriver {
  return new DarwinDriver(run);
}

class DarwinDriver implements OsMountDriver {
  readonly mountsForReal = true;
  readonly #run: RunCommand;

  constructor(run: RunCommand) {
    this.#run = run;
  }

  preset(): Promise<null> {
    return Promise.resolve(null);
  }

  /** mount(8) without arguments asks with MNT_NOWAIT, so a dead server does not hold it up. */
  async table(): Promise<readonly MountTableEntry[]> {
    const result = await this.#run('/sbin/mount', [], { deadlineMs: tableDeadlineMs });
    if (result.code !== 0)
      throw new HostError('timeout', 'The system’s list of mounts could not be read', { retryable: true });
    return parseDarwinMountOutput(result.stdout);
  }

  async mount(request: OsMountRequest, signal: AbortSignal): Promise<void> {
    const parameters = [
      '-o',
      darwinOptions(request),
      `${request.host}:${request.exportPath}`,
      request.mountPoint,
    ];
    const result = await this.#run('/sbin/mount_nfs', parameters, { deadlineMs: mountDeadlineMs, signal });
    if (await this.#isMounted(request.mountPoint, request.exportPath)) return;
    const where = `“${request.mountPoint}”`;
    if (result.ended === 'aborted') throw new HostError('cancelled', `Mounting ${where} was cancelled`);
    if (result.ended === 'deadline') {
      throw new HostError('timeout', `The mount command for ${where} did not finish in time`, {
        retryable: true,
      });
    }
    const said = result.stderr.trim().split('\n').at(-1) ?? `exit code ${result.code}`;
    if (/operation not permitted/i.test(said)) {
      throw new HostError(
        'not-permitted',
        `macOS did not allow mounting on ${where} (${said}). The folder must belong to you, and the app may need Full Disk Access ` +
          'in System Settings, Privacy & Security',
      );
    }
    throw new HostError('mount-point', `Mounting ${where} failed: ${said}`, { retryable: true });
  }

  async unmount(
    mountPoint: string,
    exportPath: string,
    force: boolean,
    signal: AbortSignal,
  ): Promise<UnmountOutcome> {
    if (!(await this.#isMounted(mountPoint, exportPath))) return { type: 'gone' };
    const plain = await this.#run('/sbin/umount', [mountPoint], { deadlineMs: unmountDeadlineMs, signal });
    if (!(await this.#isMounted(mountPoint, exportPath))) return { type: 'gone' };
    if (!force) {
      if (plain.ended === 'aborted') throw new HostError('cancelled', 'The unmount was cancelled');
      if (plain.ended === 'deadline') {
        throw new HostError('timeout', `The system did not finish unmounting “${mountPoint}” in time`, {
          retryable: true,
        });
      }
      return {
        type: 'busy',
        programs: await this.#busyPrograms(mountPoint, signal),
        detail: plain.stderr.trim(),
      };
    }
    const forced: readonly (readonly [string, readonly string[]])[] = [
      ['/sbin/umount', ['-f', mountPoint]],
      ['/usr/sbin/diskutil', ['unmount', 'force', mountPoint]],
    ];
    for (const [program, parameters] of forced) {
      await this.#run(program, parameters, { deadlineMs: forceDeadlineMs, signal });
      if (!(await this.#isMounted(mountPoint, exportPath))) return { type: 'gone' };
    }
    const programs = await this.#busyPrograms(mountPoint, signal);
    return { type: 'busy', programs, detail: 'not even a forced unmount worked' };
  }

  async syncMount(_mountPoint: string, signal: AbortSignal): Promise<void> {
    await this.#run('/bin/sync', [], { deadlineMs: syncDeadlineMs, signal });
  }

  describeWays() {
    return Promise.resolve([
      { name: 'mount_nfs', available: true, detail: 'as you, on a folder that belongs to you' },
    ]);
  }

  #isMounted(mountPoint: string, exportPath: string): Promise<boolean> {
    return isMountedNow(() => this.table(), mountPoint, exportPath);
  }

  async #busyPrograms(mountPoint: string, signal: AbortSignal): Promise<readonly BusyProgram[]> {
    // -w no warnings, -F machine-readable, +f -- takes the argument as a file system.
    const result = await this.#run('/usr/sbin/lsof', ['-w', '-F', 'pc', '+f', '--', mountPoint], {
      deadlineMs: lsofDeadlineMs,
      signal,
    });
    return parseLsof(result.stdout);
  }
}

/** lsof(8) -F pc: a line `pPID`, then `cCOMMAND`; other fields (`f…`) are skipped. */
export function parseLsof(output: string): readonly BusyProgram[] {
  const programs: BusyProgram[] = [];
  let pid: number | null = null;
  for (const line of output.split('\n')) {
    if (line.startsWith('p')) pid = Number(line.slice(1));
    if (line.startsWith('c') && pid !== null) {
      programs.push({ pid, name: line.slice(1) });
      pid = null;
    }
  }
  return programs;
}
