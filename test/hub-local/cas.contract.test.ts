// The CAS of the embedded Hub: what it takes in, what it refuses, and how it says where bytes are.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes } from '../../src/hub-local/demo-files.ts';
import { hashFromHex, hashToHex, rangeHash } from '../../src/xet/hash.ts';
import { parseShard, writeShard, type ShardFile } from '../../src/xet/shard.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  callerOf,
  casCaller,
  openHub,
  packContent,
  type HubCaller,
  type PackedContent,
} from '../support/local-hub.ts';

const zeros = '0'.repeat(64);
const unknownHash = 'ab'.repeat(32);

async function upload(cas: HubCaller, content: PackedContent): Promise<void> {
  const xorb = await cas.call('POST', `/v1/xorbs/default/${content.xorbHash}`, content.xorbBytes);
  assert.equal(xorb.status, 200, xorb.text);
  const shard = await cas.call('POST', '/v1/shards', writeShard({ files: [content.file], xorbs: [] }));
  assert.equal(shard.status, 200, shard.text);
}

test('a Xet token comes in body and headers, and a read token may not write', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const answer = await callerOf(hub).get('/api/buckets/demo/b/xet-read-token');
  const { casUrl, exp, accessToken } = answer.json as { casUrl: string; exp: number; accessToken: string };
  assert.equal(answer.headers.get('x-xet-cas-url'), casUrl);
  assert.equal(answer.headers.get('x-xet-access-token'), accessToken);
  assert.equal(answer.headers.get('x-xet-token-expiration'), String(exp));
  assert.ok(Math.abs(exp - Date.now() / 1000 - 3600) < 60);
  const cas = await casCaller(hub, 'demo/b', 'read');
  const content = packContent(Buffer.from('hello world'));
  assert.equal(
    (await cas.call('POST', `/v1/xorbs/default/${content.xorbHash}`, content.xorbBytes)).status,
    403,
  );
  assert.equal((await callerOf(hub).get(`/v2/reconstructions/${zeros}`)).status, 401);
});

test('a Xet token is refused with 401 once its time is over', async (t) => {
  const clock = new ManualClock();
  const hub = await openHub(t, { clock, settings: { tokenLifetimeSeconds: 30 } });
  hub.content.createBucket('demo/b');
  const cas = await casCaller(hub, 'demo/b', 'read');
  clock.advance(29_000);
  assert.equal((await cas.get(`/v2/reconstructions/${zeros}`)).status, 200);
  clock.advance(1000);
  assert.equal((await cas.get(`/v2/reconstructions/${zeros}`)).status, 401);
  const fresh = await casCaller(hub, 'demo/b', 'read');
  assert.equal((await fresh.get(`/v2/reconstructions/${zeros}`)).status, 200);
  hub.faults.expireTokens();
  assert.equal((await fresh.get(`/v2/reconstructions/${zeros}`)).status, 401);
});

test('the hashes of the published sample are accepted and served', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const cas = await casCaller(hub, 'demo/b', 'write');
  const content = packContent(Buffer.from('hello world'));
  assert.equal(content.xorbHash, '4e39378b9d359f118190557a1f44130219a54e5fcfa07bd96cf50b466fe651b1');
  assert.equal(content.fileHash, 'f15edd43b7e85cfd25e2758ffe13b99fdd09dfa817e8d9f6548722a7a126db7f');
  const path = `/v1/xorbs/default/${content.xorbHash}`;
  assert.equal((await cas.call('HEAD', path)).status, 404);
  assert.deepEqual((await cas.call('POST', path, content.xorbBytes)).json, { was_inserted: true });
  assert.deepEqual((await cas.call('POST', path, content.xorbBytes)).json, { was_inserted: false });
  const head = await cas.call('HEAD', path);
  assert.equal(head.headers.get('content-length'), String(content.xorbBytes.byteLength));
  const shard = writeShard({ files: [content.file], xorbs: [] });
  assert.deepEqual((await cas.call('POST', '/v1/shards', shard)).json, { result: 1 });
  assert.deepEqual((await cas.call('POST', '/v1/shards', shard)).json, { result: 0 });
  assert.equal((await hub.content.readContent(content.fileHash)).toString(), 'hello world');
});

test('a xorb that is not what its hash says is refused and leaves nothing behind', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const cas = await casCaller(hub, 'demo/b', 'write');
  const { xorbHash, xorbBytes } = packContent(randomBytes(1, 300_000));
  const flipped = Uint8Array.from(xorbBytes);
  flipped[100_000] = ~(flipped[100_000] ?? 0);
  const cases: [string, string, Uint8Array][] = [
    ['another hash', unknownHash, xorbBytes],
    ['a flipped byte', xorbHash, flipped],
    ['a missing end', xorbHash, xorbBytes.subarray(0, -1)],
    ['garbage', xorbHash, Buffer.from('this is not a xorb at all, sorry')],
    ['nothing', xorbHash, new Uint8Array(0)],
  ];
  for (const [what, hash, bytes] of cases) {
    const answer = await cas.call('POST', `/v1/xorbs/default/${hash}`, bytes);
    assert.equal(answer.status, 400, what);
    assert.match((answer.json as { error: string }).error, /\S/, what);
    assert.equal((await cas.call('HEAD', `/v1/xorbs/default/${hash}`)).status, 404, what);
  }
  assert.equal((await cas.call('POST', '/v1/xorbs/default/zz', xorbBytes)).status, 400);
  assert.equal((await cas.call('POST', `/v1/xorbs/other/${xorbHash}`, xorbBytes)).status, 400);
});

