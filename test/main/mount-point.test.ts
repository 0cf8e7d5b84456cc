import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chown, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { parseSource } from '../../src/hub/source.ts';
import {
  checkMountPoint,
  defaultMountPoint,
  makeMountPoint,
  removeCreated,
} from '../../src/main/mounts/mount-point.ts';
import type { MountPointRules } from '../../src/main/mounts/mount-point.ts';
import type { MountTableEntry } from '../../src/main/system/mount-table.ts';

let home: string;
beforeEach(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'hubdrive-home-')));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const uid = process.getuid?.() ?? 0;
function rules(table: readonly MountTableEntry[] = []): MountPointRules {
  return { homeDir: home, dataDir: join(home, '.local/share/hubdrive'), uid, table };
}

test('the default is two levels below a folder of its own, never in the home folder itself', () => {
  const free = () => false;
  assert.equal(
    defaultMountPoint(parseSource('bucket/demo/work'), null, '/home/u', free),
    '/home/u/Hubdrive/demo/work',
  );
  assert.equal(
    defaultMountPoint(parseSource('model/demo/m/a/b', 'refs/pr/1'), '/data', '/home/u', free),
    '/data/demo/m--a--b@refs-pr-1',
  );
  const isTaken = (path: string) => path === '/home/u/Hubdrive/demo/work';
  assert.equal(
    defaultMountPoint(parseSource('dataset/demo/work'), null, '/home/u', isTaken),
    '/home/u/Hubdrive/demo/work (dataset)',
  );
});

test('an absent folder is accepted, made with its parents and removed again when empty', async () => {
  const path = join(home, 'Hubdrive', 'demo', 'work');
  assert.equal(await checkMountPoint(path, rules()), path);
  const made = await makeMountPoint(path);
  assert.deepEqual(made, [join(home, 'Hubdrive'), join(home, 'Hubdrive', 'demo'), path]);
  await removeCreated(made);
  assert.equal(existsSync(join(home, 'Hubdrive')), false);
});

test('a folder that is not empty afterwards stays, with its parents', async () => {
  const path = join(home, 'Hubdrive', 'demo', 'work');
  const made = await makeMountPoint(path);
  await writeFile(join(home, 'Hubdrive', 'mine.txt'), 'x');
  await removeCreated(made);
  assert.equal(existsSync(join(home, 'Hubdrive', 'demo')), false);
  assert.ok(existsSync(join(home, 'Hubdrive', 'mine.txt')));
});

test('an existing empty folder is used and not removed afterwards', async () => {
  const path = join(home, 'empty');
  await mkdir(path);
  await checkMountPoint(path, rules());
  assert.deepEqual(await makeMountPoint(path), []);
});

test('symbolic links in the way are followed, as the table of mounts will show the path', async () => {
  await mkdir(join(home, 'real'));
  await symlink(join(home, 'real'), join(home, 'link'));
  assert.equal(await checkMountPoint(join(home, 'link', 'x'), rules()), join(home, 'real', 'x'));
});

const refusals: readonly [name: string, path: (home: string) => string, message: RegExp][] = [
  ['the home folder', (dir) => dir, /home folder/],
  ['a folder that holds the home folder', (dir) => join(dir, '..'), /home folder/],
  ['the root', () => '/', /home folder/],
  ['a relative path', () => 'work', /absolute/],
  ['our own data directory', (dir) => join(dir, '.local/share/hubdrive/x'), /own data/],
  ['a folder that is not empty', (dir) => join(dir, 'full'), /not empty/],
  ['a file', (dir) => join(dir, 'file'), /not a folder/],
];
for (const [name, path, message] of refusals) {
  test(`${name} is refused`, async () => {
    await mkdir(join(home, 'full', 'x'), { recursive: true });
    await writeFile(join(home, 'file'), 'x');
    await assert.rejects(checkMountPoint(path(home), rules()), message);
  });
}

test('a folder of another user is refused', { skip: uid !== 0 }, async () => {
  await mkdir(join(home, 'theirs'));
  await chown(join(home, 'theirs'), 65_534, 65_534);
  await assert.rejects(checkMountPoint(join(home, 'theirs'), rules()), /another user/);
});

test('a mounted folder and anything inside one of our mounts is refused by the table alone', async () => {
  const mounted = join(home, 'mounted');
  const table = [
    { mountPoint: '/', type: 'ext4', device: '/dev/x' },
    { mountPoint: mounted, type: 'nfs', device: '127.0.0.1:/tok' },
  ];
  await assert.rejects(checkMountPoint(mounted, rules(table)), /mounted there already/);
  await assert.rejects(checkMountPoint(join(mounted, 'a'), rules(table)), /inside the mount/);
});
