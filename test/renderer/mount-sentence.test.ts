import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeMount, idleAfterMs, noRates } from '../../src/renderer/text/mount-sentence.ts';
import type { Observed } from '../../src/renderer/text/mount-sentence.ts';
import { mountStateNames } from '../../src/shared/model.ts';
import type { DatedProblem, MountView } from '../../src/shared/model.ts';
import { mountView } from '../support/fake-host.ts';

const now = 1_770_000_000_000;
const source = 'bucket/demo/project';
const failing: DatedProblem = {
  code: 'unsent',
  message: '“a.txt” is not on the Hub yet: 503',
  retryable: true,
  at: now,
};

function describe(
  change: Partial<MountView>,
  observed: Partial<Observed> = {},
): [glyph: string, text: string] {
  const { glyph, text } = describeMount(mountView({ source, ...change }), {
    rates: noRates,
    now,
    unseenStale: 0,
    ...observed,
  });
  return [glyph, text];
}

const pending = { files: 2, bytes: 3_000_000 };
const cases: readonly [
  name: string,
  change: Partial<MountView>,
  observed: Partial<Observed>,
  glyph: string,
  text: RegExp,
][] = [
  ['an idle mount', {}, {}, 'idle', /^Idle$/],
  ['a served one', { serverOnly: true, mountPoint: null }, {}, 'idle', /^Served · idle$/],
  ['one that is read', {}, { rates: { ...noRates, read: 5e6 } }, 'active', /^Reading · 5\.0 MB\/s$/],
  ['one that is written', {}, { rates: { ...noRates, write: 5e6 } }, 'active', /^Writing · 5\.0 MB\/s$/],
  [
    'one that fetches',
    {},
    { rates: { ...noRates, down: 2e6, read: 1 } },
    'down',
    /^Fetching from the Hub · 2\.0 MB/,
  ],
  [
    'one that sends',
    { pending },
    { rates: { ...noRates, up: 1e6 } },
    'up',
    /^Sending 2 changes \(3\.0 MB\) · 1\.0 MB\/s$/,
  ],
  ['one that waits', { pending }, {}, 'waiting', /^2 changes \(3\.0 MB\) safe on this computer, to be sent$/],
  [
    'one whose upload fails',
    { pending, lastError: failing },
    { rates: { ...noRates, up: 1 } },
    'waiting',
    /safe on this computer/,
  ],
  [
    'one that is paused for a while',
    { uploadsPaused: true, pausedUntil: 30 * 60_000 },
    {},
    'paused',
    /^Uploads paused until (tomorrow )?\d\d:30$/,
  ],
  ['a paused one', { pending, uploadsPaused: true }, {}, 'paused', /^Uploads paused · 2 changes/],
  ['an offline one', { link: 'offline' }, {}, 'offline', /^Offline · files that are cached still open$/],
  [
    'an offline one with changes',
    { link: 'offline', pending },
    {},
    'offline',
    /^Offline · 2 changes .* safe on this computer$/,
  ],
  ['one with a conflict', { conflicts: 1 }, {}, 'conflict', /^1 conflict to look at$/],
  ['one with stale handles', { pending }, { unseenStale: 2 }, 'attention', /^2 file handles went stale$/],
  ['one whose engine comes back', { server: 'restarting' }, {}, 'moving', /^Reconnecting/],
  ['one whose server is down', { server: 'down' }, {}, 'attention', /^Not answering$/],
  [
    'one that could not be unmounted',
    { lastError: { ...failing, code: 'busy' } },
    {},
    'attention',
    /^Needs attention$/,
  ],
  ['one that connects', { state: 'connecting' }, {}, 'moving', /^Connecting/],
  ['one that is attached', { state: 'attaching' }, {}, 'moving', /^Mounting/],
  [
    'one that sends before it goes',
    { state: 'draining', pending },
    { rates: { ...noRates, up: 1e6 } },
    'up',
    /^Sending 2 changes \(3\.0 MB\) at 1\.0 MB\/s, then unmounting$/,
  ],
  ['one that goes', { state: 'detaching' }, {}, 'moving', /^Unmounting/],
  ['one that is off', { state: 'idle' }, {}, 'off', /^Not mounted$/],
  [
    'one that is off with changes',
    { state: 'idle', pending },
    {},
    'waiting',
    /^Not mounted · 2 changes .* not on the Hub yet$/,
  ],
  ['one that failed', { state: 'failed', lastError: failing }, {}, 'attention', /^Could not be mounted$/],
  ['a leftover', { state: 'orphaned' }, {}, 'attention', /^Left over/],
];

for (const [name, change, observed, glyph, text] of cases) {
  test(`${name} says so`, () => {
    const [seenGlyph, seenText] = describe(change, observed);
    assert.equal(seenGlyph, glyph);
    assert.match(seenText, text);
  });
}

test('a mount is called idle only after five seconds without anything', () => {
  assert.deepEqual(describe({ lastActivityAt: now - idleAfterMs + 1 }), ['active', 'In use']);
  assert.deepEqual(describe({ lastActivityAt: now - idleAfterMs }), ['idle', 'Idle']);
});

test('a mount is never called idle while anything is pending, moving or wrong', () => {
  const mounts = fc.record({
    state: fc.constantFrom(...mountStateNames),
    link: fc.constantFrom('online' as const, 'offline' as const),
    server: fc.constantFrom('up' as const, 'restarting' as const, 'down' as const),
    pending: fc.record({ files: fc.nat(3), bytes: fc.nat(10_000) }),
    uploadsPaused: fc.boolean(),
    lastActivityAt: fc.option(fc.integer({ min: now - 20_000, max: now })),
    lastError: fc.option(fc.constant(failing)),
    conflicts: fc.nat(1),
  });
  const observations = fc.record({
    rates: fc.record({ read: fc.nat(1), write: fc.nat(1), up: fc.nat(1), down: fc.nat(1) }),
    unseenStale: fc.nat(1),
  });
  fc.assert(
    fc.property(mounts, observations, (change, observed) => {
      const { glyph, text } = describeMount(mountView({ source, ...change }), { now, ...observed });
      assert.ok(text.length > 0);
      if (glyph !== 'idle') return;
      assert.deepEqual(
        [
          change.state,
          change.link,
          change.server,
          change.pending.files,
          change.lastError,
          change.uploadsPaused,
        ],
        ['mounted', 'online', 'up', 0, null, false],
      );
      assert.deepEqual(observed, { rates: noRates, unseenStale: 0 });
      assert.ok(change.lastActivityAt === null || now - change.lastActivityAt >= idleAfterMs);
    }),
  );
});
