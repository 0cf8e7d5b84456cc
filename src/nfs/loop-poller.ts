// Keeps the event loop turning for a moment after several calls came at once, instead of letting its thread sleep: a client with
// many calls under way sends the next ones as soon as it has the replies, and to wake a sleeping thread takes longer than to
// serve them all. Where nothing comes in that time it soon stops waiting. One per server; knows nothing of the calls.

import { availableParallelism } from 'node:os';
import type { Clock } from '../shared/log.ts';

/** Two wake-ups of a processor: a client on this machine that has more to ask does it within them. */
const TURNING_MS = 0.06;
/** Some of them come to that time; bounds it also by a clock that stands still. */
const MAX_TURNS = 256;
/** After having waited in vain so many bursts are let pass, twice as many each time, up to this. */
const MAX_PASSED_BURSTS = 64;

export class LoopPoller {
  readonly #clock: Clock;
  readonly #isUseful: boolean;
  #turning: NodeJS.Immediate | null = null;
  #until = 0;
  #turns = 0;
  #hasCome = false;
  #bursts = 0;
  #passedBursts = 0;

  /** On one processor the client could not even run meanwhile. */
  constructor(clock: Clock, processors = availableParallelism()) {
    this.#clock = clock;
    this.#isUseful = processors > 1;
  }

  get isTurning(): boolean {
    return this.#turning !== null;
  }

  /** Several calls of one receive event were served. */
  noteBurst(): void {
    if (!this.#isUseful) return;
    if (this.#turning !== null) {
      this.#hasCome = true;
      this.#begin();
    } else if (this.#bursts < this.#passedBursts) this.#bursts += 1;
    else {
      this.#hasCome = false;
      this.#begin();
      this.#turning = setImmediate(this.#turn);
    }
  }

  close(): void {
    if (this.#turning !== null) clearImmediate(this.#turning);
    this.#turning = null;
  }

  #begin(): void {
    this.#until = this.#clock.monotonic() + TURNING_MS;
    this.#turns = 0;
  }

  readonly #turn = (): void => {
    this.#turns += 1;
    if (this.#turns < MAX_TURNS && this.#clock.monotonic() < this.#until) {
      this.#turning = setImmediate(this.#turn);
      return;
    }
    this.#turning = null;
    this.#bursts = 0;
    this.#passedBursts = this.#hasCome ? 0 : Math.min(MAX_PASSED_BURSTS, this.#passedBursts * 2 + 1);
  };
}
