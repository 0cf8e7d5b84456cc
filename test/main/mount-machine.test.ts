import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { idleState, isAtRest, timeoutMsOf } from '../../src/main/mounts/mount-machine.ts';
import type { EventType, MountEvent, MountState } from '../../src/main/mounts/mount-machine.ts';
import { next } from '../../src/main/mounts/mount-transitions.ts';
import type { Problem } from '../../src/shared/model.ts';

const problem: Problem = { code: 'hub', message: 'it failed', retryable: false };

const samples: { readonly [T in EventType]: readonly Extract<MountEvent, { type: T }>[] } = {
  mountRequested: [{ type: 'mountRequested' }],
  deliverRequested: [{ type: 'deliverRequested' }],
  orphanFound: [{ type: 'orphanFound' }],
  hubReady: [{ type: 'hubReady' }],
  hubFailed: [{ type: 'hubFailed', problem }],
  osMounted: [{ type: 'osMounted' }],
  osMountFailed: [{ type: 'osMountFailed', problem }],
  cancelled: [{ type: 'cancelled' }],
  unmountRequested: [
    { type: 'unmountRequested', discard: false, ifUnsent: 'keep', force: false },
    { type: 'unmountRequested', discard: false, ifUnsent: 'stay', force: false },
    { type: 'unmountRequested', discard: false, ifUnsent: 'keep', force: true },
    { type: 'unmountRequested', discard: true, ifUnsent: 'keep', force: false },
  ],
  quit: [{ type: 'quit' }],
  ejected: [{ type: 'ejected' }],
  hubLost: [{ type: 'hubLost' }],
  hubBack: [{ type: 'hubBack' }],
  serverLost: [{ type: 'serverLost' }],
  serverBack: [{ type: 'serverBack' }],
  serverFailed: [{ type: 'serverFailed', problem }],
  drained: [{ type: 'drained' }],
  drainFailed: [{ type: 'drainFailed', problem }],
  keepStaged: [{ type: 'keepStaged' }],
  osUnmounted: [{ type: 'osUnmounted' }],
  busy: [{ type: 'busy', problem }],
  timeout: [{ type: 'timeout' }],
  dismissed: [{ type: 'dismissed' }],
};
const allEvents = Object.values(samples).flat();

/** The outside as far as the machine can notice: what exists, and which answers an effect that is under way may still give. */
class World {
  osMount = false;
  listener = false;
  stagedBytes = 7;
  state: MountState = idleState;
  job: 'openEngine' | 'attach' | 'drain' | 'detach' | null = null;
  orphanJob = false;
  forcedJob = false;
  restarting = false;
  discardAsked = false;
  readonly violations: string[] = [];

  /** Events that can truly happen at this moment. */
  possible(): MountEvent[] {
    const events: MountEvent[] = [
      ...samples.mountRequested,
      ...samples.deliverRequested,
      ...samples.unmountRequested,
      ...samples.cancelled,
      ...samples.quit,
      ...samples.dismissed,
      ...samples.keepStaged,
      ...samples.hubLost,
      ...samples.hubBack,
    ];
    if (!this.osMount && (this.state.name === 'idle' || this.state.name === 'failed'))
      events.push(...samples.orphanFound);
    if (timeoutMsOf(this.state, 1000) !== null) events.push(...samples.timeout);
    if (this.osMount) events.push(...samples.ejected);
    if (this.listener && !this.restarting) events.push(...samples.serverLost);
    if (this.restarting) events.push(...samples.serverBack, ...samples.serverFailed);
    if (this.job === 'openEngine')
      events.push(...samples.hubReady, ...samples.hubFailed, ...samples.serverLost);
    if (this.job === 'attach') events.push(...samples.osMounted, ...samples.osMountFailed);
    if (this.job === 'drain') events.push(...samples.drained, ...samples.drainFailed);
    if (this.job === 'detach') events.push(...samples.osUnmounted, ...(this.forcedJob ? [] : samples.busy));
    return events;
  }

