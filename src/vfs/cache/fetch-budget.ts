// Bounds what all files of a mount prefetch at once. Foreground fetches are not counted (the server bounds its READs), so a
// stalled or greedy file can delay another file's read-ahead at most, never its reads.

const jobLimit = 20;
/**
 * One file may not take every place: its stalled jobs would end the read-ahead of all others. More than the Hub client downloads side by
 * side, so that the next ones have their plans when a connection is free: else the link is idle for a round trip.
 */
const jobLimitPerFile = 12;
/** Bytes asked for and not yet delivered, over all files. */
const byteLimit = 192 * 1024 * 1024;

export interface FetchTicket {
  /** Bytes that came; the ticket shrinks by them. */
  delivered(bytes: number): void;
  /** Idempotent. */
  end(): void;
}

export class FetchBudget {
  #jobs = 0;
  #bytes = 0;
  readonly #waiting = new Set<() => void>();

  /** Where there is no room, `again` is called once when there may be. */
  hasRoom(jobsOfFile: number, again: () => void): boolean {
    if (jobsOfFile >= jobLimitPerFile) return false;
    if (this.#jobs < jobLimit && this.#bytes < byteLimit) return true;
    this.#waiting.add(again);
    return false;
  }

  take(bytes: number): FetchTicket {
    this.#jobs += 1;
    this.#bytes += bytes;
    let left = bytes;
    let isEnded = false;
    return {
      delivered: (count) => {
        const freed = Math.min(left, count);
        left -= freed;
        this.#bytes -= freed;
      },
      end: () => {
        if (isEnded) return;
        isEnded = true;
        this.#jobs -= 1;
        this.#bytes -= left;
        this.#wake();
      },
    };
  }

  forget(again: () => void): void {
    this.#waiting.delete(again);
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const again of waiting) again();
  }
}
