// The panel on the real host with an embedded Hub behind it: what a person does in the browser and what programs do through NFS meet.

import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { TestContext } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { startLocalHub } from '../../src/hub-local/local-hub.ts';
import type { LocalHub } from '../../src/hub-local/local-hub.ts';
import { CommandLine } from '../support/command-line.ts';
import { HubCaller } from '../support/local-hub.ts';
import { Nfs3Client, NfsFailure } from '../support/nfs-client.ts';
import { browserOptions, usePanelBrowser } from './browser.ts';

const browser = usePanelBrowser();
const options = { ...browserOptions, timeout: 120_000 };

interface RealHost {
  readonly line: CommandLine;
  readonly child: ChildProcess;
  readonly page: Page;
}

const lines = new Set<CommandLine>();
after(async () => {
  for (const line of lines) await line.close();
});

async function startHost(
  t: TestContext,
  env: NodeJS.ProcessEnv,
  words: readonly string[],
): Promise<RealHost> {
  const line = await CommandLine.create();
  lines.add(line);
  const { child, ready } = await line.startReady(['serve', ...words], env);
  const page = await browser.newPage(t);
  t.after(async () => {
    assert.equal(await line.end(child), 0, 'the host ends cleanly');
    await line.close();
    lines.delete(line);
  });
  assert.equal(typeof ready['panel'], 'string');
  await page.goto(String(ready['panel']));
  return { line, page, child };
}

interface Served {
  readonly nfs: Nfs3Client;
  readonly root: Uint8Array;
}

/** A program's way in: the NFS server of the only mount. */
async function connectNfs(t: TestContext, line: CommandLine): Promise<Served> {
  const { out } = await line.run(['status', '--json']);
  const [mount] = (JSON.parse(out) as { mounts: { nfs: { port: number; exportPath: string } }[] }).mounts;
  assert.ok(mount);
  const nfs = await Nfs3Client.connect({ port: mount.nfs.port, uid: process.getuid?.() ?? 0 });
  t.after(() => nfs.rpc.close());
  return { nfs, root: await nfs.mount(mount.nfs.exportPath) };
}

async function mountServerOnly(page: Page, name: string): Promise<Locator> {
  await page.getByRole('option', { name: `demo/${name}` }).click();
  await page.getByText('Serve only, without mounting').click();
  await page.getByRole('button', { name: 'Mount', exact: true }).click();
  const row = page.getByRole('listitem', { name: new RegExp(`^${name}, `) });
  await row.getByText('Idle').waitFor();
  return row;
}

const openTab = (page: Page, name: string): Promise<void> =>
  page.getByRole('tab', { name: new RegExp(`^${name}`) }).click();

test('first run, demo, mount, live writes, pending, committed, unmounted', options, async (t) => {
  const { line, page } = await startHost(t, {}, []);
  await page.getByText('Your Hub, as a folder').waitFor();
  await page.getByRole('button', { name: 'Try the demo Hub' }).click();
  const row = await mountServerOnly(page, 'project');
  await page.getByText('Demo Hub', { exact: true }).waitFor();

  const { nfs, root } = await connectNfs(t, line);
  await page.getByRole('button', { name: 'More for project' }).click();
  await page.getByRole('menuitem', { name: 'Pause uploads' }).click();
  await row.getByText('Uploads paused').waitFor();

  const file = await nfs.create(root, 'from-a-program.bin');
  for (let part = 0; part < 8; part += 1) await nfs.write(file, part * 65_536, Buffer.alloc(65_536, part));
  await nfs.commit(file);
  await row.getByText('1 change (524 kB) safe on this computer').waitFor();

  await openTab(page, 'Activity');
  const write = page.getByRole('option', { name: /WRITE .*from-a-program\.bin.*×8.*524 kB/ });
  await write.waitFor();
  await page.getByRole('option', { name: /COMMIT/ }).waitFor();
  await write.click();
  const chain = page.getByRole('list', { name: 'On its way' });
  await chain.getByText(/Safe on this computer/).waitFor();
  assert.match(await chain.innerText(), /On the Hub\s*not yet/);

  await openTab(page, 'Pending');
  const change = page.getByRole('listitem').filter({ hasText: 'from-a-program.bin' });
  await change.getByText(/Safe on this computer/).waitFor();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByText('Everything is on the Hub').waitFor();

  await openTab(page, 'Activity');
  await page.getByRole('option', { name: /UPLOAD .*committed/ }).click();
  assert.match(await chain.innerText(), /On the Hub\s*\d\d:\d\d:\d\d/);

  await openTab(page, 'Mounts');
  await row.getByText('Totals since it was mounted').click();
  await row.getByText('524 kB').first().waitFor();
  await nfs.rpc.close();
  await row.getByText('project').first().hover();
  await row.locator('label').click();
  await row.getByText('Not mounted').waitFor();
  assert.equal(await row.getByRole('switch').isChecked(), false);
});

async function startHub(t: TestContext): Promise<LocalHub> {
  const dataDir = await mkdtemp(join(tmpdir(), 'hubdrive-panel-hub-'));
  const hub = await startLocalHub({ dataDir, seed: 'demo' });
  t.after(async () => {
    await hub.close();
    await rm(dataDir, { recursive: true, force: true });
  });
  return hub;
}

