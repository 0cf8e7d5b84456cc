// The fault switches: each effect as a client meets it, by route and count, in process and over HTTP.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes } from '../../src/hub-local/demo-files.ts';
import type { LocalHub } from '../../src/hub-local/local-hub.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { callerOf, casCaller, openHub, packContent, type HubCaller } from '../support/local-hub.ts';

const file = '/buckets/demo/b/resolve/x';

async function prepare(hub: LocalHub, data: Uint8Array | string = 'hello'): Promise<HubCaller> {
  hub.content.createBucket('demo/b');
  await hub.content.putFile('demo/b', 'x', data);
  return callerOf(hub);
}

async function fails(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(
    () => false,
    () => true,
  );
}

test('a status rule answers as told, as often as told, and only where told', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  hub.faults.add({ route: 'bucket.info', status: 503, count: 2, skip: 1, message: 'Down for a moment' });
  const statuses: number[] = [];
  for (let call = 0; call < 5; call++) statuses.push((await caller.get('/api/buckets/demo/b')).status);
  assert.deepEqual(statuses, [200, 503, 503, 200, 200]);
  hub.faults.add({ route: 'GET /buckets/demo/*', status: 403, errorCode: 'GatedRepo' });
  assert.equal((await caller.get('/api/buckets/demo/b')).status, 200);
  const gated = await caller.get(file);
  assert.equal(gated.status, 403);
  assert.equal(gated.headers.get('x-error-code'), 'GatedRepo');
  hub.faults.clear();
  assert.equal((await caller.get(file)).status, 200);
});

test('429 tells how long to wait in both headers', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  hub.faults.add({ route: '*', status: 429, retryAfterSeconds: 7, count: 1 });
  const answer = await caller.get(file);
  assert.equal(answer.status, 429);
  assert.equal(answer.headers.get('retry-after'), '7');
  assert.equal(answer.headers.get('ratelimit'), '"api";r=0;t=7');
});

test('latency holds a request back until its time', async (t) => {
  const clock = new ManualClock();
  const hub = await openHub(t, { clock });
  const caller = await prepare(hub);
  hub.faults.add({ route: 'bucket.resolve', latencyMs: 5000 });
  let answered = false;
  const call = caller.get(file).then(() => (answered = true));
  while (clock.pendingTimers === 0) await settle(1);
  clock.advance(4999);
  await settle();
  assert.equal(answered, false);
  clock.advance(1);
  await call;
});

test('connections can be cut before anything, after the work, and in the middle of the body', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  const hash = hub.content.listFiles('demo/b')[0]?.xetHash;
  const names = () => hub.content.listFiles('demo/b').map((entry) => entry.path);
  const add = (path: string) => caller.batch('demo/b', [{ type: 'addFile', path, xetHash: hash }]);
  hub.faults.add({ route: 'bucket.batch', drop: 'before-handling', count: 1 });
  assert.ok(await fails(add('one')));
  assert.deepEqual(names(), ['x']);
  hub.faults.add({ route: 'bucket.batch', drop: 'before-headers', count: 1 });
  assert.ok(await fails(add('two')));
  assert.deepEqual(names(), ['two', 'x'], 'it took effect, only the reply is lost');
  hub.faults.add({ route: 'bucket.resolve', drop: 'mid-body', atByte: 3, count: 1 });
  const response = await fetch(hub.endpoint + file);
  assert.equal(response.status, 200);
  assert.ok(await fails(response.arrayBuffer()));
  assert.equal((await caller.get(file)).text, 'hello');
});

test('an upload can be cut while its body arrives', async (t) => {
  const hub = await openHub(t);
  await prepare(hub);
  const cas = await casCaller(hub, 'demo/b', 'write');
  const content = packContent(randomBytes(1, 3_000_000));
  const path = `/v1/xorbs/default/${content.xorbHash}`;
  hub.faults.add({ route: 'cas.xorb-upload', dropUploadAtByte: 1_000_000, count: 1 });
  assert.ok(await fails(cas.call('POST', path, content.xorbBytes)));
  assert.equal((await cas.call('HEAD', path)).status, 404);
  assert.equal((await cas.call('POST', path, content.xorbBytes)).status, 200);
});

test('a truncated body looks whole to HTTP, a corrupted one has one wrong byte', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  hub.faults.add({ route: 'bucket.resolve', truncateAtByte: 2, count: 1 });
  const short = await caller.get(file);
  assert.equal(short.text, 'he');
  assert.equal(short.headers.get('content-length'), '2');
  hub.faults.add({ route: 'bucket.resolve', corruptAtByte: 1, count: 1 });
  const wrong = await caller.get(file);
  assert.deepEqual(
    [...wrong.bytes],
    [...Buffer.from('hello')].map((byte, index) => (index === 1 ? ~byte & 0xff : byte)),
  );
});

test('a stalled body delivers its beginning and then nothing until the client leaves', async (t) => {
  const hub = await openHub(t);
  await prepare(hub);
  hub.faults.add({ route: 'bucket.resolve', stallAtByte: 2, count: 1 });
  const abort = new AbortController();
  const response = await fetch(hub.endpoint + file, { signal: abort.signal });
  const reader = response.body?.getReader();
  const first = await reader?.read();
  assert.equal(Buffer.from(first?.value ?? []).toString(), 'he');
  const more = reader?.read().then(
    () => 'more',
    () => 'aborted',
  );
  assert.equal(await Promise.race([more, settle(20).then(() => 'nothing')]), 'nothing');
  abort.abort();
  assert.equal(await more, 'aborted');
});

