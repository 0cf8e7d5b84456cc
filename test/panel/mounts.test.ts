// The list of mounts in a real browser: every state reaches the screen as a sentence, every control asks the host and shows its answer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { zeroCounters } from '../../src/shared/model.ts';
import { failure, idleView, mountView } from '../support/fake-host.ts';
import { browserOptions, hostWith, screenshotPath, usePanelBrowser } from './browser.ts';

const browser = usePanelBrowser();
const source = 'bucket/demo/project';
const id = 'bucket-demo-project';
const pending = { files: 3, bytes: 12_000_000 };

const rowOf = (page: Page, name = 'project, Bucket'): Locator => page.getByRole('listitem', { name });

/** The switch itself is hidden behind what a person sees of it. */
async function flip(row: Locator): Promise<void> {
  await row.locator('.switch').click();
}

test('the printed address shows the live list of mounts', browserOptions, async (t) => {
  const host = hostWith([mountView({ source })]);
  const { page, complaints } = await browser.open(t, host);
  const row = rowOf(page);
  await row.getByText('Idle').waitFor();
  assert.equal(await row.getByRole('switch').isChecked(), true);

  host.setMount(id, { pending });
  await row.getByText('3 changes (12 MB) safe on this computer, to be sent').waitFor();

  host.set({ mounts: [...host.state.mounts, idleView({ source: 'model/ada/tiny', readOnly: true })] });
  const model = rowOf(page, 'tiny, Model');
  await model.getByText('Not mounted').waitFor();
  await model.getByText('Read-only').waitFor();
  assert.equal(await model.getByRole('switch').isChecked(), false);
  assert.deepEqual(complaints, []);
});

test('the sentence follows the host through a whole life of a mount', browserOptions, async (t) => {
  const host = hostWith([idleView({ source })]);
  const { page } = await browser.open(t, host);
  const row = rowOf(page);
  const steps: readonly [Parameters<typeof host.setMount>[1], string][] = [
    [{ state: 'connecting' }, 'Connecting to the Hub…'],
    [{ state: 'attaching', server: 'up' }, 'Mounting… your system may ask for permission'],
    [{ state: 'mounted', attached: true, lastActivityAt: Date.now() }, 'In use'],
    [{ link: 'offline' }, 'Offline · files that are cached still open'],
    [{ link: 'online', server: 'restarting' }, 'Reconnecting · open files wait a moment'],
    [
      { server: 'up', uploadsPaused: true, pending },
      'Uploads paused · 3 changes (12 MB) safe on this computer',
    ],
    [{ uploadsPaused: false, conflicts: 2 }, '2 conflicts to look at'],
    [{ conflicts: 0, state: 'draining' }, 'Sending 3 changes (12 MB), then unmounting'],
    [{ state: 'detaching', pending: { files: 0, bytes: 0 } }, 'Unmounting…'],
    [{ state: 'idle', attached: false }, 'Not mounted'],
  ];
  for (const [change, sentence] of steps) {
    host.setMount(id, change);
    await row.getByText(sentence, { exact: true }).waitFor();
  }
});

test('the switch shows only what the host said, and asks for the other', browserOptions, async (t) => {
  const host = hostWith([idleView({ source, mountPoint: '/mnt/p' })]);
  let mounted = (): void => undefined;
  host.answers['mounts:mount'] = () =>
    new Promise((resolve) => (mounted = () => resolve(mountView({ source }))));
  const { page } = await browser.open(t, host);
  const row = rowOf(page);
  await flip(row);
  host.setMount(id, { readOnly: true });
  await row.getByText('Read-only').waitFor();
  host.setMount(id, { readOnly: false });
  assert.equal(await row.getByRole('switch').isChecked(), false, 'nothing is predicted');
  assert.deepEqual(host.callsTo('mounts:mount'), [
    { source, mountPoint: '/mnt/p', readOnly: false, revision: null, serverOnly: false },
  ]);
  host.setMount(id, { state: 'mounted', attached: true, server: 'up' });
  mounted();
  await row.getByText('Idle').waitFor();
  assert.equal(await row.getByRole('switch').isChecked(), true);
  await flip(row);
  await row.getByText('Not mounted').waitFor();
  assert.deepEqual(host.callsTo('mounts:unmount'), [
    { target: id, discard: false, ifUnsent: 'keep', force: false, confirmed: false },
  ]);
});

test('a mount that failed says why, and tries again', browserOptions, async (t) => {
  const host = hostWith([idleView({ source })]);
  const message = 'No mount.nfs was found. Install nfs-common';
  host.answers['mounts:mount'] = () => {
    const problem = { code: 'unsupported' as const, message, retryable: false };
    host.setMount(id, { state: 'failed', lastError: { ...problem, at: Date.now() } });
    throw failure('unsupported', message);
  };
  const { page } = await browser.open(t, host);
  const row = rowOf(page);
  await flip(row);
  await row.getByText('Could not be mounted').waitFor();
  assert.equal(await row.getByText(message).count(), 1, 'said once');
  delete host.answers['mounts:mount'];
  await row.getByRole('button', { name: 'Try again' }).click();
  await row.getByText('Idle').waitFor();
});

