// Pending changes, conflicts and settings in a real browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeHost } from '../support/fake-host.ts';
import type { PendingEntry } from '../../src/shared/model.ts';
import { failure, mountView } from '../support/fake-host.ts';
import { browserOptions, eventually, hostWith, usePanelBrowser } from './browser.ts';

const browser = usePanelBrowser();
const source = 'bucket/demo/project';
const mountId = 'bucket-demo-project';

function entry(id: string, path: string, change: Partial<PendingEntry> = {}): PendingEntry {
  return {
    mountId,
    source,
    id,
    kind: 'file',
    path,
    bytes: 1_000_000,
    state: 'safe',
    sendAt: Date.now() + 1500,
    ...change,
  };
}

function hostWithQueue(...items: PendingEntry[]): FakeHost {
  const host = hostWith([mountView({ source, pending: { files: items.length, bytes: 1 } })]);
  host.pending = items;
  return host;
}

async function openPending(t: Parameters<typeof browser.open>[0], host: FakeHost) {
  const opened = await browser.open(t, host);
  await opened.page.getByRole('tab', { name: /^Pending/ }).click();
  const item = (path: string) => opened.page.getByRole('listitem').filter({ hasText: path });
  return { ...opened, item };
}

test('each change says what it is, where it stands and when it is tried next', browserOptions, async (t) => {
  const host = hostWithQueue(
    entry('1', 'being-written.bin', { state: 'received' }),
    entry('2', 'soon.bin', { sendAt: Date.now() + 25_000 }),
    entry('3', 'half.bin', { state: 'uploading', doneBytes: 50, totalBytes: 100 }),
    entry('4', 'nearly.bin', { state: 'committing' }),
    entry('5', 'old-name', {
      state: 'failed',
      kind: 'moveTree',
      cause: 'HTTP 503',
      attempts: 3,
      nextTryAt: Date.now() + 100_000,
    }),
  );
  const { item } = await openPending(t, host);
  await item('being-written.bin').getByText('Being written').waitFor();
  await item('soon.bin')
    .getByText(/Safe on this computer · sent in 2\d s/)
    .waitFor();
  await item('half.bin').getByText('Uploading 50 %').waitFor();
  assert.equal(await item('half.bin').getByRole('progressbar').getAttribute('aria-valuenow'), '50');
  await item('nearly.bin').getByText('Committing').waitFor();
  await item('old-name').getByText('HTTP 503').waitFor();
  await item('old-name').getByText('Next try in 2 min · 3 tries').waitFor();
});

test('progress and the end of the queue are followed', browserOptions, async (t) => {
  const host = hostWithQueue(entry('1', 'a.bin', { state: 'uploading', doneBytes: 10, totalBytes: 100 }));
  const { page, item } = await openPending(t, host);
  await item('a.bin').getByText('Uploading 10 %').waitFor();
  host.pending = [entry('1', 'a.bin', { state: 'uploading', doneBytes: 90, totalBytes: 100 })];
  await item('a.bin').getByText('Uploading 90 %').waitFor();
  host.pending = [];
  host.setMount(mountId, { pending: { files: 0, bytes: 0 } });
  await page.getByText('Everything is on the Hub').waitFor();
});

test('one change or all can be sent at once, and uploads paused and resumed', browserOptions, async (t) => {
  const host = hostWithQueue(entry('1', 'a.bin'), entry('2', 'b.bin'));
  const { page } = await openPending(t, host);
  await page.getByRole('button', { name: 'Send now: b.bin' }).click();
  await page.getByRole('button', { name: 'Send all now' }).click();
  await eventually(() => host.callsTo('mounts:retry')[1]);
  assert.deepEqual(host.callsTo('mounts:retry'), [
    { mountId, itemId: '2' },
    { mountId, itemId: null },
  ]);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('menuitem', { name: 'Until tomorrow' }).click();
  await page.getByText('Uploads are paused. Everything below is safe on this computer.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Send all now' }).isDisabled(), true);
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByText('Uploads are paused').waitFor({ state: 'detached' });
});

