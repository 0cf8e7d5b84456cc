// Long computations on the thread that serves programs, cut into turns between which others are served.

import { setImmediate as nextTurn } from 'node:timers/promises';

/** Runs `steps`, each of which should take well below a millisecond, to their result. */
export async function runInTurns<T>(steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await nextTurn();
  }
}

/** The same at a stretch. */
export function runAtOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
