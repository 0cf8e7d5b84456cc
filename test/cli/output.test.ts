import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable, formatUntil, plain } from '../../src/cli/output.ts';
import {
  describeEvent,
  describePending,
  describeReport,
  describeStatus,
} from '../../src/cli/show-commands.ts';
import { requiredTarget } from '../../src/cli/target.ts';
import { zeroCounters } from '../../src/shared/model.ts';
import type { MountView } from '../../src/shared/model.ts';

test('tables align, also with wide characters, and leave no blanks at the end', () => {
  assert.equal(
    formatTable([
      ['A', 'B'],
      ['🎉', 'x'],
      ['long', ''],
    ]),
    'A     B\n🎉    x\nlong\n',
  );
});

test('times to come are rounded to what a person needs', () => {
  assert.equal(formatUntil(0, 5), 'now');
  assert.equal(formatUntil(2500, 0), 'in 3 s');
  assert.equal(formatUntil(600_000, 0), 'in 10 min');
  assert.equal(formatUntil(36_000_000, 0), 'in 10 h');
});

test('a file name cannot send control characters to the terminal', () => {
  assert.equal(plain('a\u001b[31mb\nc\u009b'), 'a\ufffd[31mb\ufffdc\ufffd');
  const event = { sequence: 1, at: 0, kind: 'WRITE', path: 'x\u001b]0;t\u0007', bytes: 5 } as const;
  assert.doesNotMatch(describeEvent('bucket/a/b', event), /\u001b|\u0007/);
});

test('a file that was sent says what moved for it', () => {
  const transfer = {
    changedBytes: 4096,
    sentBytes: 93_000,
    savedBytes: 104_000_000,
    downloadedBytes: 2_700_000,
  };
  const event = { sequence: 1, at: 0, kind: 'UPLOAD', path: 'x', detail: 'committed', transfer } as const;
  assert.match(
    describeEvent('bucket/a/b', event),
    /committed {2}\(4\.1 kB changed, 93 kB sent, 104 MB saved, 2\.7 MB fetched for it\)/,
  );
});

const mount: MountView = {
  id: 'i',
  source: 'bucket/a/b',
  revision: null,
  endpoint: 'http://h',
  state: 'mounted',
  attached: true,
  link: 'online',
  server: 'up',
  mountPoint: '/home/u/Hubdrive/a/b',
  serverOnly: false,
  readOnly: false,
  nfs: null,
  pending: { files: 2, bytes: 1500 },
  uploadsPaused: false,
  counters: { ...zeroCounters, readBytes: 2e6 },
  lastActivityAt: null,
  lastError: null,
  restored: true,
};

test('status tells the honest state of each mount', () => {
  assert.match(describeStatus([]), /Nothing is mounted/);
  assert.match(
    describeStatus([mount]),
    /bucket\/a\/b {2}mounted {2}\/home\/u\/Hubdrive\/a\/b {2}2 \(1\.5 kB\) {2}2\.0 MB {2}0 bytes/,
  );
  const troubled: MountView = {
    ...mount,
    link: 'offline',
    server: 'restarting',
    uploadsPaused: true,
    lastError: { code: 'unsent', message: 'a.txt is not on the Hub', retryable: true, at: 0 },
  };
  const text = describeStatus([troubled, { ...mount, state: 'draining', attached: false, readOnly: true }]);
  assert.match(text, /mounted, engine restarting, offline, uploads paused/);
  assert.match(text, /unmounted, sending, read-only/);
  assert.match(text, /bucket\/a\/b: a\.txt is not on the Hub/);
});

test('pending items say where they are on their way', () => {
  const about = {
    mountId: 'i',
    source: 'bucket/a/b',
    id: 'file:1',
    kind: 'file',
    path: 'a.txt',
    bytes: 2000,
  } as const;
  const now = 10_000;
  const text = describePending(
    [
      { ...about, state: 'received' },
      { ...about, state: 'safe', sendAt: 12_000 },
      { ...about, state: 'uploading', doneBytes: 500, totalBytes: 2000 },
      { ...about, state: 'failed', cause: 'no network', nextTryAt: 40_000 },
    ],
    3,
    now,
  );
  assert.match(text, /received/);
  assert.match(text, /safe here, sent in 2 s/);
  assert.match(text, /uploading 500 bytes of 2\.0 kB/);
  assert.match(text, /failed: no network; next try in 30 s/);
  assert.match(text, /… and 3 more/);
  assert.equal(describePending([], 0, now), 'Nothing is pending; everything is on the Hub\n');
});

test('the doctor’s advice follows its finding', () => {
  const check = {
    id: 'x',
    title: 'Hub',
    status: 'failed',
    detail: 'no answer',
    fix: 'Check the network',
  } as const;
  assert.equal(describeReport({ checks: [check] }), 'FAILED  Hub: no answer\n        → Check the network\n');
});

test('sources are passed on and paths become absolute', () => {
  assert.equal(requiredTarget('bucket/a/b'), 'bucket/a/b');
  assert.equal(requiredTarget('hf://models/a/b'), 'hf://models/a/b');
  assert.equal(requiredTarget('/x/y/'), '/x/y');
  assert.equal(requiredTarget('sub'), `${process.cwd()}/sub`);
});
