// The Linux driver: tries the ways of privilege-linux.ts in order, believes only the table of mounts, and unmounts in steps of growing
// force. Knows nothing of mounts as the host has them.

import { HostError } from '../problem.ts';
import type { CommandResult, RunCommand } from './command-runner.ts';
import { findPreset } from './fstab.ts';
import { isMountedNow, parseMountInfo } from './mount-table.ts';
import type { MountTableEntry } from './mount-table.ts';
import { fstabLine } from './os-mount-options.ts';
import type { OsMountDriver, OsMountRequest, UnmountOutcome } from './os-mount.ts';
import { mountHelperPath, mountHelperRefused, waysToMount } from './privilege-linux.ts';
import type { MountWay } from './privilege-linux.ts';
import type { BusyProgram } from '../../shared/model.ts';

export interface LinuxSurrounding {
  readonly run: RunCommand;
  /** Whole text of a system file; rejects when it is missing. */
  readonly readText: (path: string) => Promise<string>;
  readonly exists: (path: string) => Promise<boolean>;
  readonly isRoot: boolean;
  readonly findBusyPrograms: (mountPoint: string, signal: AbortSignal) => Promise<readonly BusyProgram[]>;
}

const mountDeadlineMs = 30_000;
/** A person reads a dialog and types a password. */
const interactiveDeadlineMs = 150_000;
const unmountDeadlineMs = 25_000;
const forceDeadlineMs = 15_000;
const syncDeadlineMs = 20_000;
const probeDeadlineMs = 5_000;

export function createLinuxDriver(surrounding: LinuxSurrounding): OsMountDriver {
  return new LinuxDriver(surrounding);
}

class LinuxDriver implements OsMountDriver {
  readonly mountsForReal = true;
  readonly #surrounding: LinuxSurrounding;

  constructor(surrounding: LinuxSurrounding) {
    this.#surrounding = surrounding;
  }

