import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ActivityFeed } from '../../src/main/surfaces/activity-feed.ts';
import { ClientSession } from '../../src/main/surfaces/client-session.ts';
import { StatePublisher } from '../../src/main/surfaces/state-publisher.ts';
import type { ActivityEvent } from '../../src/shared/activity.ts';
import type { ActivityBatch, Caller, Handlers, PushName } from '../../src/shared/contract.ts';
import { silentLog } from '../../src/shared/log.ts';
import type { HostState } from '../../src/shared/model.ts';
import { HostError } from '../../src/main/problem.ts';
import { ManualClock } from '../support/manual-clock.ts';

function event(sequence: number): ActivityEvent {
  return { sequence, at: 0, kind: 'READ', path: 'a' };
}

function watcher() {
  const gone = new AbortController();
  const pushes: { channel: PushName; payload: unknown }[] = [];
  const caller: Caller = {
    gone: gone.signal,
    push: (channel, payload) => void pushes.push({ channel, payload }),
  };
  return { caller, pushes, leave: () => gone.abort() };
}

test('the feed keeps the newest events of a mount and counts those it dropped', () => {
  const feed = new ActivityFeed(() => undefined);
  feed.add(
    'm',
    'bucket/a/b',
    Array.from({ length: 600 }, (_, index) => event(index)),
    7,
  );
  const [mount] = feed.backlog(null).mounts;
  assert.equal(mount?.events.length, 500);
  assert.equal(mount?.events[0]?.sequence, 100);
  assert.equal(mount?.dropped, 107);
  assert.deepEqual(feed.backlog(['other']).mounts, []);
});

test('a watcher gets batches of the mounts it asked for, until it is gone', () => {
  const watched: boolean[] = [];
  const feed = new ActivityFeed((now) => watched.push(now));
  const one = watcher();
  feed.subscribe(one.caller, ['m']);
  feed.add('m', 'bucket/a/b', [event(1)], 0);
  feed.add('other', 'bucket/a/c', [event(1)], 0);
  assert.equal(one.pushes.length, 1);
  one.leave();
  feed.add('m', 'bucket/a/b', [event(2)], 0);
  assert.equal(one.pushes.length, 1);
  assert.deepEqual(watched, [true, false]);
  assert.equal(feed.isWatched, false);
});

const state: Omit<HostState, 'revision'> = {
  hostVersion: '1',
  endpoint: 'http://h',
  demo: false,
  token: 'none',
  quitting: false,
  mounts: [],
};

test('state is pushed whole, with rising revisions, at most ten times a second', () => {
  const clock = new ManualClock();
  const publisher = new StatePublisher(clock, () => state);
  const one = watcher();
  const snapshot = publisher.subscribe(one.caller);
  for (let change = 0; change < 1000; change += 1) {
    publisher.changed();
    clock.advance(1);
  }
  clock.advance(1000);
  assert.ok(one.pushes.length >= 9 && one.pushes.length <= 12, `${one.pushes.length} pushes`);
  const revisions = one.pushes.map((push) => (push.payload as HostState).revision);
  assert.deepEqual(
    revisions,
    revisions.toSorted((a, b) => a - b),
  );
  assert.ok((revisions[0] ?? 0) > snapshot.revision);
  assert.equal(revisions.at(-1), 1000);
  one.leave();
  publisher.changed();
  clock.advance(1000);
  assert.equal(clock.pendingTimers, 0);
});

function session(handlers: Partial<Handlers>) {
  const sent: { channel: PushName; payload: unknown }[] = [];
  const link = { congested: false };
  const transport = {
    sendPush: (channel: PushName, payload: unknown) => void sent.push({ channel, payload }),
    isCongested: () => link.congested,
  };
  return { session: new ClientSession(handlers as Handlers, transport, silentLog), sent, link };
}

test('a request is parsed before its handler sees it', async () => {
  const seen: unknown[] = [];
  const { session: one } = session({
    'mounts:pause': (argument) => {
      seen.push(argument);
      return null;
    },
  });
  assert.deepEqual(await one.request('mounts:pause', {}), { ok: true, value: null });
  assert.deepEqual(seen, [{ target: null, until: null }]);
  const refused = await one.request('mounts:pause', { target: 5 });
  assert.ok(!refused.ok && refused.error.code === 'invalid');
  assert.match(refused.error.message, /mounts:pause\.target must be a string/);
  assert.equal(seen.length, 1);
});

test('unknown channels and pushes cannot be called', async () => {
  const { session: one } = session({});
  for (const channel of ['no:such', 'state:changed', 'constructor', '__proto__', 'toString']) {
    const outcome = await one.request(channel, null);
    assert.ok(!outcome.ok && outcome.error.code === 'invalid', channel);
  }
});

test('a failing handler is an error value with its code and problem', async () => {
  const { session: one } = session({
    'mounts:pause': () => {
      throw new HostError('busy', 'in use', { programs: [{ pid: 1, name: 'vim' }] });
    },
  });
  const outcome = await one.request('mounts:pause', {});
  assert.ok(!outcome.ok);
  assert.equal(outcome.error.code, 'busy');
  assert.deepEqual(outcome.error.problem?.programs, [{ pid: 1, name: 'vim' }]);
});

test('a surface that reads too slowly loses activity, counted, and never state', () => {
  const { session: one, sent, link } = session({});
  const batch = (count: number): ActivityBatch => ({
    mounts: [
      {
        mountId: 'm',
        source: 's',
        events: Array.from({ length: count }, (_, index) => event(index)),
        dropped: 1,
      },
    ],
  });
  link.congested = true;
  one.push('activity:batch', batch(3));
  one.push('state:changed', { revision: 1, ...state });
  assert.deepEqual(
    sent.map((push) => push.channel),
    ['state:changed'],
  );
  link.congested = false;
  one.push('activity:batch', batch(1));
  const [, second] = sent;
  assert.ok(second !== undefined);
  assert.equal((second.payload as ActivityBatch).mounts[0]?.dropped, 1 + 4);
  one.close();
  one.push('activity:batch', batch(1));
  assert.equal(sent.length, 2);
});
