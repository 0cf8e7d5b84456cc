// The crash matrix of recovery itself: an engine is killed while it takes up what an earlier crash left, and at last gets through.
// What it finds is the most there can be: a version frozen for an upload, writes above it, names not yet told to the Hub.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pattern } from '../support/content-bench.ts';
import { CrashWorld, Killed } from './crash-world.ts';
import type { KillPoint } from './engine-protocol.ts';
import { checkNoLeftovers } from './leftovers.ts';

/** Steps between the start and the first quiet moment, at each of which it is killed. */
const recoverySteps: readonly string[] = [
  'catalogue:commit',
  'catalogue:committed',
  'catalogue:sync',
  'catalogue:synced',
  'disk:merge-copied',
  'disk:merge-synced',
  'disk:merged',
  'disk:dropped',
  'disk:unlinked',
];

/** Leaves an engine dead in the middle of sending `folder`. */
async function breakDown(world: CrashWorld, folder: string, seed: number): Promise<void> {
  await world.mkdir(folder);
  const file = await world.store(`${folder}/file`, pattern(100_000, seed));
  await world.flush();
  await world.write(file, 0, pattern(60_000, seed + 1));
  await world.commit(file);
  await world.store(`${folder}/other`, pattern(9000, seed + 2));
  await world.rename(`${folder}/other`, `${folder}/renamed`);
  await sendInVain(world);
  // Above the frozen version.
  for (let count = 0; count < 20; count += 1) {
    await world.write(file, 50_000 + count * 1000, pattern(300, seed + count), 2);
  }
  await world.engine.kill();
  world.hub.faults.clear();
  await world.client.close();
}

/** Lets the upload of what is pending begin, and go no further than the Hub's door. */
async function sendInVain(world: CrashWorld): Promise<void> {
  world.hub.faults.add({ route: 'POST */v1/xorbs/*', latencyMs: 600_000 });
  await world.survey();
  world.flush().catch(() => undefined);
  for (;;) {
    const steps = await world.survey();
    if (steps.has('hub:xorb-asked')) return;
    await world.settle();
  }
}

/** Whether the engine died while it took up what was left; it is dead in any case when this resolves. */
async function dieRecovering(world: CrashWorld, killAt: KillPoint): Promise<boolean> {
  try {
    await world.restart(killAt);
    await world.settle();
    await world.engine.kill();
    return false;
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return true;
  } finally {
    await world.client.close();
  }
}

test('SIGKILL at any step of recovering from SIGKILL loses nothing', async (t) => {
  const world = await CrashWorld.open();
  t.after(() => world.dispose());
  const lines: string[] = [];
  const missed: string[] = [];
  for (const [index, step] of recoverySteps.entries()) {
    const folder = `case ${index}`;
    let kills = 0;
    await breakDown(world, folder, 1 + index * 1000);
    for (const occurrence of [1, 1, 2]) {
      if (await dieRecovering(world, { step, occurrence })) kills += 1;
    }
    await world.restart();
    await world.checkMount(folder);
    await world.flush();
    await world.settle();
    await world.checkMount(folder);
    await world.checkHub();
    await checkNoLeftovers(world);
    lines.push(`  ${step.padEnd(26)} killed ${kills} times`);
    if (kills === 0) missed.push(step);
  }
  t.diagnostic(`recovery:\n${lines.join('\n')}`);
  assert.deepEqual(missed, [], 'every step was reached');
});
