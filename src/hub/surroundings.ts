// The clock and the logger as the Hub client needs them. This layer imports nothing but `src/xet`, so the shapes are its
// own; the host passes its usual ones.

export interface HubTimer {
  cancel(): void;
}

export interface HubClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Monotonic milliseconds. */
  monotonic(): number;
  /** Runs `callback` once after `delayMs`; must not keep the process alive by itself. */
  schedule(delayMs: number, callback: () => void): HubTimer;
}

export type HubLogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Never gets a token, a signed URL or file content. */
export interface HubLog {
  debug(message: string, fields?: HubLogFields): void;
  info(message: string, fields?: HubLogFields): void;
  warn(message: string, fields?: HubLogFields): void;
}

export const systemHubClock: HubClock = {
  now: () => performance.timeOrigin + performance.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Rejects with `aborted` when `signal` is aborted first. */
export async function sleep(clock: HubClock, delayMs: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const finish = (done: () => void): void => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      done();
    };
    const onAbort = (): void => finish(() => reject(signal?.reason as Error));
    const timer = clock.schedule(delayMs, () => finish(resolve));
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
