// Those who wait until everything is sent. Used by the queue, which tells them how it ends.

import { FsError } from '../fs-error.ts';

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (cause: FsError) => void;
}

export class FlushWaiters {
  readonly #waiters = new Set<Waiter>();

  /** While somebody waits, everything is due and a pause is overruled. */
  get any(): boolean {
    return this.#waiters.size > 0;
  }

  wait(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(flushStopped());
    return new Promise((resolve, reject) => {
      const onAbort = (): void => waiter.reject(flushStopped());
      const leave = (): void => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        resolve: () => (leave(), resolve()),
        reject: (cause) => (leave(), reject(cause)),
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  resolve(): void {
    for (const waiter of [...this.#waiters]) waiter.resolve();
  }

  reject(cause: FsError): void {
    for (const waiter of [...this.#waiters]) waiter.reject(cause);
  }
}

export function flushStopped(): FsError {
  return new FsError('EAGAIN', 'flush', {
    message: 'stopped before everything was sent; the rest is kept and sent later',
  });
}
