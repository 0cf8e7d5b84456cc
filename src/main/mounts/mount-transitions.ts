// The table of mount-machine.ts. One row per state, one cell per event; `stay` marks the pairs where nothing follows, so that races
// (a double click, an eject during a drain, a late answer) are decided here and nowhere else. Pure.

import type { Problem } from '../../shared/model.ts';
import { idleState } from './mount-machine.ts';
import type {
  EventOf,
  Link,
  MountEffect,
  MountEvent,
  MountState,
  MountTable,
  StateOf,
  Transition,
} from './mount-machine.ts';

export function next(state: MountState, event: MountEvent): Transition {
  // The compiler cannot follow that both lookups use the same pair; the type of `table` guarantees that the cell takes it.
  const cell = table[state.name][event.type] as (state: MountState, event: MountEvent) => Transition;
  return cell(state, event);
}

function to(state: MountState, ...effects: MountEffect[]): Transition {
  return { state, effects };
}

function stay(state: MountState): Transition {
  return { state, effects: [] };
}

const linkUp: Link = { link: 'online', server: 'up' };

function linkOf(state: Link): Link {
  return { link: state.link, server: state.server };
}

function problem(code: Problem['code'], message: string, retryable: boolean): Problem {
  return { code, message, retryable };
}

const stopKeeping: MountEffect = { type: 'stopEngine', discard: false };

function connect(orphan: boolean, deliver: boolean): Transition {
  return to({ name: 'connecting', orphan, deliver }, { type: 'openEngine' });
}

function attach(orphan: boolean): Transition {
  return to({ name: 'attaching', orphan }, { type: 'attach', orphan });
}

/** Back to where the mount was before the engine was tried. */
function giveUpConnecting(orphan: boolean, why: Problem): Transition {
  return to(orphan ? { name: 'orphaned', problem: why } : { name: 'failed', problem: why }, stopKeeping);
}

function leaveConnecting(state: StateOf<'connecting'>): Transition {
  return to(state.orphan ? { name: 'orphaned', problem: null } : idleState, stopKeeping);
}

function detach(link: Link, details: Partial<Omit<StateOf<'detaching'>, 'name'>>): Transition {
  const state: StateOf<'detaching'> = {
    name: 'detaching',
    orphan: false,
    discard: false,
    forced: false,
    quitting: false,
    problem: null,
    ...linkOf(link),
    ...details,
  };
  const effects: MountEffect[] = [];
  if (state.discard) effects.push({ type: 'pauseSending' });
  effects.push({ type: 'detach', force: state.forced });
  return { state, effects };
}

function drain(link: Link, details: Omit<StateOf<'draining'>, 'name' | 'link' | 'server'>): Transition {
  return to({ name: 'draining', ...details, ...linkOf(link) }, { type: 'drain', attached: details.attached });
}

function unmountMounted(state: StateOf<'mounted'>, event: EventOf<'unmountRequested'>): Transition {
  if (event.discard) return detach(state, { discard: true, forced: event.force });
  return drain(state, { attached: true, ifUnsent: event.ifUnsent, quitting: false, force: event.force });
}

/** Uploads are done, or their time is over and the rest is kept on this disk. */
function drainOver(state: StateOf<'draining'>): Transition {
  if (state.attached) return detach(state, { forced: state.force, quitting: state.quitting });
  return to(idleState, stopKeeping);
}

function drainTimeout(state: StateOf<'draining'>): Transition {
  if (state.quitting) return drainOver(state);
  if (!state.attached) return to(state, { type: 'drain', attached: false });
  const late = problem('unsent', 'Local changes could not be sent in time; they are safe on this disk', true);
  return state.ifUnsent === 'keep'
    ? drainOver(state)
    : to({ name: 'mounted', problem: late, ...linkOf(state) });
}

function drainFailed(state: StateOf<'draining'>, event: EventOf<'drainFailed'>): Transition {
  if (state.quitting) return drainOver(state);
  if (!state.attached) return to({ name: 'failed', problem: event.problem }, stopKeeping);
  if (state.ifUnsent === 'keep') return drainOver(state);
  return to({ name: 'mounted', problem: event.problem, ...linkOf(state) });
}

function systemMountGone(state: StateOf<'detaching'>): Transition {
  if (state.orphan) return to(idleState);
  if (state.discard) return to(idleState, { type: 'stopEngine', discard: true });
  if (state.problem !== null) return to({ name: 'failed', problem: state.problem }, stopKeeping);
  if (state.quitting) return to(idleState, stopKeeping);
  return drain(state, { attached: false, ifUnsent: 'keep', quitting: false, force: false });
}

function stillThere(state: StateOf<'detaching'>, why: Problem): Transition {
  if (state.orphan) return to({ name: 'orphaned', problem: why });
  const effects: MountEffect[] = state.discard ? [{ type: 'resumeSending' }] : [];
  if (state.server === 'restarting') effects.push({ type: 'restartEngine' });
  return to({ name: 'mounted', problem: why, ...linkOf(state) }, ...effects);
}

