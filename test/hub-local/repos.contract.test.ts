// Models, datasets and spaces of the embedded Hub: reading at any revision, access rules, and the calls that write.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes } from '../../src/hub-local/demo-files.ts';
import type { LocalHub } from '../../src/hub-local/local-hub.ts';
import { blobOid } from '../../src/hub-local/git-objects.ts';
import { callerOf, openHub, type Answer, type HubCaller } from '../support/local-hub.ts';

const weights = randomBytes(5, 300_000);

async function prepare(hub: LocalHub): Promise<HubCaller> {
  hub.content.createRepo('model', 'demo/m');
  await hub.content.commitFiles('model', 'demo/m', 'main', [
    { path: 'README.md', data: '# Model\n' },
    { path: 'w/model.safetensors', data: weights },
    { path: 'w/deep/er/a.txt', data: 'a' },
  ]);
  hub.content.setRef('model', 'demo/m', 'refs/tags/v1', 'main');
  hub.content.setRef('model', 'demo/m', 'refs/heads/feature/x', 'main');
  hub.content.setRef('model', 'demo/m', 'refs/pr/1', 'main');
  await hub.content.commitFiles('model', 'demo/m', 'main', [{ path: 'README.md', data: '# Model 2\n' }]);
  return callerOf(hub);
}

function listed(answer: Answer): string[] {
  assert.equal(answer.status, 200, answer.text);
  return (answer.json as { type: string; path: string }[]).map(({ type, path }) => `${type[0]} ${path}`);
}

test('repo info names the commit of the revision asked for', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  const info = (await caller.get('/api/models/demo/m')).json as Record<string, unknown>;
  assert.equal(info['id'], 'demo/m');
  assert.equal(info['gated'], false);
  assert.match(String(info['sha']), /^[0-9a-f]{40}$/);
  assert.ok(Number.isFinite(Date.parse(String(info['lastModified']))));
  const shaOf = async (revision: string): Promise<unknown> =>
    ((await caller.get(`/api/models/demo/m/revision/${revision}`)).json as Record<string, unknown>)['sha'];
  assert.equal(await shaOf('main'), info['sha']);
  assert.equal(await shaOf(String(info['sha'])), info['sha']);
  const old = await shaOf('v1');
  assert.notEqual(old, info['sha']);
  assert.equal(await shaOf('feature%2Fx'), old);
  assert.equal(await shaOf('refs%2Fpr%2F1'), old);
  const wrong = await caller.get('/api/models/demo/m/revision/none');
  assert.equal(wrong.status, 404);
  assert.equal(wrong.headers.get('x-error-code'), 'RevisionNotFound');
});

test('refs and commits are listed as clients read them', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  const refs = (await caller.get('/api/models/demo/m/refs?include_prs=1')).json as Record<
    string,
    { name: string }[]
  >;
  assert.deepEqual(
    refs['branches']?.map((ref) => ref.name),
    ['feature/x', 'main'],
  );
  assert.deepEqual(
    refs['tags']?.map((ref) => ref.name),
    ['v1'],
  );
  assert.equal(refs['pullRequests']?.length, 1);
  const commits = await caller.get('/api/models/demo/m/commits/main?limit=2');
  assert.equal((commits.json as unknown[]).length, 2);
  assert.equal(commits.headers.get('x-total-count'), '3');
  assert.match(commits.headers.get('link') ?? '', /^<http.*>; rel="next"$/);
});

test('the tree has files, directories, LFS and Xet facts, and 404 codes', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  const tree = '/api/models/demo/m/tree';
  assert.deepEqual(listed(await caller.get(`${tree}/main`)), ['f .gitattributes', 'f README.md', 'd w']);
  assert.deepEqual(listed(await caller.get(`${tree}/main/w`)), ['d w/deep', 'f w/model.safetensors']);
  assert.deepEqual(listed(await caller.get(`${tree}/refs%2Fpr%2F1/w%2Fdeep`)), ['d w/deep/er']);
  assert.deepEqual(listed(await caller.get(`${tree}/refs/pr/1/w/deep/er`)), ['f w/deep/er/a.txt']);
  const all = ['d w/deep', 'd w/deep/er', 'f w/deep/er/a.txt', 'f w/model.safetensors'];
  assert.deepEqual(listed(await caller.get(`${tree}/v1/w?recursive=True`)), all);
  const collected: string[] = [];
  for (let url: string | undefined = `${tree}/v1/w?recursive=true&limit=1`; url !== undefined;) {
    const page: Answer = await caller.get(url);
    collected.push(...listed(page));
    url = /^<(.*)>/.exec(page.headers.get('link') ?? '')?.[1];
  }
  assert.deepEqual(collected, all);
  const files = (await caller.get(`${tree}/main/w?expand=true`)).json as Record<string, unknown>[];
  const model = files.find((file) => file['path'] === 'w/model.safetensors');
  assert.equal(model?.['size'], weights.byteLength);
  assert.match(String(model?.['xetHash']), /^[0-9a-f]{64}$/);
  assert.deepEqual(Object.keys((model?.['lfs'] ?? {}) as object), ['oid', 'size', 'pointerSize']);
  assert.ok(model?.['lastCommit']);
  const missing = await caller.get(`${tree}/main/nothing`);
  assert.deepEqual([missing.status, missing.headers.get('x-error-code')], [404, 'EntryNotFound']);
  const revision = await caller.get(`${tree}/nothing`);
  assert.deepEqual([revision.status, revision.headers.get('x-error-code')], [404, 'RevisionNotFound']);
});

