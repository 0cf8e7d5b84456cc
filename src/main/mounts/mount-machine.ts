// The states of one mount and what may follow what, as a pure function. MountController performs the effects and feeds events back;
// no other place decides about states. The table is total: an undecided pair of state and event does not compile.
//
//             mountRequested          hubReady               osMounted
//    idle ───────────────▶ connecting ───────▶ attaching ─────────────▶ mounted {link, server}
//     ▲  ▲                    │ hubFailed         │ osMountFailed          │  ▲   unmountRequested │ quit │ ejected
//     │  │ osUnmounted        ▼                   ▼                        ▼  │ drainFailed and `stay`, cancelled
//     │  └── orphaned       failed ◀──────────────┘                     draining {attached}
//     │      (at start)       │ mountRequested ▶ connecting                │ drained │ keepStaged │ time is up and `keep`
//     └───────────────────────┴──────────────── detaching ◀────────────────┘
//                               osUnmounted        │ busy ▶ mounted (says which programs)
//
// state      NFS listener  system mount           leaves on
// idle       no            no                     mountRequested, deliverRequested (send what an earlier run kept), orphanFound
// orphaned   no            yes, of a dead run     mountRequested (serve it again on the same port), unmountRequested, ejected
// connecting no            only if orphan         hubReady, hubFailed, timeout, cancelled
// attaching  yes           being made             osMounted, osMountFailed, cancelled
// mounted    yes           yes                    unmountRequested, quit, ejected, serverFailed
// draining   yes           unless ejected or done drained, drainFailed, keepStaged, timeout, cancelled
// detaching  yes           being removed          osUnmounted, busy, timeout (one forced try)
// failed     no            no                     mountRequested, dismissed
//
// After the system mount is gone the kernel may have handed over its last pages, and uploads may have been cut short: the machine then
// goes on in `draining` without a system mount until all is sent, unless the host quits (the next start delivers the rest).

import type { Problem } from '../../shared/model.ts';

export interface Link {
  readonly link: 'online' | 'offline';
  /** `restarting`: the engine thread died; the system mount stays and waits for the same port and handles. */
  readonly server: 'up' | 'restarting';
}

export type MountState =
  | { readonly name: 'idle' }
  | { readonly name: 'orphaned'; readonly problem: Problem | null }
  | { readonly name: 'connecting'; readonly orphan: boolean; readonly deliver: boolean }
  | { readonly name: 'attaching'; readonly orphan: boolean }
  | ({ readonly name: 'mounted'; readonly problem: Problem | null } & Link)
  | ({
      readonly name: 'draining';
      readonly attached: boolean;
      readonly ifUnsent: 'keep' | 'stay';
      readonly quitting: boolean;
      readonly force: boolean;
    } & Link)
  | ({
      readonly name: 'detaching';
      /** No engine runs: the mount of a dead run is being removed. */
      readonly orphan: boolean;
      readonly discard: boolean;
      readonly forced: boolean;
      readonly quitting: boolean;
      /** Set when the way leads to `failed`. */
      readonly problem: Problem | null;
    } & Link)
  | { readonly name: 'failed'; readonly problem: Problem };

export type MountEvent =
  | { readonly type: 'mountRequested' }
  | { readonly type: 'deliverRequested' }
  | { readonly type: 'orphanFound' }
  | { readonly type: 'hubReady' }
  | { readonly type: 'hubFailed'; readonly problem: Problem }
  | { readonly type: 'osMounted' }
  | { readonly type: 'osMountFailed'; readonly problem: Problem }
  | { readonly type: 'cancelled' }
  | {
      readonly type: 'unmountRequested';
      readonly discard: boolean;
      readonly ifUnsent: 'keep' | 'stay';
      readonly force: boolean;
    }
  | { readonly type: 'quit' }
  | { readonly type: 'ejected' }
  | { readonly type: 'hubLost' }
  | { readonly type: 'hubBack' }
  | { readonly type: 'serverLost' }
  | { readonly type: 'serverBack' }
  | { readonly type: 'serverFailed'; readonly problem: Problem }
  | { readonly type: 'drained' }
  | { readonly type: 'drainFailed'; readonly problem: Problem }
  | { readonly type: 'keepStaged' }
  | { readonly type: 'osUnmounted' }
  | { readonly type: 'busy'; readonly problem: Problem }
  | { readonly type: 'timeout' }
  | { readonly type: 'dismissed' };

/** What the controller must do. `openEngine`, `attach`, `drain` and `detach` replace one another: the newest counts. */
export type MountEffect =
  | { readonly type: 'openEngine' }
  /** Starts the listener if it does not run, then makes the system mount (with `orphan` it exists already). */
  | { readonly type: 'attach'; readonly orphan: boolean }
  | { readonly type: 'drain'; readonly attached: boolean }
  | { readonly type: 'detach'; readonly force: boolean }
  /** Opens the engine again on the same port with the same handles, with back-off. Nothing if that is under way. */
  | { readonly type: 'restartEngine' }
  /** `discard`: first gives up all local changes for good. Only ever emitted where no system mount is left. */
  | { readonly type: 'stopEngine'; readonly discard: boolean }
  | { readonly type: 'pauseSending' }
  | { readonly type: 'resumeSending' };

export interface Transition {
  readonly state: MountState;
  readonly effects: readonly MountEffect[];
}

export type StateName = MountState['name'];
export type EventType = MountEvent['type'];
export type StateOf<N extends StateName> = Extract<MountState, { readonly name: N }>;
export type EventOf<T extends EventType> = Extract<MountEvent, { readonly type: T }>;

type Cell<N extends StateName, T extends EventType> = (state: StateOf<N>, event: EventOf<T>) => Transition;
export type MountTable = { readonly [N in StateName]: { readonly [T in EventType]: Cell<N, T> } };

export const idleState: MountState = { name: 'idle' };

/**
 * Longest stay in each moving state, null where nothing is under way. Connecting: the Hub client repeats its requests before it falls back
 * on what it remembers of the source. Attaching: a person may have to type a password.
 */
export function timeoutMsOf(state: MountState, drainTimeoutMs: number): number | null {
  switch (state.name) {
    case 'idle':
    case 'orphaned':
    case 'mounted':
    case 'failed':
      return null;
    case 'connecting':
      return 180_000;
    case 'attaching':
      return 180_000;
    case 'draining':
      return state.attached || state.quitting ? drainTimeoutMs : 60_000;
    case 'detaching':
      return 60_000;
  }
}

/** Whether the host may end now. `orphaned` counts: nothing of ours runs, and the next start serves that mount again. */
export function isAtRest(state: MountState): boolean {
  return state.name === 'idle' || state.name === 'failed' || state.name === 'orphaned';
}
