import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { quitQuestion } from '../../src/main/tray/quit-dialog.ts';
import type { QuitChoice } from '../../src/main/tray/quit-dialog.ts';
import type { Question } from '../../src/main/tray/question.ts';
import { QuitFlow } from '../../src/main/tray/quit-flow.ts';
import { UploadRate } from '../../src/main/tray/upload-rate.ts';
import { zeroCounters } from '../../src/shared/model.ts';
import type { HostState, MountView } from '../../src/shared/model.ts';
import { settle } from '../support/manual-clock.ts';
import { hostState, mountView } from '../support/mount-views.ts';

const unsent = { files: 2, bytes: 3_000_000 };

/** The flow with everything around it in the test's hand. */
class World {
  state: HostState | null = hostState([mountView({ pending: unsent })]);
  readonly ended: boolean[] = [];
  readonly questions: Question<QuitChoice>[] = [];
  #answer: ((choice: QuitChoice) => void) | null = null;
  #sent: { resolve: () => void; reject: (error: Error) => void } | null = null;
  sendSignal: AbortSignal | null = null;
  dropped = 0;
  readonly flow = new QuitFlow({
    state: () => this.state,
    uploadRate: () => 1_000_000,
    ask: (question, signal) =>
      new Promise((resolve) => {
        this.questions.push(question);
        this.#answer = resolve;
        signal.addEventListener('abort', () => {
          this.dropped += 1;
          resolve('cancel');
        });
      }),
    sendAll: (signal) => {
      this.sendSignal = signal;
      return new Promise((resolve, reject) => (this.#sent = { resolve, reject }));
    },
    end: (now) => void this.ended.push(now),
    reasonOf: (error) => (error instanceof Error ? error.message : String(error)),
    onUnexpected: (error) => assert.fail(String(error)),
  });

  async answer(choice: QuitChoice): Promise<void> {
    this.#answer?.(choice);
    await settle();
  }

  async sent(error?: Error): Promise<void> {
    if (error === undefined) this.#sent?.resolve();
    else this.#sent?.reject(error);
    await settle();
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

test('nothing unsent ends at once, also when no host serves', () => {
  world.state = hostState([mountView()]);
  world.flow.request();
  assert.deepEqual(world.ended, [false]);
  world = new World();
  world.state = null;
  world.flow.request();
  assert.deepEqual(world.ended, [false]);
});

test('while the question is open, more requests ask nothing', () => {
  for (let count = 0; count < 5; count += 1) world.flow.request();
  assert.equal(world.questions.length, 1);
});

test('cancel leaves everything, and the next request asks anew', async () => {
  world.flow.request();
  await world.answer('cancel');
  assert.deepEqual(world.ended, []);
  world.flow.request();
  assert.equal(world.questions.length, 2);
});

test('finish sends first and ends when all is sent', async () => {
  world.flow.request();
  await world.answer('finish');
  assert.deepEqual(world.ended, []);
  await world.sent();
  assert.deepEqual(world.ended, [false]);
});

test('a request while it sends asks again, and the end of sending takes that question away', async () => {
  world.flow.request();
  await world.answer('finish');
  world.flow.request();
  assert.match(world.questions[1]?.message ?? '', /is still sending/);
  assert.equal(world.questions[1]?.buttons[0], 'Go on, then quit');
  await world.sent();
  assert.equal(world.dropped, 1);
  assert.deepEqual(world.ended, [false]);
});

test('quit now while it sends ends without waiting', async () => {
  world.flow.request();
  await world.answer('finish');
  world.flow.request();
  await world.answer('now');
  assert.deepEqual(world.ended, [true]);
  assert.equal(world.sendSignal?.aborted, true);
});

test('cancel while it sends stops waiting; the app stays', async () => {
  world.flow.request();
  await world.answer('finish');
  world.flow.request();
  await world.answer('cancel');
  assert.equal(world.sendSignal?.aborted, true);
  await world.sent();
  assert.deepEqual(world.ended, []);
});

test('a failure to send asks again with the reason', async () => {
  world.flow.request();
  await world.answer('finish');
  await world.sent(new Error('The bucket is full'));
  assert.match(world.questions[1]?.message ?? '', /Not everything could be sent: 2 changes \(3\.0 MB\) left/);
  assert.match(world.questions[1]?.detail ?? '', /The bucket is full/);
  await world.answer('now');
  assert.deepEqual(world.ended, [true]);
});

test('a request while it ends hurries the end', async () => {
  world.flow.request();
  await world.answer('finish');
  await world.sent();
  world.flow.request();
  assert.deepEqual(world.ended, [false, true]);
});

const situation = { uploadRate: 1_000_000, isFinishing: false, failure: null };
const detailOf = (mounts: readonly MountView[], uploadRate: number | null = 1_000_000): string =>
  quitQuestion({ ...situation, state: hostState(mounts), uploadRate })?.detail ?? '';

test('the question counts, estimates, and says that nothing is lost', () => {
  const mounts = [mountView({ pending: { files: 3, bytes: 90_000_000 } })];
  const question = quitQuestion({ ...situation, state: hostState(mounts) });
  assert.equal(question?.message, 'Hubdrive still has to send 3 changes (90 MB)');
  assert.match(question.detail, /At 1\.0 MB a second that takes about 2 minutes\./);
  assert.match(question.detail, /nothing is lost/);
  assert.equal(question.cancelChoice, 'cancel');
  assert.match(detailOf(mounts, null), /not known yet/);
  assert.match(detailOf([mountView({ pending: unsent, link: 'offline' })]), /finishing waits for it/);
  assert.match(detailOf([mountView({ pending: unsent, uploadsPaused: true })]), /finishing resumes them/);
  assert.match(detailOf([mountView({ pending: { files: 1, bytes: 0 } })]), /a few seconds/);
  const many = Array.from({ length: 9 }, (_, index) => mountView({ id: String(index), pending: unsent }));
  assert.match(detailOf(many), /and 4 more/);
});

test('the speed is that of the last seconds, and starts anew when an engine does', () => {
  const rate = new UploadRate();
  const at = (uploadedBytes: number, monotonicMs: number): void =>
    rate.observe(hostState([mountView({ counters: { ...zeroCounters, uploadedBytes } })]), monotonicMs);
  at(0, 0);
  assert.equal(rate.bytesPerSecond, null);
  at(5_000_000, 5000);
  assert.equal(rate.bytesPerSecond, 1_000_000);
  at(0, 6000);
  assert.equal(rate.bytesPerSecond, null);
  at(4_000_000, 8000);
  assert.equal(rate.bytesPerSecond, 2_000_000);
  at(4_000_000, 40_000);
  assert.equal(rate.bytesPerSecond, null);
});
