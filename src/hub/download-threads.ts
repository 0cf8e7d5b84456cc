// Downloads of xorb ranges on threads of their own, which receive, decode and hash: started when first needed, ended when
// idle. The engine thread gets decoded chunks. Used by `xet-reader.ts`, which can do without them.

import { Worker } from 'node:worker_threads';
import type {
  DecodedBatch,
  DownloadFailure,
  DownloadOrder,
  DownloadReply,
  DownloadRequest,
  DownloadWorkerData,
} from './download-messages.ts';
import { abortedError, badAnswerError, errorFromAnswer, timeoutError, toHubError } from './hub-errors.ts';
import { HubError } from './remote-store.ts';
import type { HubClock, HubTimer } from './surroundings.ts';

const idleMs = 10_000;
/** Threads that died in a row; then there is something wrong with threads here. */
const crashLimit = 3;
const workerFile = import.meta.url.endsWith('.ts') ? './download-worker.ts' : './download-worker.js';

/** Chunks that were decoded one after the other; `plain` is borrowed until the taker's promise settles. */
export interface DecodedChunks {
  readonly plain: Uint8Array;
  readonly sizes: Uint32Array;
  /** 32 bytes each. */
  readonly hashes: Uint8Array;
  readonly receivedBytes: number;
}

/** What it throws or rejects with ends the download and is what the download rejects with. */
export type ChunksTaker = (chunks: DecodedChunks) => void | Promise<void>;

/** No thread can do this download: the general client should try. */
export class UnsuitableDownload extends Error {
  override readonly name = 'UnsuitableDownload';
}

export interface DownloadThreadsOptions extends DownloadWorkerData {
  readonly maxThreads: number;
  readonly clock: HubClock;
  /** What a thread runs; tests give one that dies. */
  readonly workerUrl?: URL;
}

interface Job {
  readonly what: string;
  readonly take: ChunksTaker;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  /** Batches with the taker. */
  taking: number;
  error: { readonly cause: unknown } | null;
  ended: boolean;
}

export class DownloadThreads {
  readonly #options: DownloadThreadsOptions;
  readonly #threads = new Set<DownloadThread>();
  #idle: HubTimer | null = null;
  #crashes = 0;
  #closed = false;

  constructor(options: DownloadThreadsOptions) {
    this.#options = options;
  }

  /** A thread has started and has connections. */
  get isWarm(): boolean {
    for (const thread of this.#threads) if (thread.isWarm) return true;
    return false;
  }

  /** Starts a thread that will soon be needed. */
  prepare(): void {
    if (this.#threads.size > 0 || this.#closed || this.#crashes >= crashLimit) return;
    try {
      this.#start();
    } catch (error) {
      if (!(error instanceof UnsuitableDownload)) throw error;
      return; // the download that needs it hears of it
    }
    this.#armIdle();
  }

  /** Resolves when all chunks were taken. Rejects with `HubError`, `UnsuitableDownload`, or what `take` threw. */
  async run(
    what: string,
    order: DownloadOrder,
    signal: AbortSignal | undefined,
    take: ChunksTaker,
  ): Promise<void> {
    if (signal?.aborted === true) throw abortedError(what, signal.reason);
    if (this.#closed || this.#crashes >= crashLimit)
      throw new UnsuitableDownload('there is no thread for it');
    this.#idle?.cancel();
    this.#idle = null;
    try {
      const thread = this.#pick();
      await thread.run(what, order, signal, take);
      this.#crashes = 0;
    } finally {
      this.#armIdle();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#idle?.cancel();
    await this.#endThreads();
  }

  #pick(): DownloadThread {
    let best: DownloadThread | null = null;
    for (const thread of this.#threads) if (best === null || thread.jobCount < best.jobCount) best = thread;
    const isBusy = best === null || best.jobCount > 0;
    return best !== null && (!isBusy || this.#threads.size >= this.#options.maxThreads)
      ? best
      : this.#start();
  }

  #start(): DownloadThread {
    try {
      const thread = new DownloadThread(this.#options, (isCrash) => {
        this.#threads.delete(thread);
        if (isCrash) this.#crashes += 1;
      });
      this.#threads.add(thread);
      return thread;
    } catch (cause) {
      // The system may give no more threads to this process; the general client does without one.
      this.#crashes += 1;
      throw new UnsuitableDownload('no thread can be started for it', { cause });
    }
  }

  #armIdle(): void {
    if (this.#closed || [...this.#threads].some((thread) => thread.jobCount > 0)) return;
    this.#idle?.cancel();
    this.#idle = this.#options.clock.schedule(idleMs, () => void this.#endThreads());
  }

  async #endThreads(): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.end()));
  }
}

class DownloadThread {
  readonly #worker: Worker;
  readonly #clock: HubClock;
  readonly #jobs = new Map<number, Job>();
  readonly #onEnd: (isCrash: boolean) => void;
  #numbers = 0;
  #isWarm = false;
  #ended = false;

  constructor(options: DownloadThreadsOptions, onEnd: (isCrash: boolean) => void) {
    this.#onEnd = onEnd;
    this.#clock = options.clock;
    const { userAgent, bandwidth, workerUrl = new URL(workerFile, import.meta.url) } = options;
    const workerData: DownloadWorkerData = { userAgent, bandwidth };
    this.#worker = new Worker(workerUrl, {
      name: 'hubdrive-download',
      workerData,
    });
    this.#worker.unref();
    this.#worker.on('message', (reply: DownloadReply) => this.#receive(reply));
    this.#worker.on('error', () => this.#stopped(true));
    this.#worker.on('exit', () => this.#stopped(true));
  }

