import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { SseParser, followBucket } from '../../src/hub/bucket-events.ts';
import { HttpClient } from '../../src/hub/http.ts';
import { HubError, type RemoteChange } from '../../src/hub/remote-store.ts';

describe('server-sent events', () => {
  test('are put together whatever the pieces, with comments left out', () => {
    const text =
      ': hello\nevent: changes\ndata: {"a":\ndata: 1}\n\n: ping\r\n\r\nevent: ready\r\ndata: {}\r\n\r\ndata:x\n\n';
    for (const size of [1, 3, 1000]) {
      const parser = new SseParser();
      const events: unknown[] = [];
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += size)
        parser.push(bytes.subarray(at, at + size), (event) => events.push(event));
      assert.deepEqual(
        events,
        [
          { event: 'changes', data: '{"a":\n1}' },
          { event: 'ready', data: '{}' },
          { event: '', data: 'x' },
        ],
        `pieces of ${size}`,
      );
    }
  });

  test('that never end are not kept', () => {
    const parser = new SseParser();
    const events: string[] = [];
    const piece = Buffer.from(`data: ${'x'.repeat(100_000)}\n`);
    for (let i = 0; i < 100; i += 1) parser.push(piece, (event) => events.push(event.event));
    parser.push(Buffer.from('\n'), (event) => events.push(event.event));
    assert.deepEqual(events, ['overrun']);
  });
});

describe('following a bucket', () => {
  /** Serves the scripts one connection after the other and records their queries. */
  async function follow(
    scripts: readonly { status?: number; body?: string }[],
    take: number,
  ): Promise<{ changes: RemoteChange[]; queries: string[]; error: unknown; lives: number }> {
    const queries: string[] = [];
    const server = http.createServer((request, response) => {
      const script = scripts[Math.min(queries.length, scripts.length - 1)];
      queries.push((request.url ?? '').split('?')[1] ?? '');
      response.writeHead(script?.status ?? 200, { 'Content-Type': 'text/event-stream' });
      response.end(script?.body ?? '');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = new HttpClient({
      userAgent: 'test',
      clock: {
        now: () => Date.now(),
        monotonic: () => performance.now(),
        schedule(delayMs, callback) {
          const timer = setTimeout(
            callback,
            delayMs <= 60_000 && delayMs !== 30_000 && delayMs !== 10_000 ? 0 : delayMs,
          );
          timer.unref();
          return { cancel: () => clearTimeout(timer) };
        },
      },
    });
    const stop = new AbortController();
    const changes: RemoteChange[] = [];
    let error: unknown = null;
    let lives = 0;
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
      const authorization = { token: () => Promise.resolve(null), refused: () => Promise.resolve(false) };
      for await (const change of followBucket({ http: client, url, authorization, signal: stop.signal })) {
        if (change.paths?.length === 0) lives += 1;
        else changes.push(change);
        if (changes.length === take) stop.abort();
      }
    } catch (cause) {
      error = cause;
    } finally {
      client.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    return { changes, queries, error, lives };
  }

  const changed = (cursor: string, ...paths: string[]): string =>
    `event: changes\ndata: ${JSON.stringify({ cursor, changes: paths.map((path) => ({ type: 'put', path })) })}\n\n`;

  test('gives the paths, and resumes at the last cursor after a loss', async () => {
    const result = await follow(
      [
        { body: 'event: ready\ndata: {"cursor":"c1"}\n\n' + changed('c2', 'a/b', 'c') },
        { status: 503 },
        { body: changed('c3', 'd') },
      ],
      2,
    );
    assert.deepEqual(result.changes, [{ paths: ['a/b', 'c'] }, { paths: ['d'] }]);
    assert.deepEqual(result.queries.slice(0, 3), ['', 'cursor=c2', 'cursor=c2']);
    assert.equal(result.lives, 2, 'each stream that came to life said so');
    assert.equal(result.error, null);
  });

  test('looks at everything after a reset, an unreadable event, or a loss without a cursor', async () => {
    const reset = await follow(
      [{ body: 'event: reset\ndata: {"reason":"cursor_too_old"}\n\n' }, { body: changed('c', 'x') }],
      2,
    );
    assert.deepEqual(reset.changes[0], { paths: null });
    assert.equal(reset.queries[1], '');
    const unreadable = await follow([{ body: 'event: changes\ndata: {"changes":[{"path":7}]}\n\n' }], 1);
    assert.deepEqual(unreadable.changes, [{ paths: null }]);
  });

  test('ends with an error where connections bring nothing, so that the caller polls', async () => {
    for (const script of [{ status: 503 }, { body: '' }, { body: ': only comments\n\n' }]) {
      const result = await follow([script], 1);
      assert.deepEqual(result.changes, []);
      assert.equal(result.lives, 0);
      assert.equal(result.queries.length, 2);
      assert.ok(result.error instanceof HubError && result.error.code === 'server');
    }
  });

  test('ends with an error where the Hub has no feed, so that the caller polls', async () => {
    const result = await follow([{ status: 404 }], 1);
    assert.deepEqual(result.changes, []);
    assert.ok(result.error instanceof HubError && result.error.code === 'not-found');
  });
});