  apply(event: MountEvent): void {
    this.#happen(event);
    const before = this.state;
    const { state, effects } = next(before, event);
    this.state = state;
    for (const effect of effects) this.#perform(effect);
    this.#check(`${before.name} + ${event.type} -> ${state.name}`);
  }

  #happen(event: MountEvent): void {
    switch (event.type) {
      case 'orphanFound':
        this.osMount = true;
        break;
      case 'osMounted':
        this.osMount = true;
        this.job = null;
        break;
      case 'osMountFailed':
        // With a mount of a dead run only the listener can have failed to start.
        if (this.orphanJob) this.listener = false;
        this.job = null;
        break;
      case 'osUnmounted':
        this.osMount = false;
        this.job = null;
        break;
      case 'ejected':
        this.osMount = false;
        break;
      case 'serverLost':
        this.listener = false;
        if (this.job === 'openEngine') this.job = null;
        break;
      case 'serverBack':
        this.restarting = false;
        this.listener = true;
        break;
      case 'serverFailed':
        this.restarting = false;
        break;
      case 'unmountRequested':
        this.discardAsked ||= event.discard;
        break;
      case 'hubReady':
      case 'hubFailed':
      case 'drained':
      case 'drainFailed':
      case 'busy':
        this.job = null;
        break;
      default:
    }
  }

  #perform(effect: ReturnType<typeof next>['effects'][number]): void {
    switch (effect.type) {
      case 'openEngine':
      case 'drain':
        this.job = effect.type;
        break;
      case 'attach':
        this.job = 'attach';
        this.orphanJob = effect.orphan;
        this.listener = true;
        break;
      case 'detach':
        this.job = 'detach';
        this.forcedJob = effect.force;
        break;
      case 'restartEngine':
        this.restarting = true;
        break;
      case 'stopEngine':
        if (this.listener && this.osMount) this.violations.push('the listener stopped under a system mount');
        if (effect.discard && !this.discardAsked)
          this.violations.push('staged data was discarded without being asked');
        if (effect.discard && this.osMount)
          this.violations.push('staged data was discarded under a system mount');
        this.listener = false;
        this.restarting = false;
        this.job = null;
        break;
      case 'pauseSending':
      case 'resumeSending':
        break;
    }
  }

  #check(step: string): void {
    const { state } = this;
    const fail = (what: string) => this.violations.push(`${step}: ${what}`);
    if ((state.name === 'idle' || state.name === 'failed') && this.osMount)
      fail('at rest with a system mount');
    if (isAtRest(state) && this.listener) fail('at rest with a listener');
    if (state.name === 'mounted' && !this.listener && !this.restarting)
      fail('mounted without a server to come');
    const moving = ['connecting', 'attaching', 'draining', 'detaching'].includes(state.name);
    if (moving && timeoutMsOf(state, 1000) === null) fail('a moving state without a timeout');
    if (moving && this.job === null && !this.restarting) fail('a moving state that waits for nothing');
    if (this.violations.length > 0 && !this.violations[0]?.includes('->')) fail(this.violations[0] ?? '');
  }
}

test('no sequence of events stops the listener under a mount, loses data unasked or gets stuck', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 10_000 }), { maxLength: 60 }), (choices) => {
      const world = new World();
      for (const choice of choices) {
        const possible = world.possible();
        const event = possible[choice % possible.length];
        assert.ok(event);
        world.apply(event);
        assert.deepEqual(world.violations, []);
      }
    }),
    { numRuns: 3000 },
  );
});

test('every state answers every event, also those that cannot come', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...allEvents), { maxLength: 40 }), (events) => {
      let state = idleState;
      for (const event of events) {
        const transition = next(state, event);
        assert.ok(Array.isArray(transition.effects));
        state = transition.state;
      }
    }),
    { numRuns: 2000 },
  );
});

