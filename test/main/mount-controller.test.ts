import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { HostError } from '../../src/main/problem.ts';
import { MountWorld } from '../support/mount-world.ts';

let world: MountWorld;
beforeEach(() => {
  world = new MountWorld();
});
afterEach(() => {
  assert.equal(
    world.engines.engines.filter((engine) => !engine.closed).length,
    0,
    'an engine was left running',
  );
  world.close();
});

async function end(): Promise<void> {
  world.controller.dispatch({ type: 'quit' });
  await world.controller.waitFor(
    (state) => state.name === 'idle' || state.name === 'failed' || state.name === 'orphaned',
  );
  await world.controller.settled();
}

test('a mount opens the engine, listens, and mounts inside an open MNT window', async () => {
  await world.mount();
  assert.deepEqual(world.states, ['idle', 'connecting', 'attaching', 'mounted']);
  assert.deepEqual(world.engines.calls, ['open', 'listen 21000', 'window open', 'window closed']);
  assert.deepEqual(world.driver.calls, [`mount ${world.mountPoint} port 21000`]);
  assert.ok(existsSync(world.mountPoint));
  const view = world.controller.view();
  assert.equal(view.state, 'mounted');
  assert.equal(view.nfs?.port, 21_000);
  assert.match(view.nfs?.exportPath ?? '', /^\/[0-9a-f]{40}$/);
  await end();
});

test('the record that recognises the mount later is saved before the mount command runs', async () => {
  world.driver.duringMount = (request) => {
    const last = world.saved.at(-1);
    assert.equal(last?.exportPath, request.exportPath);
    assert.equal(last?.port, request.port);
    return Promise.resolve();
  };
  await world.mount();
  await end();
});

test('an unmount drains, unmounts, drains again and takes away the folders it made', async () => {
  await world.mount();
  world.unmount();
  await world.controller.waitFor((state) => state.name === 'idle');
  await world.controller.settled();
  assert.deepEqual(world.driver.calls.slice(1), [`sync ${world.mountPoint}`, `unmount ${world.mountPoint}`]);
  assert.deepEqual(world.engines.calls.slice(4), ['flush', 'flush', 'close']);
  assert.equal(existsSync(world.mountPoint), false);
  assert.equal(existsSync(dirname(world.mountPoint)), false);
  assert.ok(existsSync(world.dir));
  assert.equal(world.controller.record.exportPath, null);
});

test('a failed mount command stops the listener, leaves no folder and keeps the reason', async () => {
  world.driver.mountError = new HostError('not-permitted', 'only root may');
  world.controller.dispatch({ type: 'mountRequested' });
  await world.controller.waitFor((state) => state.name === 'failed');
  await world.controller.settled();
  assert.equal(world.controller.view().lastError?.message, 'only root may');
  assert.equal(world.controller.view().nfs, null);
  assert.equal(existsSync(world.mountPoint), false);
});

test('a cancelled mount ends the mount command and leaves nothing mounted', async () => {
  const started = Promise.withResolvers<null>();
  world.driver.duringMount = (_request, signal) =>
    new Promise((_resolve, reject) => {
      started.resolve(null);
      signal.addEventListener('abort', () => reject(new HostError('cancelled', 'killed')), { once: true });
    });
  world.controller.dispatch({ type: 'mountRequested' });
  await started.promise;
  world.controller.dispatch({ type: 'cancelled' });
  await world.controller.waitFor((state) => state.name === 'idle');
  await world.controller.settled();
  assert.deepEqual(world.driver.entries, []);
});

test('a mount command that is cancelled after the kernel mounted is undone', async () => {
  const started = Promise.withResolvers<null>();
  world.driver.duringMount = (request, signal) =>
    new Promise((_resolve, reject) => {
      started.resolve(null);
      world.driver.add(request.mountPoint, request.exportPath);
      signal.addEventListener('abort', () => reject(new HostError('cancelled', 'killed')), { once: true });
    });
  world.controller.dispatch({ type: 'mountRequested' });
  await started.promise;
  world.controller.dispatch({ type: 'cancelled' });
  await world.controller.waitFor((state) => state.name === 'idle');
  await world.controller.settled();
  assert.deepEqual(world.driver.entries, []);
  assert.deepEqual(world.driver.calls.slice(1), [`unmount ${world.mountPoint}`]);
});

test('a busy mount stays mounted and names the programs', async () => {
  await world.mount();
  world.driver.busyPrograms = [{ pid: 42, name: 'vim' }];
  world.unmount();
  const state = await world.controller.waitFor((now) => now.name === 'mounted');
  assert.ok(state.name === 'mounted' && state.problem?.code === 'busy');
  assert.match(world.controller.view().lastError?.message ?? '', /vim \(42\)/);
  assert.equal(world.engines.newest.closed, false);
  world.driver.busyPrograms = null;
  await end();
});

