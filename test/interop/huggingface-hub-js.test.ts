// The real `@huggingface/hub`, unchanged, against the embedded Hub.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { checkRepoAccess, listCommits, listModels, pathsInfo, repoExists, whoAmI } from '@huggingface/hub';
import { randomBytes } from '../../src/hub-local/demo-files.ts';
import type { LocalHub } from '../../src/hub-local/local-hub.ts';
import {
  copyAndDelete,
  readOurFiles,
  uploadLargeFile,
  uploadSmallFiles,
  writeModel,
} from '../support/foreign-client-stories.ts';
import { JavaScriptHubClient } from '../support/javascript-hub-client.ts';
import { openHub } from '../support/local-hub.ts';

async function open(t: TestContext): Promise<{ hub: LocalHub; client: JavaScriptHubClient }> {
  const hub = await openHub(t);
  return { hub, client: new JavaScriptHubClient(hub.endpoint, hub.token) };
}

test('@huggingface/hub uploads small, odd and many files that read back equal', async (t) => {
  const { hub, client } = await open(t);
  await uploadSmallFiles(hub, client);
});

test('@huggingface/hub uploads more than 20 MB and reads it whole and in slices', async (t) => {
  const { hub, client } = await open(t);
  await uploadLargeFile(hub, client);
});

test('@huggingface/hub reads what was stored by us', async (t) => {
  const { hub, client } = await open(t);
  await readOurFiles(hub, client);
});

test('@huggingface/hub copies and deletes without moving data', async (t) => {
  const { hub, client } = await open(t);
  await copyAndDelete(hub, client);
});

test('@huggingface/hub writes a model and reads it at branch and commit', async (t) => {
  const { hub, client } = await open(t);
  await writeModel(hub, client);
});

test('@huggingface/hub edits a file through the chunk-hash endpoint', async (t) => {
  const { hub, client } = await open(t);
  await client.createBucket('demo/edits');
  let data = Buffer.from(randomBytes(81, 3_000_000));
  await client.upload('demo/edits', [{ path: 'x.bin', data }]);
  const edits: [string, number, number, Uint8Array][] = [
    ['overwrite', 1_500_000, 1_504_096, randomBytes(82, 4096)],
    ['insert at the start', 0, 0, Buffer.from('front matter\n')],
    ['append', data.byteLength + 13, data.byteLength + 13, randomBytes(83, 200_000)],
    ['delete', 700_000, 900_000, new Uint8Array(0)],
    ['truncate', 2_000_000, data.byteLength + 13, new Uint8Array(0)],
  ];
  for (const [what, start, end, bytes] of edits) {
    hub.faults.resetCounters();
    const stop = Math.min(end, data.byteLength);
    await client.edit('demo/edits', 'x.bin', [{ start, end: stop, data: bytes }]);
    data = Buffer.concat([data.subarray(0, start), bytes, data.subarray(stop)]);
    const stored = await hub.content.readFile('demo/edits', 'x.bin');
    assert.ok(stored?.equals(data), what);
    assert.equal(hub.faults.count('cas.file-chunk-hashes'), 1, what);
  }
});

test('@huggingface/hub edits a file of short terms without fetching the rest', async (t) => {
  const { hub, client } = await open(t);
  await client.createBucket('demo/edits');
  // Around this place its chunker, which cuts below the minimum now and then, agrees with the right one.
  const data = Buffer.from(randomBytes(21, 30_000_000));
  const [start, end] = [15_000_000, 15_004_096];
  await hub.content.putFile('demo/edits', 'x.bin', data, { segmentChunks: 16 });
  hub.faults.resetCounters();
  await client.edit('demo/edits', 'x.bin', [{ start, end, data: randomBytes(85, end - start) }]);
  const counters = hub.faults.counters();
  const moved =
    (counters['cas.xorb-data']?.responseBytes ?? 0) + (counters['cas.xorb-upload']?.requestBytes ?? 0);
  assert.ok(moved < 5_000_000, `${moved} bytes moved for 4 KiB in 30 MB`);
  const expected = Buffer.concat([data.subarray(0, start), randomBytes(85, end - start), data.subarray(end)]);
  assert.ok((await hub.content.readFile('demo/edits', 'x.bin'))?.equals(expected));
});

test('@huggingface/hub falls back to a whole upload where range edits are off', async (t) => {
  const { hub, client } = await open(t);
  hub.faults.settings.fileChunkHashes = false;
  await client.createBucket('demo/edits');
  await client.upload('demo/edits', [{ path: 'x.txt', data: Buffer.from('hello world') }]);
  await client.edit('demo/edits', 'x.txt', [{ start: 0, end: 5, data: Buffer.from('HELLO') }]);
  assert.equal((await hub.content.readFile('demo/edits', 'x.txt'))?.toString(), 'HELLO world');
});

test('@huggingface/hub understands identity, listings, errors and refused lines', async (t) => {
  const hub = await openHub(t, { seed: 'demo' });
  const common = { hubUrl: hub.endpoint, accessToken: hub.token };
  const me = await whoAmI(common);
  assert.equal(me.name, 'demo');
  const model = { type: 'model', name: 'demo/tiny-model' } as const;
  const models: string[] = [];
  for await (const entry of listModels({ ...common, search: { owner: 'demo' } })) models.push(entry.name);
  assert.deepEqual(models, ['demo/tiny-model']);
  const titles: string[] = [];
  for await (const entry of listCommits({ ...common, repo: model })) titles.push(entry.title);
  assert.deepEqual(titles, ['Version 2', 'Add version 1', 'initial commit']);
  const infos = await pathsInfo({ ...common, repo: model, paths: ['config.json', 'tokenizer', 'none'] });
  assert.deepEqual(
    infos.map((info) => `${info.type} ${info.path}`),
    ['file config.json', 'directory tokenizer'],
  );
  await checkRepoAccess({ ...common, repo: model });
  assert.equal(await repoExists({ ...common, repo: { type: 'bucket', name: 'demo/none' } }), false);
  const client = new JavaScriptHubClient(hub.endpoint, hub.token);
  await assert.rejects(client.list('demo/none'), /not found/i);
  hub.faults.settings.failPaths = { 'no/*': 'Storage limit reached' };
  await assert.rejects(client.upload('demo/project', [{ path: 'no/x', data: Buffer.from('x') }]), /no\/x/);
});
