// Thread of the download pool: fetches ranges of xorbs over its own kept-alive connections, decodes and hashes them. Started by
// `download-threads.ts` only.

import { parentPort, workerData } from 'node:worker_threads';
import { Bandwidth } from './bandwidth.ts';
import { DecodeBlocks } from './decode-blocks.ts';
import type {
  DownloadFailure,
  DownloadOrder,
  DownloadReply,
  DownloadRequest,
  DownloadWorkerData,
} from './download-messages.ts';
import { RangeConnection } from './range-connection.ts';
import { RangeDownload } from './range-download.ts';

/** Idle connections that are kept of each origin. */
const maxIdle = 16;
/** How long decoded chunks may wait for others before they are handed out. */
const batchDelayMs = 8;
/** How often the time without progress is looked at. */
const watchEveryMs = 500;

// Handed over by DownloadThreads of the same build.
const { userAgent, bandwidth: account } = workerData as DownloadWorkerData;
const port = parentPort;
const bandwidth = account === null ? null : new Bandwidth(account);
const idle = new Map<string, RangeConnection[]>();
const jobs = new Map<number, Job>();
const pending = new Set<RangeDownload>();
let flushTimer: NodeJS.Timeout | null = null;
let flushSoon = false;
let watchTimer: NodeJS.Timeout | null = null;

interface Job {
  readonly order: DownloadOrder;
  readonly download: RangeDownload;
  connection: RangeConnection;
  isReused: boolean;
  progressAtMs: number;
}

const blocks = new DecodeBlocks();

function post(reply: DownloadReply, transfer: readonly ArrayBuffer[] = []): void {
  port?.postMessage(reply, transfer);
}

function flushAll(): void {
  flushSoon = false;
  if (flushTimer !== null) clearTimeout(flushTimer);
  flushTimer = null;
  for (const download of pending) download.flush();
  pending.clear();
}

function notePending(download: RangeDownload, urgent: boolean): void {
  pending.add(download);
  if (urgent && !flushSoon) {
    flushSoon = true;
    setImmediate(flushAll);
  } else flushTimer ??= setTimeout(flushAll, batchDelayMs);
}

function connect(url: URL): { connection: RangeConnection; isReused: boolean } {
  const kept = idle.get(url.origin);
  const known = kept?.pop();
  if (known !== undefined) return { connection: known, isReused: true };
  const connection = new RangeConnection(
    url,
    (free) => {
      const list = idle.get(url.origin) ?? [];
      idle.set(url.origin, list);
      if (list.length < maxIdle) list.push(free);
      else free.close();
    },
    (closed) => {
      const list = idle.get(url.origin) ?? [];
      const index = list.indexOf(closed);
      if (index !== -1) list.splice(index, 1);
    },
  );
  return { connection, isReused: false };
}

function requestHead(url: URL, order: DownloadOrder): string {
  return (
    `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nUser-Agent: ${userAgent}\r\nAccept: */*\r\n` +
    `Range: bytes=${order.byteStart}-${order.byteEnd - 1}\r\nConnection: keep-alive\r\n\r\n`
  );
}

function start(number: number, order: DownloadOrder): void {
  const url = new URL(order.url);
  let limit = 0;
  const download: RangeDownload = new RangeDownload(order, blocks, {
    onBatch: (batch) => post({ type: 'batch', job: number, batch }, [batch.block]),
    onPending: () => notePending(download, order.urgent),
    onReceived: (bytes) => {
      job.progressAtMs = performance.now();
      limit = bandwidth?.limit('down') ?? 0;
      return bandwidth?.reserve('down', bytes) ?? 0;
    },
    isLimitAsBefore: () => limit === (bandwidth?.limit('down') ?? 0),
    onUnblocked: () => {
      job.progressAtMs = performance.now();
      job.connection.resume();
    },
    onDone: () => end(number, { type: 'done', job: number }),
    onFailure: (failure) => {
      const isStale = failure.type === 'network' && job.isReused && !job.connection.gotBytes;
      if (isStale && jobs.has(number)) {
        // The server closed the kept connection while nobody used it.
        Object.assign(job, connect(url));
        job.connection.request(requestHead(url, order), download);
        return;
      }
      if (failure.type === 'corrupt') job.connection.close();
      end(number, { type: 'failed', job: number, failure });
    },
  });
  const job: Job = { order, download, ...connect(url), progressAtMs: performance.now() };
  jobs.set(number, job);
  watchTimer ??= setInterval(watch, watchEveryMs);
  job.connection.request(requestHead(url, order), download);
}

function end(number: number, reply: DownloadReply): void {
  const job = jobs.get(number);
  if (job === undefined) return;
  jobs.delete(number);
  pending.delete(job.download);
  job.download.close();
  post(reply);
}

function breakOff(number: number, failure: DownloadFailure): void {
  jobs.get(number)?.connection.close();
  end(number, { type: 'failed', job: number, failure });
}

function lateness({ order, connection, progressAtMs }: Job): DownloadFailure | null {
  const { connectMs, headersMs, stallMs } = order.timeouts;
  const [limitMs, reason] = !connection.isConnected
    ? [connectMs, 'no connection in time']
    : connection.gotBytes
      ? [stallMs, 'the answer stalled']
      : [headersMs, 'no answer in time'];
  return performance.now() - progressAtMs > limitMs ? { type: 'timeout', reason } : null;
}

function watch(): void {
  for (const [number, job] of jobs) {
    if (job.connection.isHeldBack) job.progressAtMs = performance.now();
    const failure = lateness(job);
    if (failure !== null) breakOff(number, failure);
  }
  if (jobs.size > 0 || watchTimer === null) return;
  clearInterval(watchTimer);
  watchTimer = null;
}

port?.on('message', (request: DownloadRequest) => {
  if (request.type === 'get') start(request.job, request.order);
  else if (request.type === 'stop') breakOff(request.job, { type: 'cut' });
  else blocks.give(request.block);
});
