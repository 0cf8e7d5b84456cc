// The host's state as one whole value with a revision, pushed to the surfaces that subscribed, at most every 100 ms however fast it changes.

import type { Caller } from '../../shared/contract.ts';
import type { Clock, Timer } from '../../shared/log.ts';
import type { HostState } from '../../shared/model.ts';

const pushEveryMs = 100;

export class StatePublisher {
  readonly #clock: Clock;
  readonly #read: () => Omit<HostState, 'revision'>;
  readonly #subscribers = new Set<Caller>();
  #revision = 0;
  #timer: Timer | null = null;
  #lastPushAt = -Infinity;

  constructor(clock: Clock, read: () => Omit<HostState, 'revision'>) {
    this.#clock = clock;
    this.#read = read;
  }

  snapshot(): HostState {
    return { revision: this.#revision, ...this.#read() };
  }

  changed(): void {
    this.#revision += 1;
    if (this.#timer !== null || this.#subscribers.size === 0) return;
    const waitMs = Math.max(0, this.#lastPushAt + pushEveryMs - this.#clock.monotonic());
    this.#timer = this.#clock.schedule(waitMs, () => this.#push());
  }

  subscribe(caller: Caller): HostState {
    if (!this.#subscribers.has(caller)) {
      this.#subscribers.add(caller);
      caller.gone.addEventListener('abort', () => this.#subscribers.delete(caller), { once: true });
    }
    return this.snapshot();
  }

  close(): void {
    this.#timer?.cancel();
    this.#subscribers.clear();
  }

  #push(): void {
    this.#timer = null;
    this.#lastPushAt = this.#clock.monotonic();
    const state = this.snapshot();
    for (const caller of this.#subscribers) caller.push('state:changed', state);
  }
}
