// Sweeps away the files that NFS clients could not: a Linux or macOS kernel renames a file that is open when it is removed to
// `.nfs…` and removes it at the last close, which never comes when the machine goes down. Used at the start of a mount.

import { uptime } from 'node:os';
import type { Clock } from '../../shared/log.ts';
import { rowOf } from './inode-columns.ts';
import { isFile, type NamespaceContext } from './namespace-context.ts';
import { takeNameAway } from './namespace-remove.ts';

/** Linux: fs/nfs/unlink.c, 16 digits of the file number and 8 of a counter. macOS: `.nfs.` and two numbers of 8 and 4 digits. */
const pattern = /^\.nfs(?:[0-9a-f]{16,}|\.[0-9a-f]{8}\.?[0-9a-f]{4})$/i;
const leastAgeMs = 24 * 3_600_000;
const mostAtOnce = 100;

export function mayBeLeftover(name: string): boolean {
  return name.startsWith('.nfs') && pattern.test(name);
}

/** Milliseconds since the epoch. Before it no program of this machine opened anything. */
export function bootedAtMs(clock: Clock): number {
  return clock.now() - uptime() * 1000;
}

/**
 * Takes these names from those of `inos` that nobody changed since before `bootedMs`, nor for a day: none of them can be open. A
 * mount survives its server, so a restart of the server alone says nothing.
 */
export function sweepLeftovers(context: NamespaceContext, inos: readonly number[], bootedMs: number): void {
  const { tree, clock, log } = context;
  const before = Math.min(bootedMs, clock.now() - leastAgeMs) / 1000;
  const old = inos.filter((ino) => {
    const slot = tree.index.slotOf(ino);
    return slot !== -1 && isFile(context, slot) && (tree.page(slot).ctimeSec[rowOf(slot)] ?? 0) < before;
  });
  for (let start = 0; start < old.length; start += mostAtOnce) {
    tree.transaction(() => {
      for (const ino of old.slice(start, start + mostAtOnce)) removeLeftoverNames(context, ino);
    });
  }
  if (old.length > 0)
    log.info('Files that were removed while they were open are gone', { files: old.length });
}

function removeLeftoverNames(context: NamespaceContext, ino: number): void {
  const { tree } = context;
  for (let entry = leftoverName(context, ino); entry !== -1; entry = leftoverName(context, ino)) {
    const parent = tree.index.parentOf(entry);
    takeNameAway(context, entry);
    tree.touchDirectory(parent);
  }
}

/** -1 for none. What the Hub has under such a name is a file like any other. */
function leftoverName({ tree }: NamespaceContext, ino: number): number {
  const slot = tree.index.slotOf(ino);
  if (slot === -1) return -1;
  for (let entry = tree.index.firstName(slot); entry !== -1; entry = tree.index.nextName(entry)) {
    if (mayBeLeftover(tree.index.nameOf(entry)) && tree.expect(entry) === null) return entry;
  }
  return -1;
}
