// One fetch of a range of one content that goes on until its bytes are there: retried in the background with growing pauses
// while somebody still wants them. Used by lazy-file.ts, which says what is missing and takes the bytes.

import { HubError } from '../../hub/remote-store.ts';
import type { ByteRange, ContentRef, ContentSink, RemoteStore } from '../../hub/remote-store.ts';
import type { Clock, Timer } from '../../shared/log.ts';

const firstPauseMs = 500;
const longestPauseMs = 30_000;

export type FetchPriority = 'foreground' | 'prefetch';

/** `given-up`: aborted, or failed when nobody wanted it any more. `failed`: no retry can mend it. */
export type FetchOutcome =
  { readonly type: 'delivered' | 'given-up' } | { readonly type: 'failed'; readonly cause: unknown };

export interface FetchJobOptions {
  readonly remote: RemoteStore;
  readonly clock: Clock;
  readonly content: ContentRef;
  readonly range: ByteRange;
  readonly priority: FetchPriority;
  readonly sink: ContentSink;
  /** What of the range is still missing, null for nothing. */
  readonly missing: () => ByteRange | null;
  /** What was delivered so far is not the content, and must be missing again. Fetched once more before it is given up. */
  readonly onCorrupt: () => void;
  /** Whether a retry would still serve somebody. */
  readonly isWanted: () => boolean;
}

export class FetchJob {
  readonly start: number;
  readonly end: number;
  readonly priority: FetchPriority;
  readonly #options: FetchJobOptions;
  readonly #abort = new AbortController();
  #pause: { timer: Timer; wake: () => void } | null = null;

  constructor(options: FetchJobOptions) {
    this.#options = options;
    this.start = options.range.start;
    this.end = options.range.end;
    this.priority = options.priority;
  }

  overlaps(start: number, end: number): boolean {
    return this.start < end && start < this.end;
  }

  /** Never rejects for the Hub's sake. Call once. */
  async run(): Promise<FetchOutcome> {
    const { remote, content, sink, priority } = this.#options;
    let isCorrupt = false;
    for (let attempt = 0; ; attempt++) {
      const missing = this.#options.missing();
      if (this.#abort.signal.aborted) return { type: 'given-up' };
      if (missing === null) return { type: 'delivered' };
      try {
        await remote.fetch(content, missing.start, missing.end, sink, {
          signal: this.#abort.signal,
          priority,
        });
        return { type: 'delivered' };
      } catch (cause) {
        if (this.#abort.signal.aborted) return { type: 'given-up' };
        if (!(cause instanceof HubError)) return { type: 'failed', cause };
        if (!cause.retryable) {
          if (cause.code !== 'corrupt') return { type: 'failed', cause };
          this.#options.onCorrupt();
          if (isCorrupt) return { type: 'failed', cause };
          isCorrupt = true;
          continue;
        }
        if (!this.#options.isWanted()) return { type: 'given-up' };
        await this.#waitMs(Math.max(cause.retryAfterMs ?? 0, pauseMs(attempt)));
      }
    }
  }

  /** Ends the pause before the next attempt, if there is one. */
  hurry(): void {
    this.#pause?.timer.cancel();
    this.#pause?.wake();
    this.#pause = null;
  }

  abort(): void {
    this.#abort.abort();
    this.hurry();
  }

  #waitMs(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#pause = {
        wake: resolve,
        timer: this.#options.clock.schedule(delayMs, () => {
          this.#pause = null;
          resolve();
        }),
      };
    });
  }
}

/** Doubles per attempt, up to a quarter less by chance so that many files do not come back together. */
function pauseMs(attempt: number): number {
  return Math.min(longestPauseMs, firstPauseMs * 2 ** attempt) * (1 - Math.random() / 4);
}
