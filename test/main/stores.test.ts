import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { parseSource } from '../../src/hub/source.ts';
import { lockDataDir } from '../../src/main/files/data-dir.ts';
import { mountIdOf, MountRecords } from '../../src/main/mounts/mount-records.ts';
import { HostError } from '../../src/main/problem.ts';
import { loadHandleKey, newExportPath } from '../../src/main/system/secrets.ts';
import { defaultSettings, SettingsStore } from '../../src/main/settings.ts';
import { silentLog } from '../../src/shared/log.ts';
import type { Places } from '../../src/shared/places.ts';
import { sampleRecord } from '../support/mount-world.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hubdrive-stores-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

test('settings survive a restart, and a change leaves the others as they are', async () => {
  const settings = await SettingsStore.load(dir, silentLog);
  assert.deepEqual(settings.current, defaultSettings);
  await settings.change({ pollIntervalMs: 5000, mountFolder: undefined });
  const again = await SettingsStore.load(dir, silentLog);
  assert.deepEqual(again.current, { ...defaultSettings, pollIntervalMs: 5000 });
  assert.equal(await modeOf(join(dir, 'settings.json')), 0o600);
});

test('a wrong value falls back to its default and the rest is kept', async () => {
  await writeFile(
    join(dir, 'settings.json'),
    '{"pollIntervalMs": "often", "restoreMounts": false, "unknown": 1}',
  );
  const { current } = await SettingsStore.load(dir, silentLog);
  assert.deepEqual(current, { ...defaultSettings, restoreMounts: false });
});

test('a damaged file is set aside, never overwritten', async () => {
  await writeFile(join(dir, 'mounts.json'), '{"mounts": [{"id"');
  const records = await MountRecords.load(dir, silentLog);
  assert.deepEqual(records.all(), []);
  const names = await readdir(dir);
  const aside = names.find((name) => name.startsWith('mounts.json.damaged-'));
  assert.ok(aside !== undefined);
  assert.equal(await readFile(join(dir, aside), 'utf8'), '{"mounts": [{"id"');
});

test('records of mounts survive a restart; concurrent saves leave the newest and no temporary file', async () => {
  const records = await MountRecords.load(dir, silentLog);
  const record = sampleRecord('/home/u/x');
  await Promise.all(
    Array.from({ length: 20 }, (_, port) => records.save({ ...record, port: 20_000 + port })),
  );
  await records.save({ ...record, id: 'other', unsent: { files: 2, bytes: 9 } });
  const again = await MountRecords.load(dir, silentLog);
  assert.equal(again.find(record.id)?.port, 20_019);
  assert.deepEqual(again.find('other')?.unsent, { files: 2, bytes: 9 });
  await again.remove('other');
  assert.equal((await MountRecords.load(dir, silentLog)).find('other'), undefined);
  assert.deepEqual(await readdir(dir), ['mounts.json']);
});

test('a mount is named by its source, revision and Hub, and by nothing else', () => {
  const id = mountIdOf(parseSource('bucket/demo/data'), 'demo');
  assert.match(id, /^bucket-demo-data-[0-9a-f]{12}$/);
  assert.equal(mountIdOf(parseSource('bucket/demo/data/'), 'demo'), id);
  const others = [
    mountIdOf(parseSource('bucket/demo/data/sub'), 'demo'),
    mountIdOf(parseSource('bucket/demo/data'), 'https://huggingface.co'),
    mountIdOf(parseSource('model/demo/data'), 'demo'),
    mountIdOf(parseSource('model/demo/data', 'v1'), 'demo'),
  ];
  assert.equal(new Set([id, ...others]).size, 5);
});

test('the handle key is made once, private, and never replaced when damaged', async () => {
  const key = await loadHandleKey(dir);
  assert.equal(key.length, 32);
  assert.deepEqual(Buffer.from(await loadHandleKey(dir)), Buffer.from(key));
  assert.equal(await modeOf(join(dir, 'handle.key')), 0o600);
  await writeFile(join(dir, 'handle.key'), 'short');
  await assert.rejects(loadHandleKey(dir), /damaged/);
});

test('export paths are long, plain and never the same', () => {
  const paths = new Set(Array.from({ length: 100 }, newExportPath));
  assert.equal(paths.size, 100);
  for (const path of paths) assert.match(path, /^\/[0-9a-f]{40}$/);
});

function places(): Places {
  const dataDir = join(dir, 'data');
  return {
    dataDir,
    cacheDir: join(dir, 'cache'),
    logDir: join(dataDir, 'logs'),
    controlSocketDir: dataDir,
    controlSocketPath: join(dataDir, 'control.sock'),
  };
}

test('a data directory is made private and belongs to one host at a time', async () => {
  const lock = await lockDataDir(places());
  assert.equal(await modeOf(places().dataDir), 0o700);
  await assert.rejects(lockDataDir(places()), (error) => {
    assert.ok(error instanceof HostError);
    assert.equal(error.problem.code, 'conflict');
    assert.match(error.message, new RegExp(`process ${process.pid}`));
    return true;
  });
  lock.release();
  (await lockDataDir(places())).release();
});

test('a data directory that others may read is closed to them', async () => {
  (await lockDataDir(places())).release();
  await chmod(places().dataDir, 0o755);
  (await lockDataDir(places())).release();
  assert.equal(await modeOf(places().dataDir), 0o700);
});

test('the lock of a killed host is free at once', async () => {
  const address = new URL('../../src/main/files/data-dir.ts', import.meta.url).href;
  const script = `const { lockDataDir } = await import(${JSON.stringify(address)});
    await lockDataDir(${JSON.stringify(places())}); console.log('locked'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await assert.rejects(lockDataDir(places()), /Another Hubdrive host/);
  } finally {
    child.kill('SIGKILL');
  }
  await new Promise((resolve) => child.once('exit', resolve));
  (await lockDataDir(places())).release();
});