test('a change is discarded only after a confirmation that says what is lost', browserOptions, async (t) => {
  const host = hostWithQueue(entry('1', 'draft.md'), entry('2', 'gone.md', { kind: 'delete' }));
  const { page, item } = await openPending(t, host);
  await page.getByRole('button', { name: 'Discard the change of gone.md' }).click();
  await page.getByText('the file stays on the Hub and shows here again').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Discard the change of draft.md' }).click();
  const dialog = page.getByRole('alertdialog', { name: 'Discard the change of “draft.md”?' });
  await dialog.getByText('It is deleted for good').waitFor();
  assert.deepEqual(host.callsTo('mounts:discard'), []);
  await dialog.getByRole('button', { name: 'Discard change' }).click();
  await item('draft.md').waitFor({ state: 'detached' });
  assert.deepEqual(host.callsTo('mounts:discard'), [{ mountId, itemId: '1' }]);
});

test('a very long queue is counted, not drawn', browserOptions, async (t) => {
  const items = Array.from({ length: 2000 }, (_, index) => entry(String(index), `folder/file-${index}.bin`));
  const { page } = await openPending(t, hostWithQueue(...items));
  await page.getByText('and 1,700 more changes that are not listed').waitFor();
  assert.equal(
    await page
      .getByRole('list', { name: /not on the Hub/ })
      .getByRole('listitem')
      .count(),
    300,
  );
});

test('a list that cannot be had says why and is asked for again', browserOptions, async (t) => {
  const host = hostWithQueue(entry('1', 'a.bin'));
  host.answers['mounts:pending'] = () => {
    throw failure('engine', 'The mount’s engine is not running');
  };
  const { page, item } = await openPending(t, host);
  await page.getByText('The mount’s engine is not running').waitFor();
  delete host.answers['mounts:pending'];
  await item('a.bin').waitFor();
});

test(
  'a conflict keeps both until the person chose, and asks before it removes one',
  browserOptions,
  async (t) => {
    const host = hostWith([mountView({ source, conflicts: 2 })]);
    const conflict = (id: string, path: string) => ({
      mountId,
      source,
      id,
      path,
      minePath: `${path} (conflict ada)`,
      at: Date.now(),
    });
    host.conflicts = [conflict('1', 'plan.md'), conflict('2', 'list.md')];
    const { page } = await openPending(t, host);
    await page
      .getByText('Nothing was lost: theirs has the name, yours is beside it as “plan.md (conflict ada)”.')
      .waitFor();
    await page.getByRole('button', { name: 'Keep both: list.md' }).click();
    await page.getByText('“list.md” was changed here').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Keep theirs: plan.md' }).click();
    const dialog = page.getByRole('alertdialog', { name: 'Delete your version?' });
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(host.callsTo('mounts:resolve').length, 1);
    await page.getByRole('button', { name: 'Keep theirs: plan.md' }).click();
    await dialog.getByRole('button', { name: 'Keep theirs' }).click();
    await page.getByText('“plan.md” was changed here').waitFor({ state: 'detached' });
    assert.deepEqual(host.callsTo('mounts:resolve'), [
      { mountId, conflictId: '2', choice: 'both' },
      { mountId, conflictId: '1', choice: 'theirs' },
    ]);
  },
);

test(
  'settings show what the host has, send each change alone, and show a refusal',
  browserOptions,
  async (t) => {
    const host = hostWith([]);
    const { page } = await browser.open(t, host);
    await page.getByRole('tab', { name: 'Settings' }).click();
    const cache = page.getByRole('textbox', { name: 'Cache limit' });
    await cache.waitFor();
    assert.equal(await cache.inputValue(), '21.5');
    await cache.fill('50');
    await cache.press('Enter');
    await page.getByText('Mount again at start').click();
    const folder = page.getByRole('textbox', { name: 'Mount folder' });
    await folder.fill('/data/hub');
    await folder.press('Tab');
    await page.getByRole('button', { name: /Log detail/ }).click();
    await page.getByRole('option', { name: 'Everything' }).click();
    await eventually(() => host.callsTo('settings:set')[3]);
    const given = host.callsTo('settings:set').map((change) => {
      return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    });
    assert.deepEqual(given, [
      { cacheLimitBytes: 50e9 },
      { restoreMounts: false },
      { mountFolder: '/data/hub' },
      { logLevel: 'debug' },
    ]);
    await eventually(() => (host.settings.logLevel === 'debug' ? true : undefined));

    host.answers['settings:set'] = () => {
      throw failure('mount-point', '“/etc” cannot be written');
    };
    await folder.fill('/etc');
    await folder.press('Enter');
    await page.getByText('The setting was not saved: “/etc” cannot be written').waitFor();
    assert.equal(await folder.inputValue(), '/data/hub', 'what is shown is what holds');
  },
);

