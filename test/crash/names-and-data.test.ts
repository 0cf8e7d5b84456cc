// The crash matrix of what programs do to names and data.

import { test } from 'node:test';
import { CrashMatrix } from './crash-matrix.ts';
import { localScenarios } from './scenarios.ts';

test('SIGKILL at any step of changing names and data loses nothing that was acknowledged', async (t) => {
  const matrix = await CrashMatrix.open(t);
  for (const scenario of localScenarios) await t.test(scenario.name, (t) => matrix.run(t, scenario));
  await t.test('everything is still there at the end', () => matrix.finish());
  t.diagnostic(`killed ${matrix.kills} times`);
});
