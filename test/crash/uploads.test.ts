// The second half of the crash matrix: an engine is killed at every step of sending it to the Hub.

import { test } from 'node:test';
import { CrashMatrix } from './crash-matrix.ts';
import { uploadScenarios } from './scenarios.ts';

const mostOccurrences = Number(process.env['HUBDRIVE_CRASH_OCCURRENCES'] ?? 2);

test('SIGKILL at any step of an upload loses nothing and puts no mixture on the Hub', async (t) => {
  const matrix = await CrashMatrix.open(t);
  for (const scenario of uploadScenarios) {
    await t.test(scenario.name, (t) => matrix.run(t, scenario, mostOccurrences));
  }
  await t.test('everything is still there at the end', () => matrix.close());
  t.diagnostic(`killed ${matrix.kills} times`);
});
