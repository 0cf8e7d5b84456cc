import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeAssets } from '../../scripts/make-assets.ts';
import { sayDuration, sayUnsent } from '../../src/main/tray/amounts.ts';
import { findAppFiles } from '../../src/main/app-files.ts';
import { autostartEntry, autostartPath } from '../../src/main/tray/autostart-entry.ts';
import { externalTarget } from '../../src/main/system/external-link.ts';
import { opensPanelAtStart, readLaunchArguments } from '../../src/main/tray/launch-arguments.ts';
import { noticesOf } from '../../src/main/tray/notices.ts';
import { answerPage } from '../../src/main/surfaces/panel-page.ts';
import { PushGate } from '../../src/main/surfaces/push-gate.ts';
import { isPanelUrl } from '../../src/main/surfaces/sender-check.ts';
import { updatePolicyOf } from '../../src/main/tray/update-policy.ts';
import { noticeKinds, zeroCounters } from '../../src/shared/model.ts';
import type { MountView } from '../../src/shared/model.ts';
import { datedProblem, hostState, mountView } from '../support/mount-views.ts';

const rootDir = fileURLToPath(new URL('../..', import.meta.url));

test('the icons in the tree are what the script makes of the drawings', async () => {
  const made = await makeAssets();
  for (const [path, content] of made) {
    assert.ok(
      (await readFile(join(rootDir, path))).equals(content),
      `${path}: run node scripts/make-assets.ts`,
    );
  }
  for (const dir of ['assets/tray', 'assets/icons']) {
    for (const name of await readdir(join(rootDir, dir)))
      assert.ok(made.has(`${dir}/${name}`), `${dir}/${name} is left over`);
  }
});

test('only the IPC host takes messages, only the preload sends them, and the shell stays thin', async () => {
  const electronDir = join(rootDir, 'src/main/electron');
  for (const name of await readdir(electronDir)) {
    const text = await readFile(join(electronDir, name), 'utf8');
    assert.equal(/\bipcMain\.|\bimport \{[^}]*\bipcMain\b/.test(text), name === 'ipc-host.ts', name);
    assert.ok(!text.includes('ipcRenderer'), name);
    assert.ok(text.split('\n').length <= 200, `${name} is not thin any more`);
  }
});

test('the app finds its files from the source, from the build and from inside the packed app', () => {
  for (const [place, root] of [
    ['file:///app/src/main/app-files.ts', '/app'],
    ['file:///app/dist/src/main/app-files.js', '/app'],
    [
      'file:///opt/Hubdrive/resources/app.asar/dist/src/main/app-files.js',
      '/opt/Hubdrive/resources/app.asar',
    ],
  ]) {
    assert.deepEqual(findAppFiles(place), {
      rendererDir: `${root}/dist/renderer`,
      preloadPath: `${root}/dist/preload/preload.cjs`,
      assetsDir: `${root}/assets`,
    });
  }
});

test('a hidden start shows nothing; one by hand shows the panel while nothing is known', () => {
  const by = (...argv: string[]) => readLaunchArguments(['electron', '.', ...argv]);
  assert.equal(opensPanelAtStart(by(), 0), true);
  assert.equal(opensPanelAtStart(by(), 1), false);
  assert.equal(opensPanelAtStart(by('--hidden'), 0), false);
  assert.equal(opensPanelAtStart(by('hubdrive://open'), 0), false);
  assert.equal(by('--demo').demo, true);
});

test('only addresses of the panel are taken for it', () => {
  assert.ok(isPanelUrl('hubdrive-app://panel/'));
  assert.ok(isPanelUrl('hubdrive-app://panel/index.html#x'));
  for (const url of [
    'hubdrive-app://panel.evil/',
    'hubdrive-app://evil@panel/',
    'hubdrive://panel/',
    'https://panel/',
    '',
    'null',
  ])
    assert.ok(!isPanelUrl(url), url);
});

test('only the Hub opens in the browser', () => {
  const endpoint = 'http://127.0.0.1:4321';
  assert.equal(externalTarget('https://huggingface.co/a/b', null), 'https://huggingface.co/a/b');
  assert.equal(externalTarget('http://127.0.0.1:4321/demo', endpoint), 'http://127.0.0.1:4321/demo');
  for (const url of [
    'http://huggingface.co/',
    'https://huggingface.co.evil.example/',
    'https://user@huggingface.co/',
    'http://127.0.0.1:4322/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'not an address',
  ]) {
    assert.equal(externalTarget(url, endpoint), null, url);
  }
});

