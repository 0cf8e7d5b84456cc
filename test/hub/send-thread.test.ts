import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Bandwidth, createBandwidthAccount, setBandwidthLimits } from '../../src/hub/bandwidth.ts';
import { defaultTimeouts, type HttpTimeouts } from '../../src/hub/http-exchange.ts';
import { HttpClient, readBody, type HttpRequest } from '../../src/hub/http.ts';
import { HubError } from '../../src/hub/remote-store.ts';
import { answerLimitBytes } from '../../src/hub/send-messages.ts';
import { NoSendThread, SendThread, type SendThreadOptions } from '../../src/hub/send-thread.ts';
import { makeShared } from '../../src/hub/upload-buffers.ts';
import { noiseBytes } from '../xet/xet-samples.ts';
import { serveHttp, serveHttps, type Handler, type Served } from '../support/counting-server.ts';
import { ManualClock } from '../support/manual-clock.ts';

function serve(t: TestContext, handler: Handler): Promise<Served> {
  return serveHttp(t, '/xorb', handler);
}

/** Answers with how many of the bytes that it got are those of `expected`. */
function compares(expected: Uint8Array): Handler {
  return (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (bytes: Buffer) => parts.push(bytes));
    request.on('end', () => {
      const isSame = Buffer.concat(parts).equals(expected);
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ isSame }));
    });
  };
}

/** In shared memory, as xorbs are, and not from its start. */
function sharedNoise(sizeBytes: number): Uint8Array {
  const bytes = makeShared(sizeBytes + 3).subarray(3);
  bytes.set(noiseBytes(sizeBytes, 5));
  return bytes;
}

const body = sharedNoise(3_000_000);

function open(t: TestContext, options: Partial<SendThreadOptions> = {}): SendThread {
  const thread = new SendThread({ clock: new ManualClock(), bandwidth: null, ...options });
  t.after(() => thread.close());
  return thread;
}

function openClient(t: TestContext): HttpClient {
  const client = new HttpClient({
    userAgent: 'test/1',
    retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 2, maxAskedDelayMs: 50 },
  });
  t.after(() => client.close());
  return client;
}

interface Sending {
  readonly bytes?: Uint8Array;
  readonly signal?: AbortSignal;
  readonly timeouts?: Partial<HttpTimeouts>;
  readonly headers?: Record<string, string>;
}

async function send(thread: SendThread, url: string, options: Sending = {}): Promise<unknown> {
  const { bytes = body, signal, timeouts, headers = {} } = options;
  const request = {
    method: 'POST',
    url: new URL(url),
    what: 'Sending',
    headers,
    body: [bytes],
    signal,
  } as const;
  const answer = await thread.exchange(request, { ...defaultTimeouts, ...timeouts });
  const text = (await readBody(answer, answerLimitBytes, 'Sending')).toString();
  return answer.status === 200 ? (JSON.parse(text) as unknown) : [answer.status, text];
}

function sendWith(client: HttpClient, sender: SendThread, url: string, extra: Partial<HttpRequest> = {}) {
  return client.json({ method: 'POST', url, what: 'Sending', body: [body], sender, ...extra }, 1000);
}

async function failure(promise: Promise<unknown>): Promise<HubError> {
  const error: unknown = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof HubError, String(error));
  return error;
}

