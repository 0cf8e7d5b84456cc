import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import {
  HubError,
  type ContentRef,
  type HubErrorCode,
  type RemoteStore,
} from '../../src/hub/remote-store.ts';
import type { FaultRule } from '../../src/hub-local/faults.ts';
import { noiseBytes } from '../xet/xet-samples.ts';
import {
  addFile,
  fetchRange,
  hastyHttp,
  keyOf,
  newContent,
  startHubWorld,
  type HubWorld,
} from './hub-world.ts';

const data = noiseBytes(3_000_000, 8);

describe('when the Hub or the network misbehaves', () => {
  let world: HubWorld;
  let store: RemoteStore;
  let content: ContentRef;

  before(async () => {
    world = await startHubWorld();
    world.hub.content.createBucket('demo/faults');
    store = await world.open('bucket/demo/faults', {
      http: { ...hastyHttp, timeouts: { stallMs: 60, headersMs: 2000 } },
    });
    content = (await store.upload(newContent(data))).content;
    await addFile(store, 'file', content);
  });
  afterEach(() => world.hub.faults.clear());
  after(() => world.close());

  /** A store that has neither plans nor chunk lists. */
  const fresh = (codecs: 'inline' | 'threads' = 'inline'): Promise<RemoteStore> =>
    world.open('bucket/demo/faults', {
      codecs,
      http: { ...hastyHttp, timeouts: { stallMs: 60, headersMs: 2000 } },
    });

  async function failsWith(promise: Promise<unknown>, code: HubErrorCode, retryable: boolean): Promise<void> {
    await assert.rejects(promise, (error) => {
      assert.ok(error instanceof HubError, String(error));
      assert.deepEqual([error.code, error.retryable], [code, retryable], error.message);
      assert.doesNotMatch(`${error.message}`, /hf_|sig=|http:/);
      return true;
    });
  }

  const once: readonly [string, Omit<FaultRule, 'route'>][] = [
    ['a server error', { status: 500, count: 2 }],
    ['a rate limit', { status: 429, retryAfterSeconds: 0, count: 1 }],
    ['a connection cut before the answer', { drop: 'before-handling', count: 1 }],
    ['a connection cut inside the answer', { drop: 'mid-body', count: 1 }],
  ];
  for (const [name, fault] of once) {
    test(`a read survives ${name} on every route`, async () => {
      for (const route of [
        'bucket.read-token',
        'cas.reconstruction-v2',
        'cas.xorb-data',
        'bucket.paths-info',
        'bucket.tree',
      ]) {
        const reader = await fresh();
        world.hub.faults.add({ route, ...fault });
        for await (const page of reader.list('')) assert.ok(page.length > 0);
        const [file] = await reader.stat(['file']);
        assert.ok(file !== undefined);
        assert.ok((await fetchRange(reader, file.content)).equals(data), route);
        world.hub.faults.clear();
        await reader.close();
      }
    });

    for (const codecs of ['inline', 'threads'] as const) {
      test(`an upload survives ${name} on every route (${codecs})`, async () => {
        let seed = 100;
        for (const route of [
          'bucket.write-token',
          'cas.xorb-upload',
          'cas.shard-upload',
          'cas.chunk-query',
        ]) {
          const writer = await fresh(codecs);
          world.hub.faults.add({ route, ...fault });
          const bytes = noiseBytes(400_000, (seed += 2));
          assert.equal((await writer.upload(newContent(bytes))).content.key, keyOf(bytes), route);
          world.hub.faults.clear();
          await writer.close();
        }
      });
    }
  }

  test('corrupted, truncated, stalled and cut data is fetched again, never delivered', async () => {
    for (const fault of [
      { corruptAtByte: 300_000 },
      { truncateAtByte: 1_000_000 },
      { stallAtByte: 700_000 },
      { drop: 'mid-body' as const },
    ]) {
      world.hub.faults.add({ route: 'cas.xorb-data', count: 1, ...fault });
      assert.ok((await fetchRange(store, content)).equals(data), JSON.stringify(fault));
    }
  });

  test('data that stays corrupted is an error, not wrong bytes', async () => {
    world.hub.faults.add({ route: 'cas.xorb-data', corruptAtByte: 300_000 });
    let wrong = false;
    const reading = store.fetch(content, 0, data.length, (offset, bytes) => {
      wrong ||= !Buffer.from(bytes).equals(data.subarray(offset, offset + bytes.length));
    });
    await failsWith(reading, 'corrupt', true);
    assert.equal(wrong, false);
  });

  test('a store that knows no chunk list notices at the end that a file is wrong', async () => {
    const reader = await fresh();
    world.hub.faults.add({ route: 'cas.xorb-data', corruptAtByte: 300_000 });
    await failsWith(
      reader.fetch(content, 0, data.length, () => undefined),
      'corrupt',
      false,
    );
    world.hub.faults.clear();
    assert.ok((await fetchRange(reader, content)).equals(data), 'and reads it right afterwards');
  });

  test('data that stays away is a timeout', async () => {
    world.hub.faults.add({ route: 'cas.xorb-data', stallAtByte: 10 });
    await failsWith(
      store.fetch(content, 0, 1000, () => undefined),
      'timeout',
      true,
    );
  });

  test('expired URLs are asked for anew', async () => {
    assert.equal((await fetchRange(store, content, 0, 5000)).length, 5000);
    world.hub.faults.expireUrls();
    world.hub.faults.resetCounters();
    assert.ok((await fetchRange(store, content, 0, 5000)).equals(data.subarray(0, 5000)));
    assert.equal(world.hub.faults.count('cas.reconstruction-v2'), 1);
    world.hub.faults.add({ route: 'cas.xorb-data', status: 403 });
    await failsWith(
      store.fetch(content, 0, 5000, () => undefined),
      'forbidden',
      false,
    );
  });

  test('expired tokens are asked for anew, once for all who wait', async () => {
    world.hub.faults.expireTokens();
    world.hub.faults.resetCounters();
    const starts = [0, 500_000, 1_000_000, 1_500_000, 2_000_000];
    await Promise.all(starts.map((start) => fetchRange(store, content, start, start + 77)));
    const asked = world.hub.faults.count('bucket.read-token');
    assert.ok(asked >= 1 && asked <= 2, `${asked} tokens`);
    const bytes = noiseBytes(100_000, 55);
    assert.equal((await store.upload(newContent(bytes))).content.key, keyOf(bytes));
  });

  test('a CAS with the first reconstruction API only is read all the same', async () => {
    world.hub.faults.settings.reconstructionV2 = false;
    const reader = await fresh();
    assert.ok((await fetchRange(reader, content)).equals(data));
    world.hub.faults.resetCounters();
    assert.ok((await fetchRange(reader, content, 10, 20)).equals(data.subarray(10, 20)));
    assert.equal(world.hub.faults.count('cas.reconstruction-v2'), 0, 'it remembers');
    world.hub.faults.settings.reconstructionV2 = true;
  });

  test('a plan that names several ranges of one URL is read range by range', async () => {
    world.hub.faults.settings.multiRange = true;
    const parts = [noiseBytes(300_000, 8), noiseBytes(200_000, 71), data.subarray(1_500_000, 1_900_000)];
    const mixed = Buffer.concat(parts);
    const reader = await fresh();
    const made = (await store.upload(newContent(mixed))).content;
    assert.ok((await fetchRange(reader, made)).equals(mixed));
    world.hub.faults.settings.multiRange = false;
  });

  test('a file that is not there is an error at once', async () => {
    const missing = { key: `xet:${'ab'.repeat(32)}`, sizeBytes: 100, path: 'x' };
    await failsWith(
      store.fetch(missing, 0, 100, () => undefined),
      'not-found',
      false,
    );
  });

  test('an upload that failed sends only the rest when it is repeated', async () => {
    const writer = await fresh();
    const bytes = noiseBytes(5_000_000, 91);
    world.hub.faults.add({ route: 'cas.shard-upload', status: 503 });
    await failsWith(writer.upload(newContent(bytes)), 'server', true);
    world.hub.faults.clear();
    const again = await writer.upload(newContent(bytes));
    assert.equal(again.content.key, keyOf(bytes));
    assert.ok(again.sentBytes < 20_000, `${again.sentBytes} sent`);
  });

  test('quota and size refusals are told and not repeated', async () => {
    world.hub.faults.add({ route: 'cas.xorb-upload', status: 413, message: 'quota exceeded' });
    world.hub.faults.resetCounters();
    await failsWith(store.upload(newContent(noiseBytes(100_000, 92))), 'too-large', false);
    assert.equal(world.hub.faults.count('cas.xorb-upload'), 1);
  });

  test('a commit whose answer was lost is not repeated blindly', async () => {
    world.hub.faults.resetCounters();
    world.hub.faults.add({ route: 'bucket.batch', drop: 'before-headers', count: 1 });
    await failsWith(store.commit([{ type: 'add', path: 'lost', content, mtimeMs: 1 }]), 'network', true);
    assert.equal(world.hub.faults.count('bucket.batch'), 1);
    assert.equal((await store.stat(['lost'])).length, 1, 'it had taken effect');
  });

  test('a read error of the source of an upload is passed on as it is', async () => {
    const broken = { ...newContent(data), read: () => Promise.reject(new RangeError('disk gone')) };
    await assert.rejects(
      store.upload(broken),
      (error) => error instanceof RangeError && error.message === 'disk gone',
    );
  });

  for (const codecs of ['inline', 'threads'] as const) {
    test(`an aborted upload ends, and nothing is left under way (${codecs})`, async () => {
      const writer = await fresh(codecs);
      world.hub.faults.add({ route: 'cas.xorb-upload', bytesPerSecond: 20_000 });
      const stop = new AbortController();
      const upload = writer.upload(newContent(noiseBytes(200_000, 93)), { signal: stop.signal });
      const outcome = failsWith(upload, 'aborted', true);
      setTimeout(() => stop.abort(), 20);
      await outcome;
      assert.equal((await writer.upload(newContent(Buffer.from('next')))).content.sizeBytes, 4);
      await writer.close();
    });
  }

  test('progress of an upload rises to the whole', async () => {
    const seen: number[] = [];
    const bytes = noiseBytes(2_500_000, 94);
    await store.upload(newContent(bytes), {
      onProgress: ({ doneBytes, totalBytes }) => {
        assert.equal(totalBytes, bytes.length);
        seen.push(doneBytes);
      },
    });
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
    assert.equal(seen.at(-1), bytes.length);
  });

  test('what a sink throws ends the fetch and comes through unchanged', async () => {
    const full = new Error('disk full');
    await assert.rejects(
      store.fetch(content, 0, data.length, () => {
        throw full;
      }),
      (error) => error === full,
    );
  });
});
