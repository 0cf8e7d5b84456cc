import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { EngineSpec } from '../../src/main/engine/engine.ts';
import type { FromEngine } from '../../src/main/engine/engine-protocol.ts';
import { EngineRuntime } from '../../src/main/engine/engine-runtime.ts';
import type { EngineSurroundings, OpenedFileSystem } from '../../src/main/engine/engine-runtime.ts';
import { trimActivity } from '../../src/main/engine/activity-trim.ts';
import { HostError } from '../../src/main/problem.ts';
import type { ActivityEvent } from '../../src/shared/activity.ts';
import { zeroCounters } from '../../src/shared/model.ts';
import type { PendingItem, UploadQueue } from '../../src/vfs/parts.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';

const spec: EngineSpec = {
  endpoint: 'http://127.0.0.1:9',
  source: 'bucket/demo/work',
  revision: null,
  readOnly: false,
  dataDir: '/nowhere',
  cacheDir: '/nowhere',
  cacheLimitBytes: 1,
  pollIntervalMs: 1,
  owner: { uid: 0, gid: 0 },
  hostName: 'here',
  userAgent: 'test',
};

let clock: ManualClock;
let sent: FromEngine[];
let calls: string[];
let items: PendingItem[];
let events: ActivityEvent[];
let given: EngineSurroundings[];
let flushError: Error | null;
let runtime: EngineRuntime;
let nextId: number;
let damage: string | null;

beforeEach(() => {
  clock = new ManualClock();
  sent = [];
  calls = [];
  damage = null;
  items = [];
  events = [];
  given = [];
  flushError = null;
  nextId = 1;
  runtime = new EngineRuntime({
    spec,
    logLevel: 'info',
    post: (message) => sent.push(message),
    clock,
    openFileSystem: (_spec, surroundings) => {
      given.push(surroundings);
      return Promise.resolve(fakeFileSystem());
    },
  });
});

function fakeFileSystem(): OpenedFileSystem {
  const uploads = {
    pending: () => items,
    pendingTotals: () => ({ files: items.length, bytes: 0 }),
    flush: () => (flushError === null ? Promise.resolve() : Promise.reject(flushError)),
    retryNow: (id?: string) => void calls.push(`retry ${id ?? 'all'}`),
    discard: (id: string) => void calls.push(`discard ${id}`),
    pause: () => void calls.push('pause'),
    resume: () => void calls.push('resume'),
  };
  return {
    source: { name: 'demo/work', identifier: 'bucket/1', writable: true },
    uploads: uploads as Partial<UploadQueue> as UploadQueue,
    counters: () => zeroCounters,
    drainActivity: () => ({ events: events.splice(0), dropped: 0 }),
    isOnline: () => true,
    damage,
    settleConflict: ({ path, keep }) => {
      calls.push(`keep ${keep} of ${path}`);
      return Promise.resolve();
    },
    listen: (options) =>
      Promise.resolve({
        port: options.port,
        openMountWindow: () => void calls.push('open'),
        closeMountWindow: () => void calls.push('close window'),
        close: () => {
          calls.push('server closed');
          return Promise.resolve();
        },
      }),
    close: () => {
      calls.push('file system closed');
      return Promise.resolve();
    },
  };
}

async function call(name: string, argument: unknown = null): Promise<FromEngine> {
  const id = nextId++;
  runtime.receive({ type: 'call', id, name, argument } as never);
  await settle();
  const answer = sent.find(
    (message) => (message.type === 'result' || message.type === 'failure') && message.id === id,
  );
  assert.ok(answer !== undefined, `${name} was not answered`);
  return answer;
}

const listen = { host: '127.0.0.1', port: 21_000, exportPath: '/x', peers: 'any' };

test('an engine opens, listens, opens its window and closes the server before the file system', async () => {
  assert.deepEqual((await call('open')).type, 'result');
  assert.deepEqual(await call('listen', listen), { type: 'result', id: 2, value: 21_000 });
  await call('setMountWindow', true);
  items = [item('file:1', 'safe')];
  assert.deepEqual(await call('close'), { type: 'result', id: 4, value: { files: 1, bytes: 0 } });
  assert.deepEqual(calls, ['open', 'server closed', 'file system closed']);
  clock.advance(10_000);
  assert.equal(clock.pendingTimers, 0);
});

function item(id: string, state: 'safe' | 'failed'): PendingItem {
  const about = { id, kind: 'file', path: `${id}.txt`, bytes: 0 } as const;
  if (state === 'safe') return { ...about, state: { state, sendAt: 0 } };
  return {
    ...about,
    state: { state, cause: 'no space on the Hub', code: 'too-large', attempts: 1, nextTryAt: 0 },
  };
}

test('a call before open is refused, not dropped', async () => {
  const answer = await call('pending');
  assert.ok(answer.type === 'failure' && answer.problem.code === 'engine');
});