test('a footer after the chunks of a xorb is tolerated and not stored', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const cas = await casCaller(hub, 'demo/b', 'write');
  const { xorbHash, xorbBytes } = packContent(randomBytes(1, 100_000));
  const footer = Buffer.concat([Buffer.from('XETBLOB'), randomBytes(2, 300)]);
  const answer = await cas.call('POST', `/v1/xorbs/default/${xorbHash}`, Buffer.concat([xorbBytes, footer]));
  assert.equal(answer.status, 200, answer.text);
  const head = await cas.call('HEAD', `/v1/xorbs/default/${xorbHash}`);
  assert.equal(head.headers.get('content-length'), String(xorbBytes.byteLength));
});

test('a xorb beyond its size limit is refused even if every chunk of it is right', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const cas = await casCaller(hub, 'demo/b', 'write');
  // Valid chunks to the end, so that only the size can be what is wrong.
  const { xorbBytes } = packContent(randomBytes(1, 4_000_000), 'none');
  const endless = Buffer.concat(Array.from({ length: 17 }, () => xorbBytes));
  const answer = await cas.call('POST', `/v1/xorbs/default/${unknownHash}`, endless);
  assert.equal(answer.status, 400);
  assert.match(answer.text, /more than/);
});

test('a shard is registered only if every part of it is right', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const cas = await casCaller(hub, 'demo/b', 'write');
  const content = packContent(randomBytes(1, 400_000));
  await cas.call('POST', `/v1/xorbs/default/${content.xorbHash}`, content.xorbBytes);
  const [segment] = content.file.segments;
  assert.ok(segment);
  const change = (changes: Partial<ShardFile>): ShardFile => ({ ...content.file, ...changes });
  const shortHash = rangeHash(content.chunks.slice(0, 1).map((chunk) => chunk.hash));
  const firstChunk = { ...segment, chunkEnd: 1, unpackedBytes: content.chunks[0]?.sizeBytes ?? 0 };
  const cases: [string, ShardFile, RegExp][] = [
    [
      'unknown xorb',
      change({ segments: [{ ...segment, xorbHash: hashFromHex(unknownHash) }] }),
      /not uploaded/,
    ],
    [
      'beyond the end',
      change({ segments: [{ ...segment, chunkEnd: segment.chunkEnd + 1 }] }),
      /ends at chunk/,
    ],
    ['wrong length', change({ segments: [{ ...segment, unpackedBytes: 1 }] }), /its chunks have/],
    [
      'wrong verification',
      change({ verification: [hashFromHex(unknownHash)] }),
      /verification hash is wrong/,
    ],
    ['no verification', change({ verification: null }), /no verification/],
    ['wrong file hash', change({ hash: hashFromHex(unknownHash) }), /have the hash/],
    ['missing chunks', change({ segments: [firstChunk], verification: [shortHash] }), /have the hash/],
  ];
  for (const [what, file, reason] of cases) {
    const answer = await cas.call(
      'POST',
      '/v1/shards',
      writeShard({ files: [content.file, file], xorbs: [] }),
    );
    assert.equal(answer.status, 400, what);
    assert.match((answer.json as { error: string }).error, reason, what);
  }
  assert.equal(
    (await cas.get(`/v2/reconstructions/${content.fileHash}`)).status,
    404,
    'nothing was registered',
  );
  assert.equal((await cas.call('POST', '/v1/shards', Buffer.alloc(20))).status, 400);
  const described = { hash: hashFromHex(content.xorbHash), unpackedBytes: 1, storedBytes: 1, chunks: [] };
  const lying = await cas.call('POST', '/v1/shards', writeShard({ files: [], xorbs: [described] }));
  assert.equal(lying.status, 400);
});

test('the second shard protocol answers frames, errors included', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const cas = await casCaller(hub, 'demo/b', 'write');
  const content = packContent(randomBytes(1, 50_000));
  const shard = writeShard({ files: [content.file], xorbs: [] });
  const frames = async (): Promise<{ type: string }[]> => {
    const answer = await cas.call('POST', '/v2/shards', shard);
    assert.equal(answer.status, 200);
    return answer.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
  };
  assert.deepEqual(
    (await frames()).map((frame) => frame.type),
    ['error'],
  );
  await cas.call('POST', `/v1/xorbs/default/${content.xorbHash}`, content.xorbBytes);
  assert.deepEqual((await frames()).at(-1), { type: 'result', result: 1 });
  assert.deepEqual((await frames()).at(-1), { type: 'result', result: 0 });
  hub.faults.settings.shardsV2 = false;
  assert.equal((await cas.call('POST', '/v2/shards', shard)).status, 404);
});

test('a chunk query answers a shard that describes a xorb with that chunk', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const cas = await casCaller(hub, 'demo/b', 'write');
  const content = packContent(randomBytes(1, 500_000));
  await upload(cas, content);
  for (const prefix of ['default', 'default-merkledb']) {
    const chunk = content.chunks.at(-1);
    assert.ok(chunk);
    const answer = await cas.get(`/v1/chunks/${prefix}/${hashToHex(chunk.hash)}`);
    assert.equal(answer.status, 200);
    const shard = parseShard(answer.bytes);
    assert.deepEqual(shard.files, []);
    assert.deepEqual(
      shard.xorbs[0]?.chunks.map((entry) => entry.sizeBytes),
      content.chunks.map((entry) => entry.sizeBytes),
    );
    assert.ok((shard.footer?.keyExpiry ?? 0) > Date.now() / 1000);
  }
  assert.equal((await cas.get(`/v1/chunks/default/${unknownHash}`)).status, 404);
  hub.faults.settings.globalDedup = false;
  assert.equal((await cas.get(`/v1/chunks/default/${content.xorbHash}`)).status, 404);
});
