// What the shell itself follows of the host that serves at the moment: its newest state, its end, upload speed, and STALE answers that
// nobody has been shown yet. A surface of the contract like any other, without a transport.

import type { Caller } from '../shared/contract.ts';
import type { Clock } from '../shared/log.ts';
import type { HostState } from '../shared/model.ts';
import type { Host } from './host.ts';
import type { SeenStale } from './tray/tray-icon.ts';
import { UploadRate } from './tray/upload-rate.ts';

export type StateListener = (state: HostState | null, previous: HostState | null) => void;

export class HostWatch {
  readonly #clock: Clock;
  readonly #listeners = new Set<StateListener>();
  #host: Host | null = null;
  #gone = new AbortController();
  #state: HostState | null = null;
  #seen: SeenStale = new Map();
  #rate = new UploadRate();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get host(): Host | null {
    return this.#host;
  }

  get state(): HostState | null {
    return this.#state;
  }

  get seen(): SeenStale {
    return this.#seen;
  }

  /** Bytes a second, null when nothing was sent lately. */
  get uploadRate(): number | null {
    return this.#rate.bytesPerSecond;
  }

  /** For requests that the shell makes itself; its signal ends with the host. */
  get caller(): Caller {
    return { gone: this.#gone.signal, push: () => undefined };
  }

  onState(listener: StateListener): void {
    this.#listeners.add(listener);
  }

  /** Null: the host has ended. */
  setHost(host: Host | null): void {
    this.#gone.abort();
    this.#gone = new AbortController();
    this.#host = host;
    this.#rate = new UploadRate();
    if (host === null) {
      this.#take(null);
      return;
    }
    const { signal } = this.#gone;
    const caller: Caller = {
      gone: signal,
      push: (channel) => {
        if (channel === 'state:changed' && !signal.aborted) this.#take(host.state());
      },
    };
    void host.handlers['state:subscribe'](null, caller);
    this.#take(host.state());
  }

  /** A person looks at the panel, which shows them. */
  markSeen(): void {
    if (this.#state === null) return;
    this.#seen = new Map(this.#state.mounts.map(({ id, counters }) => [id, counters.stale]));
    this.#tell(this.#state);
  }

  #take(state: HostState | null): void {
    const previous = this.#state;
    this.#state = state;
    if (state !== null) {
      this.#rate.observe(state, this.#clock.monotonic());
      this.#seen = stillSeen(this.#seen, state);
    }
    this.#tell(previous);
  }

  #tell(previous: HostState | null): void {
    for (const listener of this.#listeners) listener(this.#state, previous);
  }
}

/** An engine that starts again counts from zero: what it counts then is new. */
function stillSeen(seen: SeenStale, { mounts }: HostState): SeenStale {
  const fewer = mounts.filter(({ id, counters }) => counters.stale < (seen.get(id) ?? 0));
  if (fewer.length === 0) return seen;
  const next = new Map(seen);
  for (const { id } of fewer) next.set(id, 0);
  return next;
}
