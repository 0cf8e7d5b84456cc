// The crash matrix of names on their way to the Hub: batches, renames of folders, conflicts.

import { test } from 'node:test';
import { CrashMatrix } from './crash-matrix.ts';
import { batchScenarios } from './scenarios.ts';

test('SIGKILL at any step of a batch neither loses a file nor keeps one twice', async (t) => {
  const matrix = await CrashMatrix.open(t);
  for (const scenario of batchScenarios) await t.test(scenario.name, (t) => matrix.run(t, scenario));
  await t.test('everything is still there at the end', () => matrix.finish());
  t.diagnostic(`killed ${matrix.kills} times`);
});
