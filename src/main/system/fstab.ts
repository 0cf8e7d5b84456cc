// Reads /etc/fstab for entries that let this user mount our loopback export without a password. Pure parser.

import type { PresetMount } from './os-mount.ts';
import { unescapeOctal } from './mount-table.ts';

/** The last entry for `mountPoint` of type nfs from this machine with `user`, a port and no `auto` surprise; null if there is none. */
export function findPreset(fstab: string, mountPoint: string): PresetMount | null {
  let found: PresetMount | null = null;
  for (const line of fstab.split('\n')) {
    const [device, target, type, options] = line.trim().split(/\s+/);
    if (device === undefined || device.startsWith('#') || target === undefined || options === undefined)
      continue;
    if (type !== 'nfs' || unescapeOctal(target) !== mountPoint) continue;
    const preset = parseEntry(unescapeOctal(device), options.split(','));
    if (preset !== null) found = preset;
  }
  return found;
}

function parseEntry(device: string, options: readonly string[]): PresetMount | null {
  const local = /^(?:127\.0\.0\.1|localhost):(\/.*)$/.exec(device);
  const exportPath = local?.[1];
  if (exportPath === undefined) return null;
  if (!options.some((option) => option === 'user' || option === 'users' || option === 'owner')) return null;
  const port = Number(options.find((option) => option.startsWith('port='))?.slice('port='.length));
  const mountPort = Number(
    options.find((option) => option.startsWith('mountport='))?.slice('mountport='.length),
  );
  // Both programs are served on one port.
  if (!Number.isSafeInteger(port) || port < 1 || port > 65535 || mountPort !== port) return null;
  return { port, exportPath };
}