test('an unmount command that hangs is followed by one forced try', async () => {
  await world.mount();
  world.driver.unmountError = new HostError('timeout', 'it hangs', { retryable: true });
  world.unmount();
  await world.controller.waitFor((state) => state.name === 'idle');
  await world.controller.settled();
  assert.deepEqual(world.driver.calls.slice(2), [
    `unmount ${world.mountPoint}`,
    `unmount ${world.mountPoint} by force`,
  ]);
});

test('uploads that do not finish in time are kept, and go on after the system mount is gone', async () => {
  await world.mount();
  world.engines.pending = { files: 3, bytes: 300 };
  world.engines.hold('flush');
  world.unmount();
  await world.settle();
  await world.clock.advanceAsync(60_000);
  await world.controller.waitFor((state) => state.name === 'draining' && !state.attached);
  assert.deepEqual(world.driver.entries, []);
  assert.equal(world.engines.newest.closed, false);
  world.engines.release('flush');
  await world.controller.waitFor((state) => state.name === 'idle');
  await world.controller.settled();
  assert.deepEqual(world.controller.record.unsent, { files: 0, bytes: 0 });
});

test('what a quit could not send is remembered with the mount', async () => {
  await world.mount();
  world.engines.pending = { files: 3, bytes: 300 };
  world.engines.hold('flush');
  world.controller.dispatch({ type: 'quit' });
  await world.settle();
  world.controller.dispatch({ type: 'keepStaged' });
  await world.controller.waitFor((state) => state.name === 'idle');
  await world.controller.settled();
  assert.deepEqual(world.saved.at(-1)?.unsent, { files: 3, bytes: 300 });
  world.engines.release('flush');
});

test('what is unsent is not forgotten when the engine never opened', async () => {
  world.close();
  world = new MountWorld({ unsent: { files: 4, bytes: 40 } });
  world.engines.hold('open');
  world.controller.dispatch({ type: 'deliverRequested' });
  await world.settle();
  world.controller.dispatch({ type: 'quit' });
  world.engines.release('open');
  await world.controller.settled();
  assert.equal(world.controller.state.name, 'idle');
  assert.deepEqual(world.saved.at(-1)?.unsent, { files: 4, bytes: 40 });
});

test('a discard holds uploads, unmounts, discards and closes, in this order', async () => {
  await world.mount();
  world.engines.pending = { files: 1, bytes: 5 };
  world.unmount({ discard: true });
  await world.controller.waitFor((state) => state.name === 'idle');
  await world.controller.settled();
  assert.deepEqual(world.engines.calls.slice(4), ['pause', 'discard all', 'close']);
});

test('while uploads are paused an unmount does not wait and keeps everything', async () => {
  await world.mount();
  await world.controller.setPaused(true);
  world.engines.pending = { files: 2, bytes: 7 };
  world.unmount();
  await world.controller.waitFor((state) => state.name === 'idle');
  await world.controller.settled();
  assert.ok(!world.engines.calls.includes('flush'));
  assert.deepEqual(world.controller.record.unsent, { files: 2, bytes: 7 });
});

test('a pause of an hour is shown with its end and ends by itself', async () => {
  await world.mount();
  const hourMs = 3600_000;
  await world.controller.setPaused(true, 'hour');
  assert.equal(world.controller.view().pausedUntil, world.clock.now() + hourMs);
  await world.controller.setPaused(true);
  assert.equal(world.controller.view().pausedUntil, undefined, 'a pause without end replaces it');
  await world.controller.setPaused(true, 'hour');
  await world.clock.advanceAsync(hourMs - 60_000);
  assert.equal(world.engines.newest.paused, true);
  await world.clock.advanceAsync(60_000);
  assert.equal(world.engines.newest.paused, false);
  const { uploadsPaused, pausedUntil } = world.controller.view();
  assert.deepEqual({ uploadsPaused, pausedUntil }, { uploadsPaused: false, pausedUntil: undefined });
  world.unmount();
  await world.controller.waitFor((state) => state.name === 'idle');
  await world.controller.settled();
});

test('quitting ends the clock of a pause and keeps what was not sent', async () => {
  await world.mount();
  world.engines.pending = { files: 2, bytes: 7 };
  await world.controller.setPaused(true, 'tomorrow');
  world.controller.dispatch({ type: 'quit' });
  await world.controller.waitFor((state) => state.name === 'idle');
  await world.controller.settled();
  assert.deepEqual(world.controller.record.unsent, { files: 2, bytes: 7 });
  assert.equal(world.clock.pendingTimers, 0, 'no timer is left');
});

