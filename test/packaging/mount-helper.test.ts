import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { linuxOptions } from '../../src/main/system/os-mount-options.ts';
import { mountHelperPath, waysToMount } from '../../src/main/system/privilege-linux.ts';
import { newExportPath } from '../../src/main/system/secrets.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const packagingDir = join(here, '../../packaging/linux');
const helper = join(packagingDir, 'hubdrive-mount-helper');

/** Any account that is not root and not the one that runs the tests. */
const user = 65_534;
const base = `/run/user/${user}`;
const exportPath = newExportPath();
const options = { skip: skipReason() };

function skipReason(): string | false {
  const canUnshare = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0;
  if (canUnshare) return false;
  return 'it takes root and mount namespaces to run the mount helper as pkexec would';
}

interface Result {
  readonly code: number | null;
  readonly out: readonly string[];
  readonly err: string;
}

/** Runs the helper as pkexec would, in a scratch mount namespace with a /run of its own that `setUp` (sh) furnishes. */
function run(words: readonly string[], { setUp = '', uid = String(user) as string | null } = {}): Result {
  const script = `
    mount -t tmpfs scratch /run && mkdir -p ${base} && cd ${base} || exit 99
    mkdir own foreign && chown ${user} . own && ln -s own link && mkdir -p deep/er && chown -R ${user} deep && touch file
    ${setUp}
    cd / && exec perl -T -I${here} -MMountRecorder ${helper} "$@"`;
  const env = uid === null ? {} : { PKEXEC_UID: uid };
  const { status, stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', ...words], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], ...env },
  });
  assert.notEqual(status, 99, stderr);
  return { code: status, out: stdout.trim().split('\n'), err: stderr };
}

const mount = (path: string, change: { port?: string; exported?: string; access?: string } = {}) => {
  const { port = '21000', exported = exportPath, access = 'rw' } = change;
  return ['mount', port, exported, access, path];
};

test('it mounts an own folder with exactly the options of the app, nosuid and nodev', options, async () => {
  const { code, out, err } = run(mount(`${base}/own`));
  assert.equal(code, 0, err);
  const [number, device, target, type, flags, data, cwd] = out;
  assert.deepEqual(
    { number, device, target, type, flags },
    {
      number: process.arch === 'arm64' ? '40' : '165',
      device: `127.0.0.1:${exportPath}`,
      target: '.',
      type: 'nfs',
      flags: '6',
    },
  );
  const request = { host: '127.0.0.1', port: 21_000, exportPath, mountPoint: `${base}/own`, readOnly: false };
  const wanted = linuxOptions(request).split(',');
  // What mount(8) would pass as flags is passed as flags.
  assert.deepEqual(
    data?.split(','),
    wanted.filter((option) => !['rw', 'nosuid', 'nodev'].includes(option)),
  );
  assert.match(cwd ?? '', /^cwd \d+ \d+$/);
  assert.equal(run(mount(`${base}/own`, { access: 'ro' })).out[4], '7');
  assert.equal(run(mount(`${base}/deep/er`)).code, 0);
});

test('the words that the app sends are those that the helper takes', options, () => {
  const [way] = waysToMount({ isRoot: false, preset: null, helperInstalled: true });
  const request = { host: '127.0.0.1', port: 21_000, exportPath, mountPoint: `${base}/own`, readOnly: true };
  const words = way?.mount(request).parameters ?? [];
  assert.equal(words[1], mountHelperPath);
  assert.equal(run(words.slice(2)).code, 0);
  for (const flag of ['', '-f', '-l'] as const) {
    const { err } = run(way?.unmount(`${base}/own`, flag).parameters.slice(2) ?? []);
    assert.match(err, /not mounted by Hubdrive/);
  }
});

