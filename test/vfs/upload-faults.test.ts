// The upload queue when the Hub fails: what waits, what goes on, what is shown, and that nothing is dropped.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HubError, type HubErrorCode } from '../../src/hub/remote-store.ts';
import { settle } from '../support/manual-clock.ts';
import { hubError } from '../support/memory-remote-store.ts';
import { UploadWorld, withUploadWorld } from '../support/upload-world.ts';

const minuteMs = 60_000;

test('a failed upload is tried for ever, ever more slowly, and at last sent', () =>
  withUploadWorld(async (world) => {
    const mend = world.remote.fail('upload', hubError('server', true), Infinity);
    world.write('stubborn', 'text');
    await world.clock.advanceAsync(60 * minuteMs);
    const tries = world.remote.callsOf('upload').length;
    assert.ok(tries > 15 && tries < 40, `${tries} tries in an hour`);
    const state = world.queue.pending()[0]?.state;
    assert.equal(state?.state === 'failed' && state.code, 'server');
    assert.ok(state?.state === 'failed' && state.nextTryAt > world.clock.now());
    assert.ok(state?.state === 'failed' && state.nextTryAt <= world.clock.now() + 5 * minuteMs);
    assert.ok(world.activity.some(({ detail }) => detail === 'failed: simulated server'));
    mend();
    await world.clock.advanceAsync(5 * minuteMs);
    await world.quiet();
    assert.equal(world.remote.text('stubborn'), 'text');
  }));

for (const code of [
  'unauthorized',
  'forbidden',
  'gated',
  'not-found',
  'too-large',
] satisfies HubErrorCode[]) {
  test(`a file refused with "${code}" is kept, shown with its cause, and sent when the cause is gone`, () =>
    withUploadWorld(async (world) => {
      const mend = world.remote.fail('upload', hubError(code, false), Infinity);
      world.write('kept', 'text');
      await world.clock.advanceAsync(30 * minuteMs);
      assert.ok(world.remote.callsOf('upload').length <= 12, 'asked seldom');
      const [item] = world.queue.pending();
      assert.equal(item?.state.state === 'failed' && item.state.cause, `simulated ${code}`);
      assert.equal(item?.path, 'kept');
      mend();
      world.queue.retryNow(item?.id);
      await settle(20);
      assert.equal(world.remote.text('kept'), 'text');
      assert.equal(world.queue.pendingTotals().files, 0);
    }));
}

test('a rate limit is waited for as long as the Hub asks', () =>
  withUploadWorld(async (world) => {
    const limited = new HubError('rate-limited', 'slow down', { retryable: true, retryAfterMs: 90_000 });
    world.remote.fail('upload', limited);
    world.write('one', '1');
    await world.clock.advanceAsync(2500);
    world.write('two', '2');
    await world.clock.advanceAsync(85_000);
    assert.equal(world.remote.callsOf('upload').length, 1, 'also by other files');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { one: '1', two: '2' });
  }));

test('a poisoned file delays no other', () =>
  withUploadWorld(async (world) => {
    world.remote.fail('upload', hubError('server', true), Infinity, (size) => size === '6');
    world.write('bad', 'poison');
    await world.clock.advanceAsync(10 * minuteMs);
    for (let index = 0; index < 20; index += 1) world.write(`good ${index}`, 'fine');
    await world.clock.advanceAsync(5000);
    await settle(40);
    assert.equal(world.remote.paths().length, 20);
    assert.deepEqual(
      world.queue.pending().map(({ path }) => path),
      ['bad'],
    );
  }));

test('a path that the Hub refuses holds back only what overlaps it', () =>
  withUploadWorld(async (world) => {
    world.seed({ 'bad/name': '1', 'good/name': '2' });
    world.remote.refuse('bad/name', hubError('invalid', false), Infinity);
    world.remove('bad/name');
    world.remove('good/name');
    world.write('good/other', '3');
    await world.clock.advanceAsync(3000);
    await settle(20);
    world.write('bad/name', 'again');
    world.write('bad/else', 'else');
    world.write('late', '4');
    await world.clock.advanceAsync(3000);
    await settle(20);
    assert.deepEqual(world.remoteTexts(), {
      'bad/name': '1',
      'bad/else': 'else',
      'good/other': '3',
      late: '4',
    });
    world.remote.endFaults();
    await world.quiet();
    assert.equal(world.remote.text('bad/name'), 'again');
  }));