  async table(): Promise<readonly MountTableEntry[]> {
    return parseMountInfo(await this.#surrounding.readText('/proc/self/mountinfo'));
  }

  async preset(mountPoint: string) {
    // root needs no entry and is not bound to its port.
    if (this.#surrounding.isRoot) return null;
    return findPreset(await this.#readOr('/etc/fstab', ''), mountPoint);
  }

  async mount(request: OsMountRequest, signal: AbortSignal): Promise<void> {
    const refusals: string[] = [];
    for (const way of await this.#ways(request.mountPoint)) {
      const { program, parameters } = way.mount(request);
      const deadlineMs = way.interactive ? interactiveDeadlineMs : mountDeadlineMs;
      const result = await this.#surrounding.run(program, parameters, { deadlineMs, signal });
      if (await this.#isMounted(request.mountPoint, request.exportPath)) return;
      const refusal = refusalOf(way, result);
      if (refusal === null) throw mountFailure(request, way, result);
      refusals.push(`${way.name}: ${refusal}`);
    }
    const line = fstabLine(request);
    throw new HostError(
      'not-permitted',
      `Linux lets only root mount NFS, and no allowed way worked for “${request.mountPoint}” (${refusals.join('; ')}). ` +
        `Run the host as root, allow sudo for mount, or add this line to /etc/fstab once: ${line} — or use --server-only`,
    );
  }

  async unmount(
    mountPoint: string,
    exportPath: string,
    force: boolean,
    signal: AbortSignal,
  ): Promise<UnmountOutcome> {
    if (!(await this.#isMounted(mountPoint, exportPath))) return { type: 'gone' };
    const plain = await this.#tryUnmount(mountPoint, exportPath, '', unmountDeadlineMs, signal);
    if (plain === null) return { type: 'gone' };
    if (!force) {
      if (plain.ended === 'aborted') throw new HostError('cancelled', 'The unmount was cancelled');
      if (plain.ended === 'deadline') {
        throw new HostError('timeout', `The system did not finish unmounting “${mountPoint}” in time`, {
          retryable: true,
        });
      }
      const programs = await this.#surrounding.findBusyPrograms(mountPoint, signal);
      return { type: 'busy', programs, detail: lastLine(plain.stderr) };
    }
    for (const flag of ['-f', '-l'] as const) {
      const result = await this.#tryUnmount(mountPoint, exportPath, flag, forceDeadlineMs, signal);
      if (result === null) return { type: 'gone' };
    }
    const programs = await this.#surrounding.findBusyPrograms(mountPoint, signal);
    return { type: 'busy', programs, detail: 'not even a forced unmount worked' };
  }

  async syncMount(mountPoint: string, signal: AbortSignal): Promise<void> {
    await this.#surrounding.run('sync', ['-f', mountPoint], { deadlineMs: syncDeadlineMs, signal });
  }

  async describeWays() {
    const { exists, isRoot, run } = this.#surrounding;
    const sudo = isRoot ? null : await run('sudo', ['-n', 'true'], { deadlineMs: probeDeadlineMs });
    const pkexec = await exists('/usr/bin/pkexec');
    return [
      {
        name: 'root',
        available: isRoot,
        detail: isRoot ? 'the host runs as root' : 'the host does not run as root',
      },
      {
        name: 'fstab',
        available: /^\s*(?:127\.0\.0\.1|localhost):\S+\s+\S+\s+nfs\s\S*\buser/m.test(
          await this.#readOr('/etc/fstab', ''),
        ),
        detail: 'an entry of type nfs from 127.0.0.1 with the option user in /etc/fstab',
      },
      {
        name: 'helper',
        available: pkexec && (await exists(mountHelperPath)),
        detail: `the packaged helper ${mountHelperPath}`,
      },
      {
        name: 'pkexec',
        available: pkexec,
        detail: pkexec ? 'asks for a password' : 'pkexec is not installed',
      },
      {
        name: 'sudo',
        available: sudo?.code === 0,
        detail: sudo?.ended === 'not-found' ? 'sudo is not installed' : 'sudo without a password',
      },
    ];
  }

  /** Null: it is gone from the table. Otherwise the last command's result. */
  async #tryUnmount(
    mountPoint: string,
    exportPath: string,
    flag: '' | '-f' | '-l',
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<CommandResult | null> {
    let last: CommandResult = { code: 1, stdout: '', stderr: '', ended: 'exited' };
    for (const way of await this.#ways(mountPoint)) {
      const { program, parameters } = way.unmount(mountPoint, flag);
      last = await this.#surrounding.run(program, parameters, {
        deadlineMs: way.interactive ? interactiveDeadlineMs : deadlineMs,
        signal,
      });
      if (!(await this.#isMounted(mountPoint, exportPath))) return null;
      if (refusalOf(way, last) === null) break;
    }
    return last;
  }

  async #ways(mountPoint: string): Promise<readonly MountWay[]> {
    const { exists, isRoot } = this.#surrounding;
    return waysToMount({
      isRoot,
      preset: await this.preset(mountPoint),
      helperInstalled: !isRoot && (await exists(mountHelperPath)),
    });
  }

  #isMounted(mountPoint: string, exportPath: string): Promise<boolean> {
    return isMountedNow(() => this.table(), mountPoint, exportPath);
  }

  async #readOr(path: string, fallback: string): Promise<string> {
    const { exists, readText } = this.#surrounding;
    return (await exists(path)) ? readText(path) : fallback;
  }
}

/** Why this way is closed to this user, so that the next may be tried; null when it was open and failed for another reason. */
function refusalOf(way: MountWay, result: CommandResult): string | null {
  if (result.ended === 'not-found') return 'not installed';
  if (result.ended !== 'exited') return null;
  // pkexec(1): 127 not authorised or no agent; 126 dismissed by the person, which is an answer and not a refusal.
  if (way.name === 'helper' && result.code === mountHelperRefused) return lastLine(result.stderr);
  if (way.name === 'pkexec' || way.name === 'helper') {
    return result.code === 127 ? lastLine(result.stderr) || 'not authorised' : null;
  }
  const denied =
    /only root|must be superuser|permission denied|operation not permitted|a password is required|not allowed|not in the sudoers|may not run sudo|failed to apply fstab options/i;
  return denied.test(result.stderr) ? lastLine(result.stderr) : null;
}

function mountFailure(request: OsMountRequest, way: MountWay, result: CommandResult): HostError {
  const where = `“${request.mountPoint}”`;
  if (result.ended === 'aborted') return new HostError('cancelled', `Mounting ${where} was cancelled`);
  if (result.ended === 'deadline') {
    return new HostError('timeout', `The mount command for ${where} did not finish in time`, {
      retryable: true,
    });
  }
  if (way.interactive && result.code === 126) {
    return new HostError('cancelled', `Mounting ${where} was not allowed in the password dialog`);
  }
  const said = lastLine(result.stderr) || `exit code ${result.code}`;
  if (/unknown filesystem type|no such device/i.test(said)) {
    return new HostError(
      'unsupported',
      `This system’s kernel has no NFS client (${said}). Install the kernel’s nfs module, or use --server-only`,
    );
  }
  return new HostError('mount-point', `Mounting ${where} failed: ${said}`, { retryable: true });
}

/** What a command said at the end. mount(8) of util-linux adds a hint at the kernel's log. */
function lastLine(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('dmesg(1) '));
  return lines.at(-1) ?? '';
}
