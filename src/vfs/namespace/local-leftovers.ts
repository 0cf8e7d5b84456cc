// Sweeps away the files that NFS clients could not: a Linux or macOS kernel renames a file that is open when it is removed to
// `.nfs…` and removes it at the last close, which never comes when the machine goes down. Used at the start of a mount.

import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import type { Clock } from '../../shared/log.ts';
import { rowOf } from './inode-columns.ts';
import { isFile, type NamespaceContext } from './namespace-context.ts';
import { takeNameAway } from './namespace-remove.ts';

/** Linux: fs/nfs/unlink.c, 16 digits of the file number and 8 of a counter. macOS: `.nfs.` and two numbers of 8 and 4 digits. */
const pattern = /^\.nfs(?:[0-9a-f]{16,}|\.[0-9a-f]{8}\.?[0-9a-f]{4})$/i;
const leastAgeMs = 24 * 3_600_000;
const mostAtOnce = 100;
const bootIdFile = '/proc/sys/kernel/random/boot_id';
const bootFact = 'boot';

export function mayBeLeftover(name: string): boolean {
  return name.startsWith('.nfs') && pattern.test(name);
}

/** The run of the kernel that programs here are clients of. */
export interface Boot {
  /** Of this run alone, whatever the clock says; null where the system tells none (macOS). */
  readonly number: number | null;
  /** Milliseconds since the epoch, as far as the clock is right. Before it no program of this machine opened anything. */
  readonly atMs: number;
}

export function systemBoot(clock: Clock): Boot {
  return { number: readBootNumber(), atMs: clock.now() - uptime() * 1000 };
}

/** The first 48 bits of Linux's boot_id, which are random (random(4), "boot_id"). */
function readBootNumber(): number | null {
  try {
    const number = parseInt(readFileSync(bootIdFile, 'latin1').replaceAll('-', '').slice(0, 12), 16);
    return Number.isNaN(number) ? null : number;
  } catch {
    return null; // another system, or one that hides it
  }
}

/**
 * Takes these names from `inos`, the files that had one when the catalogue was read, where none of them can be open: a mount survives
 * its server, but not its kernel. Call at the start, before anything is served.
 */
export function sweepLeftovers(context: NamespaceContext, inos: readonly number[], boot: Boot): void {
  const { tree } = context;
  if (boot.number === null) {
    removeLeftovers(context, unchangedSince(context, inos, boot.atMs));
    return;
  }
  const before = tree.fact(bootFact);
  if (before === boot.number) return;
  // All of them were made when the catalogue was last open; where it does not say when that was, it may have been in this run.
  if (before !== null) removeLeftovers(context, inos);
  // Only now: until then nothing can have been left behind in this run.
  tree.transaction(() => tree.setFact(bootFact, Number(boot.number)));
}

/** By the clock: those that nobody changed since before the kernel started, nor for a day, as the clock may have been put right. */
function unchangedSince(
  { tree, clock }: NamespaceContext,
  inos: readonly number[],
  bootedAtMs: number,
): readonly number[] {
  const before = Math.min(bootedAtMs, clock.now() - leastAgeMs) / 1000;
  return inos.filter((ino) => {
    const slot = tree.index.slotOf(ino);
    return slot !== -1 && (tree.page(slot).ctimeSec[rowOf(slot)] ?? 0) < before;
  });
}

function removeLeftovers(context: NamespaceContext, inos: readonly number[]): void {
  const { tree, log } = context;
  const old = inos.filter((ino) => {
    const slot = tree.index.slotOf(ino);
    return slot !== -1 && isFile(context, slot) && leftoverName(context, ino) !== -1;
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
