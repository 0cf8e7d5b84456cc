// Time for the embedded Hub: token and URL expiry, event replay, injected latency. Same shape as the clock of the
// rest of the project, repeated here because this folder stands alone.

export interface HubClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `callback` once after `delayMs`; must not keep the process alive by itself. */
  schedule(delayMs: number, callback: () => void): { cancel(): void };
}

export const realClock: HubClock = {
  now: () => Date.now(),
  schedule(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