  get jobCount(): number {
    return this.#jobs.size;
  }

  get isWarm(): boolean {
    return this.#isWarm;
  }

  run(what: string, order: DownloadOrder, signal: AbortSignal | undefined, take: ChunksTaker): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#numbers += 1;
      const number = this.#numbers;
      const onAbort = (): void => {
        this.#failJob(number, abortedError(what, signal?.reason));
      };
      this.#jobs.set(number, {
        what,
        take,
        resolve,
        reject,
        signal,
        onAbort,
        taking: 0,
        error: null,
        ended: false,
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      // A read may be all that keeps the process.
      this.#worker.ref();
      this.#post({ type: 'get', job: number, order });
    });
  }

  async end(): Promise<void> {
    this.#stopped(false);
    await this.#worker.terminate();
  }

  #post(request: DownloadRequest, transfer: readonly ArrayBuffer[] = []): void {
    if (!this.#ended) this.#worker.postMessage(request, transfer);
  }

  #receive(reply: DownloadReply): void {
    if (reply.type === 'batch') {
      this.#isWarm = true;
      this.#take(reply.job, reply.batch);
      return;
    }
    const job = this.#jobs.get(reply.job);
    if (job === undefined) return;
    if (reply.type === 'failed') job.error ??= { cause: this.#errorOf(job.what, reply.failure) };
    job.ended = true;
    this.#settle(reply.job, job);
  }

  #take(number: number, { block, sizes, hashes, receivedBytes }: DecodedBatch): void {
    const job = this.#jobs.get(number);
    const free = (): void => this.#post({ type: 'free', block }, [block]);
    if (job === undefined || job.error !== null) return free();
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    const taken = (): void => {
      free();
      job.taking -= 1;
      this.#settle(number, job);
    };
    job.taking += 1;
    try {
      const taking = job.take({ plain: new Uint8Array(block, 0, bytes), sizes, hashes, receivedBytes });
      if (taking === undefined) return taken();
      taking.then(taken, (cause: unknown) => {
        this.#failJob(number, cause);
        taken();
      });
    } catch (cause) {
      this.#failJob(number, cause);
      taken();
    }
  }

  /** Its thread says when it is over. */
  #failJob(number: number, cause: unknown): void {
    const job = this.#jobs.get(number);
    if (job === undefined || job.error !== null) return;
    job.error = { cause };
    this.#post({ type: 'stop', job: number });
  }

  #settle(number: number, job: Job): void {
    if (!job.ended || job.taking > 0 || !this.#jobs.delete(number)) return;
    job.signal?.removeEventListener('abort', job.onAbort);
    if (this.#jobs.size === 0) this.#worker.unref();
    if (job.error === null) job.resolve();
    else job.reject(job.error.cause);
  }

  #stopped(isCrash: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const [number, job] of [...this.#jobs]) {
      job.error ??= { cause: new UnsuitableDownload('its thread ended') };
      job.ended = true;
      this.#settle(number, job);
    }
    this.#onEnd(isCrash);
  }

  #errorOf(what: string, failure: DownloadFailure): Error {
    switch (failure.type) {
      case 'status':
        return errorFromAnswer(what, failure.status, failure.headers, failure.body, this.#clock.now());
      case 'network':
        return toHubError(what, Object.assign(new Error(failure.code), { code: failure.code }));
      case 'cut':
        return new HubError('network', `${what} failed: the connection was cut inside the answer`, {
          retryable: true,
        });
      case 'timeout':
        return timeoutError(what, failure.reason);
      case 'bad-answer':
        return badAnswerError(what, failure.problem);
      case 'corrupt':
        return new HubError('corrupt', `${what} failed: ${failure.problem}`, { retryable: true });
      case 'unsuitable':
        return new UnsuitableDownload('the general client should try');
    }
  }
}
