// The first half of the crash matrix: an engine is killed at every step of what programs do to names and data.

import { test } from 'node:test';
import { CrashMatrix } from './crash-matrix.ts';
import { localScenarios } from './scenarios.ts';

const mostOccurrences = Number(process.env['HUBDRIVE_CRASH_OCCURRENCES'] ?? 2);

test('SIGKILL at any step of changing names and data loses nothing that was acknowledged', async (t) => {
  const matrix = await CrashMatrix.open(t);
  for (const scenario of localScenarios) {
    await t.test(scenario.name, (t) => matrix.run(t, scenario, mostOccurrences));
  }
  await t.test('everything is still there at the end', () => matrix.close());
  t.diagnostic(`killed ${matrix.kills} times`);
});