test('paths-info takes JSON and forms, and knows directories', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  const url = '/api/models/demo/m/paths-info/main';
  const paths = ['README.md', 'w', 'none'];
  assert.deepEqual(listed(await caller.call('POST', url, { paths, expand: false })), ['f README.md', 'd w']);
  const form = new URLSearchParams(paths.map((path): [string, string] => ['paths', path]));
  form.set('expand', 'True');
  const answer = await caller.call('POST', url, form.toString(), {
    'Content-Type': 'application/x-www-form-urlencoded',
  });
  assert.deepEqual(listed(answer), ['f README.md', 'd w']);
  assert.ok((answer.json as { lastCommit?: unknown }[])[0]?.lastCommit);
});

test('resolve serves git files and Xet files with the headers of each', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  const plain = await caller.call('HEAD', '/demo/m/resolve/main/README.md');
  assert.equal(plain.headers.get('content-length'), '10');
  assert.match(plain.headers.get('x-repo-commit') ?? '', /^[0-9a-f]{40}$/);
  const oid = blobOid(Buffer.from('# Model 2\n'));
  assert.equal(plain.headers.get('etag'), `"${oid}"`);
  assert.equal(plain.headers.get('x-xet-hash'), null);
  assert.equal((await caller.get('/demo/m/resolve/v1/README.md')).text, '# Model\n');
  const same = await caller.get('/demo/m/resolve/main/README.md', { 'If-None-Match': `"${oid}"` });
  assert.equal(same.status, 304);
  const large = await caller.call('HEAD', '/demo/m/resolve/main/w/model.safetensors');
  assert.equal(large.headers.get('x-linked-size'), String(weights.byteLength));
  assert.match(large.headers.get('x-linked-etag') ?? '', /^"[0-9a-f]{64}"$/);
  assert.match(
    large.headers.get('link') ?? '',
    /\/api\/models\/demo\/m\/xet-read-token\/[0-9a-f]{40}>; rel="xet-auth"/,
  );
  const part = await caller.get('/demo/m/resolve/main/w/model.safetensors', { Range: 'bytes=1000-1999' });
  assert.ok(part.bytes.equals(Buffer.from(weights.subarray(1000, 2000))));
  const missing = await caller.get('/demo/m/resolve/main/none');
  assert.deepEqual([missing.status, missing.headers.get('x-error-code')], [404, 'EntryNotFound']);
});

test('private, gated and disabled repos refuse as the Hub does', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  const stranger = callerOf(hub, hub.addUser('stranger'));
  const nobody = callerOf(hub, null);
  const file = '/demo/m/resolve/main/README.md';
  const facts = ({ status, headers }: Answer) => `${status} ${headers.get('x-error-code')}`;
  hub.content.updateRepo('model', 'demo/m', { private: true });
  assert.equal(facts(await nobody.get('/api/models/demo/m')), '401 RepoNotFound');
  assert.equal(facts(await stranger.get('/api/models/demo/m')), '404 RepoNotFound');
  assert.equal(facts(await nobody.get('/api/models/demo/never-was')), '401 RepoNotFound');
  hub.content.updateRepo('model', 'demo/m', { private: false, gated: 'manual' });
  assert.equal(facts(await nobody.get('/api/models/demo/m/tree/main')), '200 null');
  assert.equal(facts(await nobody.get(file)), '401 GatedRepo');
  assert.equal(facts(await stranger.get(file)), '403 GatedRepo');
  assert.equal(facts(await stranger.get('/api/models/demo/m/xet-read-token/main')), '403 GatedRepo');
  assert.equal(facts(await caller.get(file)), '200 null');
  hub.content.updateRepo('model', 'demo/m', { gated: null, disabled: true });
  const disabled = await caller.get('/api/models/demo/m');
  assert.equal(disabled.status, 403);
  assert.equal(disabled.headers.get('x-error-message'), 'Access to this resource is disabled.');
});

test('a repo of another kind is not found under the wrong one', async (t) => {
  const hub = await openHub(t);
  await prepare(hub);
  const answer = await callerOf(hub).get('/api/datasets/demo/m');
  assert.deepEqual([answer.status, answer.headers.get('x-error-code')], [404, 'RepoNotFound']);
});

