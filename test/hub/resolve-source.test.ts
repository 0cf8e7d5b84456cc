import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { HubError, type HubErrorCode } from '../../src/hub/remote-store.ts';
import { parseSource } from '../../src/hub/source.ts';
import { openHubStore } from '../../src/hub/hub-store.ts';
import { fetchRange, hastyHttp, quietLog, startHubWorld, type HubWorld } from './hub-world.ts';
import { noiseBytes, textBytes } from '../xet/xet-samples.ts';

describe('opening a source', () => {
  let world: HubWorld;
  const readme = '# Hello\n';
  const weights = noiseBytes(300_000, 3);
  let firstCommit: string;

  before(async () => {
    world = await startHubWorld();
    const { content } = world.hub;
    content.createBucket('demo/private', { private: true });
    await content.putFile('demo/private', 'dir/file', 'x');
    content.createRepo('model', 'demo/model');
    firstCommit = await content.commitFiles('model', 'demo/model', 'main', [
      { path: 'README.md', data: readme },
      { path: 'sub/weights.bin', data: weights },
    ]);
    content.setRef('model', 'demo/model', 'refs/tags/v1', 'main');
    content.setRef('model', 'demo/model', 'refs/pr/1', 'main');
    await content.commitFiles('model', 'demo/model', 'main', [{ path: 'README.md', data: '# Changed\n' }]);
    content.createRepo('dataset', 'demo/gated', { gated: 'manual' });
    content.createRepo('space', 'demo/off');
    content.updateRepo('space', 'demo/off', { disabled: true });
  });
  after(() => world.close());

  async function refusal(
    source: string,
    code: HubErrorCode,
    words: RegExp,
    token: string | null,
    revision?: string,
  ): Promise<void> {
    await assert.rejects(
      world.open(source, {
        token: () => Promise.resolve(token),
        ...(revision === undefined ? {} : { revision }),
      }),
      (error) => {
        assert.ok(error instanceof HubError, String(error));
        assert.equal(error.code, code, error.message);
        assert.match(error.message, words);
        assert.equal(error.retryable, false);
        return true;
      },
    );
  }

  test('of the wrong kind says which kind it is', async () => {
    const { token } = world.hub;
    await refusal(
      'bucket/demo/model',
      'wrong-kind',
      /is a model, not a bucket. Use model\/demo\/model/,
      token,
    );
    await refusal('dataset/demo/model/sub', 'wrong-kind', /Use model\/demo\/model\/sub/, token);
    await refusal('model/demo/private', 'wrong-kind', /is a bucket/, token);
  });

  test('that is not there, or not visible, says so', async () => {
    await refusal('bucket/demo/nothing', 'not-found', /does not exist/, world.hub.token);
    await refusal('bucket/demo/nothing', 'unauthorized', /does not exist or is private.*HF_TOKEN/, null);
    await refusal('bucket/demo/private', 'unauthorized', /private/, null);
    await refusal('bucket/demo/private', 'not-found', /may not see it/, world.hub.addUser('stranger'));
    await refusal('model/demo/model', 'unauthorized', /token.*Sign in again/, 'hf_bad_token');
  });

  test('that is gated or disabled says so', async () => {
    await refusal('dataset/demo/gated', 'gated', /ask for access/, world.hub.addUser('stranger'));
    await refusal('space/demo/off', 'forbidden', /disabled/, world.hub.addUser('stranger'));
  });

  test('with a revision that is not there names those that are', async () => {
    await refusal('model/demo/model', 'not-found', /no revision "v9".*main.*v1/, world.hub.token, 'v9');
  });

  test('with a subfolder: must be there, and a folder; in a bucket it may be emptied later', async () => {
    const { token, content } = world.hub;
    await refusal('bucket/demo/private/not/yet', 'not-found', /no folder "not\/yet".*whole bucket/, token);
    await content.putFile('demo/private', 'not/yet/file', 'x');
    const opened = await world.open('bucket/demo/private/not/yet', { state: 'emptied' });
    assert.equal(opened.info.subfolder, 'not/yet');
    content.deleteFiles('demo/private', ['not/yet/file']);
    const again = await world.open('bucket/demo/private/not/yet', { state: 'emptied' });
    assert.deepEqual(again.info.subfolder, opened.info.subfolder, 'what is unsent there must still be sent');
    await refusal('bucket/demo/private/dir/file', 'invalid', /is a file/, token);
    await refusal('model/demo/model/none', 'not-found', /no folder "none"/, token);
    await refusal('model/demo/model/README.md', 'invalid', /is a file/, token);
  });

  test('a repo is read at its revision: branch, tag, commit or pull request', async () => {
    for (const revision of ['v1', firstCommit, 'refs/pr/1']) {
      const store = await world.open('model/demo/model', { revision });
      assert.equal(store.info.writable, false);
      assert.equal(store.info.identifier, `model/demo/model/${revision}`);
      const [file] = await store.stat(['README.md']);
      assert.ok(file !== undefined);
      assert.match(file.content.key, /^git:[0-9a-f]{40}$/);
      assert.equal((await fetchRange(store, file.content)).toString(), readme);
    }
    const main = await world.open('model/demo/model');
    assert.equal(main.info.identifier, 'model/demo/model/main');
    const [file] = await main.stat(['README.md']);
    assert.ok(file !== undefined);
    assert.equal((await fetchRange(main, file.content, 2, 9)).toString(), 'Changed');
  });

  test('a repo is listed with folders, Xet files read, and nothing can be written', async () => {
    const store = await world.open('model/demo/model/sub');
    const entries = [];
    for await (const page of store.list('')) entries.push(...page);
    const [file] = entries;
    assert.ok(entries.length === 1 && file?.type === 'file' && file.path === 'weights.bin');
    assert.ok((await fetchRange(store, file.content)).equals(weights));
    assert.ok(file.mtimeMs > 0);
    await assert.rejects(store.commit([{ type: 'delete', path: 'weights.bin' }]), /read-only/);
    assert.equal(store.changes(new AbortController().signal), null);
    for await (const page of store.list('no such folder')) assert.deepEqual(page, []);
  });

  test('a repo stays at one commit until it is probed', async () => {
    const { content } = world.hub;
    content.createRepo('dataset', 'demo/moving');
    await content.commitFiles('dataset', 'demo/moving', 'main', [{ path: 'a.txt', data: 'one' }]);
    const store = await world.open('dataset/demo/moving');
    const before = await store.probe();
    const [old] = await store.stat(['a.txt']);
    await content.commitFiles('dataset', 'demo/moving', 'main', [{ path: 'a.txt', data: 'three' }]);
    const [still] = await store.stat(['a.txt']);
    assert.equal(still?.content.key, old?.content.key);
    assert.ok(old !== undefined);
    assert.equal((await fetchRange(store, old.content)).toString(), 'one');
    assert.notEqual(await store.probe(), before);
    const [next] = await store.stat(['a.txt']);
    assert.ok(next !== undefined);
    assert.equal((await fetchRange(store, next.content)).toString(), 'three');
    assert.equal((await fetchRange(store, old.content)).toString(), 'one', 'an open file stays readable');
    const wrong = { ...old.content, key: `git:${'0'.repeat(40)}` };
    await assert.rejects(fetchRange(store, wrong), /another version/);
  });

  test('a large file outside Xet is read by ranges', async () => {
    const { content } = world.hub;
    content.createRepo('dataset', 'demo/plain');
    const text = textBytes(500_000);
    await content.commitFiles('dataset', 'demo/plain', 'main', [{ path: 'long.txt', data: text }]);
    const store = await world.open('dataset/demo/plain');
    const [file] = await store.stat(['long.txt']);
    assert.ok(file !== undefined);
    assert.ok((await fetchRange(store, file.content, 1000, 400_000)).equals(text.subarray(1000, 400_000)));
  });

  test('without the Hub a source that was opened before opens as it was', async () => {
    const options = {
      endpoint: 'http://127.0.0.1:9',
      token: () => Promise.resolve(null),
      source: parseSource('bucket/demo/private'),
      stateDir: `${world.directory}/remembered`,
      log: quietLog,
      userAgent: 'hubdrive-test',
      codecs: 'inline' as const,
      http: hastyHttp,
    };
    await assert.rejects(
      openHubStore(options),
      (error) => error instanceof HubError && error.code === 'network' && error.retryable,
    );
    const fault = { route: 'bucket.info', status: 503 };
    const first = await world.open('bucket/demo/private', { state: 'offline' });
    world.hub.faults.add(fault);
    const second = await world.open('bucket/demo/private', { state: 'offline' });
    assert.deepEqual(second.info, first.info);
    await assert.rejects(world.open('bucket/demo/private'), HubError);
    await assert.rejects(world.open('bucket/demo/private/dir', { state: 'offline' }), HubError);
    world.hub.faults.clear();
  });
});
