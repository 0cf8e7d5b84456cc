// Chunking, hashing and compressing of uploads off the serving thread: a bounded number of worker threads, started when
// first needed and ended when idle. Each upload's stream stays on one worker. The inline form does the same on the calling
// thread.

import { Worker } from 'node:worker_threads';
import type { CodecReply, CodecRequest } from './codec-messages.ts';
import { CodecStream, type ChunkedBlock, type EncodedRun } from './codec-stream.ts';
import { HubError } from './remote-store.ts';
import type { HubClock, HubTimer } from './surroundings.ts';
import { makeBlock, makeShared, UploadBuffers, type Block, type SharedBuffer } from './upload-buffers.ts';

/** One upload's way through the codecs. Calls are answered in order; at most a few should be under way. */
export interface UploadCodec {
  /** Takes the block's buffer over, until `encode` gives it back. */
  push(block: Block, last: boolean): Promise<ChunkedBlock>;
  /** Encodes those of the oldest chunks that are marked non-zero into `target` from `at`; see `CodecStream`. */
  encode(wanted: Uint8Array, target: SharedBuffer, at: number): Promise<EncodedRun>;
  /** Frees what is held. Idempotent. */
  close(): void;
}

export interface CodecPool {
  readonly blocks: UploadBuffers<Block>;
  /** For targets of encoding. */
  readonly targets: UploadBuffers<SharedBuffer>;
  /** `expectedBytes` is about how much will be pushed; little is not worth a thread. */
  open(expectedBytes: number): UploadCodec;
  close(): Promise<void>;
}

const idleMs = 10_000;
/** Kept while no upload uses them, for ten seconds. */
const idleBlockBytes = 8 * 1024 * 1024;
const idleTargetBytes = 32 * 1024 * 1024;
/** Under a millisecond of work; starting a thread takes 30. */
const inlineBytes = 128 * 1024;
const workerFile = import.meta.url.endsWith('.ts') ? './codec-worker.ts' : './codec-worker.js';

interface Job {
  resolvePush?: (block: ChunkedBlock) => void;
  resolveEncode?: (run: EncodedRun) => void;
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

  send(request: CodecRequest, job: Job | null, transfer: readonly ArrayBuffer[]): void {
    if (this.#failure !== null) {
      job?.reject(this.#failure);
      return;
    }
    if (job !== null && request.type !== 'close') this.#jobs.set(request.job, job);
    // While work is under way the process must stay: an upload may be all that is left to do.
    if (this.#jobs.size > 0) this.#worker.ref();
    try {
      this.#worker.postMessage(request, [...transfer]);
    } catch (cause) {
      // A buffer that was given away before: a mistake of the caller, which must not wait for ever.
      if (request.type !== 'close')
        this.#settle({ type: 'failed', job: request.job, message: String(cause) });
    }
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
    else if (reply.type === 'encoded') job?.resolveEncode?.(reply.run);
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
  readonly blocks: UploadBuffers<Block>;
  readonly targets: UploadBuffers<SharedBuffer>;
  readonly #threads = new Set<CodecThread>();
  readonly #maxThreads: number;
  readonly #clock: HubClock;
  #numbers = 0;
  #idle: HubTimer | null = null;
  #closed = false;

  constructor(maxThreads: number, clock: HubClock) {
    this.blocks = new UploadBuffers(idleBlockBytes, clock, makeBlock);
    this.targets = new UploadBuffers(idleTargetBytes, clock, makeShared);
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
          const request = { type: 'push', job: this.#nextNumber(), stream, block, last } as const;
          thread.send(request, { resolvePush, reject }, [block.buffer]);
        }),
      encode: (wanted, target, at) =>
        new Promise((resolveEncode, reject) => {
          const request = { type: 'encode', job: this.#nextNumber(), stream, wanted, target, at } as const;
          thread.send(request, { resolveEncode, reject }, []);
        }),
      close: () => {
        if (!open) return;
        open = false;
        thread.send({ type: 'close', stream }, null, []);
        thread.streams -= 1;
        this.#armIdle();
      },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#idle?.cancel();
    this.blocks.clear();
    this.targets.clear();
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
    try {
      const thread = new CodecThread(() => this.#threads.delete(thread));
      this.#threads.add(thread);
      return thread;
    } catch (cause) {
      // The system may give no more threads to this process; one that is there can do the work too.
      if (best !== null) return best;
      throw codecError('no thread can be started', cause);
    }
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

/** `maxThreads` at least 1. */
export function createCodecPool(maxThreads: number, clock: HubClock): CodecPool {
  return new ThreadPool(maxThreads, clock);
}

/** Codecs on the calling thread, for tests. */
export function createInlineCodec(clock: HubClock): CodecPool {
  const blocks = new UploadBuffers(idleBlockBytes, clock, makeBlock);
  const targets = new UploadBuffers(idleTargetBytes, clock, makeShared);
  return {
    blocks,
    targets,
    open: openInline,
    close: () => {
      blocks.clear();
      targets.clear();
      return Promise.resolve();
    },
  };
}

function openInline(): UploadCodec {
  const stream = new CodecStream();
  return {
    push: (block, last) => Promise.resolve().then(() => stream.push(block, last)),
    encode: (wanted, target, at) => Promise.resolve().then(() => stream.encode(wanted, target, at)),
    close: () => undefined,
  };
}
