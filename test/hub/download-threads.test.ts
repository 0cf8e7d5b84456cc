import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type http from 'node:http';
import https from 'node:https';
import { describe, test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Bandwidth, createBandwidthAccount, setBandwidthLimits } from '../../src/hub/bandwidth.ts';
import type { DownloadOrder } from '../../src/hub/download-messages.ts';
import {
  DownloadThreads,
  UnsuitableDownload,
  type ChunksTaker,
  type DownloadThreadsOptions,
} from '../../src/hub/download-threads.ts';
import { defaultTimeouts } from '../../src/hub/http-exchange.ts';
import { HubError } from '../../src/hub/remote-store.ts';
import { packContent } from '../support/local-hub.ts';
import { serveHttp, serveHttps, type Handler, type Served } from '../support/counting-server.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { noiseBytes, textBytes } from '../xet/xet-samples.ts';

const content = packContent(Buffer.concat([textBytes(700_000), noiseBytes(2_300_000)]));

/** Answers with the whole xorb, in pieces that fit no border of anything. */
const wholeXorb: Handler = (_, response) => {
  const { xorbBytes } = content;
  response.writeHead(206, {
    'Content-Range': `bytes 0-${xorbBytes.length - 1}/${xorbBytes.length}`,
    'Content-Length': xorbBytes.length,
  });
  for (let at = 0, size = 1; at < xorbBytes.length; at += size, size = (size * 7 + 3) % 99_991) {
    response.write(xorbBytes.subarray(at, at + size));
  }
  response.end();
};

function serve(t: TestContext, handler: Handler): Promise<Served> {
  return serveHttp(t, '/xorb?sig=1', handler);
}

function openThreads(t: TestContext, options: Partial<DownloadThreadsOptions> = {}): DownloadThreads {
  const clock = new ManualClock();
  const threads = new DownloadThreads({
    maxThreads: 1,
    clock,
    userAgent: 'test',
    bandwidth: null,
    ...options,
  });
  t.after(() => threads.close());
  return threads;
}

function orderOf(url: string, timeouts: Partial<DownloadOrder['timeouts']> = {}): DownloadOrder {
  return {
    url,
    byteStart: 0,
    byteEnd: content.xorbBytes.length,
    timeouts: { ...defaultTimeouts, ...timeouts },
    urgent: false,
  };
}

async function download(threads: DownloadThreads, url: string, signal?: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  const hashes: string[] = [];
  await threads.run('Downloading', orderOf(url), signal, (chunks) => {
    parts.push(Buffer.from(chunks.plain));
    for (let i = 0; i < chunks.sizes.length; i += 1) {
      hashes.push(Buffer.from(chunks.hashes.subarray(i * 32, i * 32 + 32)).toString('hex'));
    }
  });
  assert.deepEqual(
    hashes,
    content.chunks.map((chunk) => Buffer.from(chunk.hash).toString('hex')),
  );
  return Buffer.concat(parts);
}

async function failsWith(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => error instanceof HubError && error.code === code);
}

