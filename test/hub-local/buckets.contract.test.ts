// The bucket API of the embedded Hub, answer by answer, as `docs` of the Hub and its clients expect it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyFileHash } from '../../src/hub-local/cas-store.ts';
import { callerOf, openHub, type Answer } from '../support/local-hub.ts';

interface Entry {
  readonly type: string;
  readonly path: string;
  readonly size?: number;
  readonly xetHash?: string;
  readonly mtime?: string;
  readonly uploadedAt?: string;
}

const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function entries(answer: Answer): Entry[] {
  assert.equal(answer.status, 200, answer.text);
  return answer.json as Entry[];
}

function paths(answer: Answer): string[] {
  return entries(answer).map((entry) => `${entry.type === 'directory' ? 'd' : 'f'} ${entry.path}`);
}

function nextOf(answer: Answer): string | null {
  return /^<(http[^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1] ?? null;
}

test('creating a bucket answers its URL, and again with 409 and the same URL', async (t) => {
  const hub = await openHub(t);
  const caller = callerOf(hub);
  const created = await caller.call('POST', '/api/buckets/me/first', {});
  assert.equal(created.status, 200);
  const url = `${hub.endpoint}/buckets/demo/first`;
  assert.equal((created.json as { url: string }).url, url);
  const again = await caller.call('POST', '/api/buckets/demo/first', {});
  assert.equal(again.status, 409);
  assert.equal((again.json as { url: string }).url, url);
  assert.ok((again.json as { error: string }).error.length > 0);
});

test('bucket info has every field that clients require, and updatedAt moves with every batch', async (t) => {
  const hub = await openHub(t);
  const caller = callerOf(hub);
  hub.content.createBucket('demo/b');
  const before = (await caller.get('/api/buckets/demo/b')).json as Record<string, unknown>;
  assert.equal(before['id'], 'demo/b');
  assert.equal(before['private'], false);
  assert.equal(before['size'], 0);
  assert.equal(before['totalFiles'], 0);
  assert.match(String(before['createdAt']), isoTime);
  await hub.content.putFile('demo/b', 'a.txt', 'hello');
  const after = (await caller.get('/api/buckets/demo/b')).json as Record<string, unknown>;
  assert.equal(after['size'], 5);
  assert.equal(after['totalFiles'], 1);
  hub.content.deleteFiles('demo/b', ['a.txt']);
  const last = (await caller.get('/api/buckets/demo/b')).json as Record<string, unknown>;
  assert.equal(last['size'], 0);
  const times = [before, after, last].map((info) => String(info['updatedAt']));
  assert.deepEqual([...new Set(times)].toSorted(), times);
});

test('a private bucket is 401 for nobody, 404 for strangers, and open to members', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/secret', { private: true });
  const anonymous = await callerOf(hub, null).get('/api/buckets/demo/secret');
  assert.equal(anonymous.status, 401);
  const stranger = callerOf(hub, hub.addUser('stranger'));
  const hidden = await stranger.get('/api/buckets/demo/secret');
  assert.equal(hidden.status, 404);
  assert.equal(hidden.headers.get('x-error-code'), 'RepoNotFound');
  assert.equal((await callerOf(hub).get('/api/buckets/demo/secret')).status, 200);
  assert.deepEqual((await stranger.get('/api/buckets/demo')).json, []);
  hub.content.createBucket('demo/open');
  assert.equal((await stranger.get('/api/buckets/demo/open')).status, 200);
  assert.equal((await stranger.batch('demo/open', [{ type: 'deleteFile', path: 'x' }])).status, 403);
  assert.equal((await stranger.get('/api/buckets/demo/open/xet-write-token')).status, 403);
});

test('a wrong token is 401 with the words that clients look for', async (t) => {
  const hub = await openHub(t);
  const answer = await callerOf(hub, 'hf_wrong').get('/api/whoami-v2');
  assert.equal(answer.status, 401);
  assert.equal(answer.headers.get('x-error-message'), 'Invalid credentials in Authorization header');
  assert.match(answer.headers.get('x-request-id') ?? '', /.+/);
});

test('an unknown bucket is 404 RepoNotFound, an unknown namespace is 404 too', async (t) => {
  const caller = callerOf(await openHub(t));
  const answer = await caller.get('/api/buckets/demo/nothing');
  assert.equal(answer.status, 404);
  assert.equal(answer.headers.get('x-error-code'), 'RepoNotFound');
  assert.equal((await caller.get('/api/buckets/foo')).status, 404);
});

