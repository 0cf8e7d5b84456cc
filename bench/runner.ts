// Runs groups of rows: opens each, throws the warm-up runs away, keeps every figure of the others. Knows nothing of what is measured.

import type { BenchGroup, BenchValue } from './row.ts';
import { collect, judge, type Series, type Verdict } from './statistics.ts';
import { VerificationError } from './row.ts';
import { BenchWorld, type WorldOptions } from './world.ts';

export interface RunOptions extends WorldOptions {
  /** Counted runs of each group. */
  readonly runs: number;
  /** Told what is being done, for a person who waits. */
  progress(text: string): void;
}

export interface GroupResult {
  readonly name: string;
  readonly series: readonly Series[];
  readonly verdicts: readonly Verdict[];
  /** Every figure, warm-up runs first. */
  readonly runs: readonly (readonly BenchValue[])[];
  readonly warmUpRuns: number;
  readonly durationMs: number;
  readonly missing: readonly { readonly subject: string; readonly why: string }[];
  readonly unavailable: string | null;
  /** Why the group has no, or not all, figures. */
  readonly failure: string | null;
  /** Whether `failure` is about a wrong answer of a subject. */
  readonly isWrong: boolean;
}

export async function runGroup(group: BenchGroup, options: RunOptions): Promise<GroupResult> {
  const startedAt = performance.now();
  const world = new BenchWorld(options);
  const warmUpRuns = group.warmUpRuns ?? 1;
  const runs: BenchValue[][] = [];
  let missing: GroupResult['missing'] = [];
  let unavailable: string | null = null;
  let failure: Error | null = null;
  try {
    options.progress(`${group.name}: opening`);
    const opened = await group.open(world);
    if ('unavailable' in opened) unavailable = opened.unavailable;
    else {
      missing = opened.missing ?? [];
      try {
        const count = warmUpRuns + Math.min(options.runs, group.maxRuns ?? options.runs);
        for (let run = 1; run <= count; run += 1) {
          options.progress(`${group.name}: run ${run} of ${count}`);
          runs.push(await opened.run());
        }
      } finally {
        await opened.close();
      }
    }
  } catch (error) {
    failure =
      error instanceof Error ? error : new Error('something that is no error was thrown', { cause: error });
  }
  await world.close();
  const series = collect(runs.slice(warmUpRuns));
  return {
    name: group.name,
    series,
    verdicts: group.targets.map((target) => judge(series, target)),
    runs,
    warmUpRuns,
    durationMs: performance.now() - startedAt,
    missing,
    unavailable,
    failure: failure === null ? null : (failure.stack ?? failure.message),
    // By name: it may come from another process.
    isWrong: failure?.name === VerificationError.name,
  };
}
