// How many bytes a second all mounts together may send and receive. Each mount has a thread of its own, so the account is kept in memory
// that they share. Used by http-exchange.ts for bodies; the host sets the limits.

import { sleep } from './surroundings.ts';
import type { HubClock } from './surroundings.ts';

export type Direction = 'up' | 'down';

/** Bytes a second; 0 for no limit. */
export type BandwidthLimits = { readonly [D in Direction]: number };

/** Cells of each direction: bytes a second, and the microsecond at which the next byte may pass. */
const cellsOf = { up: { rate: 0, next: 1 }, down: { rate: 2, next: 3 } } as const;
const cellCount = 4;
/** Unused time of this length is made up for, so that late timers cost no speed. */
const burstUs = 100_000n;
/** A wait looks this often whether the limit was changed. */
const lookEveryMs = 500;

/** For `Bandwidth` in any thread of this process. Without limits at first. */
export function createBandwidthAccount(): SharedArrayBuffer {
  return new SharedArrayBuffer(cellCount * BigInt64Array.BYTES_PER_ELEMENT);
}

/** Counts at once, also for bodies on their way. */
export function setBandwidthLimits(account: SharedArrayBuffer, limits: BandwidthLimits): void {
  const cells = new BigInt64Array(account);
  for (const direction of ['up', 'down'] as const) {
    const { rate, next } = cellsOf[direction];
    const limit = BigInt(limits[direction]);
    if (Atomics.exchange(cells, rate, limit) !== limit) Atomics.store(cells, next, 0n);
  }
}

export class Bandwidth {
  /** For `Bandwidth` in another thread. */
  readonly account: SharedArrayBuffer;
  readonly #cells: BigInt64Array;
  readonly #nowUs: () => bigint;

  /** `nowUs` must be the same clock in all threads. */
  constructor(account: SharedArrayBuffer, nowUs: () => bigint = () => process.hrtime.bigint() / 1000n) {
    this.account = account;
    this.#cells = new BigInt64Array(account);
    this.#nowUs = nowUs;
  }

  /** 0: no limit. */
  limit(direction: Direction): number {
    return Number(Atomics.load(this.#cells, cellsOf[direction].rate));
  }

  /** Takes the right to pass `sizeBytes`. Answers the milliseconds to wait for it. */
  reserve(direction: Direction, sizeBytes: number): number {
    const { rate, next } = cellsOf[direction];
    for (;;) {
      const limit = Atomics.load(this.#cells, rate);
      if (limit === 0n) return 0;
      const before = Atomics.load(this.#cells, next);
      const now = this.#nowUs();
      const from = before > now - burstUs ? before : now - burstUs;
      const after = from + (BigInt(sizeBytes) * 1_000_000n) / limit;
      if (Atomics.compareExchange(this.#cells, next, before, after) !== before) continue;
      return from > now ? Number(from - now) / 1000 : 0;
    }
  }

  /** Waits, `onWait` being called again and again, until the time is over, the limit is changed or `isOver` holds. */
  async wait(
    direction: Direction,
    delayMs: number,
    clock: HubClock,
    onWait: () => void,
    isOver: () => boolean,
  ): Promise<void> {
    const limit = this.limit(direction);
    const until = clock.monotonic() + delayMs;
    for (let left = delayMs; left > 0; left = until - clock.monotonic()) {
      onWait();
      await sleep(clock, Math.min(left, lookEveryMs));
      if (isOver() || this.limit(direction) !== limit) return;
    }
    onWait();
  }
}
