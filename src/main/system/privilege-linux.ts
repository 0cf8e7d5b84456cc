// The ways by which this user may run mount(8) and umount(8) on Linux, best first. Only the kernel's NFS needs this: mounting it takes
// CAP_SYS_ADMIN in the first user namespace. Builds command lines; runs nothing.

import { linuxOptions } from './os-mount-options.ts';
import type { OsMountRequest, PresetMount } from './os-mount.ts';

/** Installed with its polkit policy by the system packages: mounts only 127.0.0.1, with fixed options, on folders of the caller. */
export const mountHelperPath = '/usr/lib/hubdrive/hubdrive-mount-helper';
/** Its exit code when it does not do such things, for instance outside the home folder; 1 when it tried and failed. */
export const mountHelperRefused = 3;

export interface CommandLine {
  readonly program: string;
  readonly parameters: readonly string[];
}

export interface MountWay {
  readonly name: 'root' | 'fstab' | 'helper' | 'pkexec' | 'sudo';
  /** A person may be asked for a password. */
  readonly interactive: boolean;
  mount(request: OsMountRequest): CommandLine;
  /** `flag`: '' plain, '-f' aborts what waits for the server, '-l' detaches at once. */
  unmount(mountPoint: string, flag: '' | '-f' | '-l'): CommandLine;
}

export interface Rights {
  readonly isRoot: boolean;
  readonly preset: PresetMount | null;
  readonly helperInstalled: boolean;
}

export function waysToMount(rights: Rights): readonly MountWay[] {
  if (rights.isRoot) return [rootWay];
  const ways: MountWay[] = [];
  if (rights.preset !== null) ways.push(fstabWay);
  if (rights.helperInstalled) ways.push(helperWay);
  ways.push(pkexecWay, sudoWay);
  return ways;
}

function mountParameters(request: OsMountRequest): string[] {
  // -i: no mount.nfs, which need not be installed; the kernel speaks MOUNT itself.
  return [
    '-i',
    '-t',
    'nfs',
    '-o',
    linuxOptions(request),
    `${request.host}:${request.exportPath}`,
    request.mountPoint,
  ];
}

function unmountParameters(mountPoint: string, flag: '' | '-f' | '-l'): string[] {
  // -i: no umount.nfs, which would call the server first; -c: the path is not resolved, so a dead server is not touched.
  return ['-i', '-c', ...(flag === '' ? [] : [flag]), mountPoint];
}

const rootWay: MountWay = {
  name: 'root',
  interactive: false,
  mount: (request) => ({ program: 'mount', parameters: mountParameters(request) }),
  unmount: (mountPoint, flag) => ({ program: 'umount', parameters: unmountParameters(mountPoint, flag) }),
};

/** mount(8) takes everything from the entry; nothing else may be given by a user. */
const fstabWay: MountWay = {
  name: 'fstab',
  interactive: false,
  mount: (request) => ({ program: 'mount', parameters: [request.mountPoint] }),
  unmount: (mountPoint, flag) => ({
    program: 'umount',
    parameters: [...(flag === '' ? [] : [flag]), mountPoint],
  }),
};

// --disable-internal-agent: a text agent would read from a terminal that this process does not own.

const helperWay: MountWay = {
  name: 'helper',
  interactive: true,
  mount: (request) => ({
    program: 'pkexec',
    parameters: [
      '--disable-internal-agent',
      mountHelperPath,
      'mount',
      String(request.port),
      request.exportPath,
      request.readOnly ? 'ro' : 'rw',
      request.mountPoint,
    ],
  }),
  unmount: (mountPoint, flag) => ({
    program: 'pkexec',
    parameters: [
      '--disable-internal-agent',
      mountHelperPath,
      'unmount',
      flag === '' ? 'plain' : flag === '-f' ? 'force' : 'lazy',
      mountPoint,
    ],
  }),
};

const pkexecWay: MountWay = {
  name: 'pkexec',
  interactive: true,
  mount: (request) => ({
    program: 'pkexec',
    parameters: ['--disable-internal-agent', '/usr/bin/mount', ...mountParameters(request)],
  }),
  unmount: (mountPoint, flag) => ({
    program: 'pkexec',
    parameters: ['--disable-internal-agent', '/usr/bin/umount', ...unmountParameters(mountPoint, flag)],
  }),
};

const sudoWay: MountWay = {
  name: 'sudo',
  interactive: false,
  mount: (request) => ({
    program: 'sudo',
    parameters: ['-n', '/usr/bin/mount', ...mountParameters(request)],
  }),
  unmount: (mountPoint, flag) => ({
    program: 'sudo',
    parameters: ['-n', '/usr/bin/umount', ...unmountParameters(mountPoint, flag)],
  }),
};
