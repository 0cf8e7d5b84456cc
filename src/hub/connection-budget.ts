// Shares a fixed number of downloads between reads that a program waits for and read-ahead. Foreground goes first, and
// read-ahead never takes the last places, so that a foreground read starts at once.

import { abortedError } from './hub-errors.ts';

export type Priority = 'foreground' | 'prefetch';

interface Waiting {
  readonly priority: Priority;
  readonly start: () => void;
}

export class ConnectionBudget {
  readonly #places: number;
  readonly #prefetchPlaces: number;
  #taken = 0;
  #takenByPrefetch = 0;
  readonly #foreground: Waiting[] = [];
  readonly #prefetch: Waiting[] = [];

  /** `reserved` of the places are for foreground only. */
  constructor(places: number, reserved: number) {
    this.#places = places;
    this.#prefetchPlaces = Math.max(1, places - reserved);
  }

  get waiting(): number {
    return this.#foreground.length + this.#prefetch.length;
  }

  /** Runs `work` when there is a place. Rejects with "aborted" if `signal` comes first. */
  async run<T>(priority: Priority, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    await this.#enter(priority, signal);
    try {
      return await work();
    } finally {
      this.#taken -= 1;
      if (priority === 'prefetch') this.#takenByPrefetch -= 1;
      this.#startNext();
    }
  }

  #enter(priority: Priority, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(abortedError('The download', signal.reason));
    if (this.#hasPlace(priority)) {
      this.#take(priority);
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const queue = priority === 'foreground' ? this.#foreground : this.#prefetch;
      const onAbort = (): void => {
        queue.splice(queue.indexOf(waiting), 1);
        reject(abortedError('The download', signal?.reason));
      };
      const waiting: Waiting = {
        priority,
        start: () => {
          signal?.removeEventListener('abort', onAbort);
          this.#take(priority);
          resolve();
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      queue.push(waiting);
    });
  }

  #hasPlace(priority: Priority): boolean {
    if (this.#taken >= this.#places) return false;
    return priority === 'foreground' || this.#takenByPrefetch < this.#prefetchPlaces;
  }

  #take(priority: Priority): void {
    this.#taken += 1;
    if (priority === 'prefetch') this.#takenByPrefetch += 1;
  }

  #startNext(): void {
    const foreground = this.#hasPlace('foreground') ? this.#foreground.shift() : undefined;
    if (foreground !== undefined) return foreground.start();
    if (this.#hasPlace('prefetch')) this.#prefetch.shift()?.start();
  }
}
