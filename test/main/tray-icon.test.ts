import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quietAfterMs, trayFaceOf, trayImageName, trayIconNames } from '../../src/main/tray/tray-icon.ts';
import type { TrayIconName } from '../../src/main/tray/tray-icon.ts';
import { zeroCounters } from '../../src/shared/model.ts';
import type { MountView } from '../../src/shared/model.ts';
import { datedProblem, hostState, mountView } from '../support/mount-views.ts';

const now = 1_000_000;
const none = new Map<string, number>();

const cases: readonly (readonly [
  what: string,
  mounts: readonly Partial<MountView>[],
  icon: TrayIconName,
  words: RegExp,
])[] = [
  ['nothing known', [], 'idle', /nothing is mounted$/],
  ['one at rest', [{}], 'idle', /up to date$/],
  ['one that moved just now', [{ lastActivityAt: now - quietAfterMs + 1 }], 'transferring', /working/],
  ['one that has been quiet long enough', [{ lastActivityAt: now - quietAfterMs }], 'idle', /up to date/],
  ['one that is being mounted', [{ state: 'connecting', attached: false }], 'transferring', /working/],
  ['one that is being unmounted', [{ state: 'detaching' }], 'transferring', /working/],
  [
    'changes that wait',
    [{ pending: { files: 3, bytes: 1_200_000 } }],
    'waiting',
    /3 changes \(1\.2 MB\) to send$/,
  ],
  [
    'changes of an unmounted source',
    [{ state: 'idle', attached: false, pending: { files: 1, bytes: 0 } }],
    'waiting',
    /1 change to send/,
  ],
  ['uploads paused', [{ uploadsPaused: true, lastActivityAt: now }], 'paused', /paused$/],
  [
    'the Hub away',
    [{ link: 'offline', pending: { files: 1, bytes: 1 } }],
    'offline',
    /away, 1 change \(1 byte\) to send/,
  ],
  [
    'an offline mount that is not mounted',
    [{ state: 'idle', link: 'offline', attached: false }],
    'idle',
    /nothing is mounted/,
  ],
  ['a failed mount', [{ state: 'failed', attached: false }], 'attention', /1 mount needs attention/],
  ['a conflict', [{ conflicts: 1 }], 'attention', /attention/],
  ['a server that is down', [{ server: 'down' }], 'attention', /attention/],
  ['a problem that a person must solve', [{ lastError: datedProblem() }], 'attention', /attention/],
  ['a problem that solves itself', [{ lastError: datedProblem({ retryable: true }) }], 'idle', /up to date/],
  ['STALE answers', [{ counters: { ...zeroCounters, stale: 2 } }], 'attention', /attention/],
  [
    'trouble beside everything else',
    [{ uploadsPaused: true }, { link: 'offline' }, { state: 'failed' }],
    'attention',
    /1 mount needs/,
  ],
  ['a pause beside the Hub away', [{ uploadsPaused: true, link: 'offline' }], 'paused', /paused/],
];

for (const [what, mounts, icon, words] of cases) {
  test(`${what}: the icon is “${icon}”`, () => {
    const state = hostState(mounts.map((change, index) => mountView({ id: String(index), ...change })));
    const face = trayFaceOf(state, none, now);
    assert.equal(face.icon, icon);
    assert.match(face.sentence, words);
  });
}

test('a face that will change by itself says when, and is then another', () => {
  const state = hostState([mountView({ lastActivityAt: now - 2000 })]);
  const { changesInMs } = trayFaceOf(state, none, now);
  assert.equal(changesInMs, quietAfterMs - 2000);
  assert.equal(trayFaceOf(state, none, now + (changesInMs ?? 0)).icon, 'idle');
  assert.equal(trayFaceOf(hostState([mountView()]), none, now).changesInMs, null);
});

test('STALE answers that were shown no longer ask for attention; new ones do', () => {
  const state = hostState([mountView({ counters: { ...zeroCounters, stale: 2 } })]);
  assert.equal(trayFaceOf(state, new Map([['one', 2]]), now).icon, 'idle');
  assert.equal(trayFaceOf(state, new Map([['one', 1]]), now).icon, 'attention');
});

test('without a host the icon waits, and while it quits it works', () => {
  assert.equal(trayFaceOf(null, none, now).icon, 'waiting');
  assert.equal(trayFaceOf(hostState([], { quitting: true }), none, now).icon, 'transferring');
});

test('images suit the bar: templates on macOS, by colour elsewhere, light ones on GNOME’s dark bar', () => {
  const names = new Set<string>();
  for (const icon of trayIconNames) {
    names.add(trayImageName(icon, { platform: 'darwin', isDark: true, desktop: '' }));
    names.add(trayImageName(icon, { platform: 'linux', isDark: false, desktop: 'KDE' }));
    names.add(trayImageName(icon, { platform: 'linux', isDark: true, desktop: 'KDE' }));
  }
  assert.equal(names.size, trayIconNames.length * 3);
  assert.equal(
    trayImageName('idle', { platform: 'linux', isDark: false, desktop: 'ubuntu:GNOME' }),
    'idle-on-dark.png',
  );
});
