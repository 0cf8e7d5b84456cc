// One mount: performs the effects of the mount machine on engine and system, feeds events back, and shows the result as a view. Decides
// nothing about states. Work that can take time runs as one job at a time; a newer job ends the older one first.

import type { Clock, Log, Timer } from '../../shared/log.ts';
import type { ActivityEvent } from '../../shared/activity.ts';
import type { DatedProblem, MountView, PauseLength, Problem } from '../../shared/model.ts';
import type { Engine, EngineListener, EngineStatus } from '../engine/engine.ts';
import { MountEngine } from './mount-engine.ts';
import { idleState, timeoutMsOf } from './mount-machine.ts';
import type { MountEffect, MountEvent, MountState } from './mount-machine.ts';
import { MountSystem } from './mount-system.ts';
import { next } from './mount-transitions.ts';
import type { MountRecord } from './mount-records.ts';
import { mountViewOf } from './mount-view.ts';
import type { OsMountDriver } from '../system/os-mount.ts';
import { PausePlan } from './pause-plan.ts';
import { HostError, problemOf } from '../problem.ts';

export interface ControllerOptions {
  readonly record: MountRecord;
  /** The Hub's URL at this run. */
  readonly endpoint: string;
  readonly listenHost: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly driverOf: (record: MountRecord) => OsMountDriver;
  readonly createEngine: (record: MountRecord, listener: EngineListener) => Engine;
  readonly choosePort: (record: MountRecord) => Promise<number>;
  readonly drainTimeoutMs: () => number;
  readonly saveRecord: (record: MountRecord) => Promise<void>;
  /** State or view changed. */
  readonly onChange: () => void;
  readonly onActivity: (events: readonly ActivityEvent[], dropped: number) => void;
}

/** Between two tries to send while draining. */
const drainRetryMs = 2000;

