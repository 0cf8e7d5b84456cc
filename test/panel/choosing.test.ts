// First run and picker in a real browser: from nothing to a mount in three clicks, and everything one can choose on the way.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { browseItem, failure, FakeHost, idleView } from '../support/fake-host.ts';
import { browserOptions, eventually, usePanelBrowser } from './browser.ts';

const browser = usePanelBrowser();

function newcomer(existingLogin: 'login-file' | null = null): FakeHost {
  const host = new FakeHost({ token: 'none' });
  host.account = { ...host.account, token: 'none', user: null, existingLogin };
  host.items = [
    browseItem('bucket/ada/runs', { private: true, sizeBytes: 48.2e9, files: 1204, updatedAt: Date.now() }),
    browseItem('bucket/ada/scratch'),
    browseItem('model/ada/tiny', { gated: 'manual' }),
    browseItem('dataset/team/cards'),
  ];
  return host;
}

function member(): FakeHost {
  const host = newcomer();
  host.account = { ...host.account, token: 'login-file' };
  host.set({ token: 'login-file' });
  return host;
}

const search = (page: Page) => page.getByRole('searchbox', { name: 'Search, or paste a Hub address' });

async function openPicker(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Choose what to mount' }).click();
  await page.getByRole('option', { name: 'ada/runs' }).waitFor();
}

test('three clicks lead from the first page to a mounted folder', browserOptions, async (t) => {
  const { page, host, complaints } = await browser.open(t, newcomer());
  await page.getByRole('button', { name: 'Try the demo Hub' }).click();
  await page.getByRole('option', { name: 'ada/runs' }).click();
  await page.getByRole('button', { name: 'Mount', exact: true }).click();
  await page.getByRole('listitem', { name: 'runs, Bucket' }).getByText('Idle').waitFor();
  assert.deepEqual(host.callsTo('mounts:mount'), [
    { source: 'bucket/ada/runs', mountPoint: null, readOnly: false, revision: null, serverOnly: false },
  ]);
  assert.deepEqual(complaints, []);
});

test('an existing login is offered before it is used', browserOptions, async (t) => {
  const { page, host } = await browser.open(t, newcomer('login-file'));
  await page.getByRole('button', { name: 'Use the login from “hf auth login”' }).click();
  await page.getByRole('dialog', { name: 'Mount from the Hub' }).waitFor();
  assert.deepEqual(host.callsTo('account:signIn'), [{ way: 'existing', token: null }]);
});

test('a pasted token is hidden, sent once, and a refusal is explained', browserOptions, async (t) => {
  const host = newcomer();
  host.answers['account:signIn'] = () => {
    throw failure('unauthorized', 'The Hub did not accept this token');
  };
  const { page } = await browser.open(t, host);
  const field = page.getByRole('textbox', { name: 'Access token' });
  assert.equal(await field.getAttribute('type'), 'password');
  assert.equal(await page.getByRole('button', { name: 'Sign in' }).isDisabled(), true);
  await field.fill(' hf_secret \n');
  await field.press('Enter');
  await page.getByText('The Hub did not accept this token').waitFor();
  delete host.answers['account:signIn'];
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('dialog', { name: 'Mount from the Hub' }).waitFor();
  assert.deepEqual(host.callsTo('account:signIn'), [
    { way: 'token', token: 'hf_secret' },
    { way: 'token', token: 'hf_secret' },
  ]);
});

test(
  'the list shows kinds, facts and what is mounted already, and finds as one types',
  browserOptions,
  async (t) => {
    const host = member();
    host.set({ mounts: [idleView({ source: 'bucket/ada/scratch' })] });
    const { page } = await browser.open(t, host);
    await page.getByRole('button', { name: 'Mount…' }).click();
    const runs = page.getByRole('option', { name: 'ada/runs' });
    await runs.getByText('48 GB · 1,204 files · changed just now').waitFor();
    await runs.getByText('Private').waitFor();
    await page.getByRole('option', { name: 'ada/scratch' }).getByText('Already in your list').waitFor();

    await search(page).fill('scr');
    await runs.waitFor({ state: 'detached' });
    await page.getByRole('option', { name: 'ada/scratch' }).waitFor();
    await search(page).fill('nothing like it');
    await page.getByText('Nothing found for “nothing like it”').waitFor();
    await search(page).fill('');
    await page.getByRole('radio', { name: 'Models' }).click();
    await page.getByRole('option', { name: 'ada/tiny' }).getByText('Gated').waitFor();
    await page.getByRole('radio', { name: 'Datasets' }).click();
    await page.getByRole('radio', { name: 'All of the Hub' }).click();
    await search(page).fill('team/ca');
    await page.getByRole('option', { name: 'team/cards' }).waitFor();
    const last = await eventually(() =>
      host.callsTo('browse:list').findLast((argument) => argument.search === 'ca'),
    );
    assert.deepEqual(last, {
      kind: 'dataset',
      scope: 'everywhere',
      owner: 'team',
      search: 'ca',
      cursor: null,
    });
  },
);

