// The crash matrix of contents on their way to the Hub: chunk, xorb, shard, batch, and what is written down afterwards.

import { test } from 'node:test';
import { CrashMatrix } from './crash-matrix.ts';
import { uploadScenarios } from './scenarios.ts';

test('SIGKILL at any step of an upload loses nothing and puts no mixture on the Hub', async (t) => {
  const matrix = await CrashMatrix.open(t);
  for (const scenario of uploadScenarios) await t.test(scenario.name, (t) => matrix.run(t, scenario));
  await t.test('everything is still there at the end', () => matrix.finish());
  t.diagnostic(`killed ${matrix.kills} times`);
});
