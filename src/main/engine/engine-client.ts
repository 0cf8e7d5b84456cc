// Runs one engine in a worker thread and speaks engine-protocol.ts with it. Used by the mount controller through `Engine`; decides nothing
// about restarts: a thread that dies is reported once by `lost`.

import { Worker } from 'node:worker_threads';
import type { ConflictSettlement } from './settle-conflict.ts';
import type { Log } from '../../shared/log.ts';
import type { PendingTotals, Problem } from '../../shared/model.ts';
import { EngineError } from './engine.ts';
import type { Engine, EngineListener, EngineSource, EngineSpec, ListenOptions } from './engine.ts';
import type {
  CallMessage,
  CallName,
  EngineCalls,
  EngineWorkerData,
  FromEngine,
  ToEngine,
} from './engine-protocol.ts';

export interface EngineClientOptions {
  readonly spec: EngineSpec;
  readonly listener: EngineListener;
  readonly log: Log;
  readonly logLevel: EngineWorkerData['logLevel'];
  /** Asked by the engine for every token it needs; never cached there beyond a request. */
  readonly token: () => Promise<string | null>;
  /** The worker's entry; tests give another. */
  readonly workerUrl?: URL;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: EngineError) => void;
}

/**
 * Of young objects, in MB: a third of it is the nursery. V8 would let a listing of a large tree grow it to 50 MB, which never come back, and
 * collecting a small one takes no longer than a serving thread may pause.
 */
export const engineYoungMegabytes = 12;

/** The extension follows this file's own: `.ts` from source, `.js` when built. */
const defaultWorkerUrl = new URL(import.meta.url.replace(/engine-client\.(ts|js)$/, 'worker.$1'));

const closed: Problem = { code: 'engine', message: 'The mount’s engine is not running', retryable: true };

export class EngineClient implements Engine {
  readonly #options: EngineClientOptions;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #nextId = 1;
  #state: 'new' | 'running' | 'over' = 'new';
  #closing: Promise<PendingTotals | null> | null = null;

  constructor(options: EngineClientOptions) {
    this.#options = options;
  }

  open(signal: AbortSignal): Promise<EngineSource> {
    if (this.#state !== 'new') return Promise.reject(new EngineError(closed));
    this.#start();
    return this.#call('open', null, signal);
  }

  listen(options: ListenOptions): Promise<number> {
    return this.#call('listen', options);
  }

  async setMountWindow(open: boolean): Promise<void> {
    await this.#call('setMountWindow', open);
  }

  async report(): Promise<void> {
    await this.#call('report', null);
  }

  watch(watched: boolean): void {
    if (this.#state === 'running') this.#post({ type: 'watch', watched });
  }

  pending(): Promise<EngineCalls['pending']['result']> {
    return this.#call('pending', null);
  }

  async flush(signal: AbortSignal): Promise<void> {
    await this.#call('flush', null, signal);
  }

  async retryNow(itemId: string | null): Promise<void> {
    await this.#call('retryNow', itemId);
  }

  async discard(itemId: string | null): Promise<void> {
    await this.#call('discard', itemId);
  }

  async setPaused(paused: boolean): Promise<void> {
    await this.#call('setPaused', paused);
  }

  async settleConflict(settlement: ConflictSettlement): Promise<void> {
    await this.#call('settleConflict', settlement);
  }

  close(): Promise<PendingTotals | null> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<PendingTotals | null> {
    const worker = this.#worker;
    if (worker === null || this.#state !== 'running') {
      this.#state = 'over';
      throw new EngineError(closed);
    }
    try {
      return await this.#call('close', null);
    } finally {
      this.#end(closed);
      await worker.terminate();
    }
  }

  #start(): void {
    const { spec, logLevel, workerUrl } = this.#options;
    const workerData: EngineWorkerData = { spec, logLevel };
    const worker = new Worker(workerUrl ?? defaultWorkerUrl, {
      workerData,
      name: `engine ${spec.source}`,
      stderr: false,
      resourceLimits: { maxYoungGenerationSizeMb: engineYoungMegabytes },
      // A token reaches the engine by message only.
      env: withoutTokens(process.env),
    });
    this.#worker = worker;
    this.#state = 'running';
    worker.on('message', (message: FromEngine) => this.#receive(message));
    worker.on('error', (error) => this.#died(error));
    worker.on('exit', (code) => this.#died(new Error(`the engine thread ended with code ${code}`)));
  }

  #died(cause: unknown): void {
    if (this.#state !== 'running') return;
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#end({ code: 'engine', message: `The mount’s engine failed: ${reason}`, retryable: true });
    this.#options.listener.lost(cause);
  }

  #end(problem: Problem): void {
    this.#state = 'over';
    for (const waiting of this.#waiting.values()) waiting.reject(new EngineError(problem));
    this.#waiting.clear();
  }

  #call<N extends CallName>(
    name: N,
    argument: EngineCalls[N]['argument'],
    signal?: AbortSignal,
  ): Promise<EngineCalls[N]['result']> {
    if (this.#state !== 'running') return Promise.reject(new EngineError(closed));
    const id = this.#nextId++;
    const abort = () => this.#post({ type: 'abort', id });
    const answered = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    // The pair of name and argument is held together by N, which a union of messages cannot express.
    this.#post({ type: 'call', id, name, argument } as CallMessage);
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
    return answered.finally(() => signal?.removeEventListener('abort', abort)) as Promise<
      EngineCalls[N]['result']
    >;
  }

  #post(message: ToEngine): void {
    if (this.#state === 'running') this.#worker?.postMessage(message);
  }

  #receive(message: FromEngine): void {
    switch (message.type) {
      case 'result':
        this.#settle(message.id)?.resolve(message.value);
        break;
      case 'failure':
        this.#settle(message.id)?.reject(new EngineError(message.problem));
        break;
      case 'status':
        this.#options.listener.status(message.status);
        break;
      case 'activity':
        this.#options.listener.activity(message.events, message.dropped);
        break;
      case 'tokenWanted':
        void this.#answerToken(message.id);
        break;
      case 'log':
        this.#log(message);
        break;
    }
  }

  async #answerToken(id: number): Promise<void> {
    let token: string | null = null;
    try {
      token = await this.#options.token();
    } catch (error) {
      this.#options.log.warn('No token could be read', {
        source: this.#options.spec.source,
        cause: String(error),
      });
    }
    this.#post({ type: 'token', id, token });
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #log(entry: Extract<FromEngine, { type: 'log' }>): void {
    const fields = { ...entry.fields, source: this.#options.spec.source };
    if (entry.level === 'error') {
      this.#options.log.error(
        entry.message,
        fields,
        entry.stack === null ? undefined : new LoggedError(entry),
      );
    } else this.#options.log[entry.level](entry.message, fields);
  }
}

/** An error that happened in the thread; only its stack text crossed. */
class LoggedError extends Error {
  constructor(entry: { readonly message: string; readonly stack: string | null }) {
    super(entry.message);
    if (entry.stack !== null) this.stack = entry.stack;
  }
}

function withoutTokens(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const rest = { ...env };
  delete rest['HF_TOKEN'];
  delete rest['HUGGING_FACE_HUB_TOKEN'];
  return rest;
}