test('the bucket list is searched and paged by absolute links', async (t) => {
  const hub = await openHub(t);
  for (const name of ['alpha', 'beta', 'gamma', 'alphabet']) hub.content.createBucket(`demo/${name}`);
  const caller = callerOf(hub);
  const found = (await caller.get('/api/buckets/me?search=alpha')).json as { id: string }[];
  assert.deepEqual(
    found.map((bucket) => bucket.id),
    ['demo/alpha', 'demo/alphabet'],
  );
  const first = await caller.get('/api/buckets/demo?limit=3');
  const next = nextOf(first);
  assert.ok(next !== null && next.startsWith(hub.endpoint));
  const second = await caller.get(next);
  assert.equal((first.json as unknown[]).length + (second.json as unknown[]).length, 4);
  assert.equal(nextOf(second), null);
});

test('the tree lists one level with directories, or all files, and all files by default', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  await hub.content.putFiles(
    'demo/b',
    ['a.txt', 'd/x.txt', 'd/e/y.txt', 'z.txt'].map((path) => ({ path, data: path })),
  );
  const caller = callerOf(hub);
  const tree = '/api/buckets/demo/b/tree';
  assert.deepEqual(paths(await caller.get(`${tree}?recursive=false`)), ['f a.txt', 'd d', 'f z.txt']);
  assert.deepEqual(paths(await caller.get(`${tree}/d?recursive=False`)), ['d d/e', 'f d/x.txt']);
  const all = ['f a.txt', 'f d/e/y.txt', 'f d/x.txt', 'f z.txt'];
  for (const query of ['', '?recursive=true', '?recursive=True', '?recursive=1']) {
    assert.deepEqual(paths(await caller.get(tree + query)), all, query);
  }
  for (const prefix of ['d/e', 'd%2Fe', 'd/e/']) {
    assert.deepEqual(paths(await caller.get(`${tree}/${prefix}?recursive=false`)), ['f d/e/y.txt'], prefix);
  }
  assert.deepEqual(paths(await caller.get(`${tree}/missing?recursive=false`)), []);
  const level = entries(await caller.get(`${tree}?recursive=false`));
  assert.match(level[0]?.mtime ?? '', isoTime);
  assert.match(level[0]?.uploadedAt ?? '', isoTime);
  assert.match(level[0]?.xetHash ?? '', /^[0-9a-f]{64}$/);
  assert.match(level[1]?.uploadedAt ?? '', isoTime);
});

test('the tree matches its prefix as a raw string, as the Hub does', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  await hub.content.putFiles(
    'demo/b',
    ['logs/a', 'logs_old/b', 'logs#1', 'other'].map((path) => ({ path, data: path })),
  );
  const caller = callerOf(hub);
  const listed = await caller.get('/api/buckets/demo/b/tree/logs?recursive=false');
  assert.deepEqual(paths(listed), ['f logs#1', 'f logs/a', 'd logs_old']);
  assert.deepEqual(paths(await caller.get('/api/buckets/demo/b/tree/logs')), [
    'f logs#1',
    'f logs/a',
    'f logs_old/b',
  ]);
});

test('pages of any size give every entry of the tree exactly once', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const names = Array.from({ length: 23 }, (_unused, index) =>
    index % 3 === 0 ? `dir${index % 4}/deep/${index}` : `file #${index}?%é.txt`,
  );
  await hub.content.putFiles(
    'demo/b',
    names.map((path) => ({ path, data: path })),
  );
  const caller = callerOf(hub);
  for (const recursive of ['true', 'false']) {
    const whole = paths(await caller.get(`/api/buckets/demo/b/tree?recursive=${recursive}`));
    for (const limit of [1, 2, 5, 22, 23, 24]) {
      const collected: string[] = [];
      let url: string | null = `/api/buckets/demo/b/tree?recursive=${recursive}&limit=${limit}`;
      while (url !== null) {
        const page: Answer = await caller.get(url);
        assert.ok(paths(page).length <= limit);
        collected.push(...paths(page));
        url = nextOf(page);
      }
      assert.deepEqual(collected, whole, `recursive=${recursive} limit=${limit}`);
    }
  }
  assert.equal((await caller.get('/api/buckets/demo/b/tree?limit=0')).status, 400);
});

