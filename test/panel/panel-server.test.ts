// The panel server without a browser: who gets in, who does not, and what a connection may do.

import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { WebSocket } from 'ws';
import { startPanelServer } from '../../src/main/surfaces/panel-server.ts';
import type { PanelServer } from '../../src/main/surfaces/panel-server.ts';
import { silentLog } from '../../src/shared/log.ts';
import { FakeHost, failure, mountView } from '../support/fake-host.ts';
import { ManualClock } from '../support/manual-clock.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Served {
  readonly server: PanelServer;
  readonly host: FakeHost;
  readonly clock: ManualClock;
  get(path: string, headers?: Record<string, string>, method?: string): Promise<Answer>;
  /** A cookie of a fresh session. */
  enter(): Promise<string>;
  socket(headers: Record<string, string>): WebSocket;
}

async function serve(t: TestContext, host = new FakeHost()): Promise<Served> {
  const rendererDir = await mkdtemp(join(tmpdir(), 'panel-'));
  await mkdir(join(rendererDir, 'assets'));
  await writeFile(join(rendererDir, 'index.html'), '<meta content="__CSP_NONCE__"><title>built</title>');
  await writeFile(join(rendererDir, 'assets/index-abc.js'), 'built()');
  await writeFile(join(rendererDir, 'secret.env'), 'not for browsers');
  const clock = new ManualClock();
  const options = {
    port: 0,
    rendererDir,
    handlers: host.handlers(),
    hostVersion: '1',
    clock,
    log: silentLog,
  };
  const server = await startPanelServer(options);
  server.setHandlers(host.handlers());
  t.after(async () => {
    await server.close();
    await rm(rendererDir, { recursive: true });
  });
  const get: Served['get'] = (path, headers = {}, method = 'GET') =>
    new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port: server.port, path, method, headers, agent: false });
      asked.on('error', reject);
      asked.on('response', (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      });
      asked.end();
    });
  return {
    server,
    host,
    clock,
    get,
    async enter() {
      const { headers } = await get(pathOf(server.newAddress()));
      return cookieOf(headers);
    },
    socket: (headers) => new WebSocket(`ws://127.0.0.1:${server.port}/contract`, { headers }),
  };
}

function pathOf(address: string): string {
  const { pathname, search } = new URL(address);
  return pathname + search;
}

function cookieOf(headers: IncomingHttpHeaders): string {
  return headers['set-cookie']?.[0]?.split(';')[0] ?? '';
}

function own(served: Served, cookie: string): Record<string, string> {
  return { cookie, origin: `http://127.0.0.1:${served.server.port}` };
}

/** How a WebSocket attempt ended: 'open', or the HTTP status. */
function outcomeOf(socket: WebSocket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('open', () => resolve('open'));
    socket.on('unexpected-response', (_request, response) => {
      resolve(String(response.statusCode));
      socket.terminate();
    });
    socket.on('error', () => resolve('error'));
  });
}

class Client {
  readonly socket: WebSocket;
  readonly frames: Record<string, unknown>[] = [];
  readonly #wanted: (() => void)[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => {
      this.frames.push(JSON.parse(data.toString('utf8')) as Record<string, unknown>);
      for (const look of this.#wanted.splice(0)) look();
    });
  }

  async find(is: (frame: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    for (;;) {
      const found = this.frames.find(is);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#wanted.push(resolve));
    }
  }

  async ask(id: number, channel: string, argument: unknown): Promise<Record<string, unknown>> {
    this.socket.send(JSON.stringify({ id, channel, argument }));
    return await this.find((frame) => frame['id'] === id);
  }
}

async function connect(t: TestContext, served: Served): Promise<Client> {
  const socket = served.socket(own(served, await served.enter()));
  t.after(() => socket.terminate());
  const client = new Client(socket);
  await client.find((frame) => 'hello' in frame);
  return client;
}

test('a one-time address becomes a session once and never again', async (t) => {
  const served = await serve(t);
  const path = pathOf(served.server.newAddress());
  const first = await served.get(path);
  assert.equal(first.status, 200);
  const setCookie = first.headers['set-cookie']?.[0] ?? '';
  assert.match(setCookie, /; Path=\/; HttpOnly; SameSite=Strict$/);
  assert.doesNotMatch(first.body, /token/);

  const again = await served.get(path);
  assert.equal(again.status, 401);
  assert.equal(again.headers['set-cookie'], undefined);

  const cookie = cookieOf(first.headers);
  assert.match((await served.get('/', { cookie })).body, /built/);
  assert.equal((await served.get(path, { cookie })).status, 200, 'an own browser may load the address again');
});

test('without a session nothing of the panel is served', async (t) => {
  const served = await serve(t);
  for (const path of ['/', '/index.html', '/assets/index-abc.js', '/?token=', '/?token=guess', '/nowhere']) {
    const { status, body } = await served.get(path);
    assert.equal(status, 401, path);
    assert.doesNotMatch(body, /built/);
  }
  const forged = `hubdrive-${served.server.port}=${'A'.repeat(43)}`;
  assert.equal((await served.get('/', { cookie: forged })).status, 401);
});