test('fast typing asks once, and an answer that was overtaken is not shown', browserOptions, async (t) => {
  const host = member();
  const { page } = await browser.open(t, host);
  await openPicker(page);
  const before = host.callsTo('browse:list').length;
  await search(page).pressSequentially('scratch', { delay: 5 });
  await page.getByRole('option', { name: 'ada/runs' }).waitFor({ state: 'detached' });
  const searches = host
    .callsTo('browse:list')
    .slice(before)
    .map((argument) => argument.search);
  assert.equal(searches.at(-1), 'scratch');
  assert.ok(searches.length < 4, searches.join());
});

test(
  'long lists go on by a button, partial failures are named, whole ones can be tried again',
  browserOptions,
  async (t) => {
    const host = member();
    const problem = { code: 'forbidden' as const, message: 'Not for you', retryable: false };
    host.answers['browse:list'] = ({ cursor }) =>
      cursor === null
        ? { items: host.items.slice(0, 1), cursor: 'more', problems: [{ owner: 'team', problem }] }
        : { items: host.items.slice(1, 2), cursor: null, problems: [] };
    const { page } = await browser.open(t, host);
    await openPicker(page);
    await page.getByText('The list of team could not be had: Not for you').waitFor();
    await page.getByRole('button', { name: 'Show more' }).click();
    await page.getByRole('option', { name: 'ada/scratch' }).waitFor();
    await page.getByRole('button', { name: 'Show more' }).waitFor({ state: 'detached' });

    host.answers['browse:list'] = () => {
      throw failure('network', 'The Hub cannot be reached');
    };
    await search(page).fill('x');
    await page.getByText('The Hub cannot be reached').waitFor();
    delete host.answers['browse:list'];
    await search(page).fill('run');
    await page.getByRole('option', { name: 'ada/runs' }).waitFor();
  },
);