function walk(...events: MountEvent[]): { state: MountState; effects: string[] } {
  let state = idleState;
  const effects: string[] = [];
  for (const event of events) {
    const transition = next(state, event);
    state = transition.state;
    effects.push(...transition.effects.map((effect) => effect.type));
  }
  return { state, effects };
}

const mount: MountEvent[] = [{ type: 'mountRequested' }, { type: 'hubReady' }, { type: 'osMounted' }];
const unmount = samples.unmountRequested[0] as MountEvent;

test('a mount goes through connecting and attaching to mounted', () => {
  assert.deepEqual(walk(...mount), {
    state: { name: 'mounted', problem: null, link: 'online', server: 'up' },
    effects: ['openEngine', 'attach'],
  });
});

test('an unmount drains, detaches, sends what the kernel handed over last and only then stops the engine', () => {
  const { state, effects } = walk(
    ...mount,
    unmount,
    { type: 'drained' },
    { type: 'osUnmounted' },
    { type: 'drained' },
  );
  assert.equal(state.name, 'idle');
  assert.deepEqual(effects, ['openEngine', 'attach', 'drain', 'detach', 'drain', 'stopEngine']);
});

test('a busy mount stays mounted and says so', () => {
  const busy: Problem = {
    code: 'busy',
    message: 'vim uses it',
    retryable: true,
    programs: [{ pid: 1, name: 'vim' }],
  };
  const { state } = walk(...mount, unmount, { type: 'drained' }, { type: 'busy', problem: busy });
  assert.deepEqual(state, { name: 'mounted', problem: busy, link: 'online', server: 'up' });
});

test('a busy mount is forced when the host quits', () => {
  const { state, effects } = walk(...mount, { type: 'quit' }, { type: 'drained' }, { type: 'busy', problem });
  assert.equal(state.name, 'detaching');
  assert.deepEqual(effects.slice(-2), ['detach', 'detach']);
  assert.equal(next(state, { type: 'osUnmounted' }).state.name, 'idle');
});

test('mounting again while uploads of an unmounted one still run keeps the engine', () => {
  const { state, effects } = walk(
    ...mount,
    unmount,
    { type: 'drained' },
    { type: 'osUnmounted' },
    { type: 'mountRequested' },
  );
  assert.equal(state.name, 'attaching');
  assert.ok(!effects.includes('stopEngine'));
});

test('an engine that dies under a mount comes back without the mount going away', () => {
  const { state, effects } = walk(...mount, { type: 'serverLost' }, { type: 'serverBack' });
  assert.deepEqual(state, { name: 'mounted', problem: null, link: 'online', server: 'up' });
  assert.deepEqual(effects.slice(-1), ['restartEngine']);
});

test('a mount of a dead run is served again without a mount command', () => {
  const { state, effects } = walk({ type: 'orphanFound' }, ...mount);
  assert.equal(state.name, 'mounted');
  assert.deepEqual(effects, ['openEngine', 'attach']);
});

test('changes kept by an earlier run are delivered without a mount', () => {
  const { state, effects } = walk({ type: 'deliverRequested' }, { type: 'hubReady' }, { type: 'drained' });
  assert.equal(state.name, 'idle');
  assert.deepEqual(effects, ['openEngine', 'drain', 'stopEngine']);
});

test('a discard happens only after the system mount is gone', () => {
  const discard: MountEvent = { type: 'unmountRequested', discard: true, ifUnsent: 'keep', force: false };
  const { effects } = walk(...mount, discard, { type: 'osUnmounted' });
  assert.deepEqual(effects.slice(-3), ['pauseSending', 'detach', 'stopEngine']);
});

test('when uploads do not finish in time the wish decides: keep and unmount, or stay mounted', () => {
  const stayWish = samples.unmountRequested[1] as MountEvent;
  assert.equal(walk(...mount, unmount, { type: 'timeout' }).state.name, 'detaching');
  const stayed = walk(...mount, stayWish, { type: 'timeout' }).state;
  assert.ok(stayed.name === 'mounted' && stayed.problem?.code === 'unsent');
});
