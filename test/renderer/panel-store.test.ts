import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPanel, putAlertsAway } from '../../src/renderer/store/panel-store.ts';
import { Meter } from '../../src/renderer/store/meter.ts';
import type { Connection, LinkStatus } from '../../src/renderer/transport/connection.ts';
import { ContractFailure } from '../../src/shared/contract.ts';
import type { Api, Caller, Handlers } from '../../src/shared/contract.ts';
import { zeroCounters } from '../../src/shared/model.ts';
import { FakeHost, mountView } from '../support/fake-host.ts';
import { settle } from '../support/manual-clock.ts';

const id = 'bucket-demo-project';

/** A link to a fake host without any transport between. */
class DirectLink implements Connection {
  status: LinkStatus = 'connecting';
  readonly isDesktop = false;
  readonly api: Api;
  readonly #handlers: Handlers;
  readonly #pushes = new Map<string, ((payload: never) => void)[]>();
  readonly #listeners: ((status: LinkStatus) => void)[] = [];
  #gone = new AbortController();
  #caller = this.#newCaller();

  constructor(host: FakeHost) {
    this.#handlers = host.handlers();
    this.api = {
      call: async (channel, argument) => {
        if (this.status !== 'open') throw new ContractFailure({ code: 'network', message: 'no link' });
        const handler = this.#handlers[channel] as (argument: unknown, caller: Caller) => Promise<never>;
        return await handler(argument, this.#caller);
      },
      on: (channel, listener) => {
        const listeners = this.#pushes.get(channel) ?? [];
        this.#pushes.set(channel, [...listeners, listener]);
        return () => this.#pushes.set(channel, listeners);
      },
    };
  }

  onStatus(listener: (status: LinkStatus) => void): () => void {
    this.#listeners.push(listener);
    return () => undefined;
  }

  close(): void {
    this.set('lost');
  }

  set(status: LinkStatus): void {
    this.status = status;
    if (status === 'lost') this.#gone.abort();
    if (status === 'open') {
      this.#gone = new AbortController();
      this.#caller = this.#newCaller();
    }
    for (const listener of this.#listeners) listener(status);
  }

  #newCaller(): Caller {
    return {
      gone: this.#gone.signal,
      push: (channel, payload) => {
        for (const listener of this.#pushes.get(channel) ?? []) listener(payload as never);
      },
    };
  }
}

async function openPanel(host: FakeHost) {
  const link = new DirectLink(host);
  const panel = createPanel({ connection: link, onFrame: (callback) => callback(), now: () => 0 });
  link.set('open');
  await settle();
  return { link, panel, state: () => panel.store.getState() };
}

const oneMount = () => new FakeHost({ mounts: [mountView({ source: 'bucket/demo/project' })] });

test('the snapshot and newer values are taken, older ones are dropped', async () => {
  const host = oneMount();
  const { state } = await openPanel(host);
  const old = host.state;
  host.setMount(id, { link: 'offline' });
  assert.equal(state().host?.mounts[0]?.link, 'offline');
  host.pushOldState(old);
  assert.equal(state().host?.mounts[0]?.link, 'offline');
});

test('a push that overtakes the snapshot wins over it', async () => {
  const host = oneMount();
  const snapshot = host.state;
  host.answers['state:subscribe'] = (_none, caller) => {
    caller.push('state:changed', { ...snapshot, revision: 9, demo: true });
    return snapshot;
  };
  const { state } = await openPanel(host);
  assert.equal(state().host?.revision, 9);
});

test('after a new start of the host its lower revisions count', async () => {
  const host = oneMount();
  for (let change = 0; change < 50; change += 1) host.set({});
  const { link, state } = await openPanel(host);
  link.set('lost');
  assert.equal(state().host?.revision, 51, 'what was known stays visible');
  host.answers['state:subscribe'] = () => ({ ...host.state, revision: 2, hostVersion: 'next' });
  link.set('open');
  await settle();
  assert.equal(state().host?.hostVersion, 'next');
  assert.equal(state().link, 'open');
});

test('activity is asked for only while the page can be seen', async () => {
  const host = oneMount();
  const { panel } = await openPanel(host);
  assert.equal(host.activitySubscribers, 1);
  panel.setVisible(false);
  await settle();
  assert.equal(host.activitySubscribers, 0);
  host.pushActivity(id, [host.event(id, 'READ', 'unseen')]);
  assert.equal(panel.feed.view().rows.length, 0);
  panel.setVisible(true);
  await settle();
  assert.equal(host.activitySubscribers, 1);
});

test('what happened while the page was hidden comes with the backlog, alerts included', async () => {
  const host = oneMount();
  const { panel, state } = await openPanel(host);
  panel.setVisible(false);
  await settle();
  const stale = host.event(id, 'STALE', 'lost.txt', { detail: 'WRITE: STALE' });
  host.backlog = [{ mountId: id, source: 'bucket/demo/project', events: [stale], dropped: 0 }];
  panel.setVisible(true);
  await settle();
  assert.deepEqual(
    state().alerts.map(({ path }) => path),
    ['lost.txt'],
  );
  panel.setVisible(false);
  panel.setVisible(true);
  await settle();
  assert.equal(state().alerts[0]?.count, 1, 'a second backlog repeats nothing');
});

test('an alert that was put away stays away until there is something new', async () => {
  const host = oneMount();
  const { panel, state } = await openPanel(host);
  host.setMount(id, { counters: { ...zeroCounters, stale: 2 } });
  host.pushActivity(id, [host.event(id, 'STALE', 'a')]);
  putAlertsAway(panel.store, id);
  assert.deepEqual([state().alerts.length, state().staleSeen.get(id)], [0, 2]);
});

test('signing in leads to the choice of what to mount, once', async () => {
  const host = new FakeHost({ token: 'none' });
  const { panel, state } = await openPanel(host);
  panel.store.setState({ picksAfterSignIn: true });
  host.set({ quitting: false });
  assert.equal(state().pickerIsOpen, false);
  host.set({ token: 'demo', demo: true });
  assert.deepEqual([state().pickerIsOpen, state().picksAfterSignIn], [true, false]);
});

test('rates are measured over seconds, decay when nothing comes, and start anew with the engine', () => {
  const meter = new Meter();
  const at = (seconds: number, readBytes: number) =>
    meter.observe(
      [mountView({ source: 'bucket/a/b', id: 'm', counters: { ...zeroCounters, readBytes } })],
      seconds * 1000,
    );
  at(0, 0);
  assert.equal(meter.rates('m', 500).read, 0);
  at(1, 3_000_000);
  at(2, 6_000_000);
  at(3, 9_000_000);
  assert.equal(meter.rates('m', 3000).read, 3_000_000);
  assert.equal(meter.rates('m', 5000).read, 1_000_000);
  assert.equal(meter.rates('m', 7000).read, 0);
  const { read } = meter.history('m', 3500);
  assert.equal(read.length, 60);
  assert.deepEqual(read.slice(-3), [3_000_000, 3_000_000, 3_000_000]);
  at(8, 0);
  assert.ok(meter.rates('m', 8000).read >= 0);
  meter.observe([], 9000);
  assert.equal(meter.rates('m', 9000).read, 0);
});
