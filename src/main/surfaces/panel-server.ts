// Serves the panel to browsers on this machine: the built renderer over HTTP and the contract over a WebSocket. Loopback only; a browser
// gets in with a one-time address that the host prints, and is then known by a cookie. Holds no state of the host.

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';
import type { Handlers } from '../../shared/contract.ts';
import { maxRequestBytes } from '../../shared/frames.ts';
import type { Clock, Log, Timer } from '../../shared/log.ts';
import { PanelAccess } from './panel-access.ts';
import { loadPanelFiles, noncePlaceholder } from './panel-files.ts';
import type { PanelFile } from './panel-files.ts';
import { PanelSession } from './panel-session.ts';

export interface PanelServerOptions {
  /** 0: any free port. */
  readonly port: number;
  /** Where vite built the renderer. */
  readonly rendererDir: string;
  readonly hostVersion: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface PanelServer {
  readonly port: number;
  /** An address that lets one browser in, once. A secret: for the person's eyes only, never for the log. */
  newAddress(): string;
  /** Who answers from here on; null while nobody can. Connected pages are sent away and come back by themselves. */
  setHandlers(handlers: Handlers | null): void;
  /** Ends all connections. Idempotent. */
  close(): Promise<void>;
}

const loopback = '127.0.0.1';
const socketPath = '/contract';
/** A dead browser is noticed after at most two of these. */
const heartbeatMs = 20_000;
const maxConnections = 128;
const maxSockets = 32;

/** Rejects when the port is taken (`EADDRINUSE`). */
export async function startPanelServer(options: PanelServerOptions): Promise<PanelServer> {
  const files = await loadPanelFiles(options.rendererDir);
  const server = createServer({ maxHeaderSize: 16 * 1024 });
  server.headersTimeout = 10_000;
  server.requestTimeout = 10_000;
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: loopback, port: options.port, exclusive: true }, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The panel server has no port');
  return new RunningServer(server, address.port, files, options);
}

class RunningServer implements PanelServer {
  readonly port: number;
  readonly #server: Server;
  readonly #access: PanelAccess;
  readonly #files: ReadonlyMap<string, PanelFile>;
  readonly #options: PanelServerOptions;
  /** Loaded with the first panel that connects: most hosts show none, and it takes 5 MB. */
  #sockets: Promise<WebSocketServer> | null = null;
  readonly #open = new Map<WebSocket, { alive: boolean }>();
  #heartbeat: Timer;
  #handlers: Handlers | null = null;
  #closing: Promise<void> | null = null;

