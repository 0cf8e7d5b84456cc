// What every transport of the contract must do, as one suite: the control socket, the panel's WebSocket and the desktop app's bridge all
// run it, each over its real two ends with a fake host behind.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { ContractFailure } from '../../src/shared/contract.ts';
import type { Api } from '../../src/shared/contract.ts';
import type { HostState } from '../../src/shared/model.ts';
import { failure, FakeHost, mountView } from './fake-host.ts';

export interface OpenSurface {
  readonly api: Api;
  /** The surface goes away. */
  leave(): void;
}

/** Opens a surface to `host`; frees what it made after the test. */
export type OpenTransport = (t: TestContext, host: FakeHost) => Promise<OpenSurface>;

const source = 'bucket/demo/project';
const id = 'bucket-demo-project';

export function testTransport(name: string, open: OpenTransport): void {
  const start = async (t: TestContext) => {
    const host = new FakeHost({ mounts: [mountView({ source })] });
    return { host, ...(await open(t, host)) };
  };

  test(`${name}: a request is answered with its value, its argument completed`, async (t) => {
    const { api, host } = await start(t);
    assert.deepEqual(await api.call('state:get', null), host.state);
    await api.call('mounts:flush', { target: null });
    assert.deepEqual(host.callsTo('mounts:flush'), [{ target: null }]);
  });

  test(`${name}: a failure arrives with its code, words and programs`, async (t) => {
    const { api, host } = await start(t);
    const programs = [{ pid: 7, name: 'vim' }];
    host.answers['mounts:unmount'] = () => {
      throw failure('busy', 'In use by vim', { retryable: true, programs });
    };
    const argument = { target: id, discard: false, force: false, ifUnsent: 'keep' } as const;
    await assert.rejects(api.call('mounts:unmount', argument), (error) => {
      assert.ok(error instanceof ContractFailure);
      assert.equal(error.message, 'In use by vim');
      assert.deepEqual(error.problem, { code: 'busy', message: 'In use by vim', retryable: true, programs });
      return true;
    });
  });

  test(`${name}: an argument that breaks the contract is refused before any handler`, async (t) => {
    const { api, host } = await start(t);
    const wrong = { mountId: 7 } as unknown as { mountId: string };
    await assert.rejects(api.call('mounts:forget', wrong), { code: 'invalid' });
    assert.deepEqual(host.calls, []);
    assert.equal((await api.call('state:get', null)).revision, 1, 'and the surface goes on');
  });

  test(`${name}: many requests at once each get their own answer`, async (t) => {
    const { api, host } = await start(t);
    host.answers['browse:source'] = async ({ source: asked }) => {
      await new Promise((resolve) => setImmediate(resolve));
      throw failure('source-not-found', asked);
    };
    const asked = Array.from({ length: 40 }, (_, index) => `bucket/demo/b${index}`);
    const answers = await Promise.allSettled(
      asked.map((each) => api.call('browse:source', { source: each })),
    );
    const words = answers.map((answer) =>
      answer.status === 'rejected' ? String(answer.reason.message) : '',
    );
    assert.deepEqual(words, asked);
  });

  test(`${name}: after the snapshot every newer state follows, in order`, async (t) => {
    const { api, host } = await start(t);
    const seen: number[] = [];
    const last = new Promise<void>((resolve) => {
      api.on('state:changed', (state: HostState) => {
        seen.push(state.revision);
        if (state.demo) resolve();
      });
    });
    host.set({});
    const snapshot = await api.call('state:subscribe', null);
    for (let change = 0; change < 20; change += 1) host.set({ quitting: change % 2 === 0 });
    host.set({ demo: true });
    await last;
    assert.equal(snapshot.revision, 2);
    assert.deepEqual(
      seen,
      Array.from({ length: 21 }, (_, index) => index + 3),
    );
  });

  test(`${name}: activity comes while it is subscribed, with what was dropped`, async (t) => {
    const { api, host } = await start(t);
    const seen: [path: string, dropped: number][] = [];
    const stop = api.on('activity:batch', ({ mounts }) => {
      for (const { events, dropped } of mounts) seen.push([events[0]?.path ?? '', dropped]);
    });
    host.pushActivity(id, [host.event(id, 'READ', 'too early')]);
    await api.call('activity:subscribe', { target: null });
    host.pushActivity(id, [host.event(id, 'WRITE', 'a')], 3);
    await api.call('activity:unsubscribe', null);
    host.pushActivity(id, [host.event(id, 'WRITE', 'too late')]);
    await api.call('activity:subscribe', { target: null });
    host.pushActivity(id, [host.event(id, 'WRITE', 'b')]);
    await api.call('state:get', null);
    stop();
    host.pushActivity(id, [host.event(id, 'WRITE', 'nobody listens')]);
    await api.call('state:get', null);
    assert.deepEqual(seen, [
      ['a', 3],
      ['b', 0],
    ]);
  });

  test(`${name}: a large answer with any characters arrives whole`, async (t) => {
    const { api, host } = await start(t);
    const path = 'Ünïcödé 🤗 "quoted"\\ \u2028 line '.repeat(30);
    host.pending = Array.from({ length: 3000 }, (_, index) => ({
      mountId: id,
      source,
      id: `file:${index}`,
      kind: 'file' as const,
      path,
      bytes: index,
      state: 'received' as const,
    }));
    assert.deepEqual((await api.call('mounts:pending', { target: null })).items, host.pending);
  });

  test(`${name}: a surface that leaves is forgotten, and its open requests are told`, async (t) => {
    const { api, host, leave } = await start(t);
    const gone = new Promise<void>((resolve) => {
      host.answers['mounts:flush'] = (_argument, caller) =>
        new Promise((_resolve, reject) => {
          caller.gone.addEventListener('abort', () => {
            resolve();
            reject(failure('cancelled', 'gone'));
          });
        });
    });
    await api.call('activity:subscribe', { target: null });
    api.call('mounts:flush', { target: null }).catch(() => undefined);
    await api.call('state:get', null);
    leave();
    await gone;
    assert.equal(host.activitySubscribers, 0);
  });
}
