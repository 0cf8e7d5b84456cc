// What happened in all mounts lately: a bounded ring per mount, and batches for the surfaces that watch. The engines bound the rate; this
// bounds memory and says how many events were dropped on the way.

import type { ActivityEvent } from '../../shared/activity.ts';
import type { ActivityBatch, Caller, MountActivity } from '../../shared/contract.ts';

const ringSize = 500;

interface Ring {
  readonly source: string;
  events: ActivityEvent[];
  dropped: number;
}

interface Watcher {
  readonly caller: Caller;
  /** Null: all mounts. */
  readonly mountIds: ReadonlySet<string> | null;
}

export class ActivityFeed {
  readonly #rings = new Map<string, Ring>();
  readonly #watchers = new Map<Caller, Watcher>();
  readonly #onWatchedChange: (watched: boolean) => void;

  constructor(onWatchedChange: (watched: boolean) => void) {
    this.#onWatchedChange = onWatchedChange;
  }

  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  add(mountId: string, source: string, events: readonly ActivityEvent[], dropped: number): void {
    let ring = this.#rings.get(mountId);
    if (ring === undefined) this.#rings.set(mountId, (ring = { source, events: [], dropped: 0 }));
    ring.events.push(...events);
    ring.dropped += dropped;
    const excess = ring.events.length - ringSize;
    if (excess > 0) {
      ring.events.splice(0, excess);
      ring.dropped += excess;
    }
    const batch: ActivityBatch = { mounts: [{ mountId, source, events, dropped }] };
    for (const { caller, mountIds } of this.#watchers.values()) {
      if (mountIds === null || mountIds.has(mountId)) caller.push('activity:batch', batch);
    }
  }

  /** What an earlier run left, before anything of this one. Only backlogs show it. */
  remember(mountId: string, source: string, events: readonly ActivityEvent[]): void {
    if (events.length === 0) return;
    const ring = this.#rings.get(mountId);
    if (ring === undefined) this.#rings.set(mountId, { source, events: [...events], dropped: 0 });
    else ring.events.unshift(...events.slice(0, Math.max(0, ringSize - ring.events.length)));
  }

  backlog(mountIds: readonly string[] | null): ActivityBatch {
    const mounts: MountActivity[] = [];
    for (const [mountId, ring] of this.#rings) {
      if (mountIds !== null && !mountIds.includes(mountId)) continue;
      mounts.push({ mountId, source: ring.source, events: [...ring.events], dropped: ring.dropped });
    }
    return { mounts };
  }

  /** Until `unsubscribe` or until the caller is gone. A second call of one caller replaces the first. */
  subscribe(caller: Caller, mountIds: readonly string[] | null): ActivityBatch {
    const isFirst = this.#watchers.size === 0;
    if (!this.#watchers.has(caller)) {
      caller.gone.addEventListener('abort', () => this.unsubscribe(caller), { once: true });
    }
    this.#watchers.set(caller, { caller, mountIds: mountIds === null ? null : new Set(mountIds) });
    if (isFirst) this.#onWatchedChange(true);
    return this.backlog(mountIds);
  }

  unsubscribe(caller: Caller): void {
    if (this.#watchers.delete(caller) && this.#watchers.size === 0) this.#onWatchedChange(false);
  }

  forget(mountId: string): void {
    this.#rings.delete(mountId);
  }
}