test('pages are served under a policy, with a nonce of their own, and nothing outside the built files', () => {
  const files = new Map([
    [
      '/index.html',
      {
        body: Buffer.from('<meta content="__CSP_NONCE__">'),
        type: 'text/html; charset=utf-8',
        immutable: false,
      },
    ],
    ['/assets/a.js', { body: Buffer.from('1'), type: 'text/javascript; charset=utf-8', immutable: true }],
  ]);
  const page = answerPage(files, 'GET', 'hubdrive-app://panel/', 'abc');
  assert.equal(Buffer.from(page.body).toString(), '<meta content="abc">');
  const policy = page.headers['Content-Security-Policy'] ?? '';
  assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self' 'nonce-abc';/);
  assert.match(policy, /connect-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(answerPage(files, 'GET', 'hubdrive-app://panel/assets/a.js', 'x').status, 200);
  assert.equal(answerPage(files, 'GET', 'hubdrive-app://panel/../../etc/passwd', 'x').status, 404);
  assert.equal(answerPage(files, 'GET', 'hubdrive-app://other/', 'x').status, 404);
  assert.equal(answerPage(files, 'POST', 'hubdrive-app://panel/', 'x').status, 405);
  assert.equal(answerPage(new Map(), 'GET', 'hubdrive-app://panel/', 'x').status, 503);
});

test('while nobody looks nothing is sent, and afterwards the newest of each channel once', () => {
  const sent: unknown[] = [];
  const gate = new PushGate((channel, payload) => sent.push([channel, payload]), true);
  gate.push('state:changed', 1);
  gate.setOpen(false);
  gate.push('state:changed', 2);
  gate.push('state:changed', 3);
  assert.deepEqual(sent, [['state:changed', 1]]);
  gate.setOpen(true);
  gate.setOpen(true);
  assert.deepEqual(sent.slice(1), [['state:changed', 3]]);
});

const kindsOf = (before: Partial<MountView>, after: Partial<MountView>): string[] =>
  noticesOf(hostState([mountView(before)]), hostState([mountView(after)]), noticeKinds).map(
    ({ kind }) => kind,
  );

test('notices come once per change, and not for what is no news', () => {
  const problem = datedProblem();
  assert.deepEqual(kindsOf({}, { counters: { ...zeroCounters, stale: 1 } }), ['stale']);
  assert.deepEqual(kindsOf({}, { conflicts: 1 }), ['conflict']);
  assert.deepEqual(kindsOf({ conflicts: 1 }, { conflicts: 1 }), []);
  assert.deepEqual(kindsOf({}, { state: 'failed', lastError: problem }), ['failure']);
  assert.deepEqual(kindsOf({ lastError: problem }, { lastError: { ...problem, at: 99 } }), []);
  assert.deepEqual(kindsOf({}, { lastError: datedProblem({ code: 'network' }) }), []);
  assert.deepEqual(kindsOf({ pending: { files: 1, bytes: 1 } }, {}), ['sent']);
  assert.deepEqual(kindsOf({ pending: { files: 1, bytes: 1 } }, { state: 'idle' }), []);
  assert.deepEqual(noticesOf(null, hostState([mountView({ conflicts: 3 })]), noticeKinds), []);
  assert.deepEqual(noticesOf(hostState([]), hostState([mountView({ conflicts: 3 })]), noticeKinds), []);
});

test('a Linux desktop starts the app hidden, whatever its path looks like', () => {
  assert.equal(autostartPath({}, '/home/u'), '/home/u/.config/autostart/hubdrive.desktop');
  assert.equal(
    autostartPath({ XDG_CONFIG_HOME: 'relative' }, '/home/u'),
    '/home/u/.config/autostart/hubdrive.desktop',
  );
  assert.match(autostartEntry('/opt/Hubdrive/hubdrive'), /^Exec="\/opt\/Hubdrive\/hubdrive" --hidden$/m);
  assert.match(
    autostartEntry('/home/u/my "app" $1 100%'),
    /^Exec="\/home\/u\/my \\\\"app\\\\" \\\\\$1 100%%" --hidden$/m,
  );
});

test('updates are installed by the app where it can, told of where a package manager can, else not looked for', () => {
  const packaged = { isPackaged: true, hasFeed: true, platform: 'linux', appImage: undefined } as const;
  assert.equal(updatePolicyOf(packaged), 'tell');
  assert.equal(updatePolicyOf({ ...packaged, appImage: '/home/u/Hubdrive.AppImage' }), 'install-on-quit');
  assert.equal(updatePolicyOf({ ...packaged, platform: 'darwin' }), 'install-on-quit');
  assert.equal(updatePolicyOf({ ...packaged, hasFeed: false }), 'none');
  assert.equal(updatePolicyOf({ ...packaged, isPackaged: false }), 'none');
});

test('amounts read as a person says them', () => {
  assert.equal(sayUnsent({ files: 1, bytes: 0 }), '1 change');
  assert.deepEqual([1, 11_000, 59_000, 61_000, 3_599_000, 3 * 3600_000, 72 * 3600_000].map(sayDuration), [
    'a few seconds',
    '20 seconds',
    '60 seconds',
    '2 minutes',
    '1 hour',
    '3 hours',
    '3 days',
  ]);
});
