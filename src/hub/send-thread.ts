// Sends the bodies of uploads on a thread of their own, started when first needed and ended when idle. What to send again, where a
// redirect leads and what an answer means is `http.ts`'s; where there is no thread, it sends by itself.

import { Worker } from 'node:worker_threads';
import type { ExchangeRequest, HttpAnswer, HttpTimeouts } from './http-exchange.ts';
import { abortedError } from './hub-errors.ts';
import { HubError } from './remote-store.ts';
import type { SendFailure, SendOrder, SendReply, SendRequest, SendWorkerData } from './send-messages.ts';
import type { HubClock, HubTimer } from './surroundings.ts';

const idleMs = 10_000;
/** After so many threads that died one after the other there is something wrong with threads here. */
const crashLimit = 3;
/** A smaller body is in the socket sooner than with the thread. */
const leastBytes = 128 * 1024;
const workerFile = import.meta.url.endsWith('.ts') ? './send-worker.ts' : './send-worker.js';

/** There is no thread for this request: it should be sent without one. */
export class NoSendThread extends Error {
  override readonly name = 'NoSendThread';
}

export interface SendThreadOptions extends SendWorkerData {
  readonly clock: HubClock;
  /** What the thread runs; tests give one that dies. */
  readonly workerUrl?: URL;
}

interface Job {
  readonly request: ExchangeRequest;
  readonly resolve: (answer: HttpAnswer) => void;
  readonly reject: (error: Error) => void;
  readonly onAbort: () => void;
}

export class SendThread {
  readonly #options: SendThreadOptions;
  readonly #jobs = new Map<number, Job>();
  #worker: Worker | null = null;
  #numbers = 0;
  #idle: HubTimer | null = null;
  #crashes = 0;
  #closed = false;

  constructor(options: SendThreadOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#worker !== null;
  }

  /** Starts the thread if an upload of about `expectedBytes` is worth it; it will be needed soon. */
  prepare(expectedBytes: number): void {
    if (expectedBytes < leastBytes) return;
    try {
      this.#start();
    } catch (error) {
      if (!(error instanceof NoSendThread)) throw error;
      return; // the request that needs it hears of it
    }
    this.#armIdle();
  }

  /**
   * As `exchange` of `http-exchange.ts`, but the answer's body, of at most `answerLimitBytes`, is here already, and the request's body is
   * let go of. Rejects with `NoSendThread` where it was not, or perhaps not, sent because there is no thread.
   */
  exchange(request: ExchangeRequest, timeouts: HttpTimeouts): Promise<HttpAnswer> {
    const { what, signal } = request;
    if (signal?.aborted === true) return Promise.reject(abortedError(what, signal.reason));
    return new Promise((resolve, reject) => {
      const sizeBytes = request.body?.reduce((sum, part) => sum + part.length, 0) ?? 0;
      if (sizeBytes < leastBytes) throw new NoSendThread('it is not worth a thread');
      const worker = this.#start();
      this.#idle?.cancel();
      this.#numbers += 1;
      const number = this.#numbers;
      const onAbort = (): void => {
        worker.postMessage({ type: 'stop', job: number } satisfies SendRequest);
        this.#take(number)?.reject(abortedError(what, signal?.reason));
      };
      const { method, headers, body } = request;
      const order: SendOrder = { method, url: request.url.href, what, headers, body, timeouts };
      worker.postMessage({ type: 'send', job: number, order } satisfies SendRequest);
      this.#jobs.set(number, { request, resolve, reject, onAbort });
      signal?.addEventListener('abort', onAbort, { once: true });
      // While an upload is under way the process must stay.
      worker.ref();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#idle?.cancel();
    await this.#end();
  }

  #start(): Worker {
    if (this.#worker !== null) return this.#worker;
    if (this.#closed || this.#crashes >= crashLimit) throw new NoSendThread('there is no thread for it');
    const { bandwidth, workerUrl = new URL(workerFile, import.meta.url) } = this.#options;
    const workerData: SendWorkerData = { bandwidth };
    let worker: Worker;
    try {
      worker = new Worker(workerUrl, { name: 'hubdrive-send', workerData });
    } catch (cause) {
      // The system may give no more threads to this process.
      this.#crashes += 1;
      throw new NoSendThread('no thread can be started for it', { cause });
    }
    worker.unref();
    worker.on('message', (reply: SendReply) => this.#settle(reply));
    worker.on('error', (cause) => this.#ended(worker, cause));
    worker.on('exit', () => this.#ended(worker, null));
    this.#worker = worker;
    return worker;
  }

  #settle(reply: SendReply): void {
    const job = this.#take(reply.job);
    if (job === undefined) return;
    this.#crashes = 0;
    if (reply.type === 'failed') {
      job.reject(errorOf(reply.failure));
      return;
    }
    const { status, headers, body, broken } = reply;
    job.resolve({
      status,
      headers,
      url: job.request.url,
      consume: (take) => passOn(body, broken, take),
      discard: () => undefined,
    });
  }

  #take(number: number): Job | undefined {
    const job = this.#jobs.get(number);
    if (job === undefined) return undefined;
    this.#jobs.delete(number);
    job.request.signal?.removeEventListener('abort', job.onAbort);
    if (this.#jobs.size === 0) {
      this.#worker?.unref();
      this.#armIdle();
    }
    return job;
  }

  #ended(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#crashes += 1;
    this.#failAll(cause);
  }

  #failAll(cause: unknown): void {
    for (const number of [...this.#jobs.keys()])
      this.#take(number)?.reject(new NoSendThread('its thread ended', { cause }));
  }

  #armIdle(): void {
    this.#idle?.cancel();
    this.#idle = null;
    if (this.#closed || this.#worker === null || this.#jobs.size > 0) return;
    this.#idle = this.#options.clock.schedule(idleMs, () => void this.#end());
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    this.#failAll(null);
    await worker?.terminate();
  }
}

function passOn(
  body: Uint8Array,
  broken: SendFailure | null,
  take: (bytes: Uint8Array) => void,
): Promise<void> {
  return new Promise((resolve) => {
    if (body.length > 0) take(body);
    if (broken !== null) throw errorOf(broken);
    resolve();
  });
}

function errorOf({ code, message, retryable, cause }: SendFailure): HubError {
  if (cause === null) return new HubError(code, message, { retryable });
  const error: Error & { code?: string } = new Error(cause.message);
  if (cause.code !== null) error.code = cause.code;
  return new HubError(code, message, { retryable, cause: error });
}
