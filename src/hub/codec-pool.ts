// Chunking, hashing and compressing of uploads off the serving thread: a bounded number of worker threads, started when
// first needed and ended when idle. Each upload's stream stays on one worker. The inline form does the same on the calling
// thread.

import { Worker } from 'node:worker_threads';
import type { CodecReply, CodecRequest } from './codec-messages.ts';
import { CodecStream, type ChunkedBlock } from './codec-stream.ts';
import { HubError } from './remote-store.ts';
import { SharedBuffers } from './shared-buffers.ts';
import type { HubClock, HubTimer } from './surroundings.ts';

/** One upload's way through the codecs. Calls are answered in order; at most a few should be under way. */
export interface UploadCodec {
  /** `block`, of the pool's `buffers`, must stay as it is until `encode` has resolved the chunks in it. */
  push(block: Uint8Array, last: boolean): Promise<ChunkedBlock>;
  /** Encodes those of the oldest chunks that are marked non-zero into `target`, of the pool's `buffers`; see `CodecStream`. */
  encode(wanted: Uint8Array, target: Uint8Array): Promise<Uint32Array>;
  /** Frees what is held. Idempotent. */
  close(): void;
}

export interface CodecPool {
  /** Memory that all threads reach. What lies idle in it is let go after a while. */
  readonly buffers: SharedBuffers;
  /** `expectedBytes` is about how much will be pushed; little is not worth a thread. */
  open(expectedBytes: number): UploadCodec;
  close(): Promise<void>;
}

const idleMs = 10_000;
/** Three xorbs, or one and many blocks. */
const idleBufferBytes = 48 * 1024 * 1024;
/** Under a millisecond of work; starting a thread takes 30. */
const inlineBytes = 128 * 1024;
const workerFile = import.meta.url.endsWith('.ts') ? './codec-worker.ts' : './codec-worker.js';

interface Job {
  resolvePush?: (block: ChunkedBlock) => void;
  resolveEncode?: (lengths: Uint32Array) => void;
  reject: (error: HubError) => void;
}

class CodecThread {
  readonly #worker: Worker;
  readonly #jobs = new Map<number, Job>();
  readonly #onEnd: () => void;
  #failure: HubError | null = null;
  streams = 0;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
    this.#worker = new Worker(new URL(workerFile, import.meta.url), { name: 'hubdrive-codec' });
    this.#worker.unref();
    this.#worker.on('message', (reply: CodecReply) => this.#settle(reply));
    this.#worker.on('error', (cause) => this.#fail(cause));
    this.#worker.on('exit', () => this.#fail(null));
  }

  get ended(): boolean {
    return this.#failure !== null;
  }

  send(request: CodecRequest, job: Job | null): void {
    if (this.#failure !== null) {
      job?.reject(this.#failure);
      return;
    }
    if (job !== null && request.type !== 'close') this.#jobs.set(request.job, job);
    // While work is under way the process must stay: an upload may be all that is left to do.
    if (this.#jobs.size > 0) this.#worker.ref();
    this.#worker.postMessage(request);
  }

  async end(): Promise<void> {
    this.#fail(null);
    await this.#worker.terminate();
  }

  #settle(reply: CodecReply): void {
    const job = this.#jobs.get(reply.job);
    this.#jobs.delete(reply.job);
    if (this.#jobs.size === 0) this.#worker.unref();
    if (reply.type === 'pushed') job?.resolvePush?.(reply.block);
    else if (reply.type === 'encoded') job?.resolveEncode?.(reply.lengths);
    else job?.reject(codecError(reply.message, null));
  }

  #fail(cause: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = codecError('its thread ended', cause);
    for (const job of this.#jobs.values()) job.reject(this.#failure);
    this.#jobs.clear();
    this.#onEnd();
  }
}

function codecError(reason: string, cause: unknown): HubError {
  return new HubError('server', `Preparing an upload failed: ${reason}`, { retryable: true, cause });
}

class ThreadPool implements CodecPool {
  readonly buffers: SharedBuffers;
  readonly #threads = new Set<CodecThread>();
  readonly #maxThreads: number;
  readonly #clock: HubClock;
  #numbers = 0;
  #idle: HubTimer | null = null;
  #closed = false;

  constructor(maxThreads: number, clock: HubClock) {
    this.buffers = new SharedBuffers(idleBufferBytes, clock);
    this.#maxThreads = maxThreads;
    this.#clock = clock;
  }

  open(expectedBytes: number): UploadCodec {
    if (!this.#closed && expectedBytes <= inlineBytes) return openInline();
    const thread = this.#pick();
    const stream = this.#nextNumber();
    thread.streams += 1;
    let open = true;
    return {
      push: (block, last) =>
        new Promise((resolvePush, reject) => {
          requireShared(block);
          const request = { type: 'push', job: this.#nextNumber(), stream, block, last } as const;
          thread.send(request, { resolvePush, reject });
        }),
      encode: (wanted, target) =>
        new Promise((resolveEncode, reject) => {
          requireShared(target);
          const request = { type: 'encode', job: this.#nextNumber(), stream, wanted, target } as const;
          thread.send(request, { resolveEncode, reject });
        }),
      close: () => {
        if (!open) return;
        open = false;
        thread.send({ type: 'close', stream }, null);
        thread.streams -= 1;
        this.#armIdle();
      },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#idle?.cancel();
    this.buffers.clear();
    await this.#endThreads();
  }

  #nextNumber(): number {
    this.#numbers += 1;
    return this.#numbers;
  }

  #pick(): CodecThread {
    if (this.#closed) throw codecError('the Hub client was closed', null);
    this.#idle?.cancel();
    this.#idle = null;
    let best: CodecThread | null = null;
    for (const thread of this.#threads) if (best === null || thread.streams < best.streams) best = thread;
    if (best !== null && (best.streams === 0 || this.#threads.size >= this.#maxThreads)) return best;
    const thread = new CodecThread(() => this.#threads.delete(thread));
    this.#threads.add(thread);
    return thread;
  }

  #armIdle(): void {
    if (this.#closed || [...this.#threads].some((thread) => thread.streams > 0)) return;
    this.#idle?.cancel();
    this.#idle = this.#clock.schedule(idleMs, () => void this.#endThreads());
  }

  async #endThreads(): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.end()));
  }
}

/** A view of other memory would be copied, and what the thread writes would be lost. */
function requireShared(view: Uint8Array): void {
  if (!(view.buffer instanceof SharedArrayBuffer)) throw new TypeError('Not a buffer of the codec pool');
}

/** `maxThreads` at least 1. */
export function createCodecPool(maxThreads: number, clock: HubClock): CodecPool {
  return new ThreadPool(maxThreads, clock);
}

/** Codecs on the calling thread, for tests. */
export function createInlineCodec(clock: HubClock): CodecPool {
  const buffers = new SharedBuffers(idleBufferBytes, clock);
  return {
    buffers,
    open: openInline,
    close: () => {
      buffers.clear();
      return Promise.resolve();
    },
  };
}

function openInline(): UploadCodec {
  const stream = new CodecStream();
  return {
    push: (block, last) => Promise.resolve().then(() => stream.push(block, last)),
    encode: (wanted, target) => Promise.resolve().then(() => stream.encode(wanted, target)),
    close: () => undefined,
  };
}
