import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { ConflictNotices } from '../../src/main/surfaces/conflict-notices.ts';
import type { ConflictSettlement } from '../../src/main/engine/settle-conflict.ts';
import { HostError } from '../../src/main/problem.ts';
import type { ActivityEvent } from '../../src/shared/activity.ts';
import { silentLog } from '../../src/shared/log.ts';

const at = 1_770_000_000_000;

function conflict(path: string, minePath?: string): ActivityEvent {
  const event: ActivityEvent = { sequence: 1, at, kind: 'CONFLICT', path };
  return minePath === undefined ? event : { ...event, toPath: minePath };
}

async function openNotices(t: TestContext, dir?: string) {
  const dataDir = dir ?? (await mkdtemp(join(tmpdir(), 'conflicts-')));
  const settled: ConflictSettlement[] = [];
  const world = { refuses: false, changes: 0 };
  const notices = new ConflictNotices({
    dataDirOf: () => dataDir,
    log: silentLog,
    settle: (_mount, settlement) => {
      if (world.refuses) return Promise.reject(new HostError('engine', 'not running'));
      settled.push(settlement);
      return Promise.resolve();
    },
    onChange: () => (world.changes += 1),
  });
  t.after(async () => {
    await notices.settled();
    await rm(dataDir, { recursive: true, force: true });
  });
  await notices.load('m', 'bucket/a/b');
  return { notices, settled, world, dataDir };
}

test('a conflict with both versions kept is listed once, however often it is told', async (t) => {
  const { notices, world } = await openNotices(t);
  notices.noteActivity('m', [conflict('a.txt', 'a (mine).txt'), conflict('a.txt', 'a (mine).txt')]);
  notices.noteActivity('m', [conflict('gone.txt')]);
  const list = notices.list(['m']);
  assert.deepEqual(
    list.map(({ source, path, minePath, at: when }) => [source, path, minePath, when]),
    [['bucket/a/b', 'a.txt', 'a (mine).txt', at]],
  );
  assert.equal(notices.count('m'), 1);
  assert.ok(world.changes > 0);
});

test('a choice is carried out once and ends the conflict', async (t) => {
  const { notices, settled } = await openNotices(t);
  notices.noteActivity('m', [conflict('a', 'a2'), conflict('b', 'b2'), conflict('c', 'c2')]);
  const [a, b, c] = notices.list(['m']).map(({ id }) => id);
  await notices.resolve('m', a ?? '', 'mine');
  await notices.resolve('m', b ?? '', 'theirs');
  await notices.resolve('m', c ?? '', 'both');
  assert.deepEqual(settled, [
    { path: 'a', minePath: 'a2', keep: 'mine' },
    { path: 'b', minePath: 'b2', keep: 'theirs' },
  ]);
  assert.equal(notices.count('m'), 0);
  await assert.rejects(notices.resolve('m', a ?? '', 'mine'), { name: 'HostError' });
});

test('a choice that could not be carried out leaves the conflict listed', async (t) => {
  const { notices, world } = await openNotices(t);
  notices.noteActivity('m', [conflict('a', 'a2')]);
  world.refuses = true;
  await assert.rejects(notices.resolve('m', notices.list(['m'])[0]?.id ?? '', 'mine'));
  assert.equal(notices.count('m'), 1);
});

test('conflicts survive a restart of the host', async (t) => {
  const first = await openNotices(t);
  first.notices.noteActivity('m', [conflict('a', 'a2')]);
  first.notices.noteActivity('m', [conflict('b', 'b2')]);
  await first.notices.settled();
  const second = await openNotices(t, first.dataDir);
  assert.deepEqual(second.notices.list(['m']), first.notices.list(['m']));
});