const refusals: readonly (readonly [what: string, words: readonly string[], reason: RegExp])[] = [
  ['no words', [], /usage/],
  ['an unknown verb', ['remount', `${base}/own`], /usage/],
  ['a word too many', [...mount(`${base}/own`), 'suid'], /usage/],
  ['a port that is no number', mount(`${base}/own`, { port: '21000,suid' }), /port/],
  ['a port with a sign', mount(`${base}/own`, { port: '+2100' }), /port/],
  ['a port of the system', mount(`${base}/own`, { port: '2049'.slice(0, 3) }), /port/],
  ['a port below 1024', mount(`${base}/own`, { port: '1023' }), /port/],
  ['a port beyond the last', mount(`${base}/own`, { port: '65536' }), /port/],
  ['a port with a line after it', mount(`${base}/own`, { port: '21000\n' }), /port/],
  ['an export path of another kind', mount(`${base}/own`, { exported: '/export/home' }), /export path/],
  [
    'another server in the export path',
    mount(`${base}/own`, { exported: `@10.0.0.1:${exportPath}` }),
    /export path/,
  ],
  ['options in the export path', mount(`${base}/own`, { exported: `${exportPath},suid` }), /export path/],
  ['options in the access', mount(`${base}/own`, { access: 'rw,suid' }), /ro nor rw/],
  ['a folder of somebody else', mount(`${base}/foreign`), /does not belong to you/],
  ['a symbolic link', mount(`${base}/link`), /link: /],
  ['a symbolic link on the way', mount(`${base}/link/deep`), /link: /],
  ['a file', mount(`${base}/file`), /file: /],
  ['nothing there', mount(`${base}/nothing`), /nothing: No such file/],
  ['a path that climbs', mount(`${base}/own/../../../etc`), /\. or \.\./],
  ['a dot', mount(`${base}/./own`), /\. or \.\./],
  ['double slashes', mount(`${base}//own`), /plain names/],
  ['a slash at the end', mount(`${base}/own/`), /plain names/],
  ['a relative path', mount('own'), /plain names/],
  ['a line break in the path', mount(`${base}/own\n`), /plain names/],
  ['the folder itself', mount(base), /neither below/],
  ['a folder of the system', mount('/etc'), /neither below/],
  ['the folder of another user', mount('/run/user/1/own'), /neither below/],
  ['a name that only begins like it', mount(`${base}x/own`), /neither below/],
  ['a path without end', mount(`/${'x/'.repeat(3000)}x`), /too long|neither below/],
  ['unmounting a folder of the system', ['unmount', 'lazy', '/proc'], /neither below/],
  ['unmounting what is not mounted', ['unmount', 'plain', `${base}/own`], /not mounted by Hubdrive/],
  ['unmounting with an unknown force', ['unmount', '-f', `${base}/own`], /plain nor force nor lazy/],
];

for (const [what, words, reason] of refusals) {
  test(`it refuses ${what}`, options, () => {
    const { code, out, err } = run(words);
    assert.equal(code, 3, err);
    assert.match(err, reason);
    assert.deepEqual(out, [''], 'nothing was called');
  });
}

test('it refuses a mount of another kind or another server, whoever owns the folder', options, () => {
  const others = [
    'mount -t tmpfs other own',
    `mount -t tmpfs 127.0.0.1:${exportPath} own`,
    'mount --bind /etc own',
  ];
  for (const setUp of others) {
    const { code, err } = run(['unmount', 'plain', `${base}/own`], { setUp });
    assert.equal(code, 3);
    assert.match(err, /not mounted by Hubdrive/);
  }
});

test('it refuses to run without pkexec, for nobody, or without root', options, () => {
  assert.match(run(mount(`${base}/own`), { uid: null }).err, /PKEXEC_UID is missing/);
  for (const uid of ['', '-1', '0x0', '65534 0', '99999999999', '01']) {
    assert.match(run(mount(`${base}/own`), { uid }).err, /PKEXEC_UID is missing/);
  }
  assert.match(run(mount(`${base}/own`), { uid: '4111222333' }).err, /there is no user/);
  const asUser = spawnSync('perl', ['-T', helper, ...mount(`${base}/own`)], {
    encoding: 'utf8',
    uid: user,
    env: { PKEXEC_UID: '0' },
  });
  assert.equal(asUser.status, asUser.status === 2 ? 2 : 3);
});

test('the environment of the caller changes nothing', options, () => {
  const script = `mount -t tmpfs s /run && mkdir -p ${base}/own && chown -R ${user} ${base} && exec ${helper} "$@"`;
  const { status, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', ...mount(`${base}/own`)], {
    encoding: 'utf8',
    env: {
      PATH: process.env['PATH'],
      PKEXEC_UID: String(user),
      PERL5OPT: '-MMountRecorder',
      PERL5LIB: here,
      PERLLIB: here,
    },
  });
  // The recorder was not loaded: the call went to this kernel, which has no NFS client or nobody to answer.
  assert.notEqual(status, 0);
  assert.match(stderr, /No such device|Connection refused|Operation not permitted|Protocol not supported/);
});

test('the policy names the helper where the app looks for it, and trusts only who sits at the computer', async () => {
  const policy = await readFile(join(packagingDir, 'co.hubdrive.mount.policy'), 'utf8');
  assert.ok(policy.includes(`exec.path">${mountHelperPath}</annotate>`));
  assert.match(policy, /<allow_any>auth_admin<\/allow_any>/);
  assert.match(policy, /<allow_inactive>auth_admin<\/allow_inactive>/);
  assert.equal((await stat(helper)).mode & 0o777, 0o755);
});