test('paths-info gives the files that exist and is silent about the rest', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  await hub.content.putFile('demo/b', 'd/x.txt', 'x');
  const caller = callerOf(hub);
  const answer = await caller.call('POST', '/api/buckets/demo/b/paths-info', {
    paths: ['d/x.txt', 'd', 'no'],
  });
  assert.deepEqual(paths(answer), ['f d/x.txt']);
  const tooMany = { paths: Array.from({ length: 1001 }, String) };
  assert.equal((await caller.call('POST', '/api/buckets/demo/b/paths-info', tooMany)).status, 400);
});

test('a batch adds, copies and deletes, and counts what it did', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  hub.content.createBucket('demo/c');
  const hash = await hub.content.putFile('demo/b', 'old.txt', 'content');
  const caller = callerOf(hub);
  const mtime = Date.UTC(2025, 5, 1);
  const done = await caller.batch('demo/c', [
    { type: 'addFile', path: 'added.txt', xetHash: hash, mtime },
    { type: 'copyFile', path: 'copied.txt', xetHash: hash, sourceRepoType: 'bucket', sourceRepoId: 'demo/b' },
    { type: 'addFile', path: 'empty.bin', xetHash: emptyFileHash, mtime: mtime / 1000 },
    { type: 'addFile', path: 'gone.txt', xetHash: hash },
    { type: 'deleteFile', path: 'gone.txt' },
  ]);
  assert.equal(done.status, 200);
  assert.deepEqual(done.json, { success: true, processed: 5, succeeded: 5, failed: [] });
  const files = hub.content.listFiles('demo/c');
  assert.deepEqual(
    files.map((file) => file.path),
    ['added.txt', 'copied.txt', 'empty.bin'],
  );
  assert.equal(files[0]?.mtime, mtime);
  assert.equal(files[2]?.mtime, mtime, 'seconds are understood as seconds');
  assert.equal(files[2]?.sizeBytes, 0);
  assert.equal((await hub.content.readFile('demo/c', 'copied.txt'))?.toString(), 'content');
});

test('bad lines of a batch fail alone, with 422 and their paths', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const hash = await hub.content.putFile('demo/b', 'a', 'content');
  hub.faults.settings.failPaths = { 'quota/*': 'Storage limit reached' };
  const bad: [object, RegExp][] = [
    [{ type: 'addFile', path: 'x', xetHash: 'ab'.repeat(32) }, /No uploaded file/],
    [{ type: 'addFile', path: 'x', xetHash: 'nonsense' }, /64 hex/],
    [{ type: 'addFile', path: '', xetHash: hash }, /empty/],
    [{ type: 'addFile', path: '/x', xetHash: hash }, /slash/],
    [{ type: 'addFile', path: 'x/', xetHash: hash }, /slash/],
    [{ type: 'addFile', path: 'a//b', xetHash: hash }, /slash/],
    [{ type: 'addFile', path: 'a/../b', xetHash: hash }, /segments/],
    [{ type: 'addFile', path: 'a\\b', xetHash: hash }, /backslash/],
    [{ type: 'addFile', path: 'a\u0000b', xetHash: hash }, /NUL/],
    [
      { type: 'copyFile', path: 'x', xetHash: hash, sourceRepoType: 'bucket', sourceRepoId: 'demo/no' },
      /not found/,
    ],
    [{ type: 'addFile', path: 'quota/x', xetHash: hash }, /Storage limit/],
    [{ type: 'makeCoffee', path: 'x' }, /Unknown operation/],
  ];
  const answer = await callerOf(hub).batch('demo/b', [
    ...bad.map(([line]) => line),
    { type: 'addFile', path: 'good', xetHash: hash },
  ]);
  assert.equal(answer.status, 422);
  const report = answer.json as {
    success: boolean;
    processed: number;
    succeeded: number;
    failed: { error: string }[];
  };
  assert.equal(report.success, false);
  assert.equal(report.processed, bad.length + 1);
  assert.equal(report.succeeded, 1);
  bad.forEach(([line, reason], index) => {
    assert.match(report.failed[index]?.error ?? '', reason, JSON.stringify(line));
  });
  assert.deepEqual(
    hub.content.listFiles('demo/b').map((file) => file.path),
    ['a', 'good'],
  );
  const broken = await callerOf(hub).call('POST', '/api/buckets/demo/b/batch', '{"type":');
  assert.equal(broken.status, 400);
});

