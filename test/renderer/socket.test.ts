import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectSocket } from '../../src/renderer/transport/socket.ts';
import type { SocketPage } from '../../src/renderer/transport/socket.ts';
import { contractVersion, ContractFailure } from '../../src/shared/contract.ts';
import { settle } from '../support/manual-clock.ts';

/** What the transport uses of a WebSocket. */
class FakeSocket extends EventTarget {
  readonly address: string;
  readonly sent: Record<string, unknown>[] = [];
  constructor(address: string) {
    super();
    this.address = address;
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close(): void {
    this.dispatchEvent(new Event('close'));
  }
  say(frame: unknown): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify(frame) }));
  }
  greet(contract = contractVersion): void {
    this.say({ hello: { contract, version: '1', pid: 1 } });
  }
}

function connectFake(status = 200) {
  const sockets: FakeSocket[] = [];
  const pauses: { delayMs: number; run: () => void }[] = [];
  const page: SocketPage = {
    location: { protocol: 'http:', host: '127.0.0.1:5' },
    fetch: () => Promise.resolve({ status }),
    setTimeout: (run, delayMs) => pauses.push({ delayMs, run }),
  };
  const connection = connectSocket(page, (address) => {
    const socket = new FakeSocket(address);
    sockets.push(socket);
    return socket as unknown as WebSocket;
  });
  const socket = (index = sockets.length - 1): FakeSocket => {
    const found = sockets[index];
    assert.ok(found);
    return found;
  };
  return { connection, socket, sockets, pauses };
}

test('requests are answered by number, failures with their problem', async () => {
  const { connection, socket } = connectFake();
  assert.equal(socket().address, 'ws://127.0.0.1:5/contract');
  socket().greet();
  assert.equal(connection.status, 'open');
  const one = connection.api.call('settings:get', null);
  const two = connection.api.call('mounts:dismiss', { mountId: 'm' });
  const [first, second] = socket().sent;
  const problem = { code: 'busy', message: 'in use', retryable: true, programs: [{ pid: 1, name: 'vim' }] };
  socket().say({ id: second?.['id'], ok: false, error: { code: 'busy', message: 'in use', problem } });
  socket().say({ id: first?.['id'], ok: true, value: { answer: 1 } });
  assert.deepEqual(await one, { answer: 1 });
  await assert.rejects(two, (error) => {
    return error instanceof ContractFailure && error.problem?.programs?.[0]?.name === 'vim';
  });
});

test('pushes reach their listeners until those leave; unknown ones are ignored', () => {
  const { connection, socket } = connectFake();
  socket().greet();
  const seen: unknown[] = [];
  const stop = connection.api.on('state:changed', (payload) => seen.push(payload));
  socket().say({ push: 'state:changed', payload: 1 });
  socket().say({ push: 'from:the-future', payload: 2 });
  stop();
  socket().say({ push: 'state:changed', payload: 3 });
  assert.deepEqual(seen, [1]);
});

test('a lost link rejects what was open, and comes back with growing pauses', async () => {
  const { connection, socket, pauses } = connectFake(0);
  socket().greet();
  const open = connection.api.call('settings:get', null);
  socket().close();
  await assert.rejects(open, { code: 'network' });
  assert.equal(connection.status, 'lost');
  await assert.rejects(connection.api.call('settings:get', null), { code: 'network' });
  for (let index = 0; index < 6; index += 1) {
    pauses.at(-1)?.run();
    socket().close();
    await settle();
  }
  assert.deepEqual(
    pauses.map(({ delayMs }) => delayMs),
    [250, 500, 1000, 2000, 4000, 5000, 5000],
  );
  pauses.at(-1)?.run();
  socket().greet();
  assert.equal(connection.status, 'open');
});

test('a browser that is not let in is told so and does not try for ever', async () => {
  const { connection, socket, pauses } = connectFake(401);
  socket().close();
  await settle();
  assert.equal(connection.status, 'refused');
  assert.equal(pauses.length, 0);
});

test('a host of another contract is not talked to', () => {
  const { connection, socket, pauses } = connectFake();
  socket().greet(contractVersion + 1);
  assert.equal(connection.status, 'mismatch');
  assert.equal(pauses.length, 0);
});

test('a closed connection stays closed', () => {
  const { connection, socket, sockets, pauses } = connectFake();
  socket().greet();
  connection.close();
  assert.equal(pauses.length, 0);
  assert.equal(sockets.length, 1);
});
