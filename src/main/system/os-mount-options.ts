// The option strings of the systems' mount commands, with the reason for each option. Used by the drivers and, for the fstab line it
// suggests, by `doctor`.

import type { OsMountRequest } from './os-mount.ts';

export function linuxOptions(request: OsMountRequest): string {
  return [
    ...linuxBaseOptions(request),
    request.readOnly ? 'ro' : 'rw',
    'nosuid',
    'nodev',
    // With `mount -i` no helper resolves names: the kernel wants addresses.
    `addr=${request.host}`,
    `mountaddr=${request.host}`,
  ].join(',');
}

function linuxBaseOptions(request: OsMountRequest): string[] {
  return [
    'vers=3',
    'proto=tcp',
    'mountproto=tcp',
    // There is no lock daemon: locks are local to this machine.
    'nolock',
    // Without a portmapper both ports are named; the port is also what a reconnect uses.
    `port=${request.port}`,
    `mountport=${request.port}`,
    'rsize=1048576',
    'wsize=1048576',
    // Changes made on the Hub show within a second; names that appear there are not hidden by a cached absence.
    'actimeo=1',
    'lookupcache=positive',
    // `soft` loses dirty data at a timeout.
    'hard',
    'timeo=600',
    'retrans=2',
    'nconnect=4',
  ];
}

/** One line that lets an ordinary user mount without a password; `export` and port must stay as they are. */
export function fstabLine(request: OsMountRequest): string {
  const options = [
    ...linuxBaseOptions(request),
    request.readOnly ? 'ro' : 'rw',
    'user',
    'noauto',
    'nosuid',
    'nodev',
  ];
  return `${request.host}:${request.exportPath} ${escapeFstab(request.mountPoint)} nfs ${options.join(',')} 0 0`;
}

/** fstab(5) separates by blanks. */
function escapeFstab(path: string): string {
  return path.replace(/[\s\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

export function darwinOptions(request: OsMountRequest): string {
  return [
    'vers=3',
    'tcp',
    `port=${request.port}`,
    `mountport=${request.port}`,
    // Without a lock daemon the default fails and `nolocks` breaks flock.
    'locallocks',
    'noquota',
    // Keeps Spotlight and the sidebar away.
    'nobrowse',
    'nosuid',
    'nodev',
    // The defaults are 32 KiB.
    'rsize=1048576',
    'wsize=1048576',
    'dsize=65536',
    'readahead=128',
    'rdirplus',
    'nonegnamecache',
    'acregmin=1',
    'acregmax=5',
    'acdirmin=1',
    'acdirmax=3',
    // No "server connections interrupted" dialog while the Hub is slow.
    'mutejukebox',
    'nfc',
    'intr',
    // Neither `soft` nor `deadtimeout` where something could be written: both throw dirty pages away.
    request.readOnly ? 'rdonly' : 'rw',
  ].join(',');
}