  constructor(
    server: Server,
    port: number,
    files: ReadonlyMap<string, PanelFile>,
    options: PanelServerOptions,
  ) {
    this.#server = server;
    this.port = port;
    this.#files = files;
    this.#options = options;
    this.#access = new PanelAccess(port);
    this.#heartbeat = this.#scheduleHeartbeat();
    server.on('request', (request, response) => this.#answer(request, response));
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    server.on('error', (error) => options.log.error('The panel server failed', {}, error));
  }

  newAddress(): string {
    return `http://${loopback}:${this.port}/?token=${this.#access.newToken()}`;
  }

  setHandlers(handlers: Handlers | null): void {
    this.#handlers = handlers;
    for (const socket of this.#open.keys()) socket.close(1012, 'the host starts again');
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#heartbeat.cancel();
      for (const socket of this.#open.keys()) socket.close(1001, 'the host ends');
      for (const socket of this.#open.keys()) socket.terminate();
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    return this.#closing;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', (error) =>
      this.#options.log.debug('A panel answer broke', { message: error.message }),
    );
    if (!this.#access.isOwnHost(request.headers.host)) {
      refuse(response, 421, 'This address does not belong to Hubdrive.');
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      refuse(response, 405, 'The panel is read with GET.');
      return;
    }
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`);
    const token = url.pathname === '/' ? url.searchParams.get('token') : null;
    if (token !== null) this.#enter(request, response, token);
    else if (this.#access.hasSession(request.headers.cookie)) this.#serve(request, response, url.pathname);
    else refuse(response, 401, needsAddress);
  }

  /** Exchanges the token for a cookie. A page that turns itself away, because a redirect from a foreign link would go without the cookie. */
  #enter(request: IncomingMessage, response: ServerResponse, token: string): void {
    const cookie = this.#access.redeem(token);
    if (cookie === null && !this.#access.hasSession(request.headers.cookie)) {
      refuse(response, 401, needsAddress);
      return;
    }
    if (cookie !== null) response.setHeader('Set-Cookie', cookie);
    const page = '<!doctype html><meta http-equiv="refresh" content="0;url=/"><title>Hubdrive</title>';
    respond(request, response, 200, 'text/html; charset=utf-8', Buffer.from(page), "default-src 'none'");
  }

  #serve(request: IncomingMessage, response: ServerResponse, path: string): void {
    const file = this.#files.get(path === '/' ? '/index.html' : path);
    if (file === undefined) {
      const notBuilt = this.#files.size === 0;
      refuse(response, notBuilt ? 503 : 404, notBuilt ? 'The panel is not built.' : 'No such page.');
      return;
    }
    if (file.immutable) response.setHeader('Cache-Control', 'private, max-age=31536000, immutable');
    const nonce = randomBytes(16).toString('base64');
    const isPage = file.type.startsWith('text/html');
    const body = isPage
      ? Buffer.from(file.body.toString('utf8').replace(noncePlaceholder, nonce))
      : file.body;
    respond(request, response, 200, file.type, body, pagePolicy(request.headers.host ?? '', nonce));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const { headers } = request;
    const allowed =
      request.url === socketPath &&
      this.#access.isOwnOrigin(headers.origin, headers.host) &&
      this.#access.hasSession(headers.cookie);
    if (!allowed) {
      refuseUpgrade(socket, '403 Forbidden');
      return;
    }
    this.#sockets ??= loadSockets();
    void this.#sockets.then((sockets) => {
      const handlers = this.#handlers;
      if (handlers === null || this.#open.size >= maxSockets || this.#closing !== null) {
        refuseUpgrade(socket, '503 Service Unavailable');
        return;
      }
      sockets.handleUpgrade(request, socket, head, (webSocket) => this.#connect(webSocket, handlers));
    });
  }

  #connect(socket: WebSocket, handlers: Handlers): void {
    const health = { alive: true };
    this.#open.set(socket, health);
    const session = new PanelSession({
      handlers,
      hostVersion: this.#options.hostVersion,
      log: this.#options.log,
      output: {
        send: (text) => socket.send(text, () => session.drained()),
        waitingBytes: () => socket.bufferedAmount,
        end: (reason) => {
          this.#options.log.warn('A panel connection broke the contract', { reason });
          socket.close(1008, 'not a request');
        },
      },
    });
    socket.on('pong', () => {
      health.alive = true;
    });
    socket.on('message', (data, isBinary) => {
      if (isBinary) socket.close(1003, 'text only');
      else session.receive(textOf(data));
    });
    socket.on('error', (error) => {
      this.#options.log.debug('A panel connection broke', { message: error.message });
    });
    socket.on('close', () => {
      this.#open.delete(socket);
      session.close();
    });
  }

  #scheduleHeartbeat(): Timer {
    return this.#options.clock.schedule(heartbeatMs, () => {
      for (const [socket, health] of this.#open) {
        if (!health.alive) socket.terminate();
        health.alive = false;
        socket.ping();
      }
      this.#heartbeat = this.#scheduleHeartbeat();
    });
  }
}

const needsAddress =
  'This panel opens with a one-time address. Run “hubdrive panel” in a terminal and open the address it prints.';

/** `style-src` has a nonce because the component library adds one small style element by itself. */
function pagePolicy(host: string, nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    `connect-src 'self' ws://${host}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

async function loadSockets(): Promise<WebSocketServer> {
  const { WebSocketServer } = await import('ws');
  return new WebSocketServer({
    noServer: true,
    maxPayload: maxRequestBytes,
    perMessageDeflate: false,
    clientTracking: false,
  });
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
}

function refuse(response: ServerResponse, status: number, text: string): void {
  setSafeHeaders(response, "default-src 'none'");
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' });
  response.end(`${text}\n`);
}

function respond(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  body: Buffer,
  policy: string,
): void {
  setSafeHeaders(response, policy);
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function setSafeHeaders(response: ServerResponse, policy: string): void {
  if (!response.hasHeader('Cache-Control')) response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Content-Security-Policy', policy);
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('X-Frame-Options', 'DENY');
}

function textOf(data: Buffer | ArrayBuffer | readonly Buffer[]): string {
  if (Buffer.isBuffer(data)) return data.toString('utf8');
  return data instanceof ArrayBuffer
    ? Buffer.from(data).toString('utf8')
    : Buffer.concat(data).toString('utf8');
}