test('a renamed repo redirects by a relative path', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  await caller.call('POST', '/api/repos/move', { fromRepo: 'demo/m', toRepo: 'demo/n', type: 'model' });
  const answer = await caller.call('HEAD', '/demo/m/resolve/main/README.md');
  assert.equal(answer.status, 307);
  assert.equal(answer.headers.get('location'), '/demo/n/resolve/main/README.md');
  assert.equal(
    (await caller.get('/api/models/demo/m/tree/main')).headers.get('location'),
    '/api/models/demo/n/tree/main',
  );
});

test('a commit on a stale parent is refused with 412 and changes nothing', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  const shaOf = async () => ((await caller.get('/api/models/demo/m')).json as { sha: string }).sha;
  const head = await shaOf();
  const commit = (parentCommit: string, content: string) =>
    caller.call(
      'POST',
      '/api/models/demo/m/commit/main',
      [
        { key: 'header', value: { summary: 'Change', parentCommit } },
        { key: 'file', value: { path: 'b.txt', content, encoding: 'utf-8' } },
        { key: 'deletedFolder', value: { path: 'w' } },
      ]
        .map((line) => JSON.stringify(line))
        .join('\n'),
    );
  const done = await commit(head, 'one');
  assert.equal(done.status, 200, done.text);
  const { commitOid } = done.json as { commitOid: string };
  assert.equal(await shaOf(), commitOid);
  assert.equal((await commit(head, 'two')).status, 412);
  assert.equal(await shaOf(), commitOid);
  assert.deepEqual(listed(await caller.get('/api/models/demo/m/tree/main')), [
    'f .gitattributes',
    'f README.md',
    'f b.txt',
  ]);
});

test('a commit of an LFS object that was never uploaded is refused', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  const lines = [
    { key: 'header', value: { summary: 'Change' } },
    { key: 'lfsFile', value: { path: 'x.bin', algo: 'sha256', oid: 'ab'.repeat(32), size: 1 } },
  ];
  const answer = await caller.call(
    'POST',
    '/api/models/demo/m/commit/main',
    lines.map((line) => JSON.stringify(line)).join('\n'),
  );
  assert.equal(answer.status, 400);
  assert.match(answer.text, /not uploaded/);
});

test('preupload says how each file goes up, with the key that Python requires', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  const ask = (path: string, size: number, sample: string) => ({
    path,
    size,
    sample: Buffer.from(sample).toString('base64'),
  });
  const answer = await caller.call('POST', '/api/models/demo/m/preupload/main', {
    files: [
      ask('a.txt', 5, 'hello'),
      ask('a.bin', 5, 'hello'),
      ask('noext', 5, 'a\0b'),
      ask('big.txt', 20_000_000, 'text'),
      ask('README.md', 3, '# x'),
    ],
  });
  const { files } = answer.json as { files: { uploadMode: string; shouldIgnore: boolean; oid?: string }[] };
  assert.deepEqual(
    files.map((file) => file.uploadMode),
    ['regular', 'lfs', 'lfs', 'lfs', 'regular'],
  );
  assert.ok(files.every((file) => file.shouldIgnore === false));
  assert.equal(files[4]?.oid, blobOid(Buffer.from('# Model 2\n')));
});

test('lists show what the caller may see, filtered and paged', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  hub.content.createRepo('model', 'demo/hidden', { private: true });
  hub.addUser('other');
  hub.content.createRepo('model', 'other/m');
  const ids = async (query: string, who = caller) =>
    ((await who.get(`/api/models${query}`)).json as { id: string }[]).map(({ id }) => id).toSorted();
  assert.deepEqual(await ids('?author=demo'), ['demo/hidden', 'demo/m']);
  assert.deepEqual(await ids('', callerOf(hub, null)), ['demo/m', 'other/m']);
  assert.deepEqual(await ids('?search=hid'), ['demo/hidden']);
  const owned = (await caller.get('/api/settings/repositories')).json as { id: string; type: string }[];
  assert.deepEqual(owned.map(({ id, type }) => `${type} ${id}`).toSorted(), [
    'model demo/hidden',
    'model demo/m',
  ]);
});

test('branches and tags can be made and removed', async (t) => {
  const hub = await openHub(t);
  const caller = await prepare(hub);
  const branch = '/api/models/demo/m/branch/dev%2Fone';
  assert.equal((await caller.call('POST', branch, { startingPoint: 'v1' })).status, 201);
  assert.equal((await caller.call('POST', branch, {})).status, 409);
  assert.equal((await caller.get('/demo/m/resolve/dev%2Fone/README.md')).text, '# Model\n');
  assert.equal((await caller.call('DELETE', branch)).status, 204);
  assert.equal((await caller.call('POST', '/api/models/demo/m/tag/main', { tag: 'v2' })).status, 201);
  assert.equal((await caller.get('/demo/m/resolve/v2/README.md')).text, '# Model 2\n');
  assert.equal((await caller.call('DELETE', '/api/models/demo/m/tag/v2')).status, 204);
  assert.equal((await caller.call('DELETE', '/api/models/demo/m/branch/main')).status, 403);
});
