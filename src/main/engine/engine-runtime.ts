// The engine thread's side of engine-protocol.ts: answers calls, batches activity and status, asks the host for tokens. What it drives
// (Hub client, file system, NFS server) is composed in compose.ts and injected, so that this runs in tests without a thread.

import { inspect } from 'node:util';
import type { ActivityEvent, Counters } from '../../shared/activity.ts';
import type { Clock, Log, LogFields, Timer } from '../../shared/log.ts';
import type { PendingTotals, Problem } from '../../shared/model.ts';
import type { UploadQueue } from '../../vfs/parts.ts';
import { HostError, problemOf } from '../problem.ts';
import { trimActivity } from './activity-trim.ts';
import type { EngineSource, EngineSpec, EngineStatus, ListenOptions } from './engine.ts';
import { maxPendingItems } from './engine-protocol.ts';
import type { CallMessage, FromEngine, ToEngine } from './engine-protocol.ts';
import type { ConflictSettlement } from './settle-conflict.ts';

export interface RunningServer {
  readonly port: number;
  openMountWindow(): void;
  closeMountWindow(): void;
  close(): Promise<void>;
}

/** A source opened from the Hub with its catalogue, ready to be served. */
export interface OpenedFileSystem {
  readonly source: EngineSource;
  readonly uploads: UploadQueue;
  counters(): Counters;
  drainActivity(): { readonly events: readonly ActivityEvent[]; readonly dropped: number };
  isOnline(): boolean;
  /** What was found damaged at the start and set aside, in words for a person. */
  readonly damage?: string | null;
  settleConflict(settlement: ConflictSettlement): Promise<void>;
  listen(options: ListenOptions): Promise<RunningServer>;
  /** Stops sending; what is unsent stays on disk. */
  close(): Promise<void>;
}

export interface EngineSurroundings {
  readonly token: () => Promise<string | null>;
  readonly log: Log;
  readonly clock: Clock;
}

export type OpenFileSystem = (
  spec: EngineSpec,
  surroundings: EngineSurroundings,
  signal: AbortSignal,
) => Promise<OpenedFileSystem>;

/** Latency of the live feed while somebody looks, and while nothing happens or nobody looks. */
const watchedTickMs = 100;
const idleWatchedTickMs = 250;
const unwatchedTickMs = 1000;
/** More would only be dropped by whoever shows them. */
const maxBatchEvents = 250;
/** The Hub client asks per request; a token that changed is noticed within this time. */
const tokenLifeMs = 5000;
/** Looking through the whole queue for failures costs; it need not be done at every tick. */
const failureScanMs = 2000;

const levelOrder = { debug: 0, info: 1, warn: 2, error: 3 } as const;
export type LogLevel = keyof typeof levelOrder;

export class EngineRuntime {
  readonly #spec: EngineSpec;
  readonly #post: (message: FromEngine) => void;
  readonly #clock: Clock;
  readonly #openFileSystem: OpenFileSystem;
  readonly #log: Log;
  readonly #aborts = new Map<number, AbortController>();
  readonly #tokenWaiters = new Map<number, (token: string | null) => void>();
  #token: { readonly value: Promise<string | null>; readonly askedAt: number } | null = null;
  #nextTokenId = 1;
  #fileSystem: OpenedFileSystem | null = null;
  #server: RunningServer | null = null;
  #watched = false;
  #tick: Timer | null = null;
  #lastStatus = '';
  #lastActivityAt: number | null = null;
  #failing: Problem | null = null;
  #failuresScannedAt = -Infinity;
  #closed = false;

  constructor(options: {
    spec: EngineSpec;
    logLevel: LogLevel;
    post: (message: FromEngine) => void;
    clock: Clock;
    openFileSystem: OpenFileSystem;
  }) {
    this.#spec = options.spec;
    this.#post = options.post;
    this.#clock = options.clock;
    this.#openFileSystem = options.openFileSystem;
    this.#log = logTo(options.post, options.logLevel);
  }