interface Job {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

export class MountController {
  readonly #options: ControllerOptions;
  readonly #log: Log;
  readonly #engine: MountEngine;
  readonly #system: MountSystem;
  readonly #pause: PausePlan;
  readonly #watchers = new Set<(state: MountState) => void>();
  #record: MountRecord;
  #state: MountState = idleState;
  #timer: Timer | null = null;
  #job: Job | null = null;
  #closing: Promise<void> = Promise.resolve();
  #lastError: DatedProblem | null = null;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#record = options.record;
    this.#log = options.log;
    this.#pause = new PausePlan(options.clock, () =>
      this.#inBackground('resuming uploads', this.setPaused(false)),
    );
    this.#engine = new MountEngine({
      source: options.record.source,
      clock: options.clock,
      log: options.log,
      create: (listener) => options.createEngine(this.#record, listener),
      onStatus: (status, before) => this.#takeStatus(status, before),
      onActivity: options.onActivity,
      onLost: () => this.dispatch({ type: 'serverLost' }),
      onBack: () => this.dispatch({ type: 'serverBack' }),
      onFailed: (problem) => this.dispatch({ type: 'serverFailed', problem }),
    });
    this.#system = new MountSystem({
      engine: this.#engine,
      driverOf: options.driverOf,
      listenHost: options.listenHost,
      choosePort: options.choosePort,
      record: () => this.#record,
      changeRecord: (change) => this.changeRecord(change),
    });
  }

  get state(): MountState {
    return this.#state;
  }

  get record(): MountRecord {
    return this.#record;
  }

  get engine(): MountEngine {
    return this.#engine;
  }

  view(): MountView {
    return mountViewOf({
      record: this.#record,
      endpoint: this.#options.endpoint,
      state: this.#state,
      status: this.#engine.status,
      listening: this.#engine.listening,
      lastError: this.#lastError,
      paused: this.#engine.isPaused,
      pausedUntil: this.#pause.until,
    });
  }

  async changeRecord(change: Partial<MountRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    await this.#options.saveRecord(this.#record);
    this.#options.onChange();
  }

  /** `length` null: until it is resumed. */
  async setPaused(paused: boolean, length: PauseLength | null = null): Promise<void> {
    if (paused && length !== null) this.#pause.start(length);
    else this.#pause.cancel();
    await this.#engine.setPaused(paused);
    this.#options.onChange();
  }

  /** Resolves with the first state, the present one included, for which `test` holds. */
  waitFor(test: (state: MountState) => boolean, signal?: AbortSignal): Promise<MountState> {
    if (test(this.#state)) return Promise.resolve(this.#state);
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#watchers.delete(watch);
        signal?.removeEventListener('abort', onAbort);
      };
      const watch = (state: MountState) => {
        if (!test(state)) return;
        stop();
        resolve(state);
      };
      const onAbort = () => {
        stop();
        reject(new HostError('cancelled', 'The wait for the mount was cancelled'));
      };
      this.#watchers.add(watch);
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Nobody will look at it again. */
  forget(): void {
    this.#pause.cancel();
  }

  /** Resolves when no job runs and a stopped engine has closed its files. */
  async settled(): Promise<void> {
    await this.#job?.done;
    await this.#closing;
  }

  /** Closes the engine under a system mount that cannot be removed; only while the process ends. */
  async abandon(): Promise<void> {
    this.#log.error('The system mount could not be removed; the next start serves it again', {
      mountPoint: this.#record.mountPoint,
    });
    await this.#endJob();
    await this.#engine.stop(false);
  }

  dispatch(event: MountEvent): void {
    if (event.type === 'quit') this.#pause.cancel();
    const before = this.#state;
    const { state, effects } = next(before, event);
    this.#state = state;
    this.#noteProblem(event, before);
    if (state.name !== before.name) {
      this.#log.info(`Mount is ${state.name}`, { event: event.type, before: before.name });
    }
    this.#armTimer(before, event);
    for (const effect of effects) this.#perform(effect);
    for (const watch of [...this.#watchers]) watch(state);
    this.#options.onChange();
  }

  /** A system mount that something else removed is an eject: the person's wish. */
  async checkStillMounted(): Promise<void> {
    const isAttached = () =>
      this.#state.name === 'mounted' || (this.#state.name === 'draining' && this.#state.attached);
    if (!isAttached() || (await this.#system.isMounted()) || !isAttached()) return;
    this.#log.warn('The system mount was removed by something else', { mountPoint: this.#record.mountPoint });
    await this.changeRecord({ wanted: false, exportPath: null });
    this.dispatch({ type: 'ejected' });
  }

  #noteProblem(event: MountEvent, before: MountState): void {
    if (event.type === 'mountRequested' || event.type === 'dismissed') this.#lastError = null;
    const held = 'problem' in this.#state ? this.#state.problem : null;
    const was = 'problem' in before ? before.problem : null;
    const problem = 'problem' in event ? event.problem : held !== was ? held : null;
    if (problem === null) return;
    this.#lastError = { ...problem, at: this.#options.clock.now() };
    this.#log.warn(problem.message, { code: problem.code, state: this.#state.name });
  }

  #armTimer(before: MountState, event: MountEvent): void {
    const key = (state: MountState) =>
      JSON.stringify([state.name, 'forced' in state && state.forced, 'quitting' in state && state.quitting]);
    if (key(before) === key(this.#state) && event.type !== 'timeout') return;
    this.#timer?.cancel();
    const timeoutMs = timeoutMsOf(this.#state, this.#options.drainTimeoutMs());
    this.#timer =
      timeoutMs === null
        ? null
        : this.#options.clock.schedule(timeoutMs, () => this.dispatch({ type: 'timeout' }));
  }

  #perform(effect: MountEffect): void {
    switch (effect.type) {
      case 'openEngine':
        this.#start(
          (signal) => this.#open(signal),
          (problem) => ({ type: 'hubFailed', problem }),
        );
        break;
      case 'attach':
        this.#start(
          (signal) => this.#system.attach(effect.orphan, signal),
          (problem) => ({ type: 'osMountFailed', problem }),
        );
        break;
      case 'drain':
        this.#start(
          (signal) => this.#drain(effect.attached, signal),
          (problem) => ({ type: 'drainFailed', problem }),
        );
        break;
      case 'detach':
        this.#start(
          (signal) => this.#system.detach(effect.force, signal),
          (problem) => (problem.code === 'timeout' ? { type: 'timeout' } : { type: 'busy', problem }),
        );
        break;
      case 'restartEngine':
        this.#engine.restart();
        break;
      case 'stopEngine':
        this.#stopEngine(effect.discard);
        break;
      case 'pauseSending':
        this.#inBackground('holding uploads', this.#engine.holdUploads(true));
        break;
      case 'resumeSending':
        this.#inBackground('resuming uploads', this.#engine.holdUploads(false));
        break;
    }
  }

  /** Runs `work` after the job before it has ended. What an overtaken job says is not heard. */
  #start(
    work: (signal: AbortSignal) => Promise<MountEvent | null>,
    failed: (problem: Problem) => MountEvent,
  ): void {
    const before = this.#endJob();
    const abort = new AbortController();
    const run = async () => {
      await before;
      if (abort.signal.aborted) return;
      let event: MountEvent | null;
      try {
        event = await work(abort.signal);
      } catch (error) {
        const problem = problemOf(error);
        if (problem.code === 'internal')
          this.#log.error('A step of the mount failed unexpectedly', {}, error);
        event = failed(problem);
      }
      if (event !== null && !abort.signal.aborted) this.dispatch(event);
    };
    this.#job = { abort, done: run() };
  }

  #endJob(): Promise<void> {
    this.#job?.abort.abort();
    const done = this.#job?.done ?? Promise.resolve();
    this.#job = null;
    return done;
  }

  async #open(signal: AbortSignal): Promise<MountEvent> {
    await this.#closing;
    signal.throwIfAborted();
    await this.#engine.open(signal);
    return { type: 'hubReady' };
  }

  /** Null: nothing to say yet; the drain is asked for again when the engine is back. */
  async #drain(attached: boolean, signal: AbortSignal): Promise<MountEvent | null> {
    if (!this.#engine.isRunning) return null;
    if (this.#engine.isPaused) return { type: 'keepStaged' };
    if (attached) await this.#system.sync(signal);
    for (;;) {
      signal.throwIfAborted();
      try {
        await this.#engine.current.flush(signal);
        return { type: 'drained' };
      } catch (error) {
        const problem = problemOf(error);
        if (problem.code === 'engine') return null;
        if (!problem.retryable) throw error;
        this.#log.debug('Draining goes on', { cause: problem.message });
      }
      await this.#sleep(drainRetryMs, signal);
    }
  }

  #takeStatus(status: EngineStatus, before: EngineStatus | null): void {
    if ((before?.online ?? true) !== status.online)
      this.dispatch({ type: status.online ? 'hubBack' : 'hubLost' });
    if (status.failing !== null && status.failing.message !== before?.failing?.message) {
      this.#lastError = { ...status.failing, at: this.#options.clock.now() };
    }
    this.#options.onChange();
  }

  #stopEngine(discard: boolean): void {
    const job = this.#endJob();
    const before = this.#closing;
    this.#closing = (async () => {
      const stopped = this.#engine.stop(discard);
      await job;
      await before;
      const unsent = (await stopped) ?? this.#record.unsent;
      this.#engine.rememberUnsent(unsent);
      await this.changeRecord({ unsent });
    })();
    this.#inBackground('closing the engine', this.#closing);
  }

  #sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        timer.cancel();
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = this.#options.clock.schedule(delayMs, finish);
      signal.addEventListener('abort', finish, { once: true });
    });
  }

  #inBackground(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#log.error(`Failed while ${what}`, {}, error));
  }
}