test('bandwidth paces the body by the clock', async (t) => {
  const clock = new ManualClock();
  const hub = await openHub(t, { clock });
  const caller = await prepare(hub, Buffer.alloc(100_000));
  hub.faults.add({ route: 'bucket.resolve', bytesPerSecond: 10_000, count: 1 });
  const started = clock.now();
  let received = -1;
  const call = caller.get(file).then((answer) => (received = answer.bytes.byteLength));
  while (received < 0) {
    if (clock.pendingTimers > 0) clock.advance(100);
    await settle(1);
  }
  await call;
  assert.equal(received, 100_000);
  assert.ok(clock.now() - started >= 9_000, `${clock.now() - started} ms`);
});

test('URLs handed out before can be expired at once', async (t) => {
  const hub = await openHub(t);
  await prepare(hub);
  const cas = await casCaller(hub, 'demo/b', 'read');
  const hash = hub.content.listFiles('demo/b')[0]?.xetHash;
  const urlOf = async () => {
    const { json } = await cas.get(`/v2/reconstructions/${hash}`);
    const [entry] = Object.values((json as { xorbs: Record<string, { url: string }[]> }).xorbs)[0] ?? [];
    return entry?.url ?? '';
  };
  const range = { Range: `bytes=0-${packContent(Buffer.from('hello')).xorbBytes.byteLength - 1}` };
  const url = await urlOf();
  assert.equal((await fetch(url, { headers: range })).status, 206);
  hub.faults.expireUrls();
  assert.equal((await fetch(url, { headers: range })).status, 403);
  assert.equal((await fetch(await urlOf(), { headers: range })).status, 206);
});

test('requests, bytes and statuses are counted by route', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  hub.faults.resetCounters();
  await caller.get(file);
  await caller.get(file, { Range: 'bytes=0-1' });
  await caller.get('/buckets/demo/b/resolve/none');
  const counters = hub.faults.counters();
  assert.equal(counters['bucket.resolve']?.count, 3);
  assert.deepEqual(counters['bucket.resolve']?.statuses, { 200: 1, 206: 1, 404: 1 });
  assert.ok((counters['bucket.resolve']?.responseBytes ?? 0) >= 7);
  assert.equal(hub.faults.count('bucket.*'), 3);
  await caller.batch('demo/b', [{ type: 'deleteFile', path: 'x' }]);
  assert.ok((hub.faults.counters()['bucket.batch']?.requestBytes ?? 0) > 10);
});

test('everything can be switched over HTTP, by the owner only', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  const other = callerOf(hub, hub.addUser('other'));
  const rule = { route: 'bucket.info', status: 500, count: 1 };
  assert.equal((await other.call('POST', '/__hubdrive/faults', { add: [rule] })).status, 401);
  assert.equal((await callerOf(hub, null).get('/__hubdrive/counters')).status, 401);
  const added = await caller.call('POST', '/__hubdrive/faults', {
    add: [rule, { route: 'bucket.tree', latencyMs: 1 }],
    settings: { urlLifetimeSeconds: 5, quota: { api: 500 } },
  });
  const ids = (added.json as { added: number[] }).added;
  assert.equal(ids.length, 2);
  assert.equal(hub.faults.settings.urlLifetimeSeconds, 5);
  assert.equal(hub.faults.settings.quota.api, 500);
  assert.equal(hub.faults.settings.quota.resolvers, 5_000_000);
  assert.equal((await caller.get('/api/buckets/demo/b')).status, 500);
  assert.equal((await caller.get('/api/buckets/demo/b')).status, 200);
  await caller.call('POST', '/__hubdrive/faults', { remove: [ids[1]] });
  const shown = (await caller.get('/__hubdrive/faults')).json as { rules: unknown[] };
  assert.deepEqual(shown.rules, []);
  const counters = (await caller.get('/__hubdrive/counters')).json as Record<string, { count: number }>;
  assert.equal(counters['bucket.info']?.count, 2);
  for (const wrong of [
    { add: [{ status: 500 }] },
    { add: [{ route: 'x', colour: 1 }] },
    { settings: { no: 1 } },
  ]) {
    assert.equal((await caller.call('POST', '/__hubdrive/faults', wrong)).status, 400, JSON.stringify(wrong));
  }
});

test('the quota of a window is counted down in the headers and ends in 429', async (t) => {
  const clock = new ManualClock();
  const hub = await openHub(t, { clock, settings: { quota: { api: 3, resolvers: 100, pages: 100 } } });
  const caller = await prepare(hub);
  const seen: string[] = [];
  for (let call = 0; call < 4; call++) {
    const answer = await caller.get('/api/buckets/demo/b');
    seen.push(`${answer.status} ${/r=\d+/.exec(answer.headers.get('ratelimit') ?? '')?.[0]}`);
    assert.match(answer.headers.get('ratelimit-policy') ?? '', /^"fixed window";"api";q=3;w=300$/);
  }
  assert.deepEqual(seen, ['200 r=2', '200 r=1', '200 r=0', '429 r=0']);
  assert.equal((await caller.get(file)).status, 200, 'files count against another quota');
  clock.advance(300_000);
  assert.equal((await caller.get('/api/buckets/demo/b')).status, 200);
});
