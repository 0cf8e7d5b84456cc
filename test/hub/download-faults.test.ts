import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { HubError, type ContentRef, type RemoteStore } from '../../src/hub/remote-store.ts';
import type { FaultRule } from '../../src/hub-local/faults.ts';
import { noiseBytes, textBytes } from '../xet/xet-samples.ts';
import { addFile, fetchRange, hastyHttp, newContent, startHubWorld, type HubWorld } from './hub-world.ts';

/** Over two windows, so that downloads run side by side. */
const data = Buffer.concat([noiseBytes(8_000_000, 3), textBytes(6_000_000)]);

describe('downloads on threads, when the CAS misbehaves', () => {
  let world: HubWorld;
  let store: RemoteStore;
  let content: ContentRef;

  before(async () => {
    world = await startHubWorld();
    world.hub.content.createBucket('demo/downloads');
    // The chunk list is kept by who uploads: so every chunk can be checked.
    store = await world.open('bucket/demo/downloads', {
      codecs: 'threads',
      http: { ...hastyHttp, timeouts: { stallMs: 60 } },
    });
    content = (await store.upload(newContent(data))).content;
    await addFile(store, 'file', content);
  });
  afterEach(() => world.hub.faults.clear());
  after(() => world.close());

  const once: readonly [string, Omit<FaultRule, 'route'>][] = [
    ['server errors', { status: 500, count: 2 }],
    ['a rate limit', { status: 429, retryAfterSeconds: 0, count: 1 }],
    ['a connection cut before the answer', { drop: 'before-handling', count: 1 }],
    ['a connection cut inside the answer', { drop: 'mid-body', count: 1 }],
    ['an answer that is too short', { truncateAtByte: 100_000, count: 1 }],
    ['an answer that stalls', { stallAtByte: 100_000, count: 1 }],
    ['a chunk with a wrong byte', { corruptAtByte: 200_000, count: 1 }],
    ['a chunk with a wrong header', { corruptAtByte: 0, count: 1 }],
  ];
  for (const [name, fault] of once) {
    test(`a read survives ${name}`, async () => {
      world.hub.faults.add({ route: 'cas.xorb-data', ...fault });
      assert.ok((await fetchRange(store, content)).equals(data));
    });
  }

  test('refused addresses are asked for anew', async () => {
    assert.ok((await fetchRange(store, content)).equals(data));
    world.hub.faults.expireUrls();
    world.hub.faults.resetCounters();
    assert.ok((await fetchRange(store, content)).equals(data));
    assert.ok(world.hub.faults.count('cas.reconstruction-v2') > 0);
  });

  test('what stays wrong is an error, and no wrong byte is handed out', async () => {
    world.hub.faults.add({ route: 'cas.xorb-data', corruptAtByte: 200_000 });
    const seen: number[] = [];
    const reading = store.fetch(content, 0, data.length, (offset, bytes) => {
      if (Buffer.compare(bytes, data.subarray(offset, offset + bytes.length)) !== 0) seen.push(offset);
    });
    await assert.rejects(reading, (error) => error instanceof HubError && error.code === 'corrupt');
    assert.deepEqual(seen, []);
  });

  test('a read that is given up ends at once, also where the answer stalls', async () => {
    world.hub.faults.add({ route: 'cas.xorb-data', stallAtByte: 3_000_000 });
    const controller = new AbortController();
    const reading = store.fetch(content, 0, data.length, () => controller.abort(), {
      signal: controller.signal,
    });
    await assert.rejects(reading, (error) => error instanceof HubError && error.code === 'aborted');
  });

  test('a failure of the taker is passed on as it is, when it has settled', async () => {
    const failure = new Error('no room');
    let taking = 0;
    const reading = store.fetch(content, 0, data.length, async () => {
      taking += 1;
      await new Promise((resolve) => setImmediate(resolve));
      taking -= 1;
      throw failure;
    });
    await assert.rejects(reading, failure);
    assert.equal(taking, 0);
  });
});
