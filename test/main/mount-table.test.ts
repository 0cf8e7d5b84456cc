import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findPreset } from '../../src/main/system/fstab.ts';
import {
  findMountOf,
  isMountedNow,
  isNfsOf,
  parseDarwinMountOutput,
  parseMountInfo,
  unescapeOctal,
} from '../../src/main/system/mount-table.ts';

test('mountinfo lines with any number of optional fields are read', () => {
  const text = [
    '22 1 0:21 / / rw,relatime - ext4 /dev/root rw',
    '36 22 0:32 / /home/u/a\\040b rw shared:1 master:2 - nfs 127.0.0.1:/tok rw,vers=3,port=21000',
    '37 22 0:33 / /mnt rw propagate_from:2 - nfs4 server:/export rw',
    'a line of another shape',
    '',
  ].join('\n');
  assert.deepEqual(parseMountInfo(text), [
    { mountPoint: '/', type: 'ext4', device: '/dev/root' },
    { mountPoint: '/home/u/a b', type: 'nfs', device: '127.0.0.1:/tok' },
    { mountPoint: '/mnt', type: 'nfs4', device: 'server:/export' },
  ]);
});

test('octal escapes give back bytes, also inside UTF-8 and at the end', () => {
  assert.equal(unescapeOctal('a\\040b\\011c\\012d\\134e'), 'a b\tc\nd\\e');
  assert.equal(unescapeOctal('caf\\303\\251 é'), 'café é');
  assert.equal(unescapeOctal('x\\04'), 'x\\04');
  assert.equal(unescapeOctal('x\\999'), 'x\\999');
});

test('macOS output is read although paths hold " on " and parentheses', () => {
  const text = [
    '/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)',
    '127.0.0.1:/tok on /Users/u/on off (copy) (nfs, nodev, nosuid, mounted by u)',
    'map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)',
    'devfs on /dev (devfs)',
  ].join('\n');
  assert.deepEqual(parseDarwinMountOutput(text), [
    { device: '/dev/disk3s1s1', mountPoint: '/', type: 'apfs' },
    { device: '127.0.0.1:/tok', mountPoint: '/Users/u/on off (copy)', type: 'nfs' },
    { device: 'map auto_home', mountPoint: '/System/Volumes/Data/home', type: 'autofs' },
    { device: 'devfs', mountPoint: '/dev', type: 'devfs' },
  ]);
});

test('a mount is ours only by its type and its secret export path', () => {
  const entry = { mountPoint: '/m', type: 'nfs', device: '127.0.0.1:/tok' };
  assert.ok(isNfsOf(entry, '/tok'));
  assert.ok(!isNfsOf(entry, '/to'));
  assert.ok(!isNfsOf({ ...entry, type: 'ext4' }, '/tok'));
});

test('the innermost mount holds a path, and a longer name is not inside a shorter one', () => {
  const table = ['/', '/home', '/home/u/x'].map((mountPoint) => ({
    mountPoint,
    type: 't',
    device: mountPoint,
  }));
  assert.equal(findMountOf('/home/u/x/y', table)?.mountPoint, '/home/u/x');
  assert.equal(findMountOf('/home/u/xy', table)?.mountPoint, '/home');
});

test('one look that misses the entry is not believed', async () => {
  const entry = { mountPoint: '/m', type: 'nfs', device: '127.0.0.1:/tok' };
  const looks = [[], [entry]];
  assert.equal(await isMountedNow(() => Promise.resolve(looks.shift() ?? []), '/m', '/tok'), true);
  assert.equal(await isMountedNow(() => Promise.resolve([]), '/m', '/tok'), false);
});

test('an fstab entry counts only if it is ours: nfs, this machine, user, both ports the same', () => {
  const good = '127.0.0.1:/tok /mnt/a nfs user,noauto,vers=3,port=2222,mountport=2222 0 0';
  assert.deepEqual(findPreset(good, '/mnt/a'), { port: 2222, exportPath: '/tok' });
  assert.equal(findPreset(good, '/mnt/b'), null);
  for (const bad of [
    `# ${good}`,
    good.replace('127.0.0.1', 'server'),
    good.replace('user,', ''),
    good.replace('mountport=2222', 'mountport=2223'),
    good.replace(' nfs ', ' nfs4 '),
    good.replace('port=2222,', ''),
    'short line',
  ]) {
    assert.equal(findPreset(bad, '/mnt/a'), null, bad);
  }
});
