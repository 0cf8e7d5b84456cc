// When something unsent is tried: the debounce after changes and the back-off after failures. Pure; used by the upload
// files, the committer and the tree mover. It holds no timer and no state of its own.

import { HubError, type HubErrorCode } from '../../hub/remote-store.ts';

/** Programs save in bursts; two quiet seconds mostly mean that a save is over. */
export const quietMs = 2_000;
/** A file that never rests (a log, a database) is sent this long after its first unsent change all the same. */
export const longestWaitMs = 30_000;

const firstRetryMs = 1_000;
/** What only a person can mend (token, quota, bucket deleted) is asked for less often. */
const firstSlowRetryMs = 30_000;
/** Both kinds of back-off end here and go on for ever. */
export const longestRetryMs = 300_000;

/** Code of what failed on this machine, not on the Hub (reading staged bytes, the catalogue). */
export type FailureCode = HubErrorCode | 'local';

export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | null;
}

/** Both arguments are clock times in milliseconds. */
export function debounceUntil(firstChangeAt: number, lastChangeAt: number): number {
  return Math.min(lastChangeAt + quietMs, firstChangeAt + longestWaitMs);
}

/**
 * Milliseconds until the next try. `attempts` failures so far, at least 1; `random` in [0, 1) spreads the tries over the
 * upper half of the delay. What the Hub asked to wait is a lower bound, itself spread a little.
 */
export function backOffDelayMs(failure: Failure, attempts: number, random: number): number {
  const firstMs = failure.retryable ? firstRetryMs : firstSlowRetryMs;
  const doubledMs = Math.min(longestRetryMs, firstMs * 2 ** Math.min(attempts - 1, 20));
  const ownMs = doubledMs * (0.5 + random / 2);
  if (failure.retryAfterMs === null) return ownMs;
  return Math.max(ownMs, failure.retryAfterMs * (1 + random / 10));
}

export function describeFailure(cause: unknown): Failure {
  if (cause instanceof HubError) {
    return {
      code: cause.code,
      message: cause.message,
      retryable: cause.retryable,
      retryAfterMs: cause.retryAfterMs,
    };
  }
  return {
    code: 'local',
    message: cause instanceof Error ? cause.message : String(cause),
    retryable: false,
    retryAfterMs: null,
  };
}

const hubWideCodes: ReadonlySet<FailureCode> = new Set([
  'unauthorized',
  'forbidden',
  'gated',
  'not-found',
  'wrong-kind',
  'rate-limited',
  'network',
]);

/** Whether the failure of one upload says that others would fail too. */
export function concernsWholeHub(failure: Failure): boolean {
  return hubWideCodes.has(failure.code);
}

/**
 * Whether one line of a request that was refused as a whole may be the reason, so that smaller requests find it. Errors
 * of the server and timeouts get the benefit of the doubt for a few tries.
 */
export function mayBeOneLine(failure: Failure, attempts: number): boolean {
  if (failure.code === 'server' || failure.code === 'timeout') return attempts >= 3;
  return ['invalid', 'too-large', 'conflict', 'corrupt', 'local'].includes(failure.code);
}
