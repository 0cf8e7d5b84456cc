// Unsent changes in mounts that nobody has mounted: found though `mounts.json` lost them, and deleted only when a person confirms it.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { parseSource } from '../../src/hub/source.ts';
import { mountIdOf } from '../../src/main/mounts/mount-records.ts';
import { silentLog } from '../../src/shared/log.ts';
import { VirtualFs } from '../../src/vfs/virtual-fs.ts';
import { eventually, HostWorld, refusal } from '../support/host-world.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';

const source = 'bucket/demo/work';
const id = mountIdOf(parseSource(source), 'demo');
let world: HostWorld;

beforeEach(async () => {
  world = await HostWorld.start();
  await world.quit();
});
afterEach(() => world.close());

function folderOf(mountId: string): string {
  return join(world.places.dataDir, 'mounts', mountId);
}

/** What an engine leaves that was ended while the Hub was away; `name` is what the Hub client remembers. */
async function leaveUnsent(
  mountId = id,
  name: string | null = `http://127.0.0.1:9 ${source} `,
): Promise<void> {
  const fs = await VirtualFs.open({
    remote: new MemoryRemoteStore(),
    dataDir: folderOf(mountId),
    cacheDir: join(world.dir, 'cache'),
    cacheLimitBytes: 1 << 20,
    owner: { uid: 1, gid: 1 },
    hostName: 'test',
    clock: new ManualClock(),
    log: silentLog,
  });
  fs.uploads.pause();
  const caller = { uid: 1, gid: 1 };
  for (const file of ['one', 'two']) {
    const created = await fs.create(fs.rootIno, file, { type: 'unchecked', attributes: {} }, caller);
    await fs.write(created.attributes.ino, 0, Buffer.from('not on the Hub yet'));
    await fs.commit(created.attributes.ino);
  }
  await fs.close();
  if (name === null) return;
  await mkdir(join(folderOf(mountId), 'hub'), { recursive: true });
  await writeFile(join(folderOf(mountId), 'hub', 'source.json'), JSON.stringify({ name, source: {} }));
}

test('unsent changes that mounts.json lost are shown with their source, files and bytes, and sent', async () => {
  await leaveUnsent();
  await rm(join(world.places.dataDir, 'mounts.json'), { force: true });
  const begin = world.begin();
  world.engines.hold('flush');
  world.engines.pending = { files: 2, bytes: 36 };
  await begin;
  assert.equal(world.only().source, source);
  assert.deepEqual(world.only().pending, { files: 2, bytes: 36 });
  await eventually(() => world.only().state === 'draining', 'being sent');
  world.engines.release('flush');
});

test('a damaged mounts.json costs no unsent change', async () => {
  await leaveUnsent();
  await writeFile(join(world.places.dataDir, 'mounts.json'), '{ "mounts": [ {');
  const begin = world.begin();
  world.engines.hold('flush');
  await begin;
  assert.equal(world.only().source, source);
  await eventually(() => world.only().state === 'draining', 'being sent');
  world.engines.release('flush');
});

test('a folder of another Hub, of an unknown source, or without anything unsent is left alone', async () => {
  await leaveUnsent(mountIdOf(parseSource(source), 'https://elsewhere.example'));
  await leaveUnsent('unknown-source', null);
  await mkdir(folderOf('empty'), { recursive: true });
  await writeFile(join(world.places.dataDir, 'mounts.json'), '{"version":"1","mounts":[]}');
  await world.begin();
  assert.deepEqual(world.state().mounts, []);
  assert.equal(readdirSync(join(world.places.dataDir, 'mounts')).length, 3);
  assert.equal(readdirSync(join(folderOf('unknown-source'), 'staging')).length, 2);
});

test('unsent changes of a mount that is not mounted are discarded only when that is confirmed', async () => {
  await leaveUnsent();
  const begin = world.begin();
  world.engines.openProblem = { code: 'not-found', message: 'the bucket was deleted', retryable: false };
  await begin;
  await eventually(() => world.only().state === 'failed', 'tried in vain');
  const connection = await world.connect();
  const wish = { target: source, discard: true, ifUnsent: 'keep', force: false } as const;
  const refused = await refusal(connection.call('mounts:unmount', wish));
  assert.equal(refused.code, 'unsent');
  assert.match(refused.message, /2 local changes that are not on the Hub.*--yes/);
  assert.equal(readdirSync(join(folderOf(id), 'staging')).length, 2);
  const { mount } = await connection.call('mounts:unmount', { ...wish, confirmed: true });
  assert.equal(mount.state, 'idle');
  assert.deepEqual(mount.pending, { files: 0, bytes: 0 });
  assert.equal(existsSync(join(folderOf(id), 'staging')), false);
  assert.equal(existsSync(join(folderOf(id), 'catalogue.db')), false);
  await world.quit();
  await world.begin();
  assert.deepEqual(world.only().pending, { files: 0, bytes: 0 });
  assert.equal(world.only().state, 'idle');
});

test('the confirmation alone discards nothing', async () => {
  await leaveUnsent();
  const begin = world.begin();
  world.engines.openProblem = { code: 'not-found', message: 'the bucket was deleted', retryable: false };
  await begin;
  await eventually(() => world.only().state === 'failed', 'tried in vain');
  const connection = await world.connect();
  const wish = { target: source, discard: false, ifUnsent: 'keep', force: false, confirmed: true } as const;
  await connection.call('mounts:unmount', wish);
  assert.equal(readdirSync(join(folderOf(id), 'staging')).length, 2);
});
