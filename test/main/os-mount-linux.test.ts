import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { createLinuxDriver } from '../../src/main/system/os-mount-linux.ts';
import type { OsMountDriver, OsMountRequest } from '../../src/main/system/os-mount.ts';
import { HostError } from '../../src/main/problem.ts';
import { failed, hung, missing, ScriptedCommands } from '../support/scripted-commands.ts';
import type { Answer } from '../support/scripted-commands.ts';

const request: OsMountRequest = {
  host: '127.0.0.1',
  port: 21_000,
  exportPath: '/secret',
  mountPoint: '/home/u/Hubdrive/demo/my work',
  readOnly: false,
};
const options =
  'vers=3,proto=tcp,mountproto=tcp,nolock,port=21000,mountport=21000,rsize=1048576,wsize=1048576,actimeo=1,lookupcache=positive,hard,' +
  'timeo=600,retrans=2,nconnect=4,rw,nosuid,nodev,addr=127.0.0.1,mountaddr=127.0.0.1';
const device = '127.0.0.1:/secret';
const mountWords = `-i -t nfs -o ${options} ${device} ${request.mountPoint}`;
const signal = new AbortController().signal;

let commands: ScriptedCommands;
let mounted: boolean;
let fstab: string;
let installed: string[];

beforeEach(() => {
  commands = new ScriptedCommands();
  mounted = false;
  fstab = '';
  installed = ['/etc/fstab'];
});

function driver(isRoot: boolean): OsMountDriver {
  const table = () =>
    '25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n' +
    (mounted
      ? `80 25 0:50 / /home/u/Hubdrive/demo/my\\040work rw,nosuid shared:5 - nfs ${device} rw,vers=3,port=21000\n`
      : '');
  return createLinuxDriver({
    run: commands.run,
    readText: (path) => Promise.resolve(path === '/etc/fstab' ? fstab : table()),
    exists: (path) => Promise.resolve(installed.includes(path)),
    isRoot,
    findBusyPrograms: () => Promise.resolve([{ pid: 7, name: 'less' }]),
  });
}

/** The first command line that contains one of the keys decides; `then` changes the table. */
function answers(script: Record<string, Answer | 'mounts' | 'unmounts'>): void {
  commands.answer = (line) => {
    const found = Object.entries(script).find(([key]) => line.includes(key));
    if (found === undefined) return null;
    if (found[1] === 'mounts') mounted = true;
    else if (found[1] === 'unmounts') mounted = false;
    else return found[1];
    return null;
  };
}

async function failure(work: Promise<unknown>): Promise<HostError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof HostError);
    return error;
  }
  assert.fail('it should have failed');
}

test('root mounts with mount -i and the full option string', async () => {
  answers({ 'mount -i': 'mounts' });
  await driver(true).mount(request, signal);
  assert.deepEqual(commands.lines, [`mount ${mountWords}`]);
});

test('a read-only mount is made read-only by the system too', async () => {
  answers({ 'mount -i': 'mounts' });
  await driver(true).mount({ ...request, readOnly: true }, signal);
  assert.match(commands.lines[0] ?? '', /,nconnect=4,ro,nosuid,nodev,/);
});

test('an allowed fstab entry is used first, by its mount point alone', async () => {
  fstab = `${device} /home/u/Hubdrive/demo/my\\040work nfs user,noauto,vers=3,tcp,nolock,port=21000,mountport=21000 0 0\n`;
  answers({ 'mount /home': 'mounts' });
  await driver(false).mount(request, signal);
  assert.deepEqual(commands.lines, [`mount ${request.mountPoint}`]);
  assert.deepEqual(await driver(false).preset(request.mountPoint), { port: 21_000, exportPath: '/secret' });
});

test('without root the ways are tried in order: helper, pkexec, sudo without a password', async () => {
  installed.push('/usr/lib/hubdrive/hubdrive-mount-helper');
  answers({ pkexec: { code: 127, stderr: 'Not authorized' }, sudo: 'mounts' });
  await driver(false).mount(request, signal);
  assert.deepEqual(commands.lines, [
    `pkexec --disable-internal-agent /usr/lib/hubdrive/hubdrive-mount-helper mount 21000 /secret rw ${request.mountPoint}`,
    `pkexec --disable-internal-agent /usr/bin/mount ${mountWords}`,
    `sudo -n /usr/bin/mount ${mountWords}`,
  ]);
});

test('what the helper does not do, such as mounts outside the home folder, the next way is asked for', async () => {
  installed.push('/usr/lib/hubdrive/hubdrive-mount-helper');
  answers({ 'pkexec --disable-internal-agent /usr/lib': failed('not below your home', 3), pkexec: 'mounts' });
  await driver(false).mount(request, signal);
  assert.equal(commands.lines.length, 2);
  assert.match(commands.lines[1] ?? '', /^pkexec --disable-internal-agent \/usr\/bin\/mount /);
});

