import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { HostError } from '../../src/main/problem.ts';
import type { MountStateName } from '../../src/shared/model.ts';
import { HostWorld } from '../support/host-world.ts';
import { settle } from '../support/manual-clock.ts';

let world: HostWorld;
beforeEach(async () => {
  world = await HostWorld.start();
});
afterEach(() => world.close());

async function reaches(state: MountStateName): Promise<void> {
  const until = performance.now() + 5000;
  while (world.only().state !== state) {
    assert.ok(performance.now() < until, `it stays ${world.only().state}`);
    await settle(1);
  }
}

test('when the network is back, waiting uploads are tried at once', async () => {
  await world.mount();
  await world.host.nudge();
  assert.ok(world.engines.calls.includes('retry all'));
});

test('a mount that failed and waits for its next try is mounted at once after sleep', async () => {
  await world.mount();
  await world.quit();
  world.driver.mountError = new HostError('network', 'asleep', { retryable: true });
  await world.begin();
  await reaches('failed');
  world.driver.mountError = null;
  await world.host.nudge();
  // The clock has not moved.
  await reaches('mounted');
});

test('with nothing to try it does nothing', async () => {
  await world.host.nudge();
  assert.deepEqual(world.engines.calls, []);
});
