// Writes over what is there already, so that no subject is measured at growing a file; COMMIT beside what the disk itself takes.

import { open as openFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchGroup, BenchTarget, BenchValue, OpenGroup } from '../row.ts';
import { openSubjects, type Subject } from '../servers/subjects.ts';
import type { BenchWorld } from '../world.ts';
import { figure, measureRow, type ServingRow } from './serving-row.ts';

const kib = 1024;
const mib = 1024 * kib;

const sequentialMiB = 'WRITE 1 MiB depth 8, UNSTABLE';
const randomPages = 'WRITE 4 KiB random depth 16, UNSTABLE';

const targets: readonly BenchTarget[] = [
  { metric: sequentialMiB, against: 'ganesha', atLeast: 1.5 },
  { metric: randomPages, against: 'ganesha', atLeast: 2.5 },
];

export const writeGroup: BenchGroup = { name: 'writes', targets, open };

async function open(world: BenchWorld): Promise<OpenGroup> {
  const fileBytes = world.scaled(128 * mib, 16 * mib);
  const subjects = await openSubjects(world, { files: [] });
  const handles = new Map<Subject, Uint8Array>();
  const blocks = { fileBytes, seed: 5 } as const;
  const pages = {
    blockBytes: 4 * kib,
    depth: 16,
    count: world.scaled(20_000, 500),
    order: 'random',
  } as const;
  for (const subject of subjects.all) {
    const { target } = subject;
    await target.run({ kind: 'create', dir: target.root, prefix: 'data-', count: 1, depth: 1 });
    const file = await target.lookUp('data-0');
    handles.set(subject, file);
    const megabytes = { blockBytes: mib, count: fileBytes / mib, depth: 8, order: 'sequential' } as const;
    await target.run({ kind: 'write', file, ...blocks, ...megabytes, stable: 0 });
    if (subject.name === 'ceiling') continue;
    await target.run({ kind: 'read', file, ...blocks, ...megabytes, expected: 'written' });
    await target.run({ kind: 'write', file, ...blocks, ...pages, stable: 0 });
    await target.run({ kind: 'read', file, ...blocks, ...pages, expected: 'written' });
    await target.run({ kind: 'commit', file, count: 1, depth: 1 });
    await target.run({ kind: 'read', file, ...blocks, ...pages, expected: 'written' });
  }
  const disk = await openFile(join(await world.folder(), 'disk'), 'w');

  const row = (
    metric: string,
    unit: 'MB/s' | 'op/s',
    amount: { readonly blockBytes: number; readonly depth: number; readonly count: number },
    isPinned = false,
  ): ServingRow => ({
    ...{ metric, unit, isPinned },
    specOf: (subject) => ({
      ...{ kind: 'write', file: handles.get(subject) ?? Buffer.alloc(0), ...blocks, ...amount, stable: 0 },
      order: unit === 'MB/s' ? 'sequential' : 'random',
    }),
  });
  const whole = (blockBytes: number, times: number): number => (fileBytes / blockBytes) * times;
  const rows = [
    row(sequentialMiB, 'MB/s', { blockBytes: mib, depth: 8, count: whole(mib, world.scaled(6, 1)) }),
    row('WRITE 1 MiB depth 1, UNSTABLE', 'MB/s', {
      blockBytes: mib,
      depth: 1,
      count: whole(mib, world.scaled(3, 1)),
    }),
    row('WRITE 128 KiB depth 8, UNSTABLE', 'MB/s', {
      ...{ blockBytes: 128 * kib, depth: 8, count: whole(128 * kib, world.scaled(4, 1)) },
    }),
    row(randomPages, 'op/s', pages),
    row(
      'WRITE 4 KiB random depth 1, UNSTABLE, one processor',
      'op/s',
      { blockBytes: 4 * kib, depth: 1, count: world.scaled(5000, 200) },
      true,
    ),
  ];

  return {
    missing: subjects.missing,
    async run() {
      const values: BenchValue[] = [];
      for (const one of rows) values.push(...(await measureRow(subjects, one)));
      for (const dirtyBytes of [4 * kib, world.scaled(64, 4) * mib]) {
        const metric = dirtyBytes < mib ? 'COMMIT after 4 KiB' : `COMMIT after ${dirtyBytes / mib} MiB`;
        const subject = subjects.all.find((one) => one.name === 'hubdrive');
        if (subject === undefined) continue;
        const file = handles.get(subject) ?? Buffer.alloc(0);
        values.push(figure(metric, subject, 'ms', await commitMs(subject, file, fileBytes, dirtyBytes)));
        values.push(figure(metric, { name: 'fdatasync' }, 'ms', await syncMs(disk, dirtyBytes)));
      }
      return values;
    },
    close: () => disk.close(),
  };
}

async function commitMs(
  { target }: Subject,
  file: Uint8Array,
  fileBytes: number,
  dirtyBytes: number,
): Promise<number> {
  const blockBytes = Math.min(dirtyBytes, mib);
  const blocks = {
    fileBytes,
    blockBytes,
    count: dirtyBytes / blockBytes,
    depth: 8,
    order: 'sequential',
  } as const;
  // What earlier rows wrote is not this row's.
  await target.run({ kind: 'commit', file, count: 1, depth: 1 });
  await target.run({ kind: 'write', file, ...blocks, seed: 5, stable: 0 });
  return (await target.run({ kind: 'commit', file, count: 1, depth: 1 })).seconds * 1000;
}

/** The same on a plain file of the same disk, without a server. */
async function syncMs(disk: FileHandle, dirtyBytes: number): Promise<number> {
  const block = Buffer.alloc(Math.min(dirtyBytes, mib), 1);
  for (let at = 0; at < dirtyBytes; at += block.length) await disk.write(block, 0, block.length, at);
  const startedAt = performance.now();
  await disk.datasync();
  return performance.now() - startedAt;
}
