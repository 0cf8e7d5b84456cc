// Remembers for a while which names changed here, so that answers of the Hub that are older than such a change are doubted. Used
// by the merge of listings.

import type { Clock } from '../../shared/log.ts';

/** For this long a name that went away here is asked for before a listing brings it back. */
const memoryMs = 600_000;
const mostRemembered = 20_000;

export class RecentChanges {
  readonly #clock: Clock;
  /** Names by folder, oldest first, with the monotonic time. */
  readonly #changedAt = new Map<string, number>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Rises with every change. */
  get count(): number {
    return this.#count;
  }

  add(directory: number, remoteName: string): void {
    const key = `${directory}/${remoteName}`;
    this.#changedAt.delete(key);
    this.#changedAt.set(key, this.#clock.monotonic());
    this.#count += 1;
    if (this.#changedAt.size <= mostRemembered) return;
    for (const oldest of this.#changedAt.keys()) {
      this.#changedAt.delete(oldest);
      break;
    }
  }

  has(directory: number, remoteName: string): boolean {
    const at = this.#changedAt.get(`${directory}/${remoteName}`);
    return at !== undefined && this.#clock.monotonic() - at < memoryMs;
  }

  /** Whether the name may have changed since `count` was as given. */
  hasSince(count: number, directory: number, remoteName: string): boolean {
    return this.#count !== count && this.has(directory, remoteName);
  }
}
