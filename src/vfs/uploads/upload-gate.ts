// A back-off shared by many: while the Hub as a whole fails, neither uploads nor commits hammer it. Used by the queue (for
// uploads) and the committer (for requests). Times are monotonic milliseconds.

import type { Clock } from '../../shared/log.ts';
import { backOffDelayMs, type Failure } from './upload-schedule.ts';

export class BackOffGate {
  readonly #clock: Clock;
  readonly #random: () => number;
  #attempts = 0;
  #opensAt = 0;
  #failure: Failure | null = null;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  get attempts(): number {
    return this.#attempts;
  }

  get opensAt(): number {
    return this.#opensAt;
  }

  /** Why it was closed last; null after a success. */
  get failure(): Failure | null {
    return this.#failure;
  }

  isOpen(): boolean {
    return this.#clock.monotonic() >= this.#opensAt;
  }

  fail(failure: Failure): void {
    this.#attempts += 1;
    this.#failure = failure;
    this.#opensAt = this.#clock.monotonic() + backOffDelayMs(failure, this.#attempts, this.#random());
  }

  succeed(): void {
    this.#attempts = 0;
    this.#opensAt = 0;
    this.#failure = null;
  }

  /** The next try is allowed at once, but counts on. */
  open(): void {
    this.#opensAt = 0;
  }
}
