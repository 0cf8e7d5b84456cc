// The transports that need no browser, over their real two ends: the control socket with the command line's connection, and the panel
// server with the page's own WebSocket transport.

import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket as NodeWebSocket } from 'ws';
import { Connection } from '../../src/cli/connection.ts';
import { ControlServer } from '../../src/main/surfaces/control-server.ts';
import { startPanelServer } from '../../src/main/surfaces/panel-server.ts';
import { connectSocket } from '../../src/renderer/transport/socket.ts';
import { silentLog, systemClock } from '../../src/shared/log.ts';
import { testTransport } from '../support/transport-suite.ts';

testTransport('control socket', async (t, host) => {
  const dir = await mkdtemp(join(tmpdir(), 'transport-'));
  const socketPath = join(dir, 'control.sock');
  const server = await ControlServer.start({
    socketPath,
    hostVersion: '1',
    handlers: host.handlers(),
    log: silentLog,
    clock: systemClock,
  });
  const connection = await Connection.open(socketPath);
  if (connection === null) throw new Error('The control socket does not answer');
  t.after(async () => {
    connection.close();
    await server.close();
    await rm(dir, { recursive: true });
  });
  return { api: connection, leave: () => connection.close() };
});

testTransport('WebSocket', async (t, host) => {
  const rendererDir = await mkdtemp(join(tmpdir(), 'transport-'));
  const server = await startPanelServer({
    port: 0,
    rendererDir,
    hostVersion: '1',
    clock: systemClock,
    log: silentLog,
  });
  server.setHandlers(host.handlers());
  const headers = { cookie: await cookieOf(server.newAddress()), origin: `http://127.0.0.1:${server.port}` };
  const page = {
    location: { protocol: 'http:', host: `127.0.0.1:${server.port}` },
    fetch: () => Promise.resolve({ status: 0 }),
    setTimeout: () => 0,
  };
  // The same events and methods as a browser's.
  const open = (address: string) => new NodeWebSocket(address, { headers }) as unknown as WebSocket;
  const connection = connectSocket(page, open);
  t.after(async () => {
    connection.close();
    await server.close();
    await rm(rendererDir, { recursive: true });
  });
  if (connection.status !== 'open') {
    await new Promise<void>((resolve) => connection.onStatus((status) => status === 'open' && resolve()));
  }
  return { api: connection.api, leave: () => connection.close() };
});

function cookieOf(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(address, (response) => {
      response.resume();
      resolve(response.headers['set-cookie']?.[0]?.split(';')[0] ?? '');
    }).on('error', reject);
  });
}