test(
  'unmounting with unsent changes asks, and each answer asks the host for just that',
  browserOptions,
  async (t) => {
    const host = hostWith([mountView({ source, pending })]);
    const { page } = await browser.open(t, host);
    const row = rowOf(page);
    const dialog = page.getByRole('alertdialog', {
      name: '“project” has changes that are not on the Hub yet',
    });
    await flip(row);
    await dialog.getByText('3 changes (12 MB) would stay safe').waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.deepEqual(host.callsTo('mounts:unmount'), []);

    await flip(row);
    await dialog.getByRole('button', { name: 'Unmount now, send later' }).click();
    await row.getByText('Not mounted · 3 changes (12 MB) not on the Hub yet').waitFor();
    host.setMount(id, { state: 'mounted', attached: true });
    await flip(row);
    await dialog.getByRole('button', { name: 'Send everything, then unmount' }).click();
    await dialog.waitFor({ state: 'detached' });
    assert.deepEqual(
      host.callsTo('mounts:unmount').map(({ ifUnsent, discard }) => [ifUnsent, discard]),
      [
        ['keep-now', false],
        ['stay', false],
      ],
    );
  },
);

test('an unmount that sends first can be called off', browserOptions, async (t) => {
  const host = hostWith([mountView({ source, pending })]);
  let callOff = (): void => undefined;
  host.answers['mounts:unmount'] = () => {
    host.setMount(id, { state: 'draining' });
    return new Promise((_resolve, reject) => {
      callOff = () => reject(failure('cancelled', 'The unmount was called off'));
    });
  };
  host.answers['mounts:cancel'] = () => {
    host.setMount(id, { state: 'mounted' });
    callOff();
    return null;
  };
  const { page } = await browser.open(t, host);
  const row = rowOf(page);
  await flip(row);
  await page.getByRole('button', { name: 'Send everything, then unmount' }).click();
  await row.getByText('Sending 3 changes (12 MB), then unmounting').waitFor();
  await row.getByRole('button', { name: 'Cancel' }).click();
  await row.getByText('safe on this computer').waitFor();
  assert.equal(await page.getByRole('alertdialog').count(), 0, 'what a person called off is no failure');
});

test('a busy mount names the programs, tries again and can be forced', browserOptions, async (t) => {
  const host = hostWith([mountView({ source })]);
  host.answers['mounts:unmount'] = ({ force }) => {
    if (force) {
      host.setMount(id, { state: 'idle', attached: false });
      return { mount: host.state.mounts[0] ?? mountView({ source }) };
    }
    const programs = [
      { pid: 4711, name: 'vim' },
      { pid: 4712, name: 'python3' },
    ];
    throw failure('busy', 'In use', { programs });
  };
  const { page } = await browser.open(t, host);
  const row = rowOf(page);
  await flip(row);
  const dialog = page.getByRole('alertdialog', { name: '“project” is in use' });
  await dialog.getByText('vim').waitFor();
  await dialog.getByText('process 4712').waitFor();
  await dialog.getByRole('button', { name: 'Try again' }).click();
  await dialog.getByText('vim').waitFor();
  await dialog.getByRole('button', { name: 'Unmount anyway' }).click();
  await row.getByText('Not mounted').waitFor();
  assert.deepEqual(
    host.callsTo('mounts:unmount').map(({ force }) => force),
    [false, false, true],
  );
});

test('discarding needs a confirmation whose safe answer has the focus', browserOptions, async (t) => {
  const host = hostWith([mountView({ source, pending })]);
  const { page } = await browser.open(t, host);
  await page.getByRole('button', { name: 'More for project' }).click();
  await page.getByRole('menuitem', { name: 'Discard unsent changes and unmount…' }).click();
  const dialog = page.getByRole('alertdialog', { name: 'Discard the unsent changes of “project”?' });
  await dialog.waitFor();
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached' });
  assert.deepEqual(host.callsTo('mounts:unmount'), []);
  await page.getByRole('button', { name: 'More for project' }).click();
  await page.getByRole('menuitem', { name: 'Discard unsent changes and unmount…' }).click();
  await dialog.getByRole('button', { name: 'Discard and unmount' }).click();
  await rowOf(page).getByText('Not mounted').waitFor();
  assert.equal(host.callsTo('mounts:unmount')[0]?.discard, true);
});

test('everything of a row works by keyboard alone', browserOptions, async (t) => {
  const host = hostWith([mountView({ source })]);
  const { page } = await browser.open(t, host, { permissions: ['clipboard-read', 'clipboard-write'] });
  await rowOf(page).waitFor();
  const reached: string[] = [];
  for (let step = 0; step < 8; step += 1) {
    await page.keyboard.press('Tab');
    reached.push(
      await page.evaluate(
        'document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent',
      ),
    );
  }
  for (const name of [
    'Mounts',
    'Mount…',
    'Open the folder of project',
    'More for project',
    'Mount project',
  ]) {
    assert.ok(reached.includes(name), `${name} among ${reached.join(', ')}`);
  }
  await page.getByRole('button', { name: 'More for project' }).focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await page.getByText('Path copied').waitFor({ state: 'attached' });
  assert.equal(await page.evaluate('navigator.clipboard.readText()'), '/home/ada/Hubdrive/demo/project');
  await page.getByRole('switch').focus();
  await page.keyboard.press('Space');
  await rowOf(page).getByText('Not mounted').waitFor();
  await page.getByRole('tab', { name: 'Mounts' }).focus();
  await page.keyboard.press('ArrowDown');
  await page.getByRole('heading', { name: 'Activity' }).waitFor();
});

