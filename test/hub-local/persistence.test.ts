// The data directory: everything is there again after a restart, also after a kill, and it has one owner at a time.

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { randomBytes } from '../../src/hub-local/demo-files.ts';
import { startLocalHub } from '../../src/hub-local/local-hub.ts';
import {
  callerOf,
  casCaller,
  HubCaller,
  openHub,
  packContent,
  temporaryFolder,
} from '../support/local-hub.ts';

const main = join(import.meta.dirname, '../../src/hub-local/main.ts');

async function spawnHub(t: TestContext, ...args: string[]): Promise<{ child: ChildProcess; hub: HubCaller }> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { endpoint, token } = JSON.parse(line) as { endpoint: string; token: string };
  return { child, hub: new HubCaller(endpoint, token) };
}

test('buckets, repos, tokens and contents are the same after a restart', async (t) => {
  const dataDir = await temporaryFolder(t);
  const first = await startLocalHub({ dataDir, seed: 'demo' });
  const before = await first.content.digests('demo/project');
  const xet = await casCaller(first, 'demo/project', 'read');
  const [file] = first.content.listFiles('demo/project');
  const model = (await callerOf(first).get('/api/models/demo/tiny-model')).json as { sha: string };
  await first.close();
  const second = await openHub(t, { dataDir, seed: 'demo' });
  assert.equal(second.token, first.token);
  assert.deepEqual(await second.content.digests('demo/project'), before);
  const again = (await callerOf(second).get('/api/models/demo/tiny-model')).json as { sha: string };
  assert.equal(again.sha, model.sha);
  const kept = new HubCaller(`${second.endpoint}`, xet.token);
  assert.equal((await kept.get(`/v2/reconstructions/${file?.xetHash}`)).status, 200, 'Xet tokens stay valid');
});

test('what was acknowledged before a kill is there, what was not leaves no trace', async (t) => {
  const dataDir = await temporaryFolder(t);
  const { child, hub } = await spawnHub(t, '--data', dataDir, '--seed', 'none');
  await hub.call('POST', '/api/buckets/demo/b', {});
  const { json } = await hub.get('/api/buckets/demo/b/xet-write-token');
  const { casUrl, accessToken } = json as { casUrl: string; accessToken: string };
  const cas = new HubCaller(casUrl, accessToken);
  const done = packContent(randomBytes(1, 500_000));
  assert.equal((await cas.call('POST', `/v1/xorbs/default/${done.xorbHash}`, done.xorbBytes)).status, 200);
  const open = packContent(randomBytes(2, 5_000_000));
  await hub.call('POST', '/__hubdrive/faults', {
    add: [{ route: 'cas.xorb-upload', bytesPerSecond: 500_000 }],
  });
  const cut = cas.call('POST', `/v1/xorbs/default/${open.xorbHash}`, open.xorbBytes).catch(() => null);
  while ((await readdir(join(dataDir, 'incoming'))).length === 0) await new Promise(setImmediate);
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(await cut, null);
  const second = await openHub(t, { dataDir });
  const after = await casCaller(second, 'demo/b', 'write');
  assert.equal((await after.call('HEAD', `/v1/xorbs/default/${done.xorbHash}`)).status, 200);
  assert.equal((await after.call('HEAD', `/v1/xorbs/default/${open.xorbHash}`)).status, 404);
  assert.deepEqual(await readdir(join(dataDir, 'incoming')), []);
});

test('the process prints one JSON line and ends cleanly on a signal', async (t) => {
  const dataDir = await temporaryFolder(t);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { child, hub } = await spawnHub(t, '--data', dataDir);
    assert.equal((await hub.get('/api/buckets/demo/project')).status, 200);
    // A follower must not hold it up.
    const feed = await fetch(`${hub.endpoint}/api/buckets/demo/project/events`, {
      headers: { Accept: 'text/event-stream' },
    });
    child.kill(signal);
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    await feed.text().catch(() => null);
  }
});

test('wrong arguments end with code 2, an impossible data directory with 1', async (t) => {
  const blocked = join(await temporaryFolder(t), 'file');
  await writeFile(blocked, '');
  for (const [args, code] of [
    [['--port', 'x'], 2],
    [['--seed', 'other'], 2],
    [['--nonsense'], 2],
    [['--data', join(blocked, 'sub')], 1],
  ] as const) {
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let message = '';
    child.stderr.on('data', (text: Buffer) => (message += text.toString()));
    assert.deepEqual(await once(child, 'close'), [code, null], args.join(' '));
    assert.match(message, /^hubdrive hub: /);
  }
});

test('a second Hub on the same data is refused with a reason', async (t) => {
  const dataDir = await temporaryFolder(t);
  await openHub(t, { dataDir });
  await assert.rejects(startLocalHub({ dataDir }), /another embedded Hub uses it/);
});
