// When to try again what failed, by name: pauses double from two seconds to five minutes. Used by MountManager for mounts.

import type { Clock, Timer } from '../../shared/log.ts';

const firstPauseMs = 2000;
const longestPauseMs = 5 * 60_000;

export class RetryPlan {
  readonly #clock: Clock;
  readonly #run: (name: string) => void;
  readonly #timers = new Map<string, Timer>();
  readonly #tries = new Map<string, number>();

  constructor(clock: Clock, run: (name: string) => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** Nothing if a try of it is planned already. */
  plan(name: string): void {
    if (this.#timers.has(name)) return;
    const tries = this.#tries.get(name) ?? 0;
    this.#tries.set(name, tries + 1);
    const timer = this.#clock.schedule(Math.min(longestPauseMs, firstPauseMs * 2 ** tries), () => {
      this.#timers.delete(name);
      this.#run(name);
    });
    this.#timers.set(name, timer);
  }

  cancel(name: string): void {
    this.#timers.get(name)?.cancel();
    this.#timers.delete(name);
  }

  /** It worked: the next failure starts with the short pause. */
  reset(name: string): void {
    this.cancel(name);
    this.#tries.delete(name);
  }

  /** What was planned is tried at once; the next failure starts with the short pause. */
  hurry(): void {
    for (const name of [...this.#timers.keys()]) {
      this.reset(name);
      this.#run(name);
    }
  }

  cancelAll(): void {
    for (const name of [...this.#timers.keys()]) this.cancel(name);
  }
}
