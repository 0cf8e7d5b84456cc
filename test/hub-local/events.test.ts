// The change feed of a bucket: what a follower is told, and how it goes on after a break.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { LocalHub } from '../../src/hub-local/local-hub.ts';
import { startLocalHub } from '../../src/hub-local/local-hub.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openHub, temporaryFolder } from '../support/local-hub.ts';

interface FeedEvent {
  readonly event: string;
  readonly data: { readonly cursor?: string; readonly reason?: string; readonly changes?: Change[] };
}

interface Change {
  readonly path: string;
  readonly op: string;
  readonly size?: number;
  readonly xetHash?: string;
}

class Feed {
  readonly status: number;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #abort: AbortController;
  #text = '';

  private constructor(
    status: number,
    reader: ReadableStreamDefaultReader<Uint8Array>,
    abort: AbortController,
  ) {
    this.status = status;
    this.#reader = reader;
    this.#abort = abort;
  }

  static async open(t: TestContext, hub: LocalHub, query = '', accept = 'text/event-stream'): Promise<Feed> {
    const abort = new AbortController();
    const response = await fetch(`${hub.endpoint}/api/buckets/demo/b/events${query}`, {
      headers: { Authorization: `Bearer ${hub.token}`, Accept: accept },
      signal: abort.signal,
    });
    assert.ok(response.body);
    const feed = new Feed(response.status, response.body.getReader(), abort);
    t.after(() => feed.close());
    return feed;
  }

  /** The next frame, comments too (as event ''); null at the end of the stream. */
  async next(): Promise<FeedEvent | null> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const frame = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        const event = /^event: (.*)$/m.exec(frame)?.[1] ?? '';
        return { event, data: JSON.parse(/^data: (.*)$/m.exec(frame)?.[1] ?? '{}') as FeedEvent['data'] };
      }
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#text += Buffer.from(value).toString('utf8');
    }
  }

  close(): void {
    this.#abort.abort();
  }
}

test('a follower is ready at once and is told every add, update and delete with its fields', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const feed = await Feed.open(t, hub);
  assert.deepEqual(await feed.next(), { event: 'ready', data: {} });
  const hash = await hub.content.putFile('demo/b', 'a.txt', 'hello');
  const added = await feed.next();
  assert.equal(added?.event, 'changes');
  assert.ok(added.data.cursor);
  const [change] = added.data.changes ?? [];
  assert.deepEqual(
    { path: change?.path, op: change?.op, size: change?.size, xetHash: change?.xetHash },
    { path: 'a.txt', op: 'add', size: 5, xetHash: hash },
  );
  await hub.content.putFile('demo/b', 'a.txt', 'hello');
  assert.equal((await feed.next())?.data.changes?.[0]?.op, 'update', 'same content, new time');
  await hub.content.putFile('demo/b', 'a.txt', 'other');
  assert.equal((await feed.next())?.data.changes?.[0]?.op, 'add', 'other content');
  hub.content.deleteFiles('demo/b', ['a.txt', 'never.txt']);
  assert.deepEqual((await feed.next())?.data.changes, [{ path: 'a.txt', op: 'delete' }]);
});

test('a cursor resumes right after its batch, even over a restart of the Hub', async (t) => {
  const dataDir = await temporaryFolder(t);
  const first = await startLocalHub({ dataDir });
  first.content.createBucket('demo/b');
  const feed = await Feed.open(t, first);
  await feed.next();
  await first.content.putFile('demo/b', 'one', '1');
  const cursor = (await feed.next())?.data.cursor ?? '';
  await first.content.putFile('demo/b', 'two', '2');
  await first.close();
  const second = await openHub(t, { dataDir });
  await second.content.putFile('demo/b', 'three', '3');
  const resumed = await Feed.open(t, second, `?cursor=${cursor}`);
  assert.deepEqual((await resumed.next())?.data.changes?.[0]?.path, 'two');
  const three = await resumed.next();
  assert.deepEqual(three?.data.changes?.[0]?.path, 'three');
  assert.deepEqual(await resumed.next(), { event: 'ready', data: { cursor: three?.data.cursor } });
});

test('an instant replays what came after it', async (t) => {
  const clock = new ManualClock();
  const hub = await openHub(t, { clock });
  hub.content.createBucket('demo/b');
  await hub.content.putFile('demo/b', 'before', '1');
  const since = new Date(clock.now()).toISOString();
  clock.advance(1000);
  await hub.content.putFile('demo/b', 'after', '2');
  const feed = await Feed.open(t, hub, `?since=${encodeURIComponent(since)}`);
  assert.equal((await feed.next())?.data.changes?.[0]?.path, 'after');
  assert.equal((await feed.next())?.event, 'ready');
});

test('a resume point older than the replay window is answered with reset and the end', async (t) => {
  const clock = new ManualClock();
  const hub = await openHub(t, { clock });
  hub.content.createBucket('demo/b');
  const live = await Feed.open(t, hub);
  await live.next();
  await hub.content.putFile('demo/b', 'one', '1');
  const cursor = (await live.next())?.data.cursor ?? '';
  const since = new Date(clock.now() - 1).toISOString();
  clock.advance(60_000);
  await hub.content.putFile('demo/b', 'two', '2');
  clock.advance(15 * 60_000 + 1);
  for (const query of [`?cursor=${cursor}`, `?since=${encodeURIComponent(since)}`]) {
    const feed = await Feed.open(t, hub, query);
    assert.deepEqual(await feed.next(), { event: 'reset', data: { reason: 'cursor_too_old' } }, query);
    assert.equal(await feed.next(), null, query);
  }
});

test('a quiet stream is kept alive by comments', async (t) => {
  const clock = new ManualClock();
  const hub = await openHub(t, { clock });
  hub.content.createBucket('demo/b');
  const feed = await Feed.open(t, hub);
  assert.equal((await feed.next())?.event, 'ready');
  clock.advance(30_000);
  assert.equal((await feed.next())?.event, '');
  clock.advance(30_000);
  assert.equal((await feed.next())?.event, '');
});

test('streams end when the bucket goes, when a test cuts them, and are refused when off or malformed', async (t) => {
  const hub = await openHub(t);
  hub.content.createBucket('demo/b');
  const cut = await Feed.open(t, hub);
  await cut.next();
  hub.faults.cutEvents();
  assert.equal(await cut.next(), null);
  const told = await Feed.open(t, hub);
  await told.next();
  hub.faults.cutEvents(true);
  assert.equal((await told.next())?.event, 'reconnect');
  assert.equal(await told.next(), null);
  assert.equal((await Feed.open(t, hub, '?cursor=bogus!')).status, 400);
  assert.equal((await Feed.open(t, hub, '', 'application/json')).status, 400);
  hub.faults.settings.events = false;
  assert.equal((await Feed.open(t, hub)).status, 404);
  hub.faults.settings.events = true;
  const last = await Feed.open(t, hub);
  await last.next();
  hub.content.remove('bucket', 'demo/b');
  assert.equal(await last.next(), null);
});
