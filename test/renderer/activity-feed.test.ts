import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ActivityFeed, filterRows, noFilter } from '../../src/renderer/store/activity-feed.ts';
import type { FeedFilter } from '../../src/renderer/store/activity-feed.ts';
import { addAlerts, alertOf, unseenStale } from '../../src/renderer/store/alerts.ts';
import { FileChains } from '../../src/renderer/store/file-chains.ts';
import type { ActivityEvent, ActivityKind } from '../../src/shared/activity.ts';
import { zeroCounters } from '../../src/shared/model.ts';
import { mountView } from '../support/fake-host.ts';

let sequence = 0;
function event(kind: ActivityKind, path: string, more: Partial<ActivityEvent> = {}): ActivityEvent {
  sequence += 1;
  return { sequence, at: 1_000_000 + sequence, kind, path, ...more };
}

function batch(events: readonly ActivityEvent[], dropped = 0, mountId = 'm') {
  return { mounts: [{ mountId, source: 'bucket/a/b', events, dropped }] };
}

function feedWithFrames() {
  const frames: (() => void)[] = [];
  const feed = new ActivityFeed((callback) => void frames.push(callback));
  const frame = () => {
    for (const run of frames.splice(0)) run();
    return feed.view();
  };
  return { feed, frames, frame };
}

test('rows come newest first, and repeats on one file fold into one', () => {
  const { feed, frame } = feedWithFrames();
  feed.add(batch([event('WRITE', 'a', { bytes: 10, durationMs: 1 }), event('READ', 'b')]));
  feed.add(batch([event('WRITE', 'a', { bytes: 5, durationMs: 2 }), event('WRITE', 'c')]));
  const { rows, received } = frame();
  assert.deepEqual(
    rows.map(({ kind, path, count, bytes, durationMs }) => [kind, path, count, bytes, durationMs]),
    [
      ['WRITE', 'c', 1, 0, 0],
      ['READ', 'b', 1, 0, 0],
      ['WRITE', 'a', 2, 15, 3],
    ],
  );
  assert.equal(received, 4);
});

test('a pause of a second begins a new row; trouble is never folded', () => {
  const { feed, frame } = feedWithFrames();
  const first = event('READ', 'a');
  feed.add(batch([first, event('READ', 'a', { at: first.at + 5000 })]));
  feed.add(batch([event('STALE', 's'), event('STALE', 's')]));
  assert.equal(frame().rows.length, 4);
});

test('listeners are told once a frame, however many batches came', () => {
  const { feed, frames, frame } = feedWithFrames();
  let told = 0;
  const stop = feed.subscribe(() => (told += 1));
  for (let index = 0; index < 50; index += 1) feed.add(batch([event('READ', `f${index}`)]));
  assert.equal(frames.length, 1);
  const before = feed.view();
  assert.equal(before.rows.length, 0, 'the view stands still between frames');
  frame();
  assert.equal(told, 1);
  assert.equal(feed.view(), feed.view());
  stop();
  feed.add(batch([event('READ', 'x')]));
  frame();
  assert.equal(told, 1);
});

test('the list stays bounded, keeps the newest and goes on folding', () => {
  const { feed, frame } = feedWithFrames();
  for (let index = 0; index < 20_000; index += 1) feed.add(batch([event('CREATE', `f${index}`)]));
  const { rows, received } = frame();
  assert.ok(rows.length >= 5000 && rows.length < 6250, String(rows.length));
  assert.equal(rows[0]?.path, 'f19999');
  assert.equal(received, 20_000);
  feed.add(batch([event('CREATE', 'f19999')]));
  assert.equal(frame().rows[0]?.count, 2);
});

test('a frozen view does not change when its rows are folded into', () => {
  const { feed, frame } = feedWithFrames();
  feed.add(batch([event('READ', 'a')]));
  const frozen = frame();
  feed.add(batch([event('READ', 'a')]));
  frame();
  assert.equal(frozen.rows[0]?.count, 1);
});

test('events that were left out are counted, also by the backlog, which repeats nothing', () => {
  const { feed, frame } = feedWithFrames();
  const events = [event('READ', 'a'), event('READ', 'b')];
  feed.add(batch(events, 7));
  feed.addBacklog(batch([...events, event('READ', 'c')], 0));
  const { rows, dropped } = frame();
  assert.deepEqual(
    rows.map(({ path }) => path),
    ['c', 'b', 'a'],
  );
  assert.equal(dropped, 7);
});

test('after an engine started again its backlog counts from one and is new', () => {
  const { feed, frame } = feedWithFrames();
  feed.add(batch([event('READ', 'a', { sequence: 900 })]));
  feed.addBacklog(batch([event('READ', 'b', { sequence: 1 })]));
  assert.deepEqual(
    frame().rows.map(({ path }) => path),
    ['b', 'a'],
  );
});

test('what an earlier run left is listed once and is news to nobody', () => {
  const feed = new ActivityFeed((callback) => callback());
  const old = { sequence: -1, at: 1, kind: 'STALE', path: 'old.txt' } as const;
  const live = { sequence: 0, at: 9, kind: 'STALE', path: 'new.txt' } as const;
  const backlog = (...events: readonly ActivityEvent[]) =>
    feed.addBacklog({ mounts: [{ mountId: 'm', source: 's', events, dropped: 0 }] })[0]?.events;
  assert.deepEqual(backlog(old), []);
  assert.deepEqual(backlog(old), []);
  assert.deepEqual(backlog(old, live), [live]);
  assert.deepEqual(backlog(old, live), []);
  assert.deepEqual(
    feed.view().rows.map(({ path }) => path),
    ['new.txt', 'old.txt'],
  );
});

