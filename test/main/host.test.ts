import assert from 'node:assert/strict';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Bandwidth } from '../../src/hub/bandwidth.ts';
import { ContractFailure } from '../../src/shared/contract.ts';
import type { ActivityBatch } from '../../src/shared/contract.ts';
import type { HostState } from '../../src/shared/model.ts';
import { eventually, HostWorld, refusal } from '../support/host-world.ts';

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

test('a mount over the control socket answers when it is mounted', async () => {
  const mount = await world.mount();
  assert.equal(mount.state, 'mounted');
  assert.equal(mount.mountPoint, join(world.dir, 'mnt'));
  assert.equal(mount.restored, true);
  assert.deepEqual(world.only(), mount);
});

test('mounting what is mounted in the same way is no error, in another way it is', async () => {
  await world.mount();
  assert.equal((await world.mount()).state, 'mounted');
  assert.equal(world.engines.engines.length, 1);
  assert.equal((await refusal(world.mount({ readOnly: true }))).code, 'conflict');
});

test('two clients that mount the same source at once share one mount', async () => {
  const [one, two] = await Promise.all([world.mount(), world.mount()]);
  assert.equal(one.id, two.id);
  assert.equal(world.engines.engines.length, 1);
});

test('a bad source or mount point is refused before anything is started, and leaves no trace', async () => {
  assert.equal((await refusal(world.mount({ source: 'nonsense' }))).code, 'invalid');
  await mkdir(join(world.dir, 'full', 'x'), { recursive: true });
  const full = await refusal(world.mount({ mountPoint: join(world.dir, 'full') }));
  assert.equal(full.code, 'mount-point');
  assert.match(full.message, /not empty/);
  assert.equal(world.engines.engines.length, 0);
  assert.deepEqual(world.state().mounts, []);
});

test('a source that the Hub refuses leaves no mount behind', async () => {
  world.engines.openProblem = { code: 'source-not-found', message: 'no such bucket', retryable: false };
  assert.equal((await refusal(world.mount())).message, 'no such bucket');
  assert.deepEqual(world.state().mounts, []);
  await world.quit();
  await world.begin();
  assert.deepEqual(world.state().mounts, []);
});

test('a mount that never came about takes nothing away that an earlier one of the same source left', async () => {
  // The list of mounts was lost; the folder with what was not sent is still there.
  const { id } = await world.mount();
  await world.quit();
  await rm(join(world.places.dataDir, 'mounts.json'));
  const unsent = join(world.places.dataDir, 'mounts', id, 'staging', '7-1.dat');
  await mkdir(dirname(unsent), { recursive: true });
  await writeFile(unsent, 'not on the Hub yet');
  await world.begin();
  world.engines.openProblem = { code: 'network', message: 'offline', retryable: true };
  assert.equal((await refusal(world.mount())).message, 'offline');
  assert.equal(await readFile(unsent, 'utf8'), 'not on the Hub yet');
});

test('two mounts get ports of their own, and one mount point cannot serve both', async () => {
  const one = await world.mount();
  const taken = await refusal(world.mount({ source: 'bucket/demo/other' }));
  assert.equal(taken.code, 'mount-point');
  const two = await world.mount({ source: 'bucket/demo/other', mountPoint: join(world.dir, 'mnt2') });
  assert.notEqual(one.nfs?.port, two.nfs?.port);
  assert.notEqual(one.nfs?.exportPath, two.nfs?.exportPath);
});

test('an unmount is found by source, mount point or id, and what is not mounted is named', async () => {
  const connection = await world.connect();
  for (const targetOf of [
    () => 'bucket/demo/work',
    () => join(world.dir, 'mnt') + '/',
    () => world.only().id,
  ]) {
    await world.mount();
    const wish = { target: targetOf(), discard: false, ifUnsent: 'keep', force: false } as const;
    const { mount } = await connection.call('mounts:unmount', wish);
    assert.equal(mount.attached, false);
    await eventually(() => world.only().state === 'idle', 'idle');
  }
  const again = await refusal(
    connection.call('mounts:unmount', {
      target: 'bucket/demo/work',
      discard: false,
      ifUnsent: 'keep',
      force: false,
    }),
  );
  assert.equal(again.code, 'not-found');
  assert.match(again.message, /is not mounted/);
  assert.match(
    (await refusal(connection.call('mounts:flush', { target: '/nowhere' }))).message,
    /not a known mount/,
  );
});