test('activity and status are told when they change, and nothing is told while nothing happens', async () => {
  await call('open');
  clock.advance(5000);
  sent.length = 0;
  clock.advance(60_000);
  assert.equal(sent.length, 0);
  events = [{ sequence: 1, at: 0, kind: 'WRITE', path: 'a' }];
  clock.advance(1000);
  assert.deepEqual(
    sent.map((message) => message.type),
    ['activity', 'status'],
  );
});

test('while somebody watches, activity that goes on comes ten times a second', async () => {
  await call('open');
  runtime.receive({ type: 'watch', watched: true });
  clock.advance(500);
  sent.length = 0;
  for (let step = 0; step < 40; step += 1) {
    events.push({ sequence: step, at: 0, kind: 'READ', path: 'a' });
    clock.advance(50);
  }
  const batches = sent.filter((message) => message.type === 'activity');
  assert.ok(batches.length >= 18 && batches.length <= 20, `${batches.length} batches in two seconds`);
});

test('any answer is preceded by what happened before it', async () => {
  await call('open');
  events = [{ sequence: 1, at: 0, kind: 'WRITE', path: 'a' }];
  await call('report');
  const order = sent.map((message) => message.type);
  assert.ok(order.lastIndexOf('activity') < order.lastIndexOf('result'));
});

test('a failed upload becomes the status’s failure, with its cause and that it is safe', async () => {
  await call('open');
  items = [item('file:1', 'safe'), item('file:2', 'failed')];
  clock.advance(3000);
  const status = sent.findLast((message) => message.type === 'status');
  assert.ok(status?.type === 'status');
  assert.match(status.status.failing?.message ?? '', /file:2\.txt.*no space on the Hub.*safe on this disk/);
  items = [];
  clock.advance(3000);
  const after = sent.findLast((message) => message.type === 'status');
  assert.ok(after?.type === 'status' && after.status.failing === null);
});

test('damage found at the start is the problem of the mount until an upload fails', async () => {
  damage = 'The list of names was damaged; what was left of it is in "set-aside"';
  await call('open');
  clock.advance(1000);
  const status = sent.findLast((message) => message.type === 'status');
  assert.ok(status?.type === 'status');
  assert.deepEqual(status.status.failing, { code: 'unsent', message: damage, retryable: false });
});

test('discarding everything discards each item; one id discards that one', async () => {
  await call('open');
  items = [item('file:1', 'safe'), item('file:2', 'safe')];
  await call('discard', 'file:2');
  await call('discard', null);
  assert.deepEqual(calls, ['discard file:2', 'discard file:1', 'discard file:2']);
});

test('a choice about a conflict is passed on', async () => {
  await call('open');
  await call('settleConflict', { path: 'a.txt', minePath: 'a (mine).txt', keep: 'theirs' });
  assert.deepEqual(calls, ['keep theirs of a.txt']);
});

test('a failed flush keeps its code', async () => {
  await call('open');
  flushError = new HostError('forbidden', 'the token may not write');
  const answer = await call('flush');
  assert.ok(answer.type === 'failure' && answer.problem.code === 'forbidden');
});

test('many requests for a token become one question, asked again after a while', async () => {
  await call('open');
  const [surroundings] = given;
  assert.ok(surroundings !== undefined);
  const asked = [surroundings.token(), surroundings.token()];
  const questions = () => sent.filter((message) => message.type === 'tokenWanted');
  assert.equal(questions().length, 1);
  const [question] = questions();
  assert.ok(question?.type === 'tokenWanted');
  runtime.receive({ type: 'token', id: question.id, token: 'hf_x' });
  assert.deepEqual(await Promise.all(asked), ['hf_x', 'hf_x']);
  clock.advance(6000);
  void surroundings.token();
  assert.equal(questions().length, 2);
});

test('log lines below the level do not cross threads', async () => {
  await call('open');
  given[0]?.log.debug('fine');
  given[0]?.log.error('bad', { a: 1 }, new Error('cause'));
  const lines = sent.filter((message) => message.type === 'log');
  assert.equal(lines.length, 1);
  assert.match(lines[0]?.type === 'log' ? (lines[0].stack ?? '') : '', /cause/);
});

test('a trimmed batch keeps what a person must see and the newest of the rest, in order', () => {
  const many: ActivityEvent[] = Array.from({ length: 1000 }, (_, sequence) => ({
    sequence,
    at: 0,
    kind: sequence === 3 ? 'STALE' : 'READ',
    path: '',
  }));
  const { events: kept, dropped } = trimActivity(many, 10);
  assert.deepEqual(
    kept.map((event) => event.sequence),
    [3, 991, 992, 993, 994, 995, 996, 997, 998, 999],
  );
  assert.equal(dropped, 990);
  assert.deepEqual(trimActivity(many.slice(0, 5), 10), { events: many.slice(0, 5), dropped: 0 });
});
