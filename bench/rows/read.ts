// Warm reads: everything is in hubdrive's cache on disk and in the system's page cache.

import type { BenchGroup, BenchTarget, BenchValue, OpenGroup } from '../row.ts';
import { openSubjects, type Subject } from '../servers/subjects.ts';
import type { BenchWorld } from '../world.ts';
import { figure, measureRow, type ServingRow } from './serving-row.ts';

const kib = 1024;
const mib = 1024 * kib;
const seed = 11;

const sequentialMiB = 'READ 1 MiB depth 8';
const randomPages = 'READ 4 KiB random depth 16';

const targets: readonly BenchTarget[] = [
  { metric: sequentialMiB, against: 'ceiling', atLeast: 0.75 },
  { metric: sequentialMiB, against: 'ganesha', atLeast: 1.3 },
  { metric: randomPages, against: 'ganesha', atLeast: 3.5 },
];

export const readGroup: BenchGroup = { name: 'warm reads', targets, open };

async function open(world: BenchWorld): Promise<OpenGroup> {
  const fileBytes = world.scaled(200_000_000, 32 * mib);
  const several = (prefix: string, count: number, sizeBytes: number) =>
    Array.from({ length: count }, (_, index) => ({
      path: `${prefix}${index}`,
      sizeBytes,
      seed: seed + 1 + index,
    }));
  const tens = several('ten-', 5, 10_000_000);
  const ones = several('one-', 10, 1_000_000);
  const files = [{ path: 'data', sizeBytes: fileBytes, seed }, ...tens, ...ones];
  const subjects = await openSubjects(world, { files });
  const handles = new Map<string, Uint8Array>();
  const handleOf = (subject: Subject, path: string): Uint8Array =>
    handles.get(`${subject.name} ${path}`) ?? Buffer.alloc(0);
  for (const subject of subjects.all) {
    for (const { path, sizeBytes, seed: fileSeed } of files) {
      const file = await subject.target.lookUp(path);
      handles.set(`${subject.name} ${path}`, file);
      if (subject.name === 'ceiling') continue;
      // Brings it into the caches, and proves that every byte is right.
      for (const blockBytes of [mib, 300_001]) {
        const count = Math.ceil(sizeBytes / blockBytes);
        await subject.target.run({
          ...{
            kind: 'read',
            file,
            fileBytes: sizeBytes,
            blockBytes,
            count,
            depth: 8,
            order: 'sequential',
            seed,
          },
          expected: { kind: 'random', seed: fileSeed },
        });
      }
    }
  }

  const row = (
    metric: string,
    unit: 'MB/s' | 'op/s',
    amount: { readonly blockBytes: number; readonly depth: number; readonly count: number },
    extra: Pick<ServingRow, 'isPinned' | 'hasLatency'> = {},
  ): ServingRow => ({
    ...{ metric, unit, ...extra },
    specOf: (subject) => ({
      ...{ kind: 'read', file: handleOf(subject, 'data'), fileBytes, ...amount, expected: null, seed: 3 },
      order: unit === 'MB/s' ? 'sequential' : 'random',
    }),
  });
  const whole = (blockBytes: number, times: number): number => Math.floor((fileBytes / blockBytes) * times);
  const rows = [
    row(sequentialMiB, 'MB/s', { blockBytes: mib, depth: 8, count: whole(mib, world.scaled(5, 1)) }),
    row('READ 1 MiB depth 1', 'MB/s', { blockBytes: mib, depth: 1, count: whole(mib, world.scaled(2, 1)) }),
    row('READ 128 KiB depth 8', 'MB/s', {
      blockBytes: 128 * kib,
      depth: 8,
      count: whole(128 * kib, world.scaled(3, 1)),
    }),
    row(randomPages, 'op/s', { blockBytes: 4 * kib, depth: 16, count: world.scaled(30_000, 1000) }),
    row(
      'READ 4 KiB random depth 1, one processor',
      'op/s',
      { blockBytes: 4 * kib, depth: 1, count: world.scaled(8000, 300) },
      { isPinned: true, hasLatency: true },
    ),
  ];

  const readFiles = async (
    metric: string,
    paths: readonly { readonly path: string; readonly sizeBytes: number }[],
  ) => {
    const values: BenchValue[] = [];
    for (const subject of subjects.all) {
      // All files of the ceiling have one length.
      if (subject.name === 'ceiling') continue;
      const startedAt = performance.now();
      let bytes = 0;
      for (const { path, sizeBytes } of paths) {
        const file = await subject.target.lookUp(path);
        const count = Math.ceil(sizeBytes / mib);
        const blocks = {
          fileBytes: sizeBytes,
          blockBytes: mib,
          count,
          depth: 8,
          order: 'sequential',
          seed,
        } as const;
        bytes += (await subject.target.run({ kind: 'read', file, ...blocks, expected: null })).bytes;
      }
      values.push(figure(metric, subject, 'MB/s', bytes / 1e3 / (performance.now() - startedAt)));
    }
    return values;
  };

  return {
    missing: subjects.missing,
    async run() {
      const values: BenchValue[] = [];
      for (const one of rows) values.push(...(await measureRow(subjects, one)));
      values.push(...(await readFiles('READ five files of 10 MB', tens)));
      values.push(...(await readFiles('READ ten files of 1 MB', ones)));
      return values;
    },
    close: () => Promise.resolve(),
  };
}
