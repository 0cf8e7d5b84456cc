// What happens to changes of names on a full disk.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../src/shared/log.ts';
import { FsError } from '../../src/vfs/fs-error.ts';
import { RoomMaker } from '../../src/vfs/content/room-maker.ts';

function world(cachedBytes: number) {
  const told: string[] = [];
  const state = { cachedBytes, neededBytes: 0 };
  const room = new RoomMaker(
    {
      activity: {
        record: (_kind, _path, details) => told.push(details?.detail ?? ''),
        count: () => undefined,
      },
      log: silentLog,
    },
    '/data',
    (bytes) => {
      const freed = Math.min(bytes, state.cachedBytes);
      state.cachedBytes -= freed;
      state.neededBytes -= freed;
      return Promise.resolve(freed);
    },
  );
  const work = (): string => {
    if (state.neededBytes > 0) throw new FsError('ENOSPC', 'catalogue');
    return 'done';
  };
  return { room, work, told, state };
}

test('work that has room is done at once', () => {
  const { room, work } = world(0);
  assert.equal(
    room.run(() => work()),
    'done',
  );
});

test('cache gives way until the work has room', async () => {
  const { room, work, told, state } = world(100_000_000);
  state.neededBytes = 40_000_000;
  assert.equal(await room.run(() => work()), 'done');
  assert.equal(await room.run(() => Promise.resolve().then(work)), 'done');
  assert.deepEqual(told, []);
  assert.equal(state.cachedBytes, 100_000_000 - 3 * 16 * 1024 * 1024);
});

test('without cache it is refused, told of once, and told of again after it had worked', async () => {
  const { room, work, told, state } = world(0);
  state.neededBytes = 1;
  for (let count = 0; count < 3; count += 1) {
    await assert.rejects(async () => room.run(work), { code: 'ENOSPC' });
    await assert.rejects(async () => room.run(() => Promise.resolve().then(work)), { code: 'ENOSPC' });
  }
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /"\/data" is full: .*Nothing saved so far is lost/);
  state.neededBytes = 0;
  assert.equal(room.run(work), 'done');
  state.neededBytes = 1;
  await assert.rejects(async () => room.run(work), { code: 'ENOSPC' });
  assert.equal(told.length, 2);
});

test('other failures pass as they are, and no cache is given up for them', async () => {
  const { room, state } = world(1000);
  for (const error of [new FsError('ENOENT', 'rename'), new FsError('ENOSPC', 'truncate'), new Error('x')]) {
    await assert.rejects(
      async () =>
        room.run(() => {
          throw error;
        }),
      error,
    );
  }
  assert.equal(state.cachedBytes, 1000);
});