test('filters go by mount, kind and path, and no filter costs nothing', () => {
  const { feed, frame } = feedWithFrames();
  feed.add(batch([event('READ', 'Data/Train.bin'), event('WRITE', 'notes.md')]));
  feed.add(batch([event('RENAME', 'x', { toPath: 'data/y' })], 0, 'other'));
  const { rows } = frame();
  const paths = (filter: Partial<FeedFilter>) =>
    filterRows(rows, { ...noFilter, ...filter }).map(({ path }) => path);
  assert.equal(filterRows(rows, noFilter), rows);
  assert.deepEqual(paths({ path: ' data' }), ['x', 'Data/Train.bin']);
  assert.deepEqual(paths({ groups: new Set(['write']) }), ['notes.md']);
  assert.deepEqual(paths({ mountId: 'other' }), ['x']);
  assert.deepEqual(paths({ mountId: 'm', groups: new Set(['names']) }), []);
});

test('clearing empties the list and keeps counting', () => {
  const { feed, frame } = feedWithFrames();
  feed.add(batch([event('READ', 'a')], 3));
  feed.clear();
  feed.add(batch([event('READ', 'a')]));
  const { rows, dropped, received } = frame();
  assert.deepEqual([rows.length, dropped, received], [1, 0, 5]);
});

test('a file goes from received to the Hub, and a later write begins anew', () => {
  const chains = new FileChains();
  const add = (...events: ActivityEvent[]) => chains.add({ mountId: 'm', source: 's', events, dropped: 0 });
  const steps = () => {
    const chain = chains.get('m', 'a');
    return [chain?.receivedAt, chain?.safeAt, chain?.uploadingAt, chain?.committedAt].map(
      (at) => at !== null,
    );
  };
  add(event('CREATE', 'a'), event('WRITE', 'a'));
  assert.deepEqual(steps(), [true, false, false, false]);
  add(event('COMMIT', 'a'), event('UPLOAD', 'a', { detail: 'uploading' }));
  assert.deepEqual(steps(), [true, true, true, false]);
  add(event('UPLOAD', 'a', { detail: 'failed: HTTP 503' }));
  assert.equal(chains.get('m', 'a')?.failure, 'HTTP 503');
  add(event('UPLOAD', 'a', { detail: 'committed' }));
  assert.deepEqual(steps(), [true, true, true, true]);
  assert.equal(chains.get('m', 'a')?.failure, null);
  add(event('WRITE', 'a'));
  assert.deepEqual(steps(), [true, false, false, false]);
});

test('a chain follows a rename, ends with a removal, and there are not too many', () => {
  const chains = new FileChains();
  const add = (...events: ActivityEvent[]) => chains.add({ mountId: 'm', source: 's', events, dropped: 0 });
  add(event('WRITE', 'a'), event('RENAME', 'a', { toPath: 'b' }));
  assert.equal(chains.get('m', 'a'), null);
  assert.notEqual(chains.get('m', 'b'), null);
  add(event('REMOVE', 'b'));
  assert.equal(chains.get('m', 'b'), null);
  for (let index = 0; index <= 1000; index += 1) add(event('WRITE', `f${index}`));
  assert.equal(chains.get('m', 'f0'), null);
  assert.notEqual(chains.get('m', 'f1000'), null);
});

test('stale handles and refused writes raise an alert, other errors do not', () => {
  const mount = { mountId: 'm', source: 's', events: [], dropped: 0 };
  assert.equal(alertOf(mount, event('STALE', 'a', { detail: 'READ: STALE' }))?.kind, 'stale');
  assert.equal(alertOf(mount, event('ERROR', 'a', { detail: 'WRITE: NOSPC' }))?.kind, 'lost-write');
  assert.equal(alertOf(mount, event('ERROR', 'a', { detail: 'COMMIT: IO' }))?.kind, 'lost-write');
  assert.equal(alertOf(mount, event('ERROR', 'a', { detail: 'LOOKUP: ACCES' })), null);
  assert.equal(alertOf(mount, event('WRITE', 'a')), null);
});

test('repeated alerts of a file become one, newest first, and stay bounded', () => {
  const mount = { mountId: 'm', source: 's', events: [], dropped: 0 };
  const alert = (path: string) => alertOf(mount, event('STALE', path));
  const all = ['a', 'b', 'a', ...Array.from({ length: 100 }, (_, index) => `f${index}`), 'a']
    .map(alert)
    .filter((each) => each !== null);
  assert.deepEqual(
    addAlerts([], all.slice(0, 3)).map(({ path, count }) => [path, count]),
    [
      ['a', 2],
      ['b', 1],
    ],
  );
  const many = addAlerts([], all);
  assert.equal(many.length, 50);
  assert.equal(many[0]?.path, 'a');
});

test('stale answers that were put away are not counted again, until the engine counts anew', () => {
  const mount = (stale: number) =>
    mountView({ source: 'bucket/a/b', id: 'm', counters: { ...zeroCounters, stale } });
  const putAway = new Map([['m', 3]]);
  assert.equal(unseenStale(mount(3), putAway), 0);
  assert.equal(unseenStale(mount(5), putAway), 2);
  assert.equal(unseenStale(mount(1), putAway), 1);
  assert.equal(unseenStale(mount(2), new Map()), 2);
});