async function startMounted(t: TestContext, hub: LocalHub) {
  const started = await startHost(t, { HF_TOKEN: hub.token }, ['--endpoint', hub.endpoint]);
  const { line, page } = started;
  await page.getByRole('button', { name: 'Choose what to mount' }).click();
  const row = await mountServerOnly(page, 'project');
  return { ...started, row, ...(await connectNfs(t, line)) };
}

test('a failing Hub is shown with cause and next try, and recovers on demand', options, async (t) => {
  const hub = await startHub(t);
  const { page, row, nfs, root } = await startMounted(t, hub);
  hub.faults.add({ route: 'bucket.batch', status: 503, message: 'The shop is closed' });
  const file = await nfs.create(root, 'stuck.txt');
  await nfs.write(file, 0, 'not lost');
  await nfs.commit(file);
  await openTab(page, 'Pending');
  const change = page.getByRole('listitem').filter({ hasText: 'stuck.txt' });
  await change.getByText(/503/).waitFor();
  await change.getByText(/Next try/).waitFor();
  await openTab(page, 'Mounts');
  await row
    .getByText(/safe on this computer/i)
    .first()
    .waitFor();

  hub.faults.clear();
  await openTab(page, 'Pending');
  await page.getByRole('button', { name: 'Send now: stuck.txt' }).click();
  await page.getByText('Everything is on the Hub').waitFor();
  const tree = await new HubCaller(hub.endpoint, hub.token).call(
    'GET',
    '/api/buckets/demo/project/tree?recursive=true',
  );
  assert.match(tree.text, /stuck\.txt/);
});

test('a handle of a removed file that is written to raises the banner', options, async (t) => {
  const hub = await startHub(t);
  const { page, nfs, root } = await startMounted(t, hub);
  const file = await nfs.create(root, 'gone.txt');
  await nfs.remove(root, 'gone.txt');
  await assert.rejects(nfs.write(file, 0, 'too late'), (error) => {
    return error instanceof NfsFailure && error.statusName === 'STALE';
  });
  const banner = page.getByRole('alert').filter({ hasText: 'lost its hold' });
  await banner.waitFor();
  await banner.getByRole('button', { name: 'Show in activity' }).click();
  await page.getByRole('option', { name: /STALE/ }).waitFor();
  await banner.getByRole('button', { name: 'Put away' }).click();
  await banner.waitFor({ state: 'detached' });
});

test('a conflict keeps both versions, and “keep mine” puts mine under the name', options, async (t) => {
  const hub = await startHub(t);
  const { page, row, nfs, root } = await startMounted(t, hub);
  const caller = new HubCaller(hub.endpoint, hub.token);
  const tree = (await caller.call('GET', '/api/buckets/demo/project/tree?recursive=true')).json as {
    path: string;
    xetHash: string;
    size: number;
  }[];
  const target = tree.find(({ path, size }) => !path.includes('/') && size > 0);
  const other = tree.find(({ xetHash }) => xetHash !== target?.xetHash);
  assert.ok(target !== undefined && other !== undefined);

  await page.getByRole('button', { name: 'More for project' }).click();
  await page.getByRole('menuitem', { name: 'Pause uploads' }).click();
  await row.getByText('Uploads paused').waitFor();
  const file = await nfs.walk(root, target.path);
  await nfs.write(file, 0, 'MINE');
  await nfs.commit(file);
  const theirs = { type: 'addFile', path: target.path, xetHash: other.xetHash, mtime: Date.now() };
  const answer = await caller.call('POST', '/api/buckets/demo/project/batch', `${JSON.stringify(theirs)}\n`, {
    'Content-Type': 'application/x-ndjson',
  });
  assert.equal(answer.status, 200);

  await openTab(page, 'Pending');
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByText(`“${target.path}” was changed here and on the Hub`).waitFor();
  await page.getByRole('button', { name: `Keep mine: ${target.path}` }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Keep mine' }).click();
  await page.getByText('was changed here and on the Hub').waitFor({ state: 'detached' });
  await page.getByText('Everything is on the Hub').waitFor();
  const kept = await nfs.readAll(await nfs.walk(root, target.path));
  assert.equal(kept.subarray(0, 4).toString(), 'MINE');
});

test('settings and mounts survive a new start of the host, which the page notices', options, async (t) => {
  const hub = await startHub(t);
  const { line, page, child } = await startMounted(t, hub);
  await openTab(page, 'Settings');
  await page.getByText('Signed in as demo').waitFor();
  const poll = page.getByRole('textbox', { name: 'Look for changes on the Hub every' });
  await poll.fill('45');
  await poll.press('Enter');
  await page.getByRole('button', { name: 'Run checks' }).click();
  await page.getByRole('list', { name: 'Results' }).getByRole('listitem').first().waitFor();

  const fresh = await line.run(['panel']);
  assert.equal(fresh.code, 0);
  const second = await browser.newPage(t);
  await second.goto(fresh.out.trim());
  await second.getByRole('listitem', { name: 'project, Bucket' }).waitFor();

  assert.equal(await line.end(child), 0);
  await page.getByText('Hubdrive does not answer').waitFor();
  const words = ['serve', '--endpoint', hub.endpoint];
  const { child: next, ready } = await line.startReady(words, { HF_TOKEN: hub.token });
  t.after(() => line.end(next));
  await page.goto(String(ready['panel']));
  await page.getByRole('listitem', { name: 'project, Bucket' }).getByText('Idle').waitFor();
  await openTab(page, 'Settings');
  await poll.waitFor();
  assert.equal(await poll.inputValue(), '45');
});