test('one line that spoils a whole request is found and set aside', () =>
  withUploadWorld(async (world) => {
    const names = Array.from({ length: 300 }, (_value, index) => `file-${index}.`);
    world.seed(Object.fromEntries(names.map((name) => [name, name])));
    world.remote.fail('commit', hubError('invalid', false), Infinity, (paths) => paths.includes('file-211.'));
    for (const name of names) world.remove(name);
    await world.clock.advanceAsync(10_000);
    await settle(100);
    assert.deepEqual(world.remote.paths(), ['file-211.']);
    assert.ok(world.remote.callsOf('commit').length < 30);
    world.remote.endFaults();
    await world.quiet();
    assert.deepEqual(world.remote.paths(), []);
  }));

test('a request that fails as a whole makes the committer wait and no item fail', () =>
  withUploadWorld(async (world) => {
    world.remote.fail('commit', hubError('network', true), 2);
    world.write('one', '1');
    world.write('two', '2');
    await world.clock.advanceAsync(2500);
    await settle(20);
    assert.equal(world.remote.callsOf('commit').length, 1);
    assert.deepEqual(
      world.queue.pending().map(({ state }) => state.state === 'failed' && state.attempts),
      [1, 1],
      'shown with the cause',
    );
    await world.quiet();
    assert.equal(world.remote.callsOf('upload').length, 2, 'nothing is uploaded twice');
    assert.deepEqual(world.remoteTexts(), { one: '1', two: '2' });
  }));

test('a lost reply is no conflict, even when the file changed again before the next look', () =>
  withUploadWorld(async (world) => {
    world.seed({ doc: 'zero' });
    world.remote.loseReplies(1, hubError('network', true));
    world.write('doc', 'one');
    await world.clock.advanceAsync(2100);
    await settle(20);
    assert.equal(world.remote.text('doc'), 'one');
    const next = world.killedCopy();
    await next.start();
    next.write('doc', 'two');
    await next.quiet();
    assert.deepEqual(next.remoteTexts(), { doc: 'two' });
    assert.deepEqual(
      next.activity.filter(({ kind }) => kind === 'CONFLICT'),
      [],
    );
    await next.close();
  }));

test('after a kill everything staged and logged is pending again and is sent', () =>
  withUploadWorld(async (world) => {
    world.seed({ old: 'x', gone: 'y' });
    world.write('new', 'unsent');
    world.touch('empty');
    world.rename('old', 'moved');
    world.remove('gone');
    const next = world.killedCopy();
    await next.start();
    assert.equal(next.queue.pendingTotals().files, 4);
    assert.equal(next.queue.remotePathNow('moved'), 'old');
    assert.equal(next.queue.isPathPending('gone'), true);
    await next.quiet();
    assert.deepEqual(next.remoteTexts(), { empty: '', moved: 'x', new: 'unsent' });
    await next.close();
  }));

test('a batch that was interrupted at any line is repeated without harm', async () => {
  for (const lines of [0, 1, 2, 3]) {
    const world = await UploadWorld.create();
    world.seed({ a: '1', b: '2' });
    world.rename('a', 't');
    world.rename('b', 'a');
    world.rename('t', 'b');
    world.remote.cutCommit(lines, hubError('network', true));
    await world.clock.advanceAsync(2100);
    await settle(20);
    const next = world.killedCopy();
    await world.close();
    await next.start();
    next.rename('a', 'c');
    await next.quiet();
    assert.deepEqual(next.remoteTexts(), { b: '1', c: '2' }, `after ${lines} lines`);
    assert.deepEqual(
      next.activity.filter(({ kind }) => kind === 'CONFLICT'),
      [],
    );
    await next.close();
  }
});

test('closing in the middle of everything keeps everything', () =>
  withUploadWorld(async (world) => {
    world.seed({ 'in/1': '1' });
    const upload = world.remote.hold('upload');
    world.write('big', 'text');
    await world.clock.advanceAsync(2500);
    await upload.arrived;
    world.renameFolder('in', 'out');
    const list = world.remote.hold('listRecursive');
    await world.clock.advanceAsync(2500);
    await list.arrived;
    await world.queue.close();
    assert.equal(world.content.snapshots.size, 0);
    assert.equal(world.clock.pendingTimers, 0);
    world.remote.endFaults();
    await world.start();
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { big: 'text', 'out/1': '1' });
  }));
