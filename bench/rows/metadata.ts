// Calls that move no file data: attributes, names, listings, making and removing.

import type { BenchGroup, BenchTarget, BenchValue, OpenGroup } from '../row.ts';
import { openSubjects, type Subject } from '../servers/subjects.ts';
import type { BenchWorld } from '../world.ts';
import { figure, measureRow, type ServingRow } from './serving-row.ts';

const getattr = 'GETATTR depth 16';
const lookup = 'LOOKUP depth 16';
const listing = 'READDIRPLUS of 10,000';
const longListing = 'READDIRPLUS of 100,000';
const linear = 'READDIRPLUS, 100,000 by 10,000';

const targets: readonly BenchTarget[] = [
  { metric: getattr, against: 'ganesha', atLeast: 5 },
  { metric: lookup, against: 'ganesha', atLeast: 5 },
  { metric: listing, against: 'ganesha', atLeast: 6 },
  { metric: longListing, against: 'ganesha', atLeast: 6 },
  // As many entries a second of a long folder as of a shorter one, but for what the processor's caches no longer hold.
  { metric: linear, atLeast: 0.75 },
];

export const metadataGroup: BenchGroup = { name: 'metadata', targets, open };

const fileBytes = 4096;

interface Handles {
  readonly file: Uint8Array;
  readonly folders: readonly Uint8Array[];
  readonly scratch: Uint8Array;
  /** Of listings, as the server prefers. */
  readonly pageBytes: number;
}

async function open(world: BenchWorld): Promise<OpenGroup> {
  const folders = [
    { name: 'ten-thousand', entries: world.scaled(10_000, 500), times: 20, metric: listing },
    { name: 'hundred-thousand', entries: world.scaled(100_000, 5000), times: 2, metric: longListing },
  ] as const;
  const subjects = await openSubjects(world, {
    files: [{ path: 'file', sizeBytes: fileBytes, seed: 21 }],
    folders,
  });
  const handles = new Map<Subject, Handles>();
  for (const subject of subjects.all) {
    const { target } = subject;
    const file = await target.lookUp('file');
    if (subject.name === 'ceiling') {
      handles.set(subject, { file, folders: [], scratch: target.root, pageBytes: 0 });
      continue;
    }
    const scratch = await target.makeFolder('scratch');
    const dirs: Uint8Array[] = [];
    const pageBytes = await target.preferredPageBytes();
    for (const { name, entries } of folders) {
      const dir = await target.lookUp(name);
      await target.list({ dir, pageBytes, expected: entries, isVerified: true });
      dirs.push(dir);
    }
    handles.set(subject, { file, folders: dirs, scratch, pageBytes });
  }

  const rows: ServingRow[] = [];
  for (const isPinned of [false, true]) {
    const depth = isPinned ? 1 : 16;
    const name = (procedure: string): string =>
      `${procedure} depth ${depth}${isPinned ? ', one processor' : ''}`;
    const amount = { count: isPinned ? world.scaled(5000, 300) : world.scaled(60_000, 1000), depth };
    const extra = { unit: 'op/s', isPinned, hasLatency: isPinned } as const;
    rows.push(
      {
        ...{ metric: name('GETATTR'), ...extra },
        specOf: (subject) => ({ kind: 'getattr', ...amount, file: fileOf(handles, subject), fileBytes }),
      },
      {
        ...{ metric: name('LOOKUP'), ...extra },
        specOf: (subject) => ({
          ...{ kind: 'lookup', ...amount, dir: subject.target.root, name: 'file' },
          found: fileOf(handles, subject),
        }),
      },
      {
        ...{ metric: name('ACCESS'), ...extra },
        specOf: (subject) => ({ kind: 'access', ...amount, file: fileOf(handles, subject) }),
      },
    );
  }

  const count = world.scaled(1000, 50);
  for (const depth of [1, 8]) {
    for (const kind of ['create', 'remove'] as const) {
      rows.push({
        ...{ metric: `${kind === 'create' ? 'CREATE' : 'REMOVE'} of 1,000, depth ${depth}`, unit: 'op/s' },
        specOf: (subject) => ({
          ...{ kind, count, depth, prefix: `made-${depth}-` },
          dir: handles.get(subject)?.scratch ?? Buffer.alloc(0),
        }),
      });
    }
  }

  const list = async (): Promise<BenchValue[]> => {
    const values: BenchValue[] = [];
    const rates = new Map<string, number[]>();
    for (const [index, { metric, entries, times }] of folders.entries()) {
      for (const subject of subjects.all) {
        const own = handles.get(subject);
        const dir = own?.folders[index];
        if (own === undefined || dir === undefined) continue;
        const { pageBytes } = own;
        let seconds = 0;
        for (let time = 0; time < times; time += 1) {
          seconds += (await subject.target.list({ dir, pageBytes, expected: entries, isVerified: false }))
            .seconds;
        }
        values.push(figure(metric, subject, 'entries/s', (times * entries) / seconds));
        rates.set(subject.name, [...(rates.get(subject.name) ?? []), (times * entries) / seconds]);
      }
    }
    for (const [name, [shorter = 0, longer = 0]] of rates) {
      values.push(figure(linear, { name }, 'x', longer / shorter));
    }
    return values;
  };

  return {
    missing: subjects.missing,
    async run() {
      const values: BenchValue[] = [];
      for (const row of rows) values.push(...(await measureRow(subjects, row)));
      values.push(...(await list()));
      return values;
    },
    close: () => Promise.resolve(),
  };
}

function fileOf(handles: ReadonlyMap<Subject, Handles>, subject: Subject): Uint8Array {
  return handles.get(subject)?.file ?? Buffer.alloc(0);
}