test('HEAD of a file carries its true length and the way to its Xet content', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const hash = await hub.content.putFile('demo/b', 'd/x.txt', 'hello world');
  const caller = callerOf(hub);
  for (const path of ['d/x.txt', 'd%2Fx.txt']) {
    const head = await caller.call('HEAD', `/buckets/demo/b/resolve/${path}`);
    assert.equal(head.status, 200);
    assert.equal(head.headers.get('content-length'), '11');
    assert.equal(head.headers.get('x-xet-hash'), hash);
    assert.equal(head.headers.get('etag'), `"${hash}"`);
    assert.equal(head.headers.get('accept-ranges'), 'bytes');
    assert.ok(Number.isFinite(Date.parse(head.headers.get('last-modified') ?? '')));
    const link = head.headers.get('link') ?? '';
    assert.ok(link.includes(`<${hub.endpoint}/api/buckets/demo/b/xet-read-token>; rel="xet-auth"`), link);
    assert.ok(link.includes(`/v1/reconstructions/${hash}>; rel="xet-reconstruction-info"`), link);
  }
  const missing = await caller.call('HEAD', '/buckets/demo/b/resolve/none');
  assert.equal(missing.status, 404);
  assert.equal(missing.headers.get('x-error-code'), 'EntryNotFound');
});

test('GET of a file honours ranges and conditions', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const data = Buffer.alloc(300_000, 'abcdefghij');
  const hash = await hub.content.putFile('demo/b', 'x', data);
  const caller = callerOf(hub);
  const read = (range: string) => caller.get('/buckets/demo/b/resolve/x', { Range: range });
  assert.ok((await caller.get('/buckets/demo/b/resolve/x')).bytes.equals(data));
  const part = await read('bytes=131070-131080');
  assert.equal(part.status, 206);
  assert.equal(part.headers.get('content-range'), 'bytes 131070-131080/300000');
  assert.ok(part.bytes.equals(data.subarray(131_070, 131_081)));
  assert.ok((await read('bytes=299990-')).bytes.equals(data.subarray(299_990)));
  assert.ok((await read('bytes=-5')).bytes.equals(data.subarray(299_995)));
  assert.ok((await read('bytes=0-18446744073709551614')).bytes.equals(data));
  const beyond = await read('bytes=300000-300001');
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers.get('content-range'), 'bytes */300000');
  const same = await caller.get('/buckets/demo/b/resolve/x', { 'If-None-Match': `"${hash}"` });
  assert.equal(same.status, 304);
  assert.equal(same.bytes.byteLength, 0);
});

test('the JavaScript client is told size, hash and links instead of bytes when it asks so', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const hash = await hub.content.putFile('demo/b', 'x', 'hello');
  const answer = await callerOf(hub).get('/buckets/demo/b/resolve/x', {
    Range: 'bytes=0-0',
    Accept: 'application/vnd.xet-fileinfo+json, */*',
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/vnd.xet-fileinfo+json');
  assert.equal(answer.headers.get('x-linked-size'), '5');
  assert.equal(answer.headers.get('x-xet-hash'), hash);
});

test('a moved bucket answers at its new name and redirects from the old one', async (t) => {
  const hub = await openHub(t);
  const caller = callerOf(hub);
  hub.content.createBucket('demo/old');
  await hub.content.putFile('demo/old', 'x', 'hello');
  const moved = await caller.call('POST', '/api/repos/move', {
    fromRepo: 'demo/old',
    toRepo: 'demo/new',
    type: 'bucket',
  });
  assert.equal(moved.status, 200);
  assert.equal((await caller.get('/api/buckets/demo/new')).status, 200);
  const old = await caller.get('/buckets/demo/old/resolve/x?a=1');
  assert.equal(old.status, 307);
  assert.equal(old.headers.get('location'), '/buckets/demo/new/resolve/x?a=1');
  assert.equal((await caller.call('DELETE', '/api/buckets/demo/new')).status, 204);
  assert.equal((await caller.get('/api/buckets/demo/new')).status, 404);
});

test('whatever a name contains, the file is found by its encoded path', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const names = [
    'a b',
    'a#b',
    'a%b',
    'a%2Fb',
    'a?b',
    'a&b=c',
    'é',
    'e\u0301',
    '🎉',
    '日本',
    '...',
    '~',
    '\'"<>|*:',
  ];
  await hub.content.putFiles(
    'demo/b',
    names.map((name) => ({ path: `dir/${name}`, data: name })),
  );
  for (const name of names) {
    const answer = await callerOf(hub).get(`/buckets/demo/b/resolve/dir/${encodeURIComponent(name)}`);
    assert.equal(answer.text, name);
  }
});
