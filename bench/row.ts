// What a group of benchmark rows is: how it is opened, what one run of it measures and what is aimed at. Written by bench/rows/*, run
// by runner.ts.

import type { BenchWorld } from './world.ts';

export type Unit = 'MB/s' | 'op/s' | 'entries/s' | 'us' | 'ms' | 's' | 'bytes' | 'MB' | '%' | 'x' | 'count';

/** One figure of one run. MB is 1e6 bytes. */
export interface BenchValue {
  /** The row, such as `READ 1 MiB depth 8`. */
  readonly metric: string;
  /** Who was measured: `hubdrive`, `ceiling`, `ganesha`, … */
  readonly subject: string;
  readonly unit: Unit;
  readonly value: number;
  /** Processor time of the subject for one operation, microseconds, where it was taken. */
  readonly processorUs?: number;
}

/** What hubdrive shall reach in one row; figures are medians. */
export interface BenchTarget {
  readonly metric: string;
  /** The subject that hubdrive's figure is divided by, run by run; without one the figure itself is meant. */
  readonly against?: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface OpenGroup {
  /** Subjects that cannot be measured here, each with why and the command that installs it. */
  readonly missing?: readonly { readonly subject: string; readonly why: string }[];
  /** All subjects one after the other. Rejects with VerificationError where a subject answers wrongly. */
  run(): Promise<BenchValue[]>;
  close(): Promise<void>;
}

export interface BenchGroup {
  readonly name: string;
  readonly targets: readonly BenchTarget[];
  /** First runs that are thrown away, as memory and caches are touched for the first time; 1 if missing. */
  readonly warmUpRuns?: number;
  /** For groups of which one run takes long: at most so many counted runs. */
  readonly maxRuns?: number;
  /** `unavailable`: why nothing of the group can be measured here, and the command that helps. */
  open(world: BenchWorld): Promise<OpenGroup | { readonly unavailable: string }>;
}

/** A subject answered something wrong: its figures mean nothing and the bench fails. */
export class VerificationError extends Error {
  override readonly name = 'VerificationError';
}

/** Throws VerificationError. */
export function verify(isRight: boolean, what: string): asserts isRight {
  if (!isRight) throw new VerificationError(what);
}
