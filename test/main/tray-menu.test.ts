import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { buildTrayMenu } from '../../src/main/tray/tray-menu.ts';
import type { TrayAction, TrayEntry } from '../../src/main/tray/tray-menu.ts';
import { mountStateNames, zeroCounters } from '../../src/shared/model.ts';
import type { HostState, MountView } from '../../src/shared/model.ts';
import { datedProblem, hostState, mountView } from '../support/mount-views.ts';

const now = new Date(2026, 4, 5, 14, 0).getTime();

function menuOf(state: HostState | null): readonly TrayEntry[] {
  return buildTrayMenu({ state, seen: new Map(), now });
}

/** One line an entry, submenus indented, greyed ones in brackets. */
function lines(entries: readonly TrayEntry[], indent = ''): string[] {
  return entries.flatMap((entry) => {
    if (entry.kind === 'separator') return [`${indent}—`];
    if (entry.kind === 'submenu') return [indent + entry.label, ...lines(entry.items, `${indent}  `)];
    return [indent + (entry.action === null ? `[${entry.label}]` : entry.label)];
  });
}

function actions(entries: readonly TrayEntry[]): TrayAction[] {
  return entries.flatMap((entry) => {
    if (entry.kind === 'submenu') return actions(entry.items);
    return entry.kind === 'item' && entry.action !== null ? [entry.action] : [];
  });
}

test('before a host serves there are only the panel and the end', () => {
  assert.deepEqual(lines(menuOf(null)), ['[Starting …]', '—', 'Open panel', 'Quit Hubdrive']);
});

test('with nothing known it says so', () => {
  assert.deepEqual(lines(menuOf(hostState([]))), [
    '[Nothing is mounted]',
    '—',
    'Open panel',
    'Quit Hubdrive',
  ]);
});

test('a whole menu: mounts with state, recent sources, what is to send, pause, panel, quit', () => {
  const state = hostState([
    mountView({ pending: { files: 2, bytes: 5_000_000 } }),
    mountView({
      id: 'two',
      source: 'model/org/big',
      revision: 'v1',
      state: 'failed',
      attached: false,
      lastError: datedProblem(),
    }),
    mountView({ id: 'three', source: 'dataset/a/b', state: 'idle', attached: false }),
  ]);
  assert.deepEqual(lines(menuOf(state)), [
    'demo/project — 2 changes (5.0 MB) to send',
    '  Open folder',
    '  Copy path',
    '  Unmount',
    'org/big @ v1 — could not be mounted',
    '  Mount',
    '  Copy path',
    '—',
    'Mount a recent source',
    '  a/b',
    '—',
    '2 changes (5.0 MB) to send',
    'Pause uploads',
    '  For 1 hour',
    '  Until tomorrow',
    '—',
    'Open panel',
    'Quit Hubdrive',
  ]);
});

const words: readonly (readonly [Partial<MountView>, string])[] = [
  [{}, 'idle'],
  [{ lastActivityAt: now - 1000 }, 'working'],
  [{ state: 'connecting' }, 'mounting …'],
  [{ state: 'attaching' }, 'mounting …'],
  [{ state: 'draining' }, 'unmounting …'],
  [{ state: 'draining', pending: { files: 1, bytes: 10 } }, 'sending 1 change (10 bytes)'],
  [{ state: 'detaching' }, 'unmounting …'],
  [{ state: 'orphaned' }, 'left by an earlier run'],
  [{ state: 'idle', pending: { files: 1, bytes: 0 } }, 'not mounted, 1 change kept here'],
  [{ link: 'offline' }, 'offline'],
  [{ uploadsPaused: true, pending: { files: 1, bytes: 0 } }, 'paused, 1 change to send'],
  [{ conflicts: 2 }, 'conflict'],
  [{ counters: { ...zeroCounters, stale: 1 } }, 'a file was lost to programs'],
  [{ lastError: datedProblem() }, 'needs attention'],
];
for (const [change, expected] of words) {
  test(`a mount that is ${JSON.stringify(change)} reads “${expected}”`, () => {
    assert.equal(lines(menuOf(hostState([mountView(change)])))[0], `demo/project — ${expected}`);
  });
}

test('a pause offers to resume and says until when', () => {
  const until = new Date(2026, 4, 5, 15, 30).getTime();
  const paused = (pausedUntil?: number) =>
    lines(
      menuOf(
        hostState([
          mountView({ uploadsPaused: true, ...(pausedUntil === undefined ? {} : { pausedUntil }) }),
        ]),
      ),
    );
  assert.ok(paused(until).includes('Resume uploads (paused until 15:30)'));
  assert.ok(
    paused(new Date(2026, 4, 6, 8, 0).getTime()).includes('Resume uploads (paused until tomorrow 08:00)'),
  );
  assert.ok(paused().includes('Resume uploads'));
});

test('a mount without a folder offers neither to open it nor to copy its path', () => {
  const labels = lines(menuOf(hostState([mountView({ serverOnly: true, mountPoint: null })])));
  assert.ok(!labels.some((label) => /Open folder|Copy path/.test(label)));
});

test('an ampersand in a name is no keyboard hint', () => {
  assert.match(lines(menuOf(hostState([mountView({ source: 'bucket/a/b&c' })])))[0] ?? '', /^a\/b&&c/);
});

const anyMount = fc
  .record({
    state: fc.constantFrom(...mountStateNames),
    link: fc.constantFrom('online' as const, 'offline' as const),
    server: fc.constantFrom('up' as const, 'restarting' as const, 'down' as const),
    uploadsPaused: fc.boolean(),
    serverOnly: fc.boolean(),
    pending: fc.record({ files: fc.nat(5), bytes: fc.nat() }),
    conflicts: fc.nat(2),
    lastActivityAt: fc.option(fc.integer({ min: now - 20_000, max: now })),
  })
  .map((change) => mountView({ ...change, mountPoint: change.serverOnly ? null : '/home/u/x' }));

test('whatever the state, panel and quit are offered, every action names a known mount, and no two separators meet', () => {
  fc.assert(
    fc.property(fc.array(anyMount, { maxLength: 12 }), (mounts) => {
      const state = hostState(mounts.map((mount, index) => ({ ...mount, id: String(index) })));
      const entries = menuOf(state);
      const all = actions(entries);
      assert.ok(all.some(({ type }) => type === 'panel'));
      assert.ok(all.some(({ type }) => type === 'quit'));
      for (const action of all) {
        if ('mountId' in action) assert.ok(state.mounts.some(({ id }) => id === action.mountId));
      }
      const kinds = entries.map(({ kind }) => kind);
      assert.ok(!kinds.some((kind, index) => kind === 'separator' && kinds[index + 1] === 'separator'));
      assert.notEqual(kinds[0], 'separator');
    }),
  );
});
