// What the memory of the host did over its last life: its size as the system tells, of which the smallest of a while counts, since
// garbage comes and goes, and what was left after garbage collections, apart for objects and for buffers. Used by soak.ts.

import { existsSync, readFileSync } from 'node:fs';
import type { Sample } from './soak-host.ts';

/** Caches fill to their limits in the first third. */
const middle = [1 / 3, 1 / 2] as const;
const end = [5 / 6, 1] as const;

interface Limit {
  readonly growth: number;
  readonly slackBytes: number;
}

const mebibyte = 1024 * 1024;
const rssLimit: Limit = { growth: 1.25, slackBytes: 64 * mebibyte };
const objectsLimit: Limit = { growth: 1.25, slackBytes: 8 * mebibyte };
const buffersLimit: Limit = { growth: 1.25, slackBytes: 32 * mebibyte };

interface Probe {
  readonly atMs: number;
  readonly pid: number;
  readonly thread: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
}

export interface MemoryFigures {
  readonly rows: readonly (readonly [string, string])[];
  readonly differences: readonly string[];
}

/** `life`: samples of one process. `probePath`: what memory-probe.ts wrote. */
export function judgeMemory(life: readonly Sample[], probePath: string): MemoryFigures {
  const rows: [string, string][] = [];
  const differences: string[] = [];
  const judge = (what: string, series: readonly number[], limit: Limit): void => {
    if (series.length < 6) return;
    const [early, late] = [middle, end].map((part) => smallest(series, part)) as [number, number];
    rows.push([`${what}, MiB, least in the middle and at the end`, [early, late].map(mebibytes).join(' → ')]);
    const tenths = Array.from({ length: 10 }, (_, part) => smallest(series, [part / 10, (part + 1) / 10]));
    rows.push([`${what}, MiB, least of every tenth`, tenths.map(mebibytes).join(' ')]);
    if (late > early * limit.growth + limit.slackBytes) differences.push(`${what} of the host grow`);
  };
  judge(
    'memory as the system tells',
    life.map(({ rssBytes }) => rssBytes),
    rssLimit,
  );
  const probes = readProbes(probePath).filter(({ pid }) => pid === life.at(-1)?.pid);
  judge('objects after collection', perRound(probes, 'heapBytes'), objectsLimit);
  judge('buffers after collection', perRound(probes, 'externalBytes'), buffersLimit);
  return { rows, differences };
}

function smallest(series: readonly number[], [from, to]: readonly [number, number]): number {
  const start = Math.floor(series.length * from);
  return Math.min(...series.slice(start, Math.max(start + 1, Math.floor(series.length * to))));
}

/** The sum over the threads that lived all the time: helpers come and go. */
function perRound(probes: readonly Probe[], what: 'heapBytes' | 'externalBytes'): number[] {
  const byThread = new Map<number, number[]>();
  for (const probe of probes)
    byThread.set(probe.thread, [...(byThread.get(probe.thread) ?? []), probe[what]]);
  const longest = Math.max(0, ...[...byThread.values()].map(({ length }) => length));
  const lasting = [...byThread.values()].filter(({ length }) => length >= longest - 2);
  return Array.from({ length: Math.max(0, longest - 2) }, (_, round) =>
    lasting.reduce((sum, values) => sum + (values[round] ?? 0), 0),
  );
}

function readProbes(path: string): Probe[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as Probe);
}

function mebibytes(bytes: number): string {
  return (bytes / mebibyte).toFixed(0);
}
