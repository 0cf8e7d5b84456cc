// A surface that does not keep up: state waits and only its newest value is sent, activity is counted instead of piled up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PanelSession } from '../../src/main/surfaces/panel-session.ts';
import { silentLog } from '../../src/shared/log.ts';
import { FakeHost, mountView } from '../support/fake-host.ts';
import { settle } from '../support/manual-clock.ts';

const mebibyte = 2 ** 20;

interface Frame {
  readonly push?: string;
  readonly payload?: {
    readonly revision?: number;
    readonly mounts?: readonly { events: unknown[]; dropped: number }[];
  };
}

async function subscribed() {
  const host = new FakeHost({ mounts: [mountView({ source: 'bucket/demo/project' })] });
  const output = { waiting: 0, frames: [] as Frame[], ended: '' };
  const session = new PanelSession({
    handlers: host.handlers(),
    hostVersion: '1',
    log: silentLog,
    output: {
      send: (text) => void output.frames.push(JSON.parse(text) as Frame),
      waitingBytes: () => output.waiting,
      end: (reason) => (output.ended = reason),
    },
  });
  session.receive(JSON.stringify({ id: 1, channel: 'state:subscribe', argument: null }));
  session.receive(JSON.stringify({ id: 2, channel: 'activity:subscribe', argument: { target: null } }));
  await settle();
  const pushes = (name: string) => output.frames.filter((frame) => frame.push === name);
  return { host, session, output, pushes };
}

test('a surface that is behind gets the newest state once it has caught up, and no other', async () => {
  const { host, session, output, pushes } = await subscribed();
  output.waiting = 5 * mebibyte;
  for (let change = 0; change < 100; change += 1) host.set({});
  session.drained();
  assert.equal(pushes('state:changed').length, 0);
  output.waiting = 0;
  session.drained();
  session.drained();
  assert.deepEqual(
    pushes('state:changed').map((frame) => frame.payload?.revision),
    [host.state.revision],
  );
});

test('activity that a slow surface missed is counted in the next batch it gets', async () => {
  const { host, output, pushes } = await subscribed();
  const id = 'bucket-demo-project';
  output.waiting = 2 * mebibyte;
  host.pushActivity(id, [host.event(id, 'READ', 'a'), host.event(id, 'READ', 'a')], 5);
  host.pushActivity(id, [host.event(id, 'WRITE', 'a')]);
  assert.equal(pushes('activity:batch').length, 0);
  output.waiting = 0;
  host.pushActivity(id, [host.event(id, 'COMMIT', 'a')], 1);
  const [mount] = pushes('activity:batch')[0]?.payload?.mounts ?? [];
  assert.equal(mount?.events.length, 1);
  assert.equal(mount?.dropped, 1 + 7 + 1);
});

test('a flood of requests is refused beyond a bound, and answered below it', async () => {
  const { host, session, output } = await subscribed();
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  host.answers['state:get'] = () => gate.then(() => host.state);
  for (let id = 100; id < 200; id += 1) {
    session.receive(JSON.stringify({ id, channel: 'state:get', argument: null }));
  }
  const refused = output.frames.filter((frame) => 'ok' in frame && frame.ok === false);
  assert.equal(refused.length, 100 - 64);
  release();
  await settle();
  assert.equal(output.frames.filter((frame) => 'ok' in frame && frame.ok === true).length, 2 + 64);
});

test('nothing is sent after the surface is gone', async () => {
  const { host, session, output } = await subscribed();
  const sent = output.frames.length;
  session.close();
  host.set({});
  session.receive(JSON.stringify({ id: 9, channel: 'state:get', argument: null }));
  await settle();
  assert.equal(output.frames.length, sent);
});
