// A pause of uploads that ends by itself: after an hour, or tomorrow morning. Looks at the wall clock every minute, so that sleep and a
// changed clock do not stretch it. Not kept over a restart, after which uploads run.

import type { Clock, Timer } from '../../shared/log.ts';
import type { PauseLength } from '../../shared/model.ts';

const hourMs = 3600_000;
const morningHour = 8;
const lookEveryMs = 60_000;

/** Milliseconds since the epoch. */
export function endOfPause(length: PauseLength, now: number): number {
  if (length === 'hour') return now + hourMs;
  const morning = new Date(now);
  morning.setDate(morning.getDate() + 1);
  morning.setHours(morningHour, 0, 0, 0);
  return morning.getTime();
}

export class PausePlan {
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  #until: number | null = null;
  #timer: Timer | null = null;

  constructor(clock: Clock, onEnd: () => void) {
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  get until(): number | null {
    return this.#until;
  }

  start(length: PauseLength): void {
    this.cancel();
    this.#until = endOfPause(length, this.#clock.now());
    this.#look();
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#until = null;
  }

  #look(): void {
    if (this.#until === null) return;
    const leftMs = this.#until - this.#clock.now();
    if (leftMs <= 0) {
      this.cancel();
      this.#onEnd();
      return;
    }
    this.#timer = this.#clock.schedule(Math.min(leftMs, lookEveryMs), () => this.#look());
  }
}