describe('a thread that sends', () => {
  test('brings bodies out of shared memory over one kept connection', async (t) => {
    const { url, connections } = await serve(t, compares(body));
    const thread = open(t);
    for (let i = 0; i < 3; i += 1) assert.deepEqual(await send(thread, url), { isSame: true });
    assert.equal(connections(), 1);
  });

  test('sends several at once, each to its own answer', async (t) => {
    const { url } = await serve(t, (request, response) => {
      let sizeBytes = 0;
      request.on('data', (bytes: Buffer) => (sizeBytes += bytes.length));
      request.on('end', () => response.end(JSON.stringify(sizeBytes)));
    });
    const thread = open(t);
    const sizes = [200_000, 1_000_000, 300_001, 2_999_999];
    const answers = await Promise.all(
      sizes.map((size) => send(thread, url, { bytes: body.subarray(0, size) })),
    );
    assert.deepEqual(answers, sizes);
  });

  test('encrypts bodies in shared memory, and refuses a server that nobody vouches for', async (t) => {
    const [key, cert] = ['key.pem', 'certificate.pem'].map((name) =>
      readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url)),
    );
    const start = () => serveHttps(t, '/xorb', https.createServer({ key, cert }, compares(body)));
    const refused = await start();
    assert.equal((await failure(send(open(t), refused.url))).code, 'network');
    const { url, connections } = await start();
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    t.after(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
    const thread = open(t);
    for (let i = 0; i < 5; i += 1) assert.deepEqual(await send(thread, url), { isSame: true });
    // An answer may overtake the word that the last bytes are gone; such a connection is not kept.
    assert.ok(connections() < 5);
  });

  test('tells every answer with its status and headers', async (t) => {
    let answer: (response: http.ServerResponse) => void = () => undefined;
    const { url } = await serve(t, (request, response) => {
      request.resume();
      request.on('end', () => answer(response));
    });
    const thread = open(t);
    answer = (response) => response.writeHead(418, { 'X-Request-Id': 'r-1' }).end('why');
    assert.deepEqual(await send(thread, url), [418, 'why']);
    answer = (response) => response.end('x'.repeat(2 * answerLimitBytes));
    assert.match((await failure(send(thread, url))).message, /longer than/);
    answer = (response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('{');
      setImmediate(() => response.socket?.destroy());
    };
    const cut = await failure(send(thread, url));
    assert.deepEqual([cut.code, cut.retryable], ['network', true]);
    assert.ok(cut.cause instanceof Error);
  });

  test('keeps the cause of what went wrong, and no token', async (t) => {
    const thread = open(t);
    const headers = { Authorization: 'Bearer hf_secret' };
    const refused = await failure(send(thread, 'http://127.0.0.1:9/', { headers }));
    assert.deepEqual([refused.code, refused.retryable], ['network', true]);
    assert.match(refused.message, /nothing listens/);
    assert.equal((refused.cause as NodeJS.ErrnoException).code, 'ECONNREFUSED');
    const unsendable = await failure(
      send(thread, 'http://127.0.0.1:9/', { headers: { Authorization: 'Bearer hf_secret\n' } }),
    );
    assert.deepEqual([unsendable.code, unsendable.retryable], ['invalid', false]);
    assert.doesNotMatch(`${unsendable.message} ${String(unsendable.cause)} ${refused.message}`, /hf_secret/);
  });

  test('notices a server that takes or answers nothing', async (t) => {
    const { url } = await serve(t, () => undefined);
    assert.equal((await failure(send(open(t), url, { timeouts: { headersMs: 30 } }))).code, 'timeout');
  });

  test('ends at once when the upload is given up', async (t) => {
    const closed = Promise.withResolvers<void>();
    const stop = new AbortController();
    const { url } = await serve(t, (request) => {
      request.socket.once('close', () => closed.resolve());
      request.once('data', () => stop.abort());
      request.on('error', () => undefined);
    });
    const thread = open(t);
    assert.equal((await failure(send(thread, url, { signal: stop.signal }))).code, 'aborted');
    await closed.promise;
    assert.equal((await failure(send(thread, url, { signal: stop.signal }))).code, 'aborted');
  });

  test('has let go of the body when there is an answer', async (t) => {
    const closed = Promise.withResolvers<void>();
    let receivedBytes = 0;
    let goOn: () => void = () => undefined;
    // Takes nothing more, so that the rest can only be given up.
    const server = net.createServer((socket) => {
      goOn = () => socket.resume();
      socket.on('error', () => undefined);
      socket.on('close', () => closed.resolve());
      socket.on('data', (bytes) => (receivedBytes += bytes.length));
      socket.once('data', () => {
        socket.pause();
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"early":true}');
      });
    });
    server.listen(0, 'localhost');
    await once(server, 'listening');
    t.after(() => server.close());
    const url = `http://localhost:${(server.address() as AddressInfo).port}/`;
    const large = sharedNoise(16 * 1024 * 1024);
    assert.deepEqual(await send(open(t), url, { bytes: large }), { early: true });
    goOn();
    await closed.promise;
    assert.ok(receivedBytes < large.length);
  });

  test('ends when idle and is started again', async (t) => {
    const clock = new ManualClock();
    const { url } = await serve(t, compares(body));
    const thread = open(t, { clock });
    thread.prepare(1000);
    assert.equal(thread.isRunning, false, 'little is not worth it');
    thread.prepare(10_000_000);
    assert.equal(thread.isRunning, true);
    await send(thread, url);
    assert.equal(clock.pendingTimers, 1);
    clock.advance(10_000);
    assert.equal(thread.isRunning, false);
    assert.deepEqual(await send(thread, url), { isSame: true });
    await thread.close();
    assert.equal(clock.pendingTimers, 0);
    await assert.rejects(send(thread, url), NoSendThread);
  });

  test('holds to a limit of the bandwidth, and goes on soon after it is lifted', async (t) => {
    const { url } = await serve(t, compares(body));
    const bandwidth = createBandwidthAccount();
    setBandwidthLimits(bandwidth, { up: 1000, down: 0 });
    const work = send(open(t, { bandwidth }), url);
    // At this rate it would take most of an hour.
    while (new Bandwidth(bandwidth).reserve('up', 1) < 1000) await turn();
    setBandwidthLimits(bandwidth, { up: 0, down: 0 });
    assert.deepEqual(await work, { isSame: true });
  });
});

