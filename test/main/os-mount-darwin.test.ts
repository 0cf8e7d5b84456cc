import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDarwinDriver, parseLsof } from '../../src/main/system/os-mount-darwin.ts';
import type { OsMountRequest } from '../../src/main/system/os-mount.ts';
import { HostError } from '../../src/main/problem.ts';
import { ScriptedCommands } from '../support/scripted-commands.ts';

const request: OsMountRequest = {
  host: '127.0.0.1',
  port: 21_000,
  exportPath: '/secret',
  mountPoint: '/Users/u/Hubdrive/demo/my work',
  readOnly: false,
};
const signal = new AbortController().signal;
const table = '/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n';
const entry =
  '127.0.0.1:/secret on /Users/u/Hubdrive/demo/my work (nfs, nodev, nosuid, nobrowse, mounted by u)\n';

function world() {
  const commands = new ScriptedCommands();
  const system = { mounted: false };
  commands.answer = (line) => {
    if (line === '/sbin/mount') return { stdout: table + (system.mounted ? entry : '') };
    if (line.startsWith('/sbin/mount_nfs')) system.mounted = true;
    return null;
  };
  return { commands, system, driver: createDarwinDriver(commands.run) };
}

test('mount_nfs runs as the user with hard, local-locking options for a writable mount', async () => {
  const { commands, driver } = world();
  await driver.mount(request, signal);
  assert.equal(
    commands.lines[0],
    '/sbin/mount_nfs -o vers=3,tcp,port=21000,mountport=21000,locallocks,noquota,nobrowse,nosuid,nodev,rsize=1048576,wsize=1048576,' +
      'dsize=65536,readahead=128,rdirplus,nonegnamecache,acregmin=1,acregmax=5,acdirmin=1,acdirmax=3,mutejukebox,nfc,intr,rw ' +
      '127.0.0.1:/secret /Users/u/Hubdrive/demo/my work',
  );
  assert.doesNotMatch(commands.lines[0] ?? '', /soft|deadtimeout/);
});

test('an unmount goes through umount, umount -f and diskutil, and believes the table', async () => {
  const { commands, system, driver } = world();
  system.mounted = true;
  const answer = commands.answer;
  commands.answer = (line) => {
    if (line.startsWith('/usr/sbin/diskutil')) system.mounted = false;
    return answer(line);
  };
  assert.deepEqual(await driver.unmount(request.mountPoint, '/secret', true, signal), { type: 'gone' });
  assert.deepEqual(
    commands.lines.filter((line) => line !== '/sbin/mount'),
    [
      `/sbin/umount ${request.mountPoint}`,
      `/sbin/umount -f ${request.mountPoint}`,
      `/usr/sbin/diskutil unmount force ${request.mountPoint}`,
    ],
  );
});

test('a busy mount names the programs that lsof sees', async () => {
  const { commands, system, driver } = world();
  system.mounted = true;
  const answer = commands.answer;
  commands.answer = (line) => {
    if (line.startsWith('/sbin/umount')) return { code: 1, stderr: 'umount: Resource busy' };
    return line.startsWith('/usr/sbin/lsof')
      ? { stdout: 'p12\ncFinder\nf4\np99\ncvim\nf5\nf6\n' }
      : answer(line);
  };
  const outcome = await driver.unmount(request.mountPoint, '/secret', false, signal);
  assert.deepEqual(outcome, {
    type: 'busy',
    programs: [
      { pid: 12, name: 'Finder' },
      { pid: 99, name: 'vim' },
    ],
    detail: 'umount: Resource busy',
  });
});

test('a refusal by macOS says which permission may be missing', async () => {
  const { commands, driver } = world();
  commands.answer = (line) =>
    line === '/sbin/mount'
      ? { stdout: table }
      : { code: 1, stderr: 'mount_nfs: /x: Operation not permitted' };
  await assert.rejects(driver.mount(request, signal), (error) => {
    assert.ok(error instanceof HostError);
    assert.equal(error.problem.code, 'not-permitted');
    assert.match(error.message, /Full Disk Access/);
    return true;
  });
});

test('lsof output without programs gives an empty list', () => {
  assert.deepEqual(parseLsof(''), []);
});
