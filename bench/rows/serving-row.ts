// One row of the serving path: the same calls to every subject, one after the other, and what is made of them.

import { processorNs } from '../processor-time.ts';
import type { BenchValue, Unit } from '../row.ts';
import type { Measured } from '../load/load-connection.ts';
import type { LoadSpec } from '../load/workloads.ts';
import { onOneProcessor, type Subject, type Subjects } from '../servers/subjects.ts';

export interface ServingRow {
  readonly metric: string;
  readonly unit: 'MB/s' | 'op/s';
  /** All processes share one processor. */
  readonly isPinned?: boolean;
  /** The p50 and p99 of single calls are rows too. */
  readonly hasLatency?: boolean;
  /** Null: not for this subject. */
  specOf(subject: Subject): LoadSpec | null;
}

export async function measureRow(subjects: Subjects, row: ServingRow): Promise<BenchValue[]> {
  const values: BenchValue[] = [];
  for (const subject of subjects.all) {
    const spec = row.specOf(subject);
    if (spec === null) continue;
    const work = (): Promise<Timed> => timed(subject, () => subject.target.run(spec));
    const pids = [subject.pid, subjects.load.pid];
    const { measured, processorUs } = row.isPinned === true ? await onOneProcessor(pids, work) : await work();
    const value =
      row.unit === 'MB/s' ? measured.bytes / 1e6 / measured.seconds : measured.operations / measured.seconds;
    values.push(figure(row.metric, subject, row.unit, value, processorUs));
    if (row.hasLatency !== true) continue;
    values.push(figure(`${row.metric}, p50`, subject, 'us', measured.p50Us));
    values.push(figure(`${row.metric}, p99`, subject, 'us', measured.p99Us));
  }
  return values;
}

export function figure(
  metric: string,
  subject: { readonly name: string },
  unit: Unit,
  value: number,
  processorUs?: number | null,
): BenchValue {
  const base = { metric, subject: subject.name, unit, value };
  return typeof processorUs === 'number' ? { ...base, processorUs } : base;
}

interface Timed {
  readonly measured: Measured;
  /** Of the subject for one operation. */
  readonly processorUs: number | null;
}

async function timed(subject: Subject, work: () => Promise<Measured>): Promise<Timed> {
  const before = await processorNs(subject.pid);
  const measured = await work();
  const after = await processorNs(subject.pid);
  const processorUs =
    before === null || after === null ? null : (after - before) / 1000 / Math.max(1, measured.operations);
  return { measured, processorUs };
}
