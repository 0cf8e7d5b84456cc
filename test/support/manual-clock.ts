// A clock that stands still until a test moves it, so that no test sleeps. Timers run in order of their time.

import type { Clock, Timer } from '../../src/shared/log.ts';

interface PendingTimer {
  readonly dueAt: number;
  readonly sequence: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  readonly #startedAt: number;
  #elapsedMs = 0;
  #sequence = 0;
  readonly #timers = new Set<PendingTimer>();

  constructor(startedAt = Date.UTC(2026, 0, 2, 3, 4, 5)) {
    this.#startedAt = startedAt;
  }

  now(): number {
    return this.#startedAt + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const timer = { dueAt: this.#elapsedMs + Math.max(0, delayMs), sequence: this.#sequence++, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Moves the time, running what falls due. Promises that a callback started are not waited for. */
  advance(durationMs: number): void {
    const until = this.#elapsedMs + durationMs;
    for (let due = this.#nextDue(until); due !== null; due = this.#nextDue(until)) this.#run(due);
    this.#elapsedMs = until;
  }

  /** As `advance`, and lets promises and immediates settle after each timer. */
  async advanceAsync(durationMs: number): Promise<void> {
    const until = this.#elapsedMs + durationMs;
    await settle();
    for (let due = this.#nextDue(until); due !== null; due = this.#nextDue(until)) {
      this.#run(due);
      await settle();
    }
    this.#elapsedMs = until;
    await settle();
  }

  #run(timer: PendingTimer): void {
    this.#timers.delete(timer);
    this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueAt);
    timer.callback();
  }

  #nextDue(until: number): PendingTimer | null {
    let next: PendingTimer | null = null;
    for (const timer of this.#timers) {
      if (timer.dueAt > until) continue;
      if (
        next === null ||
        timer.dueAt < next.dueAt ||
        (timer.dueAt === next.dueAt && timer.sequence < next.sequence)
      ) {
        next = timer;
      }
    }
    return next;
  }
}

/** Lets everything run that needs no time: promises, immediates, a few turns of file I/O. */
export async function settle(turns = 4): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
