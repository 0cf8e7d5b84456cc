import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { HubError, emptyXetKey, type RemoteEntry, type RemoteStore } from '../../src/hub/remote-store.ts';
import { noiseBytes, textBytes } from '../xet/xet-samples.ts';
import {
  addFile,
  fetchRange,
  keyOf,
  newContent,
  putFile,
  startHubWorld,
  type HubWorld,
} from './hub-world.ts';

async function collect<T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> {
  const items: T[] = [];
  for await (const page of pages) items.push(...page);
  return items;
}

const names = (entries: readonly RemoteEntry[]): string[] => entries.map((entry) => entry.path).sort();

describe('a bucket', () => {
  let world: HubWorld;
  let store: RemoteStore;

  before(async () => {
    world = await startHubWorld();
    world.hub.content.createBucket('demo/files');
    store = await world.open('bucket/demo/files');
  });
  after(() => world.close());

  test('is resolved with its name, rights and identifier', () => {
    assert.deepEqual(
      { ...store.info, totalBytes: null },
      {
        kind: 'bucket',
        name: 'demo/files',
        revision: null,
        subfolder: '',
        identifier: 'bucket/demo/files',
        writable: true,
        private: false,
        totalBytes: null,
      },
    );
  });

  test('an uploaded file is listed and comes back byte for byte', async () => {
    const data = textBytes(3_000_000);
    const result = await putFile(store, 'notes/big.txt', data);
    assert.equal(result.content.key, keyOf(data));
    assert.ok(result.sentBytes < data.length * 0.7, 'text is sent compressed');
    const [entry] = await collect(store.list('notes'));
    assert.ok(entry?.type === 'file');
    assert.deepEqual(entry, {
      type: 'file',
      path: 'notes/big.txt',
      content: { key: keyOf(data), sizeBytes: data.length, path: 'notes/big.txt' },
      mtimeMs: 1_700_000_000_123,
    });
    assert.ok((await fetchRange(store, entry.content)).equals(data));
    assert.ok((await world.hub.content.readFile('demo/files', 'notes/big.txt'))?.equals(data));
  });

  test('any range of a file can be read by a store that never saw it', async () => {
    const data = noiseBytes(20_000_000, 11);
    const { content } = await putFile(store, 'noise.bin', data);
    const other = await world.open('bucket/demo/files');
    for (const [start, end] of [
      [0, 1],
      [19_999_999, 20_000_000],
      [12_345_678, 12_349_774],
      [8_388_607, 8_388_609],
      [1, 19_999_999],
    ] as const) {
      assert.ok(
        (await fetchRange(other, content, start, end)).equals(data.subarray(start, end)),
        `${start}-${end}`,
      );
    }
    assert.equal((await fetchRange(other, content, 5, 5)).length, 0);
    assert.ok((await fetchRange(other, content, 0, 99_000_000)).subarray(0, data.length).equals(data));
  });

  test('a small read moves a small amount', async () => {
    const data = noiseBytes(20_000_000, 12);
    const { content } = await putFile(store, 'noise2.bin', data);
    const other = await world.open('bucket/demo/files');
    world.hub.faults.resetCounters();
    await fetchRange(other, content, 10_000_000, 10_004_096);
    const moved = world.hub.faults.counters()['cas.xorb-data']?.responseBytes ?? 0;
    assert.ok(moved > 0 && moved <= 3 * 131_072, `${moved} bytes`);
  });

  test('a second upload of the same bytes sends no chunk', async () => {
    const data = noiseBytes(2_000_000, 13);
    await putFile(store, 'once.bin', data);
    const again = await store.upload(newContent(data));
    assert.equal(again.savedBytes, data.length);
    assert.ok(again.sentBytes < 10_000, `${again.sentBytes} bytes of shard`);
  });

  test('a store without chunk lists learns from the CAS what it has', async () => {
    const data = noiseBytes(2_000_000, 14);
    await putFile(store, 'global.bin', data);
    const other = await world.open('bucket/demo/files');
    const again = await other.upload(newContent(data));
    assert.equal(again.savedBytes, data.length);
  });

  test('equal chunks inside one file are sent once', async () => {
    const data = new Uint8Array(4_000_000).fill(7);
    const result = await store.upload(newContent(data));
    assert.equal(result.content.key, keyOf(data));
    assert.ok(result.sentBytes < 20_000);
    await addFile(store, 'sevens', result.content);
    assert.ok((await fetchRange(store, result.content)).equals(data));
  });

  test('the empty file needs no upload and no download', async () => {
    world.hub.faults.resetCounters();
    const { content } = await putFile(store, 'empty', new Uint8Array(0));
    assert.equal(content.key, emptyXetKey);
    await fetchRange(store, content);
    assert.equal(world.hub.faults.count('cas.*'), 0);
    const [entry] = await store.stat(['empty']);
    assert.equal(entry?.content.sizeBytes, 0);
  });

  test('odd names survive every call', async () => {
    const odd = [
      'a b',
      'a#1',
      '50%',
      'what?',
      '%2F',
      'ü',
      'u\u0308',
      '😀',
      "it's (1)!*",
      'a+b&c=d',
      '"q"',
      'x;y,z',
      '~',
    ];
    const { content } = await store.upload(newContent(Buffer.from('odd')));
    await store.commit(
      odd.map((name) => ({ type: 'add' as const, path: `odd ${name}/${name}`, content, mtimeMs: 1000 })),
    );
    for (const name of odd) {
      assert.deepEqual(names(await collect(store.list(`odd ${name}`))), [`odd ${name}/${name}`]);
    }
    const found = await store.stat(odd.map((name) => `odd ${name}/${name}`));
    assert.deepEqual(names(found), odd.map((name) => `odd ${name}/${name}`).sort());
  });

  test('a listing has one level, and no sibling whose name begins the same', async () => {
    const { content } = await store.upload(newContent(Buffer.from('x')));
    for (const path of ['logs/a', 'logs/sub/b', 'logs_old/c', 'logs#1']) await addFile(store, path, content);
    assert.deepEqual(names(await collect(store.list('logs'))), ['logs/a', 'logs/sub']);
    assert.deepEqual(names(await collect(store.listRecursive('logs'))), ['logs/a', 'logs/sub/b']);
    assert.deepEqual(await collect(store.list('no such folder')), []);
    assert.ok(names(await collect(store.list(''))).includes('logs_old'));
  });

  test('long listings come page by page, complete', async () => {
    world.hub.faults.settings.maxPageSize = 7;
    const { content } = await store.upload(newContent(Buffer.from('y')));
    const paths = Array.from({ length: 23 }, (_, i) => `many/f${String(i).padStart(2, '0')}`);
    await store.commit(paths.map((path) => ({ type: 'add' as const, path, content, mtimeMs: 1000 })));
    assert.deepEqual(names(await collect(store.list('many'))), paths);
    world.hub.faults.settings.maxPageSize = 10_000;
  });

  test('more than a thousand paths are looked up and committed in bounded requests', async () => {
    const { content } = await store.upload(newContent(Buffer.from('z')));
    const paths = Array.from({ length: 1500 }, (_, i) => `thousand/f${i}`);
    world.hub.faults.resetCounters();
    const results = await store.commit(
      paths.map((path) => ({ type: 'add' as const, path, content, mtimeMs: 1000 })),
    );
    assert.equal(results.length, 1500);
    assert.equal((await store.stat([...paths, 'missing'])).length, 1500);
    assert.equal(world.hub.faults.count('bucket.batch'), 2);
    assert.equal(world.hub.faults.count('bucket.paths-info'), 2);
  });

  test('a refused path is reported alone, the others are done', async () => {
    world.hub.faults.settings.failPaths = { 'bad/*': 'this path is poisoned' };
    const { content } = await store.upload(newContent(Buffer.from('w')));
    const results = await store.commit([
      { type: 'add', path: 'good/1', content, mtimeMs: 1000 },
      { type: 'add', path: 'bad/1', content, mtimeMs: 1000 },
      { type: 'delete', path: 'never/was' },
      { type: 'add', path: 'good/2', content, mtimeMs: 1000 },
    ]);
    world.hub.faults.settings.failPaths = {};
    assert.deepEqual([results[0]?.error, results[3]?.error], [null, null]);
    assert.match(results[1]?.error?.message ?? '', /poisoned/);
    assert.equal((await store.stat(['good/1', 'good/2', 'bad/1'])).length, 2);
  });

  test('operations on one path are applied in their order', async () => {
    const first = await store.upload(newContent(Buffer.from('first')));
    const second = await store.upload(newContent(Buffer.from('second')));
    await store.commit([
      { type: 'add', path: 'order', content: first.content, mtimeMs: 1000 },
      { type: 'delete', path: 'order' },
      { type: 'add', path: 'order', content: second.content, mtimeMs: 1000 },
    ]);
    assert.equal((await store.stat(['order']))[0]?.content.key, second.content.key);
  });

  test('the probe changes with every commit and only then', async () => {
    const token = await store.probe();
    assert.equal(await store.probe(), token);
    const { content } = await store.upload(newContent(Buffer.from('probe')));
    assert.equal(await store.probe(), token, 'an upload alone changes nothing');
    await addFile(store, 'probe', content);
    assert.notEqual(await store.probe(), token);
  });

  test('a mounted subfolder is the root of all paths', async () => {
    await putFile(store, 'top/inner/dir/file', Buffer.from('before'));
    const sub = await world.open('bucket/demo/files/top/inner');
    const { content } = await putFile(sub, 'dir/file', Buffer.from('inside'));
    assert.equal((await store.stat(['top/inner/dir/file']))[0]?.content.key, content.key);
    await addFile(store, 'top/outside', content);
    assert.deepEqual(names(await collect(sub.listRecursive(''))), ['dir/file']);
    assert.deepEqual(names(await collect(sub.list(''))), ['dir']);
    assert.equal((await sub.stat(['dir/file']))[0]?.path, 'dir/file');
  });

  test('events tell the changed paths, also those below a subfolder only', async () => {
    await putFile(store, 'events/before', Buffer.from('before'));
    const sub = await world.open('bucket/demo/files/events');
    const stop = new AbortController();
    const changes = sub.changes(stop.signal);
    assert.ok(changes !== null);
    const iterator = changes[Symbol.asyncIterator]();
    assert.deepEqual((await iterator.next()).value, { paths: [] }, 'the stream is there');
    const { content } = await store.upload(newContent(Buffer.from('event')));
    await addFile(store, 'elsewhere', content);
    await addFile(store, 'events/here', content);
    assert.deepEqual((await iterator.next()).value, { paths: ['here'] });
    stop.abort();
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next());
  });

  test('without the right to write it says so, and refuses uploads itself', async () => {
    const token = world.hub.addUser('guest');
    const guest = await world.open('bucket/demo/files', { token: () => Promise.resolve(token) });
    assert.equal(guest.info.writable, false);
    await assert.rejects(guest.upload(newContent(Buffer.from('no'))), (error) => {
      return error instanceof HubError && error.code === 'forbidden' && !error.retryable;
    });
    const anonymous = await world.open('bucket/demo/files', { token: () => Promise.resolve(null) });
    assert.equal(anonymous.info.writable, false);
    const [entry] = await anonymous.stat(['notes/big.txt']);
    assert.ok(
      entry !== undefined && (await fetchRange(anonymous, entry.content)).equals(textBytes(3_000_000)),
    );
  });

  test('an aborted fetch ends at once and leaves the others alone', async () => {
    const data = noiseBytes(9_000_000, 15);
    const { content } = await putFile(store, 'abort.bin', data);
    const other = await world.open('bucket/demo/files');
    const rule = world.hub.faults.add({ route: 'cas.xorb-data', stallAtByte: 100, count: 1 });
    const stop = new AbortController();
    const stalled = other.fetch(content, 0, 1000, () => undefined, { signal: stop.signal });
    const outcome = assert.rejects(stalled, (error) => error instanceof HubError && error.code === 'aborted');
    while (world.hub.faults.rules().some((each) => each.id === rule))
      await new Promise((resolve) => setImmediate(resolve));
    assert.ok(
      (await fetchRange(other, content, 5_000_000, 5_001_000)).equals(data.subarray(5_000_000, 5_001_000)),
    );
    stop.abort();
    await outcome;
  });

  test('worker threads give the same result as inline codecs', async () => {
    const threaded = await world.open('bucket/demo/files', { codecs: 'threads' });
    const data = Buffer.concat([textBytes(3_500_000, 21), noiseBytes(3_500_000, 21)]);
    const result = await threaded.upload(newContent(data));
    assert.equal(result.content.key, keyOf(data));
    assert.ok((await fetchRange(threaded, result.content)).equals(data));
    await threaded.close();
    await assert.rejects(threaded.upload(newContent(data)), HubError);
  });
});