test('an engine that dies comes back on the same port and export while the mount stays', async () => {
  await world.mount();
  const before = world.engines.newest;
  const listening = before.listening;
  before.crash();
  assert.equal(world.controller.view().server, 'restarting');
  assert.equal(world.controller.view().state, 'mounted');
  await world.clock.advanceAsync(100);
  await world.settle();
  assert.notEqual(world.engines.newest, before);
  assert.deepEqual(world.engines.newest.listening, listening);
  assert.equal(world.controller.view().server, 'up');
  assert.equal(world.driver.calls.length, 1, 'the system mount was touched');
  await end();
});

test('an engine that keeps failing is tried again with growing pauses', async () => {
  await world.mount();
  world.engines.openProblem = { code: 'network', message: 'offline', retryable: true };
  world.engines.newest.crash();
  await world.clock.advanceAsync(100 + 200 + 400);
  const tries = world.engines.engines.length - 1;
  assert.equal(tries, 3);
  assert.equal(world.controller.view().state, 'mounted');
  world.engines.openProblem = null;
  await world.clock.advanceAsync(800);
  await world.settle();
  assert.equal(world.controller.view().server, 'up');
  await end();
});

test('an unmount while the engine is down still removes the mount in the end', async () => {
  await world.mount();
  world.engines.openProblem = { code: 'network', message: 'offline', retryable: true };
  world.engines.newest.crash();
  world.unmount();
  await world.clock.advanceAsync(60_000);
  await world.settle();
  assert.deepEqual(world.driver.entries, []);
  world.controller.dispatch({ type: 'quit' });
  await world.controller.waitFor((state) => state.name === 'idle');
  await world.controller.settled();
});

test('an engine that dies while it connects is a failed mount', async () => {
  world.engines.hold('open');
  world.controller.dispatch({ type: 'mountRequested' });
  await world.settle();
  world.engines.newest.crash();
  assert.equal(world.controller.state.name, 'failed');
  world.engines.release('open');
  await world.controller.settled();
});

test('a Hub that never answers fails the mount in time', async () => {
  world.engines.hold('open');
  world.controller.dispatch({ type: 'mountRequested' });
  await world.settle();
  world.clock.advance(180_000);
  assert.equal(world.controller.state.name, 'failed');
  assert.equal(world.controller.view().lastError?.code, 'timeout');
  world.engines.release('open');
  await world.controller.settled();
});

test('a mount that somebody else removed is drained and not wanted any more', async () => {
  await world.mount();
  await world.controller.changeRecord({ wanted: true });
  world.driver.remove(world.mountPoint);
  await world.controller.checkStillMounted();
  await world.controller.waitFor((state) => state.name === 'idle');
  await world.controller.settled();
  assert.equal(world.controller.record.wanted, false);
});

test('a mount of a dead run is served again on its port and export without a mount command', async () => {
  world.close();
  world = new MountWorld({ port: 21_777, exportPath: '/secret' });
  world.driver.add(world.mountPoint, '/secret');
  world.controller.dispatch({ type: 'orphanFound' });
  await world.mount();
  assert.deepEqual(world.driver.calls, []);
  assert.equal(world.engines.newest.listening?.port, 21_777);
  assert.equal(world.engines.newest.listening?.exportPath, '/secret');
  assert.ok(!world.engines.calls.includes('window open'));
  await end();
  assert.deepEqual(world.driver.entries, []);
});

test('a mount of a dead run whose engine fails stays as it is, for the next try', async () => {
  world.close();
  world = new MountWorld({ port: 21_777, exportPath: '/secret' });
  world.driver.add(world.mountPoint, '/secret');
  world.engines.openProblem = { code: 'network', message: 'offline', retryable: true };
  world.controller.dispatch({ type: 'orphanFound' });
  world.controller.dispatch({ type: 'mountRequested' });
  await world.controller.waitFor((state) => state.name === 'orphaned');
  await world.controller.settled();
  assert.equal(world.driver.entries.length, 1);
});

test('server-only mounts nothing and leaves the MNT window open', async () => {
  world.close();
  world = new MountWorld({ serverOnly: true, mountPoint: null });
  await world.mount();
  assert.deepEqual(world.engines.calls, ['open', 'listen 21000', 'window open']);
  assert.equal(world.engines.newest.listening?.peers, 'any');
  assert.deepEqual(world.driver.calls, []);
  world.engines.newest.crash();
  await world.clock.advanceAsync(100);
  await world.settle();
  assert.equal(world.engines.newest.windowOpen, true);
  await end();
});

test('an fstab entry decides port and export path', async () => {
  world.driver.presetMount = { port: 2222, exportPath: '/tok' };
  await world.mount();
  assert.deepEqual(world.engines.newest.listening?.port, 2222);
  assert.deepEqual(world.engines.newest.listening?.exportPath, '/tok');
  await end();
});
