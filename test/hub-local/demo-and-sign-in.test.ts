// The demo content and the ways to sign in.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../support/manual-clock.ts';
import { callerOf, openHub } from '../support/local-hub.ts';

test('the demo is the same on every machine', async (t) => {
  const [first, second] = [await openHub(t, { seed: 'demo' }), await openHub(t, { seed: 'demo' })];
  const digests = await first.content.digests('demo/project');
  assert.deepEqual(digests, await second.content.digests('demo/project'));
  for (const [type, id] of [
    ['models', 'demo/tiny-model'],
    ['datasets', 'demo/tiny-dataset'],
  ]) {
    const [one, two] = [
      await callerOf(first).get(`/api/${type}/${id}/refs`),
      await callerOf(second).get(`/api/${type}/${id}/refs`),
    ];
    assert.deepEqual(one.json, two.json);
    const refs = one.json as { branches: unknown[]; tags: unknown[] };
    assert.deepEqual([refs.branches.length, refs.tags.length], [2, 1]);
  }
});

test('the demo bucket has the kinds of files and names that it is there to show', async (t) => {
  const hub = await openHub(t, { seed: 'demo' });
  const paths = hub.content.listFiles('demo/project').map((file) => file.path);
  for (const part of [' ', '#', '%', '?', '🎉', 'e\u0301', 'é', '/a/b/c/d/']) {
    assert.ok(
      paths.some((path) => path.includes(part)),
      part,
    );
  }
  const bytes = hub.content.listFiles('demo/project').reduce((sum, file) => sum + file.sizeBytes, 0);
  assert.ok(bytes > 3_000_000 && bytes < 20_000_000, String(bytes));
});

test('the safetensors file of the demo is valid', async (t) => {
  const hub = await openHub(t, { seed: 'demo' });
  const file = await hub.content.readFile('demo/project', 'models/tiny.safetensors');
  assert.ok(file);
  const headerBytes = Number(file.readBigUInt64LE(0));
  assert.equal(headerBytes % 8, 0);
  const header = JSON.parse(file.subarray(8, 8 + headerBytes).toString()) as Record<
    string,
    { dtype?: string; shape?: number[]; data_offsets?: [number, number] }
  >;
  let end = 0;
  for (const [name, tensor] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    assert.equal(tensor.dtype, 'F32');
    const [from = -1, to = -1] = tensor.data_offsets ?? [];
    assert.equal(from, end);
    assert.equal(to - from, 4 * (tensor.shape ?? []).reduce((product, side) => product * side, 1));
    end = to;
  }
  assert.equal(file.byteLength, 8 + headerBytes + end);
});

test('whoami tells name, organisations and role', async (t) => {
  const hub = await openHub(t);
  hub.addOrganisation('lab', ['demo']);
  hub.content.createBucket('lab/shared', { private: true });
  const caller = callerOf(hub);
  const me = (await caller.get('/api/whoami-v2')).json as Record<string, unknown>;
  assert.equal(me['type'], 'user');
  assert.equal(me['name'], 'demo');
  assert.deepEqual(
    (me['orgs'] as { name: string }[]).map((org) => org.name),
    ['lab'],
  );
  assert.equal((await caller.get('/api/buckets/lab/shared')).status, 200);
  assert.equal((await callerOf(hub, null).get('/api/whoami-v2')).status, 401);
});

test('the device flow waits for approval, then gives a token that works and can be refreshed', async (t) => {
  const clock = new ManualClock();
  const hub = await openHub(t, { clock });
  const nobody = callerOf(hub, null);
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const post = (path: string, fields: Record<string, string>) =>
    nobody.call('POST', path, new URLSearchParams(fields).toString(), form);
  const begin = async () =>
    (await post('/oauth/device', { client_id: 'app' })).json as { device_code: string; user_code: string };
  const poll = async (deviceCode: string) => {
    const answer = await post('/oauth/token', {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: deviceCode,
      client_id: 'app',
    });
    return answer.json as Record<string, string>;
  };
  const first = await begin();
  assert.equal((await poll(first.device_code))['error'], 'authorization_pending');
  await post('/device', { user_code: first.user_code, answer: 'allow' });
  const granted = await poll(first.device_code);
  assert.equal((await callerOf(hub, granted['access_token'] ?? '').get('/api/whoami-v2')).status, 200);
  assert.equal((await poll(first.device_code))['error'], 'expired_token', 'a code works once');
  const refreshed = await post('/oauth/token', {
    grant_type: 'refresh_token',
    refresh_token: granted['refresh_token'] ?? '',
    client_id: 'app',
  });
  assert.equal(refreshed.status, 200);
  const denied = await begin();
  await post('/device', { user_code: denied.user_code, answer: 'deny' });
  assert.equal((await poll(denied.device_code))['error'], 'access_denied');
  const late = await begin();
  clock.advance(900_000);
  assert.equal((await poll(late.device_code))['error'], 'expired_token');
});

test('the browser flow returns a code to this machine only', async (t) => {
  const hub = await openHub(t);
  const nobody = callerOf(hub, null);
  const discovery = (await nobody.get('/.well-known/openid-configuration')).json as Record<string, string>;
  const authorize = (redirect: string) =>
    nobody.get(`${discovery['authorization_endpoint']}?redirect_uri=${encodeURIComponent(redirect)}&state=s`);
  const answer = await authorize('http://127.0.0.1:5000/back');
  assert.equal(answer.status, 302);
  const target = new URL(answer.headers.get('location') ?? '');
  assert.equal(target.searchParams.get('state'), 's');
  assert.equal(target.host, '127.0.0.1:5000');
  for (const foreign of ['https://evil.example/', 'http://localhost.evil.example/', 'javascript:1']) {
    assert.equal((await authorize(foreign)).status, 400, foreign);
  }
});