test('where no way is open the error says why each was closed and gives the fstab line', async () => {
  answers({ pkexec: missing, sudo: failed('sudo: a password is required', 1) });
  const error = await failure(driver(false).mount(request, signal));
  assert.equal(error.problem.code, 'not-permitted');
  assert.match(error.message, /pkexec: not installed; sudo: sudo: a password is required/);
  assert.match(
    error.message,
    /127\.0\.0\.1:\/secret \/home\/u\/Hubdrive\/demo\/my\\040work nfs vers=3,.*,user,noauto,/,
  );
});

test('a dismissed password dialog is an answer: nothing else is tried', async () => {
  answers({ pkexec: { code: 126, stderr: 'dismissed' } });
  const error = await failure(driver(false).mount(request, signal));
  assert.equal(error.problem.code, 'cancelled');
  assert.equal(commands.lines.length, 1);
});

test('a kernel without an NFS client is told apart from a failed mount', async () => {
  answers({ 'mount -i': failed("mount: /mnt: unknown filesystem type 'nfs'.") });
  assert.equal((await failure(driver(true).mount(request, signal))).problem.code, 'unsupported');
  // util-linux 2.39 adds a line.
  const hint = '       dmesg(1) may have more information after failed mount system call.';
  answers({ 'mount -i': failed(`mount: /mnt: unknown filesystem type 'nfs'.\n${hint}\n`) });
  const missingClient = await failure(driver(true).mount(request, signal));
  assert.equal(missingClient.problem.code, 'unsupported');
  assert.match(missingClient.message, /unknown filesystem type/);
  assert.doesNotMatch(missingClient.message, /dmesg/);
  answers({ 'mount -i': failed(`mount: /mnt: Connection refused\n${hint}\n`) });
  const error = await failure(driver(true).mount(request, signal));
  assert.equal(error.problem.code, 'mount-point');
  assert.match(error.message, /Connection refused/);
});

test('the table of mounts is believed, not the exit code', async () => {
  answers({});
  assert.equal((await failure(driver(true).mount(request, signal))).problem.code, 'mount-point');
  commands.answer = () => {
    mounted = true;
    return failed('mount: warning: something');
  };
  await driver(true).mount(request, signal);
});

test('an unmount that is refused as busy names the programs and uses no force', async () => {
  mounted = true;
  answers({ umount: failed('umount: target is busy.') });
  const outcome = await driver(true).unmount(request.mountPoint, '/secret', false, signal);
  assert.deepEqual(outcome, {
    type: 'busy',
    programs: [{ pid: 7, name: 'less' }],
    detail: 'umount: target is busy.',
  });
  assert.deepEqual(commands.lines, [`umount -i -c ${request.mountPoint}`]);
});

test('a forced unmount goes from plain to -f to -l and stops as soon as it is gone', async () => {
  mounted = true;
  answers({ '-c -f': failed('busy'), '-c -l': 'unmounts', umount: failed('busy') });
  assert.deepEqual(await driver(true).unmount(request.mountPoint, '/secret', true, signal), { type: 'gone' });
  assert.deepEqual(commands.lines, [
    `umount -i -c ${request.mountPoint}`,
    `umount -i -c -f ${request.mountPoint}`,
    `umount -i -c -l ${request.mountPoint}`,
  ]);
});

test('a plain unmount that hangs is a timeout, so that the caller may force it', async () => {
  mounted = true;
  answers({ umount: hung });
  const error = await failure(driver(true).unmount(request.mountPoint, '/secret', false, signal));
  assert.equal(error.problem.code, 'timeout');
});

test('nothing is run for a mount that is gone already, and a foreign mount on the folder is left alone', async () => {
  assert.deepEqual(await driver(true).unmount(request.mountPoint, '/secret', true, signal), { type: 'gone' });
  mounted = true;
  assert.deepEqual(await driver(true).unmount(request.mountPoint, '/other', true, signal), { type: 'gone' });
  assert.deepEqual(commands.lines, []);
});

test('without root an unmount tries the same ways', async () => {
  mounted = true;
  answers({ pkexec: missing, sudo: 'unmounts' });
  assert.deepEqual(await driver(false).unmount(request.mountPoint, '/secret', false, signal), {
    type: 'gone',
  });
  assert.deepEqual(commands.lines, [
    `pkexec --disable-internal-agent /usr/bin/umount -i -c ${request.mountPoint}`,
    `sudo -n /usr/bin/umount -i -c ${request.mountPoint}`,
  ]);
});

test('the kernel is asked to write its pages out through a child', async () => {
  await driver(true).syncMount(request.mountPoint, signal);
  assert.deepEqual(commands.lines, [`sync -f ${request.mountPoint}`]);
});