test('a busy mount is an error that carries the programs, and stays wanted', async () => {
  await world.mount();
  world.driver.busyPrograms = [{ pid: 5, name: 'vim' }];
  const connection = await world.connect();
  const wish = { target: 'bucket/demo/work', discard: false, ifUnsent: 'keep', force: false } as const;
  const error = await refusal(connection.call('mounts:unmount', wish));
  assert.ok(error instanceof ContractFailure);
  assert.equal(error.code, 'busy');
  assert.deepEqual(error.problem?.programs, [{ pid: 5, name: 'vim' }]);
  assert.equal(world.only().restored, true);
  world.driver.busyPrograms = null;
});

test('a client that goes away while it waits for its mount gives the attempt up', async () => {
  world.engines.hold('open');
  const connection = await world.connect();
  const answer = connection.call('mounts:mount', world.mountArgument()).catch(() => null);
  await eventually(() => world.engines.engines.length === 1, 'connecting');
  connection.close();
  await answer;
  world.engines.release('open');
  await eventually(() => world.state().mounts.every((mount) => mount.state === 'idle'), 'given up');
});

test('state pushes are whole values with rising revisions', async () => {
  const connection = await world.connect();
  const states: HostState[] = [];
  connection.on('state:changed', (state) => states.push(state));
  const first = await connection.call('state:subscribe', null);
  await world.mount();
  await world.clock.advanceAsync(200);
  await eventually(() => states.length > 0, 'a push');
  assert.ok((states.at(-1)?.revision ?? 0) > first.revision);
  assert.equal(states.at(-1)?.mounts[0]?.state, 'mounted');
});

test('what is noteworthy is still listed after restarts, each event once', async () => {
  const { id } = await world.mount();
  const { listener } = world.engines.newest;
  const removed = { at: 5, kind: 'REMOVE' } as const;
  listener.activity([{ sequence: 0, at: 5, kind: 'WRITE', path: 'a.txt', bytes: 3 }], 0);
  listener.activity(
    Array.from({ length: 60 }, (_, index) => ({ ...removed, sequence: index + 1, path: `${index}.txt` })),
    0,
  );
  listener.activity([{ sequence: 61, at: 6.5, kind: 'STALE', path: 'b.txt', detail: 'WRITE' }], 0);
  for (let round = 0; round < 2; round += 1) {
    await mkdir(join(world.places.dataDir, 'mounts', id), { recursive: true });
    await world.quit();
    await world.begin();
    await eventually(() => world.only().state === 'mounted', 'mounted again');
    const connection = await world.connect();
    const [mount] = (await connection.call('activity:backlog', { target: null })).mounts;
    assert.equal(mount?.events.length, 50);
    assert.deepEqual(mount.events[0], { ...removed, sequence: -50, path: '11.txt' });
    const newest = { sequence: -1, at: 7, kind: 'STALE', path: 'b.txt', detail: 'WRITE' };
    assert.deepEqual(mount.events.at(-1), newest);
  }
});

test('activity reaches a subscriber and makes the engine look more often', async () => {
  await world.mount();
  const connection = await world.connect();
  const batches: ActivityBatch[] = [];
  connection.on('activity:batch', (batch) => batches.push(batch));
  await connection.call('activity:subscribe', { target: 'bucket/demo/work' });
  assert.equal(world.engines.watched, true);
  world.engines.newest.listener.activity([{ sequence: 1, at: 5, kind: 'WRITE', path: 'a.txt', bytes: 3 }], 2);
  await eventually(() => batches.length === 1, 'a batch');
  assert.equal(batches[0]?.mounts[0]?.events[0]?.path, 'a.txt');
  assert.equal(batches[0]?.mounts[0]?.dropped, 2);
  connection.close();
  await eventually(() => !world.engines.watched, 'unwatched');
});

test('pending items of running mounts are listed with their mount', async () => {
  await world.mount();
  world.engines.pendingItems = [
    { id: 'file:9', kind: 'file', path: 'a.txt', bytes: 5, state: { state: 'safe', sendAt: 1000 } },
  ];
  const connection = await world.connect();
  assert.deepEqual(await connection.call('mounts:pending', { target: null }), {
    items: [
      {
        mountId: world.only().id,
        source: 'bucket/demo/work',
        id: 'file:9',
        kind: 'file',
        path: 'a.txt',
        bytes: 5,
        state: 'safe',
        sendAt: 1000,
      },
    ],
    omitted: 0,
  });
});

