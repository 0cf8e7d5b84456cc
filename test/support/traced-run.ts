// How the models of hosts run: step by step, with the seed and the last steps told where one fails.

import type { TestContext } from 'node:test';

const stepsTold = 60;

export interface TracedRun {
  readonly trace: readonly string[];
  step(): Promise<void>;
  /** After each step. */
  check(): Promise<void>;
  finish(): Promise<void>;
}

export async function runTraced(t: TestContext, seed: number, steps: number, run: TracedRun): Promise<void> {
  try {
    for (let step = 0; step < steps; step += 1) {
      await run.step();
      await run.check();
    }
    await run.finish();
  } catch (error) {
    const last = run.trace.slice(-stepsTold).join(' | ');
    t.diagnostic(`seed ${seed}, step ${run.trace.length}; the last: ${last}`);
    throw error;
  }
}
