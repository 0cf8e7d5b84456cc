// The crash matrix at random, for as long as HUBDRIVE_CRASH_MINUTES says: any operation, any step, any occurrence.
// HUBDRIVE_CRASH_SEED repeats a run as far as timing allows.

import { test } from 'node:test';
import { randomOf } from '../support/random.ts';
import { CrashMatrix } from './crash-matrix.ts';
import { batchScenarios, localScenarios, uploadScenarios } from './scenarios.ts';

const minutes = Number(process.env['HUBDRIVE_CRASH_MINUTES'] ?? 0);
const seed = Number(process.env['HUBDRIVE_CRASH_SEED'] ?? Date.now() % 1_000_000);
const skip = minutes === 0 ? 'runs as long as is asked for: HUBDRIVE_CRASH_MINUTES=10' : false;

test('SIGKILL at random steps loses nothing', { skip, timeout: 3_600_000 }, async (t) => {
  t.diagnostic(`seed ${seed}`);
  const random = randomOf(seed);
  const pick = <T>(choices: readonly T[]): T => {
    const choice = choices[Math.floor(random() * choices.length)];
    if (choice === undefined) throw new Error('nothing to choose from');
    return choice;
  };
  const matrix = await CrashMatrix.open(t);
  const scenarios = [];
  for (const scenario of [...localScenarios, ...uploadScenarios, ...batchScenarios]) {
    scenarios.push({ scenario, steps: [...(await matrix.survey(scenario))] });
  }
  const endsAt = performance.now() + minutes * 60_000;
  while (performance.now() < endsAt) {
    const { scenario, steps } = pick(scenarios);
    const [step, count] = pick(steps);
    await matrix.killAt(scenario, { step, occurrence: 1 + Math.floor(random() * count) });
  }
  await matrix.finish();
  t.diagnostic(`killed ${matrix.kills} times`);
});