test('signing out and in again is done in the settings', browserOptions, async (t) => {
  const host = hostWith([mountView({ source })]);
  const { page } = await browser.open(t, host);
  await page.getByRole('tab', { name: 'Settings' }).click();
  await page.getByText('Signed in as Ada Lovelace').waitFor();
  await page.getByText('Member of analytical').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('Not signed in').waitFor();
  await page.getByRole('button', { name: 'Sign in…' }).click();
  await page.getByRole('textbox', { name: 'Access token' }).fill('hf_again');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('dialog', { name: 'Mount from the Hub' }).waitFor();
});

test('diagnostics show each check with its result and its fix', browserOptions, async (t) => {
  const host = hostWith([]);
  host.doctor = {
    checks: [
      { id: 'a', title: 'NFS client', status: 'ok', detail: 'found' },
      { id: 'b', title: 'Rights', status: 'failed', detail: 'none', fix: 'Install pkexec' },
    ],
  };
  const { page } = await browser.open(t, host);
  await page.getByRole('tab', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Run checks' }).click();
  const results = page.getByRole('list', { name: 'Results' });
  await results
    .getByRole('listitem')
    .filter({ hasText: 'NFS client' })
    .getByRole('img', { name: 'Good' })
    .waitFor();
  const failed = results.getByRole('listitem').filter({ hasText: 'Install pkexec' });
  await failed.getByRole('img', { name: 'Failed' }).waitFor();
});

test('the cache shows its size and place, and is freed on request', browserOptions, async (t) => {
  const host = hostWith([]);
  const { page } = await browser.open(t, host);
  await page.getByRole('tab', { name: 'Settings' }).click();
  await page.getByText('The cache holds 4.2 GB').waitFor();
  await page.getByText('/home/ada/.cache/hubdrive').waitFor();
  const free = page.getByRole('button', { name: 'Free up' });
  host.answers['cache:free'] = () => {
    throw failure('internal', 'The disk does not answer');
  };
  await free.click();
  await page.getByText('The disk does not answer').waitFor();
  delete host.answers['cache:free'];
  await free.click();
  await page.getByText('4.2 GB freed').waitFor();
  await page.getByText('The cache holds 0 bytes').waitFor();
  assert.equal(await free.isDisabled(), true);
});

test('logs are exported, and the panel says where to', browserOptions, async (t) => {
  const host = hostWith([]);
  const { page } = await browser.open(t, host);
  await page.getByRole('tab', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Export logs' }).click();
  await page.getByText('Written (48 kB):').waitFor();
  await page.getByText(/reports\/hubdrive-report-2026-11-22T14-15-00\.txt$/).waitFor();
  await page.getByRole('button', { name: 'Copy path' }).waitFor();
});

test(
  'limits for sending and fetching are typed in megabytes a second, and 0 lifts them',
  browserOptions,
  async (t) => {
    const host = hostWith([]);
    const { page } = await browser.open(t, host);
    await page.getByRole('tab', { name: 'Settings' }).click();
    const send = page.getByRole('textbox', { name: 'Send at most' });
    await send.fill('1.5');
    await send.press('Enter');
    await page.getByRole('textbox', { name: 'Fetch at most' }).fill('20');
    await send.focus();
    await eventually(() => (host.settings.downloadLimitBytesPerSecond === 20e6 ? true : undefined));
    assert.equal(host.settings.uploadLimitBytesPerSecond, 1_500_000);
    await send.fill('0');
    await send.press('Enter');
    await eventually(() => (host.settings.uploadLimitBytesPerSecond === 0 ? true : undefined));
  },
);
