import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Bandwidth, createBandwidthAccount, setBandwidthLimits } from '../../src/hub/bandwidth.ts';
import { HttpClient } from '../../src/hub/http.ts';
import type { HubClock } from '../../src/hub/surroundings.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';

let clock: ManualClock;
let account: SharedArrayBuffer;
beforeEach(() => {
  clock = new ManualClock();
  clock.advance(10_000);
  account = createBandwidthAccount();
});

const nowUs = () => BigInt(Math.round(clock.monotonic() * 1000));
const kilobyte = 1000;

describe('the account', () => {
  test('without a limit nothing waits', () => {
    const bandwidth = new Bandwidth(account, nowUs);
    for (let turn = 0; turn < 100; turn += 1) assert.equal(bandwidth.reserve('up', 1e9), 0);
  });

  test('two users share one limit, and each direction has its own', () => {
    setBandwidthLimits(account, { up: 100 * kilobyte, down: 50 * kilobyte });
    const one = new Bandwidth(account, nowUs);
    const other = new Bandwidth(account, nowUs);
    assert.equal(one.reserve('up', 110 * kilobyte), 0);
    assert.equal(other.reserve('up', 1), 1000, '100 ms of unused time were made up for');
    assert.equal(other.reserve('down', 55 * kilobyte), 0);
    assert.equal(one.reserve('down', 1), 1000);
  });

  test('time in which nothing passed is made up for only a little', () => {
    setBandwidthLimits(account, { up: 100 * kilobyte, down: 0 });
    const bandwidth = new Bandwidth(account, nowUs);
    clock.advance(3600_000);
    assert.equal(bandwidth.reserve('up', 10 * kilobyte), 0);
    assert.equal(bandwidth.reserve('up', 100 * kilobyte), 0);
    assert.equal(bandwidth.reserve('up', 1), 1000);
  });

  test('another limit counts at once, also for who waits already', async () => {
    setBandwidthLimits(account, { up: 20 * kilobyte, down: 0 });
    const bandwidth = new Bandwidth(account, nowUs);
    bandwidth.reserve('up', 1000 * kilobyte);
    const delayMs = bandwidth.reserve('up', 1);
    assert.ok(delayMs > 40_000);
    let isOver = false;
    const noop = () => undefined;
    const waiting = bandwidth.wait('up', delayMs, clock, noop, () => false).then(() => (isOver = true));
    await clock.advanceAsync(5000);
    assert.equal(isOver, false);
    setBandwidthLimits(account, { up: 0, down: 0 });
    await clock.advanceAsync(500);
    await waiting;
    assert.equal(bandwidth.reserve('up', 1), 0);
  });

  test('is the same one in every thread', async () => {
    setBandwidthLimits(account, { up: 1 << 20, down: 0 });
    const address = new URL('../../src/hub/bandwidth.ts', import.meta.url).href;
    const script = `const { parentPort, workerData } = require('node:worker_threads');
      import(${JSON.stringify(address)}).then(({ Bandwidth }) => {
        new Bandwidth(workerData).reserve('up', 1 << 26);
        parentPort.postMessage('reserved');
      });`;
    const worker = new Worker(script, { eval: true, workerData: account });
    await once(worker, 'message');
    await worker.terminate();
    assert.ok(new Bandwidth(account).reserve('up', 1) > 30_000);
  });
});

describe('bodies over HTTP', () => {
  const size = 1000 * kilobyte;
  let server: http.Server;
  let url: string;
  let receivedBytes: number;
  /** Waits for the limit that are running. */
  let held: number;
  let client: HttpClient;

  beforeEach(async () => {
    receivedBytes = 0;
    held = 0;
    server = http.createServer((request, response) => {
      request.on('data', (bytes: Buffer) => (receivedBytes += bytes.length));
      request.on('end', () => response.end(request.method === 'GET' ? Buffer.alloc(size, 1) : 'ok'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const counting: HubClock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      schedule(delayMs, callback) {
        // The time limits of a request are longer.
        if (delayMs > 500) return clock.schedule(delayMs, callback);
        held += 1;
        const end = () => (held -= 1);
        const timer = clock.schedule(delayMs, () => {
          end();
          callback();
        });
        return { cancel: () => timer.cancel() };
      },
    };
    const bandwidth = new Bandwidth(account, nowUs);
    client = new HttpClient({ userAgent: 'test/1', clock: counting, bandwidth });
  });
  afterEach(async () => {
    client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Time passes only while the limit holds something back. Answers the milliseconds that passed. */
  async function timeOf(work: Promise<unknown>): Promise<number> {
    const startedAt = clock.monotonic();
    let isOver = false;
    const watched = work.finally(() => (isOver = true));
    watched.catch(() => undefined);
    while (!isOver) {
      if (held > 0) clock.advance(10);
      await settle(1);
    }
    await watched;
    return clock.monotonic() - startedAt;
  }

  const download = () => client.text({ method: 'GET', url, what: 'A download' }, size);
  const upload = () =>
    client.text({ method: 'POST', url, what: 'An upload', body: [Buffer.alloc(size, 2)] }, 10);

  test('pass at once without a limit', async () => {
    assert.equal(await timeOf(download()), 0);
    assert.equal(await timeOf(upload()), 0);
  });

  test('are received no faster than allowed, whole and unchanged', async () => {
    setBandwidthLimits(account, { up: 0, down: 100 * kilobyte });
    const work = download();
    const elapsedMs = await timeOf(work);
    // A piece passes when its turn begins, so the last one is not waited for; on a busy machine pieces are large.
    assert.ok(elapsedMs > 8000 && elapsedMs < 10_500, `${elapsedMs} ms`);
    assert.equal((await work).text, '\u0001'.repeat(size));
  });

  test('are sent no faster than allowed', async () => {
    setBandwidthLimits(account, { up: 100 * kilobyte, down: 0 });
    const elapsedMs = await timeOf(upload());
    assert.ok(elapsedMs > 9000 && elapsedMs < 10_500, `${elapsedMs} ms`);
    assert.equal(receivedBytes, size);
  });

  test('that wait their turn for long are not taken for stalled', async () => {
    setBandwidthLimits(account, { up: 20 * kilobyte, down: 20 * kilobyte });
    // Twenty pieces of 64 KiB before the own one are a minute; a stall is ten seconds.
    const elapsedMs = await timeOf(Promise.all(Array.from({ length: 8 }, download)));
    assert.ok(elapsedMs > 380_000, `${elapsedMs} ms`);
    assert.ok((await timeOf(Promise.all([upload(), upload()]))) > 95_000);
  });

  test('that are held back end at once when they are given up', async () => {
    setBandwidthLimits(account, { up: 20 * kilobyte, down: 20 * kilobyte });
    for (const method of ['GET', 'POST'] as const) {
      const abort = new AbortController();
      const body = method === 'POST' ? { body: [Buffer.alloc(size)] } : {};
      const work = client.text({ method, url, what: 'A transfer', signal: abort.signal, ...body }, size);
      while (held === 0) await settle(1);
      abort.abort();
      await assert.rejects(work, { code: 'aborted' });
      await clock.advanceAsync(600);
      assert.equal(held, 0);
    }
  });
});