test('paused uploads stay paused over an engine restart and refuse a flush', async () => {
  await world.mount();
  const connection = await world.connect();
  await connection.call('mounts:pause', { target: null, until: null });
  world.engines.newest.crash();
  await world.clock.advanceAsync(100);
  await eventually(() => world.only().server === 'up', 'restarted');
  assert.equal(world.engines.newest.paused, true);
  assert.equal((await refusal(connection.call('mounts:flush', { target: null }))).code, 'unsent');
  await connection.call('mounts:resume', { target: null });
  await connection.call('mounts:flush', { target: null });
});

test('a pause until tomorrow ends in the morning, and a length that is none is refused', async () => {
  await world.mount();
  const connection = await world.connect();
  await connection.call('mounts:pause', { target: null, until: 'tomorrow' });
  const until = new Date(world.only().pausedUntil ?? 0);
  assert.equal(until.getHours(), 8);
  assert.ok(until.getTime() > world.clock.now());
  const wrong = connection.call('mounts:pause', { target: null, until: 'week' as 'hour' });
  assert.equal((await refusal(wrong)).code, 'invalid');
});

test('forgetting is refused while something is mounted or unsent', async () => {
  const { id } = await world.mount();
  const connection = await world.connect();
  assert.equal((await refusal(connection.call('mounts:forget', { mountId: id }))).code, 'busy');
  const wish = { target: id, discard: false, ifUnsent: 'keep', force: false } as const;
  await connection.call('mounts:unmount', wish);
  await eventually(() => world.only().state === 'idle', 'idle');
  await connection.call('mounts:forget', { mountId: id });
  assert.deepEqual(world.state().mounts, []);
});

test('settings changed over the contract count from then on', async () => {
  const connection = await world.connect();
  const changed = await connection.call('settings:set', { pollIntervalMs: 5000 });
  assert.equal(changed.pollIntervalMs, 5000);
  await world.mount();
  assert.equal(world.engines.newest.spec.pollIntervalMs, 5000);
});

test('the doctor reports every part and each mount', async () => {
  const connection = await world.connect();
  const { checks } = await connection.call('doctor:run', null);
  assert.deepEqual(
    checks.map((check) => check.id),
    ['host', 'data', 'token', 'hub', 'kernel', 'rights'],
  );
  assert.equal(checks.find((check) => check.id === 'token')?.detail, 'found (demo)');
  const hub = checks.find((check) => check.id === 'hub');
  assert.equal(hub?.status, 'failed');
  assert.match(hub?.detail ?? '', /^http:\/\/127\.0\.0\.1:9 cannot be reached \((?!fetch failed).+\)$/);
  assert.match(hub?.fix ?? '', /network/);
  assert.doesNotMatch(JSON.stringify(checks), /hf_demo/);
});

test('the control socket is private, and garbage on it closes that connection only', async () => {
  assert.equal((await stat(world.places.controlSocketPath)).mode & 0o777, 0o600);
  for (const garbage of ['GET / HTTP/1.1\r\n\r\n', 'x'.repeat(300_000), '{"id":"x"}\n', 'null\n']) {
    const socket = createConnection(world.places.controlSocketPath);
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.resume();
    socket.write(garbage);
    await closed;
  }
  const connection = await world.connect();
  assert.equal((await connection.call('state:get', null)).hostVersion, '9.9.9');
});

test('the cache is measured and emptied over the contract, also while nothing was ever mounted', async () => {
  const connection = await world.connect();
  const { folder, usedBytes } = await connection.call('cache:get', null);
  assert.equal(folder, join(world.places.cacheDir, 'content'));
  assert.equal(usedBytes, 0);
  assert.deepEqual(await connection.call('cache:free', null), { freedBytes: 0 });
});

test('limits of bandwidth reach engines that run, and one too slow for the Hub is refused', async () => {
  const connection = await world.connect();
  await connection.call('settings:set', { uploadLimitBytesPerSecond: 500_000 });
  await world.mount();
  const { bandwidth: account } = world.engines.newest.spec;
  const bandwidth = new Bandwidth(account ?? assert.fail('the engine has no account'));
  assert.deepEqual([bandwidth.limit('up'), bandwidth.limit('down')], [500_000, 0]);
  await connection.call('settings:set', { uploadLimitBytesPerSecond: 0, downloadLimitBytesPerSecond: 2e6 });
  assert.deepEqual([bandwidth.limit('up'), bandwidth.limit('down')], [0, 2_000_000]);
  assert.equal(
    (await refusal(connection.call('settings:set', { uploadLimitBytesPerSecond: 100 }))).code,
    'invalid',
  );
});
