import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { HttpClient, type HttpClientOptions, type HttpRequest } from '../../src/hub/http.ts';
import { retryAfterMs } from '../../src/hub/hub-errors.ts';
import { HubError } from '../../src/hub/remote-store.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';

type Handler = (request: http.IncomingMessage, response: http.ServerResponse, count: number) => void;

describe('the HTTP client', () => {
  let server: http.Server;
  let client: HttpClient;
  let url: string;
  let handler: Handler;
  let requests: http.IncomingMessage[];
  let waits: number[];

  const json = (
    response: http.ServerResponse,
    status: number,
    value: unknown,
    headers: http.OutgoingHttpHeaders = {},
  ): void => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(JSON.stringify(value));
  };

  /** Sleeps pass at once and are recorded; timeouts of requests run on real time where given. */
  function start(options: Partial<HttpClientOptions> = {}): void {
    client = new HttpClient({
      userAgent: 'test/1',
      random: () => 1,
      clock: {
        now: () => 1_700_000_000_000,
        monotonic: () => performance.now(),
        schedule(delayMs, callback) {
          // Request limits are set in the tests to below 100 ms; anything longer is a wait before a retry.
          const isWait = delayMs > 100 && delayMs <= 30_000;
          if (isWait) waits.push(Math.round(delayMs));
          const timer = setTimeout(callback, isWait ? 0 : delayMs);
          timer.unref();
          return { cancel: () => clearTimeout(timer) };
        },
      },
      timeouts: { connectMs: 40_000, headersMs: 40_000, stallMs: 40_000 },
      ...options,
    });
  }

  const get = (extra: Partial<HttpRequest> = {}): Promise<unknown> =>
    client.json({ method: 'GET', url, what: 'Asking', ...extra }, 1000).then(({ value }) => value);

  async function failure(promise: Promise<unknown>): Promise<HubError> {
    try {
      await promise;
    } catch (error) {
      assert.ok(error instanceof HubError, String(error));
      return error;
    }
    throw new assert.AssertionError({ message: 'it did not fail' });
  }

  beforeEach(async () => {
    requests = [];
    waits = [];
    handler = (_, response) => json(response, 200, { ok: true });
    server = http.createServer((request, response) => {
      requests.push(request);
      handler(request, response, requests.length);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/path`;
    start();
  });

  afterEach(async () => {
    client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test('sends the token and the user agent, and keeps its connection', async () => {
    const authorization = {
      token: () => Promise.resolve('hf_secret'),
      refused: () => Promise.resolve(false),
    };
    await get({ authorization });
    await get({ authorization });
    assert.equal(requests[0]?.headers.authorization, 'Bearer hf_secret');
    assert.equal(requests[0]?.headers['user-agent'], 'test/1');
    assert.equal(requests[0]?.socket.remotePort, requests[1]?.socket.remotePort);
  });

  test('says status, code, text and request id of a refusal, and neither token nor URL', async () => {
    handler = (_, response) =>
      json(
        response,
        404,
        { error: 'no such thing' },
        { 'X-Error-Code': 'RepoNotFound', 'X-Request-Id': 'r-1' },
      );
    const authorization = {
      token: () => Promise.resolve('hf_secret'),
      refused: () => Promise.resolve(false),
    };
    const error = await failure(get({ authorization, url: `${url}?signature=abc` }));
    assert.deepEqual(
      [error.code, error.status, error.retryable, error.requestId],
      ['not-found', 404, false, 'r-1'],
    );
    assert.equal(error.message, 'Asking failed: HTTP 404, RepoNotFound, no such thing');
    assert.doesNotMatch(`${error.message} ${error.stack}`, /hf_secret|signature|127\.0/);
    assert.equal(requests.length, 1);
  });

  test('maps every status', async () => {
    const expected = [
      [400, 'invalid'],
      [401, 'unauthorized'],
      [403, 'forbidden'],
      [404, 'not-found'],
      [408, 'timeout'],
      [409, 'conflict'],
      [412, 'conflict'],
      [413, 'too-large'],
      [416, 'invalid'],
      [422, 'invalid'],
      [429, 'rate-limited'],
      [500, 'server'],
      [501, 'server'],
      [503, 'server'],
      [507, 'too-large'],
    ] as const;
    for (const [status, code] of expected) {
      handler = (_, response) => json(response, status, {});
      const error = await failure(get({ attempts: 1 }));
      assert.equal(error.code, code, `${status}`);
      assert.equal(
        error.retryable,
        ['timeout', 'rate-limited'].includes(code) || (status >= 500 && code === 'server' && status !== 501),
      );
    }
    handler = (_, response) => json(response, 403, {}, { 'X-Error-Code': 'GatedRepo' });
    assert.equal((await failure(get())).code, 'gated');
  });

  test('repeats after server errors with growing waits, then gives up', async () => {
    handler = (_, response, count) => json(response, count < 3 ? 503 : 200, { count });
    assert.deepEqual(await get(), { count: 3 });
    assert.deepEqual(waits, [300, 600]);
    handler = (_, response) => json(response, 500, {});
    requests = [];
    assert.equal((await failure(get())).code, 'server');
    assert.equal(requests.length, 5);
  });

  test('waits as long as a 429 asks, and all others to that host wait too', async () => {
    handler = (_, response, count) =>
      count === 1 ? json(response, 429, {}, { RateLimit: '"api";r=0;t=4' }) : json(response, 200, { count });
    assert.deepEqual(await get(), { count: 2 });
    assert.ok((waits[0] ?? 0) >= 4900 && (waits[0] ?? 0) <= 5000, String(waits));
  });

  test('a 429 that asks for long is told at once, and nothing is sent meanwhile', async () => {
    handler = (_, response) => json(response, 429, {}, { 'Retry-After': '120' });
    const error = await failure(get());
    assert.deepEqual([error.code, error.retryAfterMs], ['rate-limited', 120_000]);
    const second = await failure(get());
    assert.equal(second.code, 'rate-limited');
    assert.ok((second.retryAfterMs ?? 0) > 100_000);
    assert.equal(requests.length, 1);
  });

  test('reads waits from seconds, dates and RateLimit', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    assert.equal(retryAfterMs({ 'retry-after': '7' }, now), 7000);
    assert.equal(retryAfterMs({ 'retry-after': 'Thu, 01 Jan 2026 00:00:09 GMT' }, now), 9000);
    assert.equal(retryAfterMs({ ratelimit: '"api";r=0;t=55' }, now), 56_000);
    assert.equal(retryAfterMs({ 'retry-after': 'soon' }, now), null);
    assert.equal(retryAfterMs({}, now), null);
  });

  test('a refused token is asked for anew once', async () => {
    let token = 'hf_old';
    const refused: (string | null)[] = [];
    const authorization = {
      token: () => Promise.resolve(token),
      refused: (each: string | null) => {
        refused.push(each);
        token = 'hf_new';
        return Promise.resolve(true);
      },
    };
    handler = (request, response) =>
      json(response, request.headers.authorization === 'Bearer hf_new' ? 200 : 401, { ok: 1 });
    assert.deepEqual(await get({ authorization }), { ok: 1 });
    assert.deepEqual(refused, ['hf_old']);
    handler = (_, response) => json(response, 401, {});
    assert.equal((await failure(get({ authorization }))).code, 'unauthorized');
    assert.equal(refused.length, 2);
  });

  test('connections cut before, inside and instead of an answer are tried again', async () => {
    handler = (_, response, count) => {
      if (count === 1) response.socket?.destroy();
      else if (count === 2) {
        response.writeHead(200, { 'Content-Length': 100 });
        response.write('{"half":');
        setImmediate(() => response.socket?.destroy());
      } else json(response, 200, { count });
    };
    assert.deepEqual(await get(), { count: 3 });
  });

  test('a commit is not repeated when it may have happened', async () => {
    handler = (_, response) => void response.socket?.destroy();
    const error = await failure(get({ method: 'POST', body: [Buffer.from('x')], repeat: 'once' }));
    assert.equal(error.code, 'network');
    assert.equal(requests.length, 1);
  });

  test('a host that does not exist or does not listen is a network error that may pass', async () => {
    start({ retry: { attempts: 1 } });
    const error = await failure(get({ url: 'http://127.0.0.1:9/' }));
    assert.deepEqual([error.code, error.retryable], ['network', true]);
    assert.match(error.message, /nothing listens/);
    assert.ok(error.cause instanceof Error);
  });

  test('no answer in time is a timeout', async () => {
    handler = () => undefined;
    const error = await failure(get({ attempts: 1, timeouts: { headersMs: 30 } }));
    assert.deepEqual([error.code, error.retryable], ['timeout', true]);
  });

  test('a body that stalls is a timeout, one that trickles is not', async () => {
    handler = (_, response) => {
      response.writeHead(200);
      response.write('{');
    };
    assert.equal((await failure(get({ attempts: 1, timeouts: { stallMs: 30 } }))).code, 'timeout');
    handler = (_, response) => {
      response.writeHead(200);
      const pieces = '{"a":"slowly"}'.split('');
      const next = (): void => {
        const piece = pieces.shift();
        if (piece === undefined) return void response.end();
        response.write(piece);
        setTimeout(next, 5);
      };
      next();
    };
    assert.deepEqual(await get({ attempts: 1, timeouts: { stallMs: 60 } }), { a: 'slowly' });
  });

  test('with a clock that stands still nothing times out', async () => {
    const clock = new ManualClock();
    start({ clock, timeouts: { headersMs: 1000 } });
    let answer: (() => void) | null = null;
    handler = (_, response) => (answer = () => json(response, 200, { late: true }));
    const pending = get({ attempts: 1 });
    while (answer === null) await settle();
    clock.advance(999);
    (answer as () => void)();
    assert.deepEqual(await pending, { late: true });
    assert.equal(clock.pendingTimers, 0, 'no timer is left');
  });

  test('an abort ends a request at any stage', async () => {
    const stop = new AbortController();
    handler = () => stop.abort();
    assert.equal((await failure(get({ signal: stop.signal }))).code, 'aborted');
    assert.equal((await failure(get({ signal: stop.signal }))).code, 'aborted');
    const inBody = new AbortController();
    handler = (_, response) => {
      response.writeHead(200);
      response.write('{');
      setImmediate(() => inBody.abort());
    };
    assert.equal((await failure(get({ signal: inBody.signal }))).code, 'aborted');
    handler = (_, response) => json(response, 503, {});
    const inWait = new AbortController();
    start({ clock: new ManualClock() });
    const waiting = failure(get({ signal: inWait.signal }));
    while (requests.length < 3) await settle();
    await settle();
    inWait.abort();
    assert.equal((await waiting).code, 'aborted');
  });

  test('closing the client ends what is under way', async () => {
    handler = () => client.close();
    assert.equal((await failure(get())).code, 'aborted');
  });

  test('an answer longer than allowed, or no JSON, is not understood', async () => {
    handler = (_, response) => json(response, 200, 'x'.repeat(2000));
    assert.match((await failure(get({ attempts: 1 }))).message, /longer than 1000 bytes/);
    handler = (_, response) => response.end('<html>');
    assert.match((await failure(get({ attempts: 1 }))).message, /not JSON/);
  });

  test('follows redirects, and gives the token to no other host', async () => {
    const other = http.createServer((request, response) =>
      json(response, 200, { auth: request.headers.authorization ?? null }),
    );
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}/x`;
    const authorization = {
      token: () => Promise.resolve('hf_secret'),
      refused: () => Promise.resolve(false),
    };
    try {
      handler = (request, response) => {
        if (request.url === '/path') response.writeHead(307, { Location: '/moved' }).end();
        else if (request.url === '/moved') json(response, 200, { auth: request.headers.authorization });
      };
      assert.deepEqual(await get({ authorization }), { auth: 'Bearer hf_secret' });
      handler = (_, response) => void response.writeHead(302, { Location: elsewhere }).end();
      assert.deepEqual(await get({ authorization }), { auth: null });
      handler = (_, response) => void response.writeHead(302, { Location: '/path' }).end();
      assert.match((await failure(get({ attempts: 1 }))).message, /too many redirects/);
    } finally {
      other.closeAllConnections();
      await new Promise((resolve) => other.close(resolve));
    }
  });

  test('sends a large body whole, in order, with its length', async () => {
    const parts = [Buffer.alloc(700_000, 1), Buffer.alloc(1, 2), Buffer.alloc(900_000, 3)];
    handler = (request, response) => {
      const received: Buffer[] = [];
      request.on('data', (bytes: Buffer) => received.push(bytes));
      request.on('end', () =>
        json(response, 200, { same: Buffer.concat(received).equals(Buffer.concat(parts)) }),
      );
    };
    assert.deepEqual(await get({ method: 'POST', body: parts }), { same: true });
    assert.equal(requests[0]?.headers['content-length'], '1600001');
  });

  test('an early refusal of a large body is told as such', async () => {
    handler = (_, response) => json(response, 413, { error: 'too much' }, { Connection: 'close' });
    const error = await failure(get({ method: 'POST', body: [Buffer.alloc(50_000)] }));
    assert.equal(error.code, 'too-large');
  });

  test('a token that no header can carry is refused without being told', async () => {
    const authorization = {
      token: () => Promise.resolve('hf_secret\n'),
      refused: () => Promise.resolve(false),
    };
    const error = await failure(get({ authorization }));
    assert.deepEqual([error.code, error.retryable], ['invalid', false]);
    assert.match(error.message, /cannot be sent .*Authorization/);
    assert.doesNotMatch(error.message, /hf_secret/);
  });

  test('stops sending a body once there is an answer, and lets go of its memory', async () => {
    let received = 0;
    let ended: () => void = () => undefined;
    const end = new Promise<void>((resolve) => (ended = resolve));
    handler = (request, response) => {
      request.socket.once('close', () => ended());
      request.once('data', (bytes: Buffer) => {
        received += bytes.length;
        request.pause();
        json(response, 200, { ok: true });
      });
    };
    const body = new Uint8Array(64 * 1024 * 1024);
    const { value } = await client.json({ method: 'POST', url, what: 'Sending', body: [body] }, 1000);
    assert.deepEqual(value, { ok: true });
    await end;
    assert.ok(received < body.length);
  });
});
