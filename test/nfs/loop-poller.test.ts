// The event loop goes on turning after bursts of calls only as long as that pays.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoopPoller } from '../../src/nfs/loop-poller.ts';
import { ManualClock } from '../support/manual-clock.ts';

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Lets the time that a burst is waited for go by. */
async function rest(clock: ManualClock, poller: LoopPoller): Promise<void> {
  clock.advance(1);
  while (poller.isTurning) await turn();
}

describe('turning the event loop after a burst', () => {
  it('goes on for a moment after each burst, and ends', async () => {
    const clock = new ManualClock();
    const poller = new LoopPoller(clock, 2);
    poller.noteBurst();
    for (let burst = 0; burst < 5; burst += 1) {
      clock.advance(0.05);
      await turn();
      assert.ok(poller.isTurning);
      poller.noteBurst();
    }
    await rest(clock, poller);
    assert.ok(!poller.isTurning);
    poller.noteBurst();
    assert.ok(poller.isTurning, 'it paid, so it is done again');
    poller.close();
  });

  it('lets more and more bursts pass while nothing comes, and none after one that paid', async () => {
    const clock = new ManualClock();
    const poller = new LoopPoller(clock, 2);
    const passed = async (): Promise<number> => {
      for (let count = 0; ; count += 1) {
        poller.noteBurst();
        if (!poller.isTurning) continue;
        await rest(clock, poller);
        return count;
      }
    };
    const counts: number[] = [];
    for (let wait = 0; wait < 9; wait += 1) counts.push(await passed());
    assert.deepEqual(counts, [0, 1, 3, 7, 15, 31, 63, 64, 64]);
    while (!poller.isTurning) poller.noteBurst();
    poller.noteBurst();
    await rest(clock, poller);
    assert.deepEqual([await passed(), await passed()], [0, 1]);
  });

  it('ends by itself under a clock that stands still', async () => {
    const poller = new LoopPoller(new ManualClock(), 2);
    poller.noteBurst();
    for (let count = 0; poller.isTurning; count += 1) {
      assert.ok(count < 1000);
      await turn();
    }
  });

  it('does nothing on one processor, and nothing after it was closed', async () => {
    const single = new LoopPoller(new ManualClock(), 1);
    single.noteBurst();
    assert.ok(!single.isTurning);
    const closed = new LoopPoller(new ManualClock(), 2);
    closed.noteBurst();
    closed.close();
    await turn();
    assert.ok(!closed.isTurning);
  });
});
