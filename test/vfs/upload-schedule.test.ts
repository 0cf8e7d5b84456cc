// When unsent things are tried: debounce, back-off, order of due times.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HubError } from '../../src/hub/remote-store.ts';
import { DueTimes } from '../../src/vfs/uploads/upload-due-times.ts';
import { BackOffGate } from '../../src/vfs/uploads/upload-gate.ts';
import {
  backOffDelayMs,
  concernsWholeHub,
  debounceUntil,
  describeFailure,
  longestRetryMs,
  mayBeOneLine,
  type Failure,
} from '../../src/vfs/uploads/upload-schedule.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { hubError } from '../support/memory-remote-store.ts';

const transient: Failure = describeFailure(hubError('server', true));
const lasting: Failure = describeFailure(hubError('forbidden', false));

for (const [firstMs, lastMs, untilMs] of [
  [0, 0, 2_000],
  [0, 1_500, 3_500],
  [0, 27_999, 29_999],
  [0, 28_001, 30_000],
  [0, 90_000, 30_000],
] as const) {
  test(`changed first at ${firstMs} and last at ${lastMs} ms: sent at ${untilMs} ms`, () => {
    assert.equal(debounceUntil(firstMs, lastMs), untilMs);
  });
}

for (const [name, failure, attempts, random, delayMs] of [
  ['transient', transient, 1, 0, 500],
  ['transient', transient, 1, 1, 1_000],
  ['transient', transient, 2, 1, 2_000],
  ['transient', transient, 5, 1, 16_000],
  ['transient', transient, 10, 1, longestRetryMs],
  ['transient', transient, 10_000, 0, longestRetryMs / 2],
  ['lasting', lasting, 1, 1, 30_000],
  ['lasting', lasting, 3, 1, 120_000],
  ['lasting', lasting, 50, 1, longestRetryMs],
] as const) {
  test(`a ${name} failure, try ${attempts}, random ${random}: again in ${delayMs} ms`, () => {
    assert.equal(backOffDelayMs(failure, attempts, random), delayMs);
  });
}

test('what the Hub asks to wait is never undercut', () => {
  const limited = describeFailure(
    new HubError('rate-limited', 'slow', { retryable: true, retryAfterMs: 600_000 }),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.double({ min: 0, max: 0.99, noNaN: true }),
      (attempts, random) => {
        const delayMs = backOffDelayMs(limited, attempts, random);
        assert.ok(delayMs >= 600_000 && delayMs <= 660_000);
      },
    ),
  );
});

test('a failure that is not the Hub’s is told apart and kept with its words', () => {
  assert.deepEqual(describeFailure(new Error('disk gone')), {
    code: 'local',
    message: 'disk gone',
    retryable: false,
    retryAfterMs: null,
  });
});

test('only failures that others would meet too stop all uploads', () => {
  const stopping = ['unauthorized', 'forbidden', 'gated', 'not-found', 'rate-limited', 'network'] as const;
  for (const code of stopping) assert.ok(concernsWholeHub(describeFailure(hubError(code, true))), code);
  for (const code of ['server', 'timeout', 'invalid', 'too-large', 'corrupt', 'conflict'] as const) {
    assert.ok(!concernsWholeHub(describeFailure(hubError(code, true))), code);
  }
});

test('a refusal may be one line’s fault at once, a server error only after three tries, a lost network never', () => {
  assert.ok(mayBeOneLine(describeFailure(hubError('invalid', false)), 1));
  assert.ok(!mayBeOneLine(transient, 2));
  assert.ok(mayBeOneLine(transient, 3));
  assert.ok(!mayBeOneLine(describeFailure(hubError('network', true)), 99));
});

test('due times come in order whatever was changed or taken away in between', () => {
  const command = fc.record({ id: fc.nat(20), at: fc.option(fc.nat(1000), { nil: null }) });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 400 }), (commands) => {
      const times = new DueTimes();
      const model = new Map<number, number>();
      for (const { id, at } of commands) {
        if (at === null) {
          times.delete(id);
          model.delete(id);
        } else {
          times.set(id, at);
          model.set(id, at);
        }
        const first = times.first();
        if (model.size === 0) assert.equal(first, null);
        else {
          assert.equal(first?.at, Math.min(...model.values()));
          assert.equal(model.get(first?.id ?? -1), first?.at);
        }
      }
    }),
  );
});

test('a gate opens after its back-off, sooner when told, and forgets after a success', () => {
  const clock = new ManualClock();
  const gate = new BackOffGate(clock, () => 1);
  assert.ok(gate.isOpen());
  gate.fail(transient);
  gate.fail(transient);
  assert.equal(gate.opensAt, 2000);
  clock.advance(1999);
  assert.ok(!gate.isOpen());
  clock.advance(1);
  assert.ok(gate.isOpen());
  gate.fail(transient);
  gate.open();
  assert.ok(gate.isOpen());
  assert.equal(gate.attempts, 3);
  gate.succeed();
  assert.equal(gate.failure, null);
});