test('a pasted address opens what it names, at its revision and folder', browserOptions, async (t) => {
  const { page, host } = await browser.open(t, member());
  await openPicker(page);
  await search(page).fill('https://huggingface.co/ada/tiny/tree/next/onnx');
  await page.getByRole('option', { name: 'model/ada/tiny/onnx' }).click();
  await page.getByText('Access to this must be asked for on the Hub first.').waitFor();
  assert.match(await page.getByRole('button', { name: /Revision/ }).innerText(), /next/);
  await page.getByRole('button', { name: 'Mount', exact: true }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.deepEqual(host.callsTo('mounts:mount'), [
    { source: 'model/ada/tiny/onnx', mountPoint: null, readOnly: true, revision: 'next', serverOnly: false },
  ]);
});

test('revision, folder, mount point and switches go into the request', browserOptions, async (t) => {
  const { page, host } = await browser.open(t, member());
  await openPicker(page);
  await page.getByRole('radio', { name: 'Models' }).click();
  await page.getByRole('option', { name: 'ada/tiny' }).click();
  assert.equal(
    await page.getByRole('switch', { name: /Read-only/ }).isDisabled(),
    true,
    'repos are read-only',
  );
  await page.getByRole('button', { name: /Revision/ }).click();
  await page.getByRole('option', { name: 'v2.0' }).click();
  await page.getByRole('button', { name: 'Choose…' }).click();
  await page.getByRole('option', { name: 'checkpoints' }).click();
  await page.getByRole('option', { name: 'logs' }).click();
  await page.getByText('checkpoints/logs').waitFor();
  await page.getByRole('button', { name: 'One folder up' }).click();
  await page.getByRole('textbox', { name: 'Mount at' }).fill('/data/tiny');
  await page.getByRole('button', { name: 'Mount', exact: true }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.deepEqual(host.callsTo('mounts:mount'), [
    {
      source: 'model/ada/tiny/checkpoints',
      mountPoint: '/data/tiny',
      readOnly: true,
      revision: 'v2.0',
      serverOnly: false,
    },
  ]);
  assert.deepEqual(
    host.callsTo('browse:folders').map(({ path, revision }) => [path, revision]),
    [
      [null, 'v2.0'],
      ['checkpoints', 'v2.0'],
      ['checkpoints/logs', 'v2.0'],
      ['checkpoints', 'v2.0'],
    ],
  );
});

test('any other revision can be written', browserOptions, async (t) => {
  const { page, host } = await browser.open(t, member());
  await openPicker(page);
  await page.getByRole('radio', { name: 'Models' }).click();
  await page.getByRole('option', { name: 'ada/tiny' }).click();
  await page.getByRole('button', { name: /Revision/ }).click();
  await page.getByRole('option', { name: 'Other…' }).click();
  await page.getByRole('textbox', { name: 'Branch, tag, commit or refs/pr/N' }).fill('refs/pr/7');
  await page.getByRole('button', { name: 'Mount', exact: true }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(host.callsTo('mounts:mount')[0]?.revision, 'refs/pr/7');
});

test('what cannot be mounted stays open with the reason', browserOptions, async (t) => {
  const host = member();
  host.answers['mounts:mount'] = () => {
    throw failure('mount-point', '“/data/runs” is not empty; choose another folder');
  };
  const { page } = await browser.open(t, host);
  await openPicker(page);
  await page.getByRole('option', { name: 'ada/runs' }).click();
  await page.getByRole('button', { name: 'Mount', exact: true }).click();
  await page.getByText('“/data/runs” is not empty; choose another folder').waitFor();
  await page.getByRole('button', { name: 'Back' }).click();
  await search(page).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
});

test('a source that is not there is said in words with its Hub page', browserOptions, async (t) => {
  const { page } = await browser.open(t, member());
  await openPicker(page);
  await search(page).fill('hf://datasets/ada/nowhere');
  await page.getByRole('option').click();
  await page.getByText('The Hub has no dataset “ada/nowhere”').waitFor();
  const link = page.getByRole('link', { name: 'Show on the Hub' });
  assert.equal(await link.getAttribute('href'), 'https://huggingface.co/datasets/ada/nowhere');
  assert.equal(await link.getAttribute('rel'), 'noreferrer noopener');
});

test('a new bucket is created for one of my names and goes on to be mounted', browserOptions, async (t) => {
  const host = member();
  host.account = {
    ...host.account,
    user: { name: 'ada', fullName: null, organisations: [{ name: 'team', fullName: null }] },
  };
  const { page } = await browser.open(t, host);
  await openPicker(page);
  await page.getByRole('button', { name: 'New Bucket…' }).click();
  await page.getByRole('button', { name: /Owner/ }).click();
  await page.getByRole('option', { name: 'team' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('fresh');
  host.items = [...host.items, browseItem('bucket/team/fresh')];
  await page.getByRole('button', { name: 'Create' }).click();
  await page.getByRole('heading', { name: 'team/fresh' }).waitFor();
  assert.deepEqual(host.callsTo('browse:createBucket'), [{ owner: 'team', name: 'fresh', private: true }]);
});

test('the picker works by keyboard alone', browserOptions, async (t) => {
  const { page, host } = await browser.open(t, member());
  await page.getByRole('button', { name: 'Choose what to mount' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('option', { name: 'ada/runs' }).waitFor();
  await page.keyboard.type('ada/');
  for (let step = 0; step < 3; step += 1) await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.getByRole('option', { name: 'ada/runs' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'ada/runs' }).waitFor();
  const focused = await page.evaluate('document.activeElement.textContent');
  assert.equal(focused, 'Mount', 'the next key mounts');
  await page.keyboard.press('Enter');
  await page.getByRole('listitem', { name: 'runs, Bucket' }).waitFor();
  assert.equal(host.callsTo('mounts:mount').length, 1);
});

test(
  'a person signs in by a code where that is possible, and can try again when it failed',
  browserOptions,
  async (t) => {
    const host = newcomer();
    host.account = { ...host.account, offersCode: true };
    let agree: () => void = () => undefined;
    host.answers['account:deviceFinish'] = () => {
      throw failure('unauthorized', 'The code was not entered in time; sign in again for a new one');
    };
    const { page } = await browser.open(t, host);
    const begin = page.getByRole('button', { name: 'Sign in with the browser' });
    await begin.click();
    await page.getByText('The code was not entered in time').waitFor();
    host.answers['account:deviceFinish'] = async () => {
      await new Promise<void>((resolve) => (agree = resolve));
      host.account = { ...host.account, token: 'keychain' };
      host.set({ token: 'keychain' });
      return host.account;
    };
    await begin.click();
    await page.getByText('ABCD-1234').waitFor();
    const link = page.getByRole('link', { name: 'Open the page' });
    assert.equal(await link.getAttribute('href'), 'https://huggingface.co/device?user_code=ABCD-1234');
    assert.deepEqual(host.callsTo('account:deviceFinish').at(-1), { userCode: 'ABCD-1234' });
    agree();
    await page.getByRole('dialog', { name: 'Mount from the Hub' }).waitFor();
  },
);

test('without a client id no code is offered', browserOptions, async (t) => {
  const { page } = await browser.open(t, newcomer());
  await page.getByRole('textbox', { name: 'Access token' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Sign in with the browser' }).count(), 0);
});
