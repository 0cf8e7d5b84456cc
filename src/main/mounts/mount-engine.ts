// The engine side of one mount: makes engines, keeps the listener's port and export path, brings a dead engine back on them, and knows the
// last status. Used by MountController only, which owns the states.

import type { ActivityEvent } from '../../shared/activity.ts';
import type { Clock, Log } from '../../shared/log.ts';
import type { PendingTotals, Problem } from '../../shared/model.ts';
import type { Engine, EngineListener, EngineStatus, ListenOptions } from '../engine/engine.ts';
import { EngineRestart } from './engine-restart.ts';
import { HostError } from '../problem.ts';

export interface MountEngineOptions {
  readonly source: string;
  readonly clock: Clock;
  readonly log: Log;
  /** A fresh engine each time. */
  readonly create: (listener: EngineListener) => Engine;
  readonly onStatus: (status: EngineStatus, before: EngineStatus | null) => void;
  readonly onActivity: (events: readonly ActivityEvent[], dropped: number) => void;
  readonly onLost: () => void;
  readonly onBack: () => void;
  readonly onFailed: (problem: Problem) => void;
}

/** Somebody waits for an answer that need not be the very latest. */
const refreshDeadlineMs = 300;

export class MountEngine {
  readonly #options: MountEngineOptions;
  readonly #restart: EngineRestart;
  #engine: Engine | null = null;
  #listening: ListenOptions | null = null;
  #windowOpen = false;
  #status: EngineStatus | null = null;
  #paused = false;
  #watched = false;

  constructor(options: MountEngineOptions) {
    this.#options = options;
    this.#restart = new EngineRestart({
      clock: options.clock,
      log: options.log,
      bringUp: (signal) => this.#bringUpAgain(signal),
      back: options.onBack,
      failed: options.onFailed,
    });
  }

  get isRunning(): boolean {
    return this.#engine !== null;
  }

  get listening(): ListenOptions | null {
    return this.#listening;
  }

  get status(): EngineStatus | null {
    return this.#status;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** Throws `engine` while there is none. */
  get current(): Engine {
    if (this.#engine !== null) return this.#engine;
    throw new HostError('engine', `“${this.#options.source}” is not running; mount it first`, {
      retryable: true,
    });
  }

  async open(signal: AbortSignal): Promise<void> {
    const engine = this.#create();
    await engine.open(signal);
    if (this.#paused) await engine.setPaused(true);
    engine.watch(this.#watched);
  }

  async listen(options: ListenOptions): Promise<void> {
    await this.current.listen(options);
    this.#listening = options;
  }

  async setMountWindow(open: boolean): Promise<void> {
    this.#windowOpen = open;
    await this.#engine?.setMountWindow(open);
  }

  /** The person's wish; it outlives engines. */
  async setPaused(paused: boolean): Promise<void> {
    this.#paused = paused;
    await this.#engine?.setPaused(paused);
  }

  /** Holds uploads back, or lets the person's wish count again. */
  async holdUploads(hold: boolean): Promise<void> {
    await this.#engine?.setPaused(hold || this.#paused);
  }

  /** Status and activity are up to date, or the engine did not say so in time. */
  async refresh(): Promise<void> {
    const engine = this.#engine;
    if (engine === null) return;
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.schedule(refreshDeadlineMs, resolve);
      const finish = () => {
        timer.cancel();
        resolve();
      };
      engine.report().then(finish, finish);
    });
  }

  watch(watched: boolean): void {
    this.#watched = watched;
    this.#engine?.watch(watched);
  }

  restart(): void {
    this.#restart.start();
  }

  /** Ends restarts and the engine. Resolves to what is unsent, null where no engine could say. */
  async stop(discard: boolean): Promise<PendingTotals | null> {
    this.#restart.stop();
    const engine = this.#engine;
    this.#engine = null;
    this.#listening = null;
    this.#windowOpen = false;
    if (engine === null) return this.#status?.pending ?? null;
    try {
      if (discard) await engine.discard(null);
    } catch (error) {
      this.#options.log.error('Local changes could not be discarded; they are kept', {}, error);
    }
    return this.#close(engine);
  }

  /** After `stop`: what is shown of the past. */
  rememberUnsent(pending: PendingTotals): void {
    if (this.#status !== null) this.#status = { ...this.#status, pending, failing: null };
  }

  async #close(engine: Engine): Promise<PendingTotals | null> {
    try {
      return (await engine.close()) ?? this.#status?.pending ?? null;
    } catch (error) {
      // One that never opened, or died, has nothing more to say: what it knew last counts.
      this.#options.log.debug('The engine was closed without an answer', { cause: String(error) });
      return this.#status?.pending ?? null;
    }
  }

  #create(): Engine {
    const engine = this.#options.create({
      status: (status) => {
        if (engine !== this.#engine) return;
        const before = this.#status;
        this.#status = status;
        this.#options.onStatus(status, before);
      },
      activity: (events, dropped) => this.#options.onActivity(events, dropped),
      lost: (cause) => {
        if (engine !== this.#engine) return;
        this.#options.log.error('The engine thread of the mount failed', {}, cause);
        this.#engine = null;
        this.#options.onLost();
      },
    });
    this.#engine = engine;
    return engine;
  }

  async #bringUpAgain(signal: AbortSignal): Promise<void> {
    const listening = this.#listening;
    if (listening === null) throw new HostError('engine', 'The mount has no listener to bring back');
    try {
      await this.open(signal);
      await this.listen(listening);
      if (this.#windowOpen) await this.setMountWindow(true);
    } catch (error) {
      const engine = this.#engine;
      this.#engine = null;
      if (engine !== null) await this.#close(engine);
      throw error;
    }
  }
}
