// Medians and spreads of the runs, and targets judged by them. Pure.

import type { BenchTarget, BenchValue, Unit } from './row.ts';

/** Of one subject in one row. */
export interface Series {
  readonly metric: string;
  readonly subject: string;
  readonly unit: Unit;
  /** One per counted run, in their order. */
  readonly values: readonly number[];
  /** One per run where it was taken. */
  readonly processorUs: readonly number[];
}

export interface Summary {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

export interface Verdict {
  readonly target: BenchTarget;
  readonly text: string;
  /** Null when the row or the other subject was not measured. */
  readonly summary: Summary | null;
  readonly isMet: boolean | null;
}

export const ownSubject = 'hubdrive';

export function summarise(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const lower = sorted.length % 2 === 1 ? upper : (sorted[middle - 1] ?? Number.NaN);
  return {
    median: (lower + upper) / 2,
    lowest: sorted[0] ?? Number.NaN,
    highest: sorted.at(-1) ?? Number.NaN,
  };
}

/** Rows and subjects in the order in which they came first. */
export function collect(runs: readonly (readonly BenchValue[])[]): Series[] {
  const series = new Map<string, Series & { readonly values: number[]; readonly processorUs: number[] }>();
  for (const { metric, subject, unit, value, processorUs } of runs.flat()) {
    const key = `${metric}\0${subject}`;
    const found = series.get(key) ?? { metric, subject, unit, values: [], processorUs: [] };
    series.set(key, found);
    found.values.push(value);
    if (processorUs !== undefined) found.processorUs.push(processorUs);
  }
  const metrics = [...new Set([...series.values()].map((one) => one.metric))];
  return metrics.flatMap((metric) => [...series.values()].filter((one) => one.metric === metric));
}

/** Own figure by the other subject's, run by run; null where there is nothing to compare. */
export function ratios(series: readonly Series[], metric: string, against: string): number[] | null {
  const own = series.find((one) => one.metric === metric && one.subject === ownSubject);
  const other = series.find((one) => one.metric === metric && one.subject === against);
  if (own === undefined || other === undefined) return null;
  return own.values.flatMap((value, run) => {
    const divisor = other.values[run];
    return divisor === undefined ? [] : [value / divisor];
  });
}

export function judge(series: readonly Series[], target: BenchTarget): Verdict {
  const values =
    target.against === undefined
      ? series.find((one) => one.metric === target.metric && one.subject === ownSubject)?.values
      : ratios(series, target.metric, target.against);
  const bounds = [
    target.atLeast === undefined ? '' : `>= ${target.atLeast}`,
    target.atMost === undefined ? '' : `<= ${target.atMost}`,
  ];
  const text = `${bounds.filter((bound) => bound !== '').join(', ')}${target.against === undefined ? '' : ` x ${target.against}`}`;
  if (values === undefined || values === null || values.length === 0) {
    return { target, text, summary: null, isMet: null };
  }
  const summary = summarise(values);
  const isMet =
    summary.median >= (target.atLeast ?? -Infinity) && summary.median <= (target.atMost ?? Infinity);
  return { target, text, summary, isMet };
}
