import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { HostError } from '../../src/main/problem.ts';
import { eventually, HostWorld } from '../support/host-world.ts';
import { settle } from '../support/manual-clock.ts';

let world: HostWorld;
beforeEach(async () => {
  world = await HostWorld.start();
});
afterEach(async () => {
  await world.close();
  assert.equal(
    world.engines.engines.filter((engine) => !engine.closed).length,
    0,
    'an engine was left running',
  );
});

test('the host restores what was mounted, on the same port', async () => {
  const before = await world.mount();
  await world.quit();
  assert.deepEqual(world.driver.entries, []);
  await world.begin();
  await eventually(() => world.only().state === 'mounted', 'mounted again');
  assert.equal(world.only().nfs?.port, before.nfs?.port);
  assert.equal(world.only().mountPoint, before.mountPoint);
});

test('what a person unmounted is not restored', async () => {
  await world.mount();
  const connection = await world.connect();
  await connection.call('mounts:unmount', {
    target: 'bucket/demo/work',
    discard: false,
    ifUnsent: 'keep',
    force: false,
  });
  await world.quit();
  await world.begin();
  assert.equal(world.only().state, 'idle');
});

test('a mount that cannot be restored is tried again with growing pauses', async () => {
  await world.mount();
  await world.quit();
  world.driver.mountError = new HostError('mount-point', 'the system refused', { retryable: true });
  await world.begin();
  await eventually(() => world.only().state === 'failed', 'failed');
  await world.clock.advanceAsync(1999);
  assert.equal(world.engines.engines.length, 1);
  await world.clock.advanceAsync(1);
  await eventually(
    () => world.only().state === 'failed' && world.engines.engines.length === 2,
    'failed again',
  );
  world.driver.mountError = null;
  await world.clock.advanceAsync(4000);
  await eventually(() => world.only().state === 'mounted', 'mounted again');
});

test('a mount that a killed host left is served again on its port and export path', async () => {
  const before = await world.mount();
  await world.forsake();
  world.driver.calls.length = 0;
  await world.begin();
  await eventually(() => world.only().state === 'mounted', 'served again');
  assert.deepEqual(world.driver.calls, []);
  assert.deepEqual(world.only().nfs, before.nfs);
});

test('a mount that was left by a run with another Hub is removed, not served by the wrong one', async () => {
  await world.mount();
  await world.forsake();
  await world.begin('https://other.example');
  await eventually(() => world.driver.entries.length === 0, 'removed');
  assert.deepEqual(world.state().mounts, []);
  assert.equal(world.engines.engines.length, 0);
  await world.quit();
  await world.begin();
  await eventually(() => world.only().state === 'mounted', 'mounted again with its own Hub');
});

test('a mount whose uploads still run after the unmount can be mounted elsewhere', async () => {
  await world.mount();
  const connection = await world.connect();
  world.engines.hold('flush');
  const wish = { target: 'bucket/demo/work', discard: false, ifUnsent: 'keep-now', force: false } as const;
  await connection.call('mounts:unmount', wish);
  const again = await world.mount({ mountPoint: join(world.dir, 'elsewhere') });
  assert.equal(again.mountPoint, join(world.dir, 'elsewhere'));
  assert.equal(world.engines.engines.length, 1);
  world.engines.release('flush');
});

test('a left mount whose Hub cannot be reached waits and is served when it can', async () => {
  const before = await world.mount();
  await world.forsake();
  const begin = world.begin();
  world.engines.openProblem = { code: 'network', message: 'offline', retryable: true };
  await begin;
  await eventually(() => world.only().state === 'orphaned', 'looked at');
  world.engines.openProblem = null;
  await world.clock.advanceAsync(2000);
  await eventually(() => world.only().state === 'mounted', 'served again');
  assert.deepEqual(world.only().nfs, before.nfs);
});

test('a left mount is tried again also where the Hub refuses: programs wait for it', async () => {
  await world.mount();
  await world.forsake();
  const begin = world.begin();
  world.engines.openProblem = { code: 'unauthorized', message: 'the token has expired', retryable: false };
  await begin;
  await eventually(() => world.only().state === 'orphaned', 'looked at');
  world.engines.openProblem = null;
  await world.clock.advanceAsync(10_000);
  await eventually(() => world.only().state === 'mounted', 'served again');
});

test('changes that an earlier run kept are delivered without mounting', async () => {
  await world.mount();
  const connection = await world.connect();
  world.engines.pending = { files: 2, bytes: 20 };
  world.engines.hold('flush');
  const unmounting = connection.call('mounts:unmount', {
    target: 'bucket/demo/work',
    discard: false,
    ifUnsent: 'keep-now',
    force: false,
  });
  const { mount } = await unmounting;
  assert.deepEqual(mount.pending, { files: 2, bytes: 20 });
  assert.equal(mount.state, 'draining');
  await world.quit();
  world.engines.release('flush');
  await world.begin();
  await eventually(() => world.engines.calls.includes('close'), 'delivered');
  assert.deepEqual(world.engines.calls, ['open', 'flush', 'close']);
  await eventually(() => world.only().state === 'idle', 'idle');
  assert.deepEqual(world.only().pending, { files: 0, bytes: 0 });
});

test('changes that could not be delivered are tried again, also where only a person can help', async () => {
  await world.mount();
  const connection = await world.connect();
  world.engines.pending = { files: 2, bytes: 20 };
  world.engines.flushProblem = { code: 'forbidden', message: 'the token may not write', retryable: false };
  const wish = { target: 'bucket/demo/work', discard: false, ifUnsent: 'keep', force: false } as const;
  await connection.call('mounts:unmount', wish);
  await eventually(() => world.only().state === 'failed', 'given up for the moment');
  assert.match(world.only().lastError?.message ?? '', /may not write/);
  assert.deepEqual(world.only().pending, { files: 2, bytes: 20 });
  world.engines.flushProblem = null;
  await eventually(() => {
    world.clock.advance(100);
    return world.only().state === 'idle' && world.only().pending.files === 0;
  }, 'delivered');
});

test('a quit does not wait longer than allowed and keeps the rest; a second one hurries', async () => {
  await world.mount();
  world.engines.pending = { files: 1, bytes: 1 };
  world.engines.hold('flush');
  const quitting = world.host.quit(false);
  await settle(20);
  assert.equal(world.state().quitting, true);
  assert.equal(world.only().state, 'draining');
  await world.host.quit(false);
  await quitting;
  assert.deepEqual(world.driver.entries, []);
  world.engines.release('flush');
});

test('a quit over the contract answers first and then ends the host', async () => {
  const connection = await world.connect();
  assert.equal(await connection.call('host:quit', { now: false }), null);
  await world.host.ended;
  await connection.closed;
});

test('a socket file of a dead run does not keep a new host out', async () => {
  await world.quit();
  await writeFile(world.places.controlSocketPath, '');
  await world.begin();
  assert.ok(await world.connect());
});