  receive(message: ToEngine): void {
    switch (message.type) {
      case 'call':
        void this.#answer(message);
        break;
      case 'abort':
        this.#aborts.get(message.id)?.abort();
        break;
      case 'watch':
        this.#watched = message.watched;
        if (this.#fileSystem !== null) this.#schedule(0);
        break;
      case 'token':
        this.#tokenWaiters.get(message.id)?.(message.token);
        this.#tokenWaiters.delete(message.id);
        break;
    }
  }

  async #answer(call: CallMessage): Promise<void> {
    const abort = new AbortController();
    this.#aborts.set(call.id, abort);
    try {
      const value = await this.#perform(call, abort.signal);
      if (call.name !== 'open') this.#report();
      this.#post({ type: 'result', id: call.id, value });
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'internal') this.#log.error(`Engine call ${call.name} failed`, {}, error);
      this.#post({ type: 'failure', id: call.id, problem });
    } finally {
      this.#aborts.delete(call.id);
    }
  }

  #perform(call: CallMessage, signal: AbortSignal): Promise<unknown> {
    switch (call.name) {
      case 'open':
        return this.#open(signal);
      case 'listen':
        return this.#listen(call.argument);
      case 'close':
        return this.#close();
      case 'flush':
        return this.#flush(signal);
      case 'settleConflict':
        return this.#settleConflict(call.argument);
      default:
        return Promise.resolve(this.#performAtOnce(call));
    }
  }

  #performAtOnce(
    call: Exclude<CallMessage, { name: 'open' | 'listen' | 'close' | 'flush' | 'settleConflict' }>,
  ): unknown {
    const { uploads } = this.#opened();
    switch (call.name) {
      case 'setMountWindow':
        if (call.argument) this.#server?.openMountWindow();
        else this.#server?.closeMountWindow();
        return null;
      case 'report':
        // Every answer is preceded by one.
        return null;
      case 'pending': {
        const items = uploads.pending();
        return {
          items: items.slice(0, maxPendingItems),
          omitted: Math.max(0, items.length - maxPendingItems),
        };
      }
      case 'retryNow':
        if (call.argument === null) uploads.retryNow();
        else uploads.retryNow(call.argument);
        return null;
      case 'discard':
        for (const id of call.argument === null
          ? uploads.pending().map((item) => item.id)
          : [call.argument]) {
          uploads.discard(id);
        }
        return null;
      case 'setPaused':
        if (call.argument) uploads.pause();
        else uploads.resume();
        return null;
    }
  }

  #opened(): OpenedFileSystem {
    if (this.#fileSystem === null)
      throw new HostError('engine', 'The mount’s engine is not open', { retryable: true });
    return this.#fileSystem;
  }

  async #open(signal: AbortSignal): Promise<EngineSource> {
    const surroundings = { token: () => this.#currentToken(), log: this.#log, clock: this.#clock };
    const opened = await this.#openFileSystem(this.#spec, surroundings, signal);
    if (signal.aborted || this.#closed) {
      await opened.close();
      signal.throwIfAborted();
      throw new HostError('cancelled', 'The mount was given up while it connected');
    }
    this.#fileSystem = opened;
    this.#schedule(0);
    return opened.source;
  }

  async #listen(options: ListenOptions): Promise<number> {
    this.#server ??= await this.#opened().listen(options);
    return this.#server.port;
  }

  async #settleConflict(settlement: ConflictSettlement): Promise<null> {
    await this.#opened().settleConflict(settlement);
    return null;
  }

  async #flush(signal: AbortSignal): Promise<null> {
    await this.#opened().uploads.flush(signal);
    return null;
  }

  async #close(): Promise<PendingTotals | null> {
    this.#closed = true;
    this.#tick?.cancel();
    const fileSystem = this.#fileSystem;
    const server = this.#server;
    this.#server = null;
    await server?.close();
    if (fileSystem === null) return null;
    this.#report();
    const totals = fileSystem.uploads.pendingTotals();
    this.#fileSystem = null;
    await fileSystem.close();
    return totals;
  }

  #currentToken(): Promise<string | null> {
    const now = this.#clock.monotonic();
    if (this.#token !== null && now - this.#token.askedAt < tokenLifeMs) return this.#token.value;
    const id = this.#nextTokenId++;
    const value = new Promise<string | null>((resolve) => this.#tokenWaiters.set(id, resolve));
    this.#token = { value, askedAt: now };
    this.#post({ type: 'tokenWanted', id });
    return value;
  }

  #schedule(delayMs: number): void {
    this.#tick?.cancel();
    if (this.#closed) return;
    this.#tick = this.#clock.schedule(delayMs, () => {
      const busy = this.#report();
      if (!this.#watched) this.#schedule(unwatchedTickMs);
      else this.#schedule(busy ? watchedTickMs : idleWatchedTickMs);
    });
  }

  /** Sends what changed; true if anything did. */
  #report(): boolean {
    const fileSystem = this.#fileSystem;
    if (fileSystem === null) return false;
    const drained = fileSystem.drainActivity();
    if (drained.events.length > 0 || drained.dropped > 0) {
      this.#lastActivityAt = this.#clock.now();
      const { events, dropped } = trimActivity(drained.events, maxBatchEvents);
      this.#post({ type: 'activity', events, dropped: drained.dropped + dropped });
    }
    const status: EngineStatus = {
      counters: fileSystem.counters(),
      pending: fileSystem.uploads.pendingTotals(),
      online: fileSystem.isOnline(),
      lastActivityAt: this.#lastActivityAt,
      failing: this.#findFailure(fileSystem.uploads) ?? damageOf(fileSystem),
    };
    const text = JSON.stringify(status);
    if (text === this.#lastStatus) return false;
    this.#lastStatus = text;
    this.#post({ type: 'status', status });
    return true;
  }

  #findFailure(uploads: UploadQueue): Problem | null {
    if (uploads.pendingTotals().files === 0) return (this.#failing = null);
    const now = this.#clock.monotonic();
    if (now - this.#failuresScannedAt < failureScanMs) return this.#failing;
    this.#failuresScannedAt = now;
    const failed = uploads.pending().find((item) => item.state.state === 'failed');
    if (failed?.state.state !== 'failed') return (this.#failing = null);
    const message = `“${failed.path}” is not on the Hub yet: ${failed.state.cause}. It is safe on this disk and is tried again`;
    return (this.#failing = { code: 'unsent', message, retryable: true });
  }
}

function damageOf({ damage }: OpenedFileSystem): Problem | null {
  return damage === undefined || damage === null
    ? null
    : { code: 'unsent', message: damage, retryable: false };
}

function logTo(post: (message: FromEngine) => void, minimum: LogLevel): Log {
  const write = (level: LogLevel, message: string, fields: LogFields = {}, cause?: unknown) => {
    if (levelOrder[level] < levelOrder[minimum]) return;
    const stack =
      cause instanceof Error ? (cause.stack ?? cause.message) : cause === undefined ? null : inspect(cause);
    post({ type: 'log', level, message, fields, stack });
  };
  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields, cause) => write('error', message, fields, cause),
  };
}