function forceDetach(state: StateOf<'detaching'>): Transition {
  return to({ ...state, forced: true }, { type: 'detach', force: true });
}

type LinkedState = StateOf<'mounted'> | StateOf<'draining'> | StateOf<'detaching'>;

function serverLost(state: LinkedState): Transition {
  if (state.server === 'restarting') return stay(state);
  return to({ ...state, server: 'restarting' }, { type: 'restartEngine' });
}

function withLink(link: Link['link']) {
  return (state: LinkedState): Transition => stay({ ...state, link });
}

const stuck = problem(
  'timeout',
  'The system did not let go of the mount in time, even when forced; try again, or look for programs that use it',
  true,
);
const engineDied = problem('engine', 'The mount’s engine stopped while it started; see the log', true);
const connectTimeout = problem(
  'timeout',
  'The Hub did not answer in time; check the network and try again',
  true,
);
const attachTimeout = problem('timeout', 'The system’s mount command did not finish in time', true);

const table: MountTable = {
  idle: {
    mountRequested: () => connect(false, false),
    deliverRequested: () => connect(false, true),
    orphanFound: () => to({ name: 'orphaned', problem: null }),
    hubReady: stay,
    hubFailed: stay,
    osMounted: stay,
    osMountFailed: stay,
    cancelled: stay,
    unmountRequested: stay,
    quit: stay,
    ejected: stay,
    hubLost: stay,
    hubBack: stay,
    serverLost: stay,
    serverBack: stay,
    serverFailed: stay,
    drained: stay,
    drainFailed: stay,
    keepStaged: stay,
    osUnmounted: stay,
    busy: stay,
    timeout: stay,
    dismissed: stay,
  },
  orphaned: {
    mountRequested: () => connect(true, false),
    deliverRequested: stay,
    orphanFound: stay,
    hubReady: stay,
    hubFailed: stay,
    osMounted: stay,
    osMountFailed: stay,
    cancelled: stay,
    unmountRequested: (_state, event) => detach(linkUp, { orphan: true, forced: event.force }),
    // Left as it is: programs wait in the kernel and lose nothing, and the next start serves them.
    quit: stay,
    ejected: () => to(idleState),
    hubLost: stay,
    hubBack: stay,
    serverLost: stay,
    serverBack: stay,
    serverFailed: stay,
    drained: stay,
    drainFailed: stay,
    keepStaged: stay,
    osUnmounted: () => to(idleState),
    busy: stay,
    timeout: stay,
    dismissed: () => to({ name: 'orphaned', problem: null }),
  },
  connecting: {
    mountRequested: (state) => stay({ ...state, deliver: false }),
    deliverRequested: stay,
    orphanFound: (state) => stay({ ...state, orphan: true, deliver: false }),
    hubReady: (state) =>
      state.deliver
        ? drain(linkUp, { attached: false, ifUnsent: 'keep', quitting: false, force: false })
        : attach(state.orphan),
    hubFailed: (state, event) => giveUpConnecting(state.orphan, event.problem),
    osMounted: stay,
    osMountFailed: stay,
    cancelled: leaveConnecting,
    unmountRequested: leaveConnecting,
    quit: leaveConnecting,
    ejected: (state) => stay({ ...state, orphan: false }),
    hubLost: stay,
    hubBack: stay,
    serverLost: (state) => giveUpConnecting(state.orphan, engineDied),
    serverBack: stay,
    serverFailed: (state, event) => giveUpConnecting(state.orphan, event.problem),
    drained: stay,
    drainFailed: stay,
    keepStaged: stay,
    osUnmounted: (state) => stay({ ...state, orphan: false }),
    busy: stay,
    timeout: (state) => giveUpConnecting(state.orphan, connectTimeout),
    dismissed: stay,
  },
  attaching: {
    mountRequested: stay,
    deliverRequested: stay,
    orphanFound: stay,
    hubReady: stay,
    hubFailed: stay,
    osMounted: () => to({ name: 'mounted', problem: null, ...linkUp }),
    osMountFailed: (state, event) => giveUpConnecting(state.orphan, event.problem),
    cancelled: () => detach(linkUp, {}),
    unmountRequested: (_state, event) => detach(linkUp, { discard: event.discard, forced: event.force }),
    quit: () => detach(linkUp, { quitting: true }),
    // Before `osMounted` only a mount of a dead run can vanish; detaching finds nothing left to do.
    ejected: (state) => (state.orphan ? detach(linkUp, {}) : stay(state)),
    hubLost: stay,
    hubBack: stay,
    serverLost: (state) =>
      state.orphan
        ? connect(true, false)
        : detach({ link: 'online', server: 'restarting' }, { problem: engineDied }),
    serverBack: stay,
    serverFailed: (state, event) =>
      state.orphan
        ? giveUpConnecting(true, event.problem)
        : detach({ link: 'online', server: 'restarting' }, { problem: event.problem }),
    drained: stay,
    drainFailed: stay,
    keepStaged: stay,
    osUnmounted: stay,
    busy: stay,
    // With a mount of a dead run nothing may be pulled away: the listener is tried again.
    timeout: (state) => (state.orphan ? attach(true) : detach(linkUp, { problem: attachTimeout })),
    dismissed: stay,
  },
  mounted: {
    mountRequested: stay,
    deliverRequested: stay,
    orphanFound: stay,
    hubReady: stay,
    hubFailed: stay,
    osMounted: stay,
    osMountFailed: stay,
    cancelled: stay,
    unmountRequested: unmountMounted,
    quit: (state) => drain(state, { attached: true, ifUnsent: 'keep', quitting: true, force: false }),
    ejected: (state) => drain(state, { attached: false, ifUnsent: 'keep', quitting: false, force: false }),
    hubLost: withLink('offline'),
    hubBack: withLink('online'),
    serverLost,
    serverBack: (state) => stay({ ...state, server: 'up' }),
    serverFailed: (state, event) => detach(state, { problem: event.problem }),
    drained: stay,
    drainFailed: stay,
    keepStaged: stay,
    osUnmounted: stay,
    busy: stay,
    timeout: stay,
    dismissed: (state) => stay({ ...state, problem: null }),
  },
  draining: {
    mountRequested: (state) => {
      if (state.quitting) return stay(state);
      return state.attached ? to({ name: 'mounted', problem: null, ...linkOf(state) }) : attach(false);
    },
    deliverRequested: stay,
    orphanFound: stay,
    hubReady: stay,
    hubFailed: stay,
    osMounted: stay,
    osMountFailed: stay,
    cancelled: (state) => {
      if (state.quitting) return stay(state);
      return state.attached
        ? to({ name: 'mounted', problem: null, ...linkOf(state) })
        : to(idleState, stopKeeping);
    },
    unmountRequested: (state, event) => {
      const force = state.force || event.force;
      if (!event.discard) return stay({ ...state, ifUnsent: event.ifUnsent, force });
      if (state.attached) return detach(state, { discard: true, forced: force, quitting: state.quitting });
      return to(idleState, { type: 'stopEngine', discard: true });
    },
    quit: (state) =>
      state.attached ? stay({ ...state, quitting: true, ifUnsent: 'keep' }) : to(idleState, stopKeeping),
    ejected: (state) => stay({ ...state, attached: false }),
    hubLost: withLink('offline'),
    hubBack: withLink('online'),
    serverLost,
    serverBack: (state) => to({ ...state, server: 'up' }, { type: 'drain', attached: state.attached }),
    serverFailed: (state, event) =>
      state.attached
        ? detach(state, { problem: event.problem, quitting: state.quitting })
        : to({ name: 'failed', problem: event.problem }, stopKeeping),
    drained: drainOver,
    drainFailed,
    keepStaged: drainOver,
    osUnmounted: stay,
    busy: stay,
    timeout: drainTimeout,
    dismissed: stay,
  },
  detaching: {
    mountRequested: stay,
    deliverRequested: stay,
    orphanFound: stay,
    hubReady: stay,
    hubFailed: stay,
    osMounted: stay,
    osMountFailed: stay,
    cancelled: stay,
    unmountRequested: (state, event) => {
      const wish = { ...state, discard: state.discard || (event.discard && !state.orphan) };
      return event.force && !state.forced ? forceDetach(wish) : stay(wish);
    },
    quit: (state) => stay({ ...state, quitting: true }),
    ejected: systemMountGone,
    hubLost: withLink('offline'),
    hubBack: withLink('online'),
    serverLost: (state) => (state.orphan ? stay(state) : serverLost(state)),
    serverBack: (state) => stay({ ...state, server: 'up' }),
    serverFailed: (state, event) => stay({ ...state, problem: event.problem }),
    drained: stay,
    drainFailed: stay,
    keepStaged: (state) => stay({ ...state, quitting: true }),
    osUnmounted: systemMountGone,
    busy: (state, event) =>
      state.quitting && !state.forced ? forceDetach(state) : stillThere(state, event.problem),
    timeout: (state) => (state.forced ? stillThere(state, stuck) : forceDetach(state)),
    dismissed: stay,
  },
  failed: {
    mountRequested: () => connect(false, false),
    deliverRequested: () => connect(false, true),
    orphanFound: () => to({ name: 'orphaned', problem: null }),
    hubReady: stay,
    hubFailed: stay,
    osMounted: stay,
    osMountFailed: stay,
    cancelled: () => to(idleState),
    unmountRequested: () => to(idleState),
    quit: stay,
    ejected: stay,
    hubLost: stay,
    hubBack: stay,
    serverLost: stay,
    serverBack: stay,
    serverFailed: stay,
    drained: stay,
    drainFailed: stay,
    keepStaged: stay,
    osUnmounted: stay,
    busy: stay,
    timeout: stay,
    dismissed: () => to(idleState),
  },
};