describe('downloads on threads', () => {
  test('give the chunks in order with their hashes, over one kept connection', async (t) => {
    const { url, connections } = await serve(t, wholeXorb);
    const threads = openThreads(t);
    for (let i = 0; i < 3; i += 1) assert.ok((await download(threads, url)).equals(content.data));
    assert.equal(connections(), 1);
  });

  test('ask for exactly the range, without a token', async (t) => {
    let seen: http.IncomingHttpHeaders = {};
    const { url } = await serve(t, (request, response) => {
      seen = request.headers;
      wholeXorb(request, response);
    });
    await download(openThreads(t), url);
    assert.equal(seen.range, `bytes=0-${content.xorbBytes.length - 1}`);
    assert.equal(seen['user-agent'], 'test');
    assert.equal(seen.authorization, undefined);
  });

  test('go on over a new connection where the server closed the kept ones', async (t) => {
    const { url, connections } = await serve(t, (request, response) => {
      response.on('finish', () => setImmediate(() => request.socket.destroy()));
      wholeXorb(request, response);
    });
    const threads = openThreads(t);
    for (let i = 0; i < 5; i += 1) assert.ok((await download(threads, url)).equals(content.data));
    assert.equal(connections(), 5);
  });

  test('tell what went wrong, and serve the next download', async (t) => {
    let handler: Handler = wholeXorb;
    const { url } = await serve(t, (request, response) => handler(request, response));
    const threads = openThreads(t);
    const fails = async (broken: Handler, code: string): Promise<void> => {
      handler = broken;
      await failsWith(download(threads, url), code);
      handler = wholeXorb;
      assert.ok((await download(threads, url)).equals(content.data), code);
    };
    await fails(
      (_, response) => response.writeHead(403, { 'Content-Length': 7 }).end('expired'),
      'forbidden',
    );
    await fails((_, response) => response.writeHead(503, { 'Content-Length': 0 }).end(), 'server');
    await fails((request) => request.socket.destroy(), 'network');
    await fails((request, response) => {
      response.writeHead(206, {
        'Content-Range': `bytes 0-${content.xorbBytes.length - 1}/9999999`,
        'Content-Length': content.xorbBytes.length,
      });
      response.write(content.xorbBytes.subarray(0, 500_000), () => request.socket.destroy());
    }, 'network');
    await fails((_, response) => {
      response.writeHead(206, { 'Content-Range': 'bytes 5-9/10', 'Content-Length': 5 }).end('abcde');
    }, 'server');
    await fails((request, response) => {
      const end = response.end.bind(response);
      const wrong = Buffer.from(content.xorbBytes);
      wrong[0] = 9;
      response.writeHead(206, {
        'Content-Range': `bytes 0-${wrong.length - 1}/${wrong.length}`,
        'Content-Length': wrong.length,
      });
      end(wrong);
      void request;
    }, 'corrupt');
  });

  test('tell a stalled answer from a slow taker', async (t) => {
    let stalls = true;
    const { url } = await serve(t, (request, response) => {
      if (!stalls) return wholeXorb(request, response);
      response.writeHead(206, {
        'Content-Range': `bytes 0-${content.xorbBytes.length - 1}/${content.xorbBytes.length}`,
        'Content-Length': content.xorbBytes.length,
      });
      response.write(content.xorbBytes.subarray(0, 100_000));
    });
    const threads = openThreads(t);
    await failsWith(
      threads.run('Downloading', orderOf(url, { stallMs: 50 }), undefined, () => undefined),
      'timeout',
    );
    stalls = false;
    assert.ok((await download(threads, url)).equals(content.data));
  });

  test('leave what they do not understand to the general client', async (t) => {
    for (const odd of [
      ((_, response) =>
        response.writeHead(302, { Location: '/elsewhere', 'Content-Length': 0 }).end()) as Handler,
      ((_, response) => response.writeHead(206).end('chunked')) as Handler,
      ((request) => request.socket.end('ICY 200 OK\r\n\r\n')) as Handler,
    ]) {
      const { url } = await serve(t, odd);
      await assert.rejects(download(openThreads(t), url), UnsuitableDownload);
    }
  });

  test('end at once when they are given up, and when the taker fails', async (t) => {
    const { url } = await serve(t, wholeXorb);
    const threads = openThreads(t);
    const controller = new AbortController();
    const order = orderOf(url);
    await failsWith(
      threads.run('Downloading', order, controller.signal, () => controller.abort()),
      'aborted',
    );
    await failsWith(download(threads, url, controller.signal), 'aborted');
    const failure = new Error('no');
    const throws: ChunksTaker = () => {
      throw failure;
    };
    await assert.rejects(threads.run('Downloading', order, undefined, throws), failure);
    await assert.rejects(
      threads.run('Downloading', order, undefined, () => Promise.reject(failure)),
      failure,
    );
    assert.ok((await download(threads, url)).equals(content.data));
  });

  test('hold a bounded number of bytes for a slow taker', async (t) => {
    const { url } = await serve(t, wholeXorb);
    const threads = openThreads(t);
    const release = Promise.withResolvers<void>();
    let heldBytes = 0;
    const runs = Array.from({ length: 12 }, () =>
      threads.run('Downloading', orderOf(url), undefined, async (chunks) => {
        heldBytes += chunks.plain.length;
        const before = Buffer.from(chunks.plain);
        await release.promise;
        assert.ok(before.equals(chunks.plain), 'borrowed bytes stay');
      }),
    );
    for (let last = -1; last !== heldBytes || heldBytes === 0;) {
      last = heldBytes;
      for (let i = 0; i < 2000; i += 1) await turn();
    }
    assert.ok(heldBytes <= 12 * 1024 * 1024, `${heldBytes} bytes are held`);
    release.resolve();
    await Promise.all(runs);
    assert.equal(heldBytes, 12 * content.data.length);
  });

  test('end their thread when idle and start it again', async (t) => {
    const clock = new ManualClock();
    const { url } = await serve(t, wholeXorb);
    const threads = openThreads(t, { clock });
    await download(threads, url);
    assert.equal(clock.pendingTimers, 1);
    clock.advance(10_000);
    while (threads.isWarm) await turn();
    assert.equal(clock.pendingTimers, 0);
    assert.ok((await download(threads, url)).equals(content.data));
    await threads.close();
    assert.equal(clock.pendingTimers, 0);
  });

  test('work over TLS, and refuse a server that nobody vouches for', async (t) => {
    const [key, cert] = ['key.pem', 'certificate.pem'].map((name) =>
      readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url)),
    );
    const start = () => serveHttps(t, '/xorb?sig=1', https.createServer({ key, cert }, wholeXorb));
    const refused = await start();
    await failsWith(download(openThreads(t), refused.url), 'network');
    const { url, connections } = await start();
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    t.after(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
    const threads = openThreads(t);
    for (let i = 0; i < 2; i += 1) assert.ok((await download(threads, url)).equals(content.data));
    assert.equal(connections(), 1);
  });

  test('are left to the general client where no thread can be started', async (t) => {
    const { url } = await serve(t, wholeXorb);
    // Refused at once, as when the system has no more threads for this process.
    const threads = openThreads(t, { workerUrl: new URL('http://localhost/') });
    threads.prepare();
    for (let i = 0; i < 5; i += 1) await assert.rejects(download(threads, url), UnsuitableDownload);
  });

  test('go on soon after a limit of the bandwidth is lifted', async (t) => {
    const { url } = await serve(t, wholeXorb);
    const bandwidth = createBandwidthAccount();
    setBandwidthLimits(bandwidth, { up: 0, down: 1000 });
    const work = download(openThreads(t, { bandwidth }), url);
    // At this rate it would take most of an hour.
    while (new Bandwidth(bandwidth).reserve('down', 1) < 60_000) await turn();
    setBandwidthLimits(bandwidth, { up: 0, down: 0 });
    assert.ok((await work).equals(content.data));
  });

  test('give up threads that die again and again', async (t) => {
    const { url } = await serve(t, wholeXorb);
    const starts = new Int32Array(new SharedArrayBuffer(4));
    const program = `
      import { workerData } from 'node:worker_threads';
      Atomics.add(new Int32Array(workerData.bandwidth), 0, 1);
      throw new Error('broken');`;
    const workerUrl = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    const threads = openThreads(t, { workerUrl, bandwidth: starts.buffer });
    for (let i = 0; i < 5; i += 1) await assert.rejects(download(threads, url), UnsuitableDownload);
    assert.equal(starts[0], 3);
  });
});
