// A host in the middle of a working day, for screenshots and accessibility checks: every kind of mount, activity, queue and problem.

import type { ActivityEvent } from '../../src/shared/activity.ts';
import type { Counters } from '../../src/shared/activity.ts';
import { zeroCounters } from '../../src/shared/model.ts';
import { browseItem, FakeHost, idleView, mountView } from '../support/fake-host.ts';

const hour = 3600_000;

function counters(change: Partial<Counters>): Counters {
  return { ...zeroCounters, ...change };
}

export function busyHost(): FakeHost {
  const now = Date.now();
  const host = new FakeHost({
    mounts: [
      mountView({
        source: 'bucket/ada/training-runs',
        pending: { files: 3, bytes: 412_000_000 },
        lastActivityAt: now,
        counters: counters({
          readBytes: 9.1e9,
          reads: 71_000,
          writtenBytes: 2.4e9,
          uploadedBytes: 1.1e9,
          savedBytes: 1.3e9,
          filesCommitted: 214,
        }),
      }),
      mountView({ source: 'model/analytical/difference-7b', readOnly: true, revision: 'v2.0' }),
      mountView({
        source: 'bucket/analytical/shared-notes-with-a-name-that-goes-on-for-quite-a-while/2026/november',
        link: 'offline',
        pending: { files: 1, bytes: 2048 },
      }),
      idleView({
        source: 'dataset/ada/punch-cards',
        state: 'failed',
        readOnly: true,
        lastError: {
          code: 'gated',
          message: 'Access to dataset “ada/punch-cards” must be granted on the Hub first',
          retryable: false,
          at: now,
        },
      }),
      idleView({ source: 'space/ada/demo-app', readOnly: true }),
    ],
  });
  const id = 'bucket-ada-training-runs';
  host.items = [
    browseItem('bucket/ada/training-runs', {
      private: true,
      sizeBytes: 48.2e9,
      files: 1204,
      updatedAt: now - 90_000,
    }),
    browseItem('bucket/ada/scratch', { sizeBytes: 1.2e6, files: 12, updatedAt: now - 30 * hour }),
    browseItem('bucket/analytical/shared-notes', {
      private: true,
      sizeBytes: 830e6,
      files: 5400,
      updatedAt: now - 3 * hour,
    }),
    browseItem('bucket/analytical/evaluation-results', {
      sizeBytes: 0,
      files: 0,
      updatedAt: now - 400 * hour,
    }),
    browseItem('model/analytical/difference-7b', { gated: 'auto', updatedAt: now - 80 * hour }),
    browseItem('model/ada/tiny-engine', { private: true, updatedAt: now - 9 * hour }),
  ];
  host.pending = [
    {
      mountId: id,
      source: 'bucket/ada/training-runs',
      id: 'file:1',
      kind: 'file',
      path: 'runs/2026-11-22/checkpoint-12000.safetensors',
      bytes: 410_000_000,
      state: 'uploading',
      doneBytes: 160_000_000,
      totalBytes: 410_000_000,
    },
    {
      mountId: id,
      source: 'bucket/ada/training-runs',
      id: 'file:2',
      kind: 'file',
      path: 'runs/2026-11-22/metrics.jsonl',
      bytes: 1_900_000,
      state: 'safe',
      sendAt: now + 12_000,
    },
    {
      mountId: id,
      source: 'bucket/ada/training-runs',
      id: 'op:3',
      kind: 'move',
      path: 'runs/archive/2026-10.tar',
      bytes: 0,
      state: 'failed',
      cause: 'The Hub answered 503 for 40 s',
      code: 'hub',
      attempts: 4,
      nextTryAt: now + 95_000,
    },
  ];
  host.backlog = [
    { mountId: id, source: 'bucket/ada/training-runs', events: workingDay(host, id), dropped: 0 },
  ];
  host.doctor = {
    checks: [
      { id: 'node', title: 'Runtime', status: 'ok', detail: 'Node 24.21.0' },
      { id: 'nfs', title: 'NFS client', status: 'ok', detail: 'mount.nfs 2.6.2' },
      {
        id: 'rights',
        title: 'Rights to mount',
        status: 'warning',
        detail: 'Neither root nor an fstab entry; pkexec will ask for a password.',
        fix: 'Add the line that “hubdrive doctor --fstab” prints to /etc/fstab to mount without a password.',
      },
    ],
  };
  return host;
}

function workingDay(host: FakeHost, id: string): ActivityEvent[] {
  const start = Date.now() - 61_000;
  const events: ActivityEvent[] = [];
  const add = (atMs: number, ...rest: [ActivityEvent['kind'], string, Partial<ActivityEvent>?]) => {
    const [kind, path, more = {}] = rest;
    events.push(host.event(id, kind, path, { ...more, at: start + atMs }));
  };
  const checkpoint = 'runs/2026-11-22/checkpoint-12000.safetensors';
  for (let at = 0; at < 9000; at += 300) {
    add(at, 'READ', 'data/train-00012-of-00128.parquet', { bytes: 1_048_576, durationMs: 2.2 });
  }
  add(9500, 'MKDIR', 'runs/2026-11-22', { durationMs: 0.4 });
  add(10_000, 'CREATE', checkpoint, { durationMs: 0.6 });
  for (let at = 10_100; at < 18_000; at += 250)
    add(at, 'WRITE', checkpoint, { bytes: 12_800_000, durationMs: 9 });
  add(18_200, 'COMMIT', checkpoint, { durationMs: 38 });
  add(20_400, 'UPLOAD', checkpoint, { bytes: 410_000_000, detail: 'uploading' });
  add(24_000, 'CREATE', 'runs/2026-11-22/metrics.jsonl', { durationMs: 0.4 });
  for (let at = 24_100; at < 30_000; at += 400) {
    add(at, 'WRITE', 'runs/2026-11-22/metrics.jsonl', { bytes: 190_000, durationMs: 0.3 });
  }
  add(33_000, 'RENAME', 'runs/2026-10.tar', { toPath: 'runs/archive/2026-10.tar', durationMs: 0.5 });
  add(36_000, 'REMOVE', 'runs/2026-09/.DS_Store', { durationMs: 0.2 });
  add(41_000, 'REMOTE', 'notes/plan.md', { detail: 'changed on the Hub' });
  add(44_000, 'CONFLICT', 'notes/plan.md', {
    toPath: 'notes/plan (conflict ada-laptop 2026-11-22 141500).md',
    detail: 'Changed by another client as well; the version from here is kept beside theirs',
  });
  for (let at = 46_000; at < 60_000; at += 300) {
    add(at, 'READ', 'data/train-00013-of-00128.parquet', { bytes: 1_048_576, durationMs: 1.9 });
  }
  return events;
}

/** As `busyHost`, with what nobody may miss. */
export function troubledHost(): FakeHost {
  const host = busyHost();
  const id = 'bucket-ada-training-runs';
  const stale = host.event(id, 'STALE', 'runs/2026-11-21/log.txt', { detail: 'WRITE: STALE' });
  const [first, ...others] = host.backlog;
  if (first !== undefined) host.backlog = [{ ...first, events: [...first.events, stale] }, ...others];
  const [mount] = host.state.mounts;
  if (mount !== undefined) host.setMount(id, { counters: { ...mount.counters, stale: 1 }, conflicts: 1 });
  host.conflicts = [
    {
      mountId: id,
      source: 'bucket/ada/training-runs',
      id: 'notes/plan.md',
      path: 'notes/plan.md',
      minePath: 'notes/plan (conflict ada-laptop 2026-11-22 141500).md',
      at: Date.now() - 17_000,
    },
  ];
  return host;
}