test(
  'opening a folder, pausing, sending and forgetting reach the host, and a refusal is shown',
  browserOptions,
  async (t) => {
    const host = hostWith([mountView({ source, pending })]);
    host.answers['mounts:open'] = () => {
      throw failure('unsupported', 'Hubdrive runs without a desktop here');
    };
    const { page } = await browser.open(t, host);
    const row = rowOf(page);
    const choose = async (name: string) => {
      await page.getByRole('button', { name: 'More for project' }).click();
      await page.getByRole('menuitem', { name }).click();
    };
    await row.getByRole('button', { name: 'Open the folder of project' }).click();
    await row.getByText('Hubdrive runs without a desktop here').waitFor();
    await row.getByRole('button', { name: 'Put away' }).click();
    await choose('Send changes now');
    await choose('Pause uploads');
    await row.getByText('Uploads paused').waitFor();
    await choose('Resume uploads');
    await row.getByText('to be sent').waitFor();
    await choose('Pause for 1 hour');
    await row.getByText(/Uploads paused until (tomorrow )?\d\d:\d\d · /).waitFor();
    await choose('Resume uploads');
    await row.getByText('to be sent').waitFor();
    host.setMount(id, { state: 'idle', attached: false, pending: { files: 0, bytes: 0 } });
    await choose('Remove from this list');
    await page.getByText('Nothing is mounted yet').waitFor();
    assert.deepEqual(host.callsTo('mounts:retry'), [{ mountId: id, itemId: null }]);
    assert.deepEqual(host.callsTo('mounts:pause'), [
      { target: id, until: null },
      { target: id, until: 'hour' },
    ]);
  },
);

test(
  'stale handles that came before the page are told of by their count, until put away',
  browserOptions,
  async (t) => {
    const host = hostWith([mountView({ source, counters: { ...zeroCounters, stale: 2 } })]);
    const { page } = await browser.open(t, host);
    const alert = page.getByRole('alert').filter({ hasText: '2 file handles went stale' });
    await alert.waitFor();
    await rowOf(page).getByText('2 file handles went stale').waitFor();
    await alert.getByRole('button', { name: 'Put away' }).click();
    await rowOf(page).getByText('Idle').waitFor();
    host.setMount(id, { counters: { ...zeroCounters, stale: 3 } });
    await rowOf(page).getByText('1 file handle went stale').waitFor();
  },
);

test(
  'a lost host is told of while what was known stays, and comes back by itself',
  browserOptions,
  async (t) => {
    const host = hostWith([mountView({ source })]);
    const { page, server } = await browser.open(t, host);
    await rowOf(page).waitFor();
    server.setHandlers(null);
    await page.getByText('Hubdrive does not answer').waitFor();
    assert.equal(await rowOf(page).count(), 1);
    host.setMount(id, { link: 'offline' });
    server.setHandlers(host.handlers());
    await rowOf(page).getByText('Offline').waitFor();
    await page.getByText('Hubdrive does not answer').waitFor({ state: 'detached' });
  },
);

test(
  '360 pixels with text twice as large scroll in one direction only and cut nothing off',
  browserOptions,
  async (t) => {
    const long = `bucket/${'organisation'.repeat(5)}/${'name-without-any-end-'.repeat(4)}`;
    const host = hostWith([
      mountView({ source: long, pending, mountPoint: `/home/ada/${'folder/'.repeat(30)}` }),
    ]);
    const { page } = await browser.open(t, host, { viewport: { width: 360, height: 640 } });
    await page.evaluate('document.documentElement.style.fontSize = "200%"');
    await page.getByText('safe on this computer').waitFor();
    await page.screenshot({ path: await screenshotPath('mounts-360-large-text') });
    for (const tab of ['Activity', 'Pending', 'Settings', 'Mounts']) {
      await page.getByRole('tab', { name: new RegExp(`^${tab}`) }).click();
      await page.getByRole('heading', { name: tab, exact: true }).waitFor();
      const overflow = await page.evaluate(`
      const width = document.documentElement.clientWidth;
      [...document.querySelectorAll('button, h1, h2, p, label, input')]
        .filter((element) => !element.closest('.cut, .hidden-text'))
        .map((element) => [element.textContent, element.getBoundingClientRect()])
        .filter(([, box]) => box.width > 2 && (box.right > width + 1 || box.left < -1))
        .map(([text]) => text)`);
      assert.deepEqual(overflow, [], tab);
    }
  },
);