test('a foreign name that resolves to loopback is refused even with the cookie (DNS rebinding)', async (t) => {
  const served = await serve(t);
  const cookie = await served.enter();
  const { port } = served.server;
  for (const name of [
    `evil.example:${port}`,
    'evil.example',
    '127.0.0.1',
    `127.0.0.1:${port + 1}`,
    `localhost.evil.example:${port}`,
  ]) {
    const { status, body } = await served.get('/', { cookie, host: name });
    assert.equal(status, 421, name);
    assert.doesNotMatch(body, /built/);
    const origin = `http://${name}`;
    assert.equal(await outcomeOf(served.socket({ cookie, host: name, origin })), '403', name);
  }
  assert.equal((await served.get('/', { cookie, host: `localhost:${port}` })).status, 200);
  const rebound = await served.get(pathOf(served.server.newAddress()), { host: `evil.example:${port}` });
  assert.equal(rebound.headers['set-cookie'], undefined, 'an address redeems nothing for a foreign name');
});

test('a WebSocket needs our own origin and a session', async (t) => {
  const served = await serve(t);
  const cookie = await served.enter();
  const { port } = served.server;
  const origin = `http://127.0.0.1:${port}`;
  assert.equal(await outcomeOf(served.socket({ cookie })), '403', 'no origin');
  assert.equal(await outcomeOf(served.socket({ origin })), '403', 'no session');
  for (const foreign of [
    'https://evil.example',
    'null',
    `http://localhost:${port}`,
    `https://127.0.0.1:${port}`,
  ]) {
    assert.equal(await outcomeOf(served.socket({ cookie, origin: foreign })), '403', foreign);
  }
  const allowed = served.socket({ cookie, origin });
  assert.equal(await outcomeOf(allowed), 'open');
  allowed.terminate();
});

test('pages come with a strict content policy, fresh nonces and no caching', async (t) => {
  const served = await serve(t);
  const cookie = await served.enter();
  const [one, two] = [await served.get('/', { cookie }), await served.get('/', { cookie })];
  const policy = String(one.headers['content-security-policy']);
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self' 'nonce-/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.match(policy, /frame-ancestors 'none'/);
  const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? '';
  assert.match(one.body, new RegExp(`content="${nonce.replace(/[+/=]/g, '\\$&')}"`));
  assert.notEqual(one.body, two.body);
  assert.equal(one.headers['cache-control'], 'no-store');
  assert.equal(one.headers['x-content-type-options'], 'nosniff');
  assert.equal(one.headers['referrer-policy'], 'no-referrer');
  const script = await served.get('/assets/index-abc.js', { cookie });
  assert.equal(script.headers['cache-control'], 'private, max-age=31536000, immutable');
  assert.equal(script.body, 'built()');
});

test('only files of the built panel are served, only to GET and HEAD', async (t) => {
  const served = await serve(t);
  const cookie = await served.enter();
  for (const path of [
    '/secret.env',
    '/../package.json',
    '/%2e%2e/package.json',
    '/assets/..%2f..%2fetc/passwd',
    '//etc/passwd',
  ]) {
    assert.equal((await served.get(path, { cookie })).status, 404, path);
  }
  assert.equal((await served.get('/', { cookie }, 'POST')).status, 405);
  const head = await served.get('/', { cookie }, 'HEAD');
  assert.deepEqual([head.status, head.body], [200, '']);
});

test('the transport answers requests with values and failures with their problem', async (t) => {
  const host = new FakeHost({ mounts: [mountView({ source: 'bucket/demo/project' })] });
  const programs = [{ pid: 7, name: 'vim' }];
  host.answers['mounts:unmount'] = () => {
    throw failure('busy', 'In use by vim', { retryable: true, programs });
  };
  const client = await connect(t, await serve(t, host));
  const state = await client.ask(1, 'state:get', null);
  assert.deepEqual(state, { id: 1, ok: true, value: host.state });
  const problem = { code: 'busy', message: 'In use by vim', retryable: true, programs };
  const refused = await client.ask(2, 'mounts:unmount', { target: 'bucket-demo-project' });
  assert.deepEqual(refused, { id: 2, ok: false, error: { code: 'busy', message: 'In use by vim', problem } });
  const unknown = await client.ask(3, 'mounts:explode', null);
  assert.equal((unknown['error'] as { code: string }).code, 'invalid');
  const misspelt = await client.ask(4, 'mounts:mount', { source: 'bucket/a/b', readonly: true });
  assert.match((misspelt['error'] as { message: string }).message, /unknown field "readonly"/);
  const push = await client.ask(5, 'state:changed', null);
  assert.equal(push['ok'], false, 'a push channel cannot be called');
});

test('a message that is no request ends the connection and nothing else', async (t) => {
  const served = await serve(t);
  const client = await connect(t, served);
  const closed = new Promise((resolve) => client.socket.on('close', resolve));
  client.socket.send('{"id":"no"}');
  assert.equal(await closed, 1008);
  const other = await connect(t, served);
  assert.equal((await other.ask(1, 'state:get', null))['ok'], true);
});

test('a browser that is gone is forgotten by its subscriptions', async (t) => {
  const served = await serve(t);
  const client = await connect(t, served);
  await client.ask(1, 'activity:subscribe', { target: null });
  assert.equal(served.host.activitySubscribers, 1);
  client.socket.terminate();
  while (served.host.activitySubscribers > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('a connection that does not answer two heartbeats is ended', async (t) => {
  const served = await serve(t);
  const client = await connect(t, served);
  client.socket.pause();
  const closed = new Promise((resolve) => client.socket.on('close', resolve));
  served.clock.advance(20_000);
  served.clock.advance(20_000);
  client.socket.resume();
  assert.equal(await closed, 1006);
});

test('closing the server ends its connections', async (t) => {
  const served = await serve(t);
  const client = await connect(t, served);
  const closed = new Promise((resolve) => client.socket.on('close', resolve));
  await served.server.close();
  await closed;
});
