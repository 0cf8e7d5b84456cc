// Brings a mount's engine back after its thread died, again and again with growing pauses, because a system mount waits for it. Used by
// MountController; a failure that no repetition can mend is reported after some tries.

import type { Clock, Log, Timer } from '../../shared/log.ts';
import type { Problem } from '../../shared/model.ts';
import { problemOf } from '../problem.ts';

const firstPauseMs = 100;
const longestPauseMs = 30_000;
/** About two minutes of pauses. */
const hopelessTries = 10;
/** An engine that lived this long starts with the short pause again. */
const healthyMs = 60_000;

export interface EngineRestartOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Opens a new engine and its listener on the same port, or rejects. */
  readonly bringUp: (signal: AbortSignal) => Promise<void>;
  readonly back: () => void;
  readonly failed: (problem: Problem) => void;
}

export class EngineRestart {
  readonly #options: EngineRestartOptions;
  #abort: AbortController | null = null;
  #timer: Timer | null = null;
  #tries = 0;
  #hopeless = 0;
  #backAt = -Infinity;

  constructor(options: EngineRestartOptions) {
    this.#options = options;
  }

  /** Nothing if it is under way. */
  start(): void {
    if (this.#abort !== null) return;
    this.#abort = new AbortController();
    if (this.#options.clock.monotonic() - this.#backAt > healthyMs) this.#tries = 0;
    this.#hopeless = 0;
    this.#plan(this.#abort.signal);
  }

  stop(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.#timer?.cancel();
  }

  #plan(signal: AbortSignal): void {
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** this.#tries);
    this.#tries += 1;
    this.#timer = this.#options.clock.schedule(pauseMs, () => void this.#try(signal));
  }

  async #try(signal: AbortSignal): Promise<void> {
    const { bringUp, back, failed, clock, log } = this.#options;
    try {
      await bringUp(signal);
    } catch (error) {
      if (signal.aborted) return;
      const problem = problemOf(error);
      log.warn('The engine could not be brought back yet', { cause: problem.message, tries: this.#tries });
      this.#hopeless = problem.retryable ? 0 : this.#hopeless + 1;
      if (this.#hopeless < hopelessTries) return this.#plan(signal);
      this.#abort = null;
      return failed(problem);
    }
    if (signal.aborted) return;
    this.#abort = null;
    this.#backAt = clock.monotonic();
    back();
  }
}