describe('requests with a sender', () => {
  test('are repeated, authorized anew and led elsewhere as all others', async (t) => {
    const seen: (string | undefined)[] = [];
    const elsewhere = await serve(t, (request, response) => {
      seen.push(request.headers.authorization);
      compares(body)(request, response);
    });
    const { url } = await serve(t, (request, response) => {
      seen.push(request.headers.authorization);
      request.resume();
      request.on('end', () => {
        if (seen.length === 1) response.writeHead(503).end();
        else if (seen.length === 2) response.writeHead(429, { 'Retry-After': '0' }).end();
        else if (seen.length === 3) response.writeHead(401).end();
        else response.writeHead(307, { Location: elsewhere.url }).end();
      });
    });
    let token = 'one';
    const authorization = {
      token: () => Promise.resolve(token),
      refused: () => {
        token = 'two';
        return Promise.resolve(true);
      },
    };
    const { value } = await sendWith(openClient(t), open(t), url, { authorization, attempts: 5 });
    assert.deepEqual(value, { isSame: true });
    assert.deepEqual(seen, ['Bearer one', 'Bearer one', 'Bearer one', 'Bearer two', undefined]);
  });

  test('are sent without a thread where none can be started', async (t) => {
    const { url } = await serve(t, compares(body));
    // Refused at once, as when the system has no more threads for this process.
    const thread = open(t, { workerUrl: new URL('http://localhost/') });
    thread.prepare(10_000_000);
    assert.deepEqual((await sendWith(openClient(t), thread, url)).value, { isSame: true });
  });

  test('are sent without threads that die again and again', async (t) => {
    const { url } = await serve(t, compares(body));
    const starts = new Int32Array(new SharedArrayBuffer(4));
    const program = `
      import { workerData } from 'node:worker_threads';
      Atomics.add(new Int32Array(workerData.bandwidth), 0, 1);
      throw new Error('broken');`;
    const workerUrl = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    const thread = open(t, { workerUrl, bandwidth: starts.buffer });
    const client = openClient(t);
    for (let i = 0; i < 5; i += 1)
      assert.deepEqual((await sendWith(client, thread, url)).value, { isSame: true });
    assert.equal(starts[0], 3);
  });

  test('go without a thread where little is sent', async (t) => {
    const { url } = await serve(t, compares(body.subarray(0, 1000)));
    const thread = open(t);
    const { value } = await sendWith(openClient(t), thread, url, { body: [body.subarray(0, 1000)] });
    assert.deepEqual(value, { isSame: true });
    assert.equal(thread.isRunning, false);
  });

  test('end with their client', async (t) => {
    const client = openClient(t);
    const { url } = await serve(t, (request) => {
      request.on('error', () => undefined);
      request.once('data', () => client.close());
    });
    assert.equal((await failure(sendWith(client, open(t), url))).code, 'aborted');
  });
});
