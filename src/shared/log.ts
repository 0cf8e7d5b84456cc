// The logger and the clock that the layers below the host are handed, so that none of them imports pino or
// reads the time by itself. The host adapts pino to `Log`; tests pass a recorder and a manual clock.

/** Structured fields of one log line. Never a token, a signed URL or file content. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** `cause` keeps its stack in the log. */
  error(message: string, fields?: LogFields, cause?: unknown): void;
}

export interface Timer {
  /** Idempotent; a callback that has already started is not stopped. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the epoch, fractional where the system has finer time. */
  now(): number;
  /** Monotonic milliseconds, for durations only. */
  monotonic(): number;
  /** Runs `callback` once after `delayMs`. Must not keep the process alive by itself. */
  schedule(delayMs: number, callback: () => void): Timer;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
