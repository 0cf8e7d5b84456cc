// The HTTP/1.1 listener of the embedded Hub: routing, fault rules, rate limits, request ids, error shapes, counters,
// and an end that closes every socket. Knows nothing of buckets, repos or Xet.

import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Disconnected, Exchange } from './exchange.ts';
import type { FaultRule, FaultSwitches } from './faults.ts';
import type { HubClock } from './hub-clock.ts';
import { rateBucketOf, RateLimiter } from './rate-limit.ts';
import { Refusal, type RefusalCode } from './refusal.ts';
import type { Router } from './router.ts';

export type Handler = (exchange: Exchange) => Promise<void> | void;

export interface HttpServerOptions {
  readonly router: Router<Handler>;
  readonly faults: FaultSwitches;
  readonly clock: HubClock;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Who is calling, for the rate limit: a token or an address. */
  readonly callerOf: (exchange: Exchange) => string;
  /** Called with what a handler threw unexpectedly; the client got a 500 with this request id. */
  readonly onError: (error: unknown, requestId: string) => void;
}

export interface HttpServer {
  readonly port: number;
  /** Cuts every connection and resolves when the port is free. */
  close(): Promise<void>;
}

export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const limiter = new RateLimiter(options.faults.settings, options.clock);
  const sockets = new Set<Socket>();
  const running = new Set<Promise<void>>();
  const server = createServer({ keepAlive: true, highWaterMark: 262_144 }, (request, response) => {
    const work = serve(options, limiter, request, response).finally(() => running.delete(work));
    running.add(work);
  });
  server.keepAliveTimeout = 75_000;
  server.requestTimeout = 0;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const port = await listen(server, options.port, options.host);
  return {
    port,
    async close() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const socket of sockets) socket.destroy();
      await closed;
      await Promise.all(running);
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new Error(`The embedded Hub cannot listen on ${host}:${port}: ${cause.message}`, { cause }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      resolve(address !== null && typeof address === 'object' ? address.port : port);
    });
  });
}

async function serve(
  options: HttpServerOptions,
  limiter: RateLimiter,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const requestId = `local-${randomUUID()}`;
  response.on('error', () => request.socket.destroy());
  // Not parsed as a URL: that would fold './..' and '//', and routes must see the path as it was sent.
  const target = request.url ?? '/';
  const cut = target.indexOf('?');
  const exchange = new Exchange({
    request,
    response,
    clock: options.clock,
    pathname: cut < 0 ? target : target.slice(0, cut),
    query: new URLSearchParams(cut < 0 ? '' : target.slice(cut + 1)),
    base: baseUrl(request),
    requestId,
  });
  exchange.addHeader('X-Request-Id', requestId);
  let routeName = 'unknown';
  try {
    const match = options.router.match(exchange.method, exchange.pathname);
    routeName = match?.route.name ?? 'unknown';
    const fault = routeName.startsWith('admin.')
      ? null
      : options.faults.take(routeName, exchange.method, exchange.pathname);
    exchange.fault = fault;
    if (fault?.latencyMs !== undefined) await exchange.pause(fault.latencyMs);
    if (fault?.drop === 'before-handling') exchange.drop();
    else {
      enforceRate(options, limiter, exchange, routeName);
      if (fault?.status !== undefined) throw faultRefusal(fault, fault.status);
      if (match === null) throw noRoute(options.router, exchange);
      exchange.params = match.params;
      exchange.rest = match.rest;
      await match.route.handler(exchange);
    }
  } catch (error) {
    await answerError(options, exchange, error);
  } finally {
    options.faults.record(routeName, exchange.status, exchange.requestBytes, exchange.responseBytes);
    // A body that nobody read would be taken for the next request of the connection.
    if (!request.complete) request.resume();
  }
}

async function answerError(options: HttpServerOptions, exchange: Exchange, error: unknown): Promise<void> {
  if (error instanceof Disconnected) return;
  if (!(error instanceof Refusal) && !isAborted(error)) options.onError(error, exchange.requestId);
  if (exchange.answered) {
    exchange.drop();
    return;
  }
  const refusal =
    error instanceof Refusal
      ? error
      : new Refusal(500, `Internal error of the embedded Hub (request ${exchange.requestId})`, {
          cause: error,
        });
  try {
    await exchange.sendRefusal(refusal);
  } catch (cause) {
    if (!(cause instanceof Disconnected)) options.onError(cause, exchange.requestId);
    exchange.drop();
  }
}

/** The client left while its body was being read. */
function isAborted(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'ABORT_ERR')
  );
}

function enforceRate(
  options: HttpServerOptions,
  limiter: RateLimiter,
  exchange: Exchange,
  routeName: string,
): void {
  const bucket = rateBucketOf(routeName);
  if (bucket === null) return;
  const verdict = limiter.spend(bucket, options.callerOf(exchange));
  for (const [name, value] of Object.entries(verdict.headers)) exchange.addHeader(name, value);
  if (!verdict.allowed) {
    throw new Refusal(429, 'Too many requests: the quota of this five-minute window is used up', {
      code: 'RateLimited',
    });
  }
}

function faultRefusal(fault: FaultRule, status: number): Refusal {
  const headers: Record<string, string> = {};
  const retryAfter = fault.retryAfterSeconds ?? (status === 429 ? 1 : null);
  if (retryAfter !== null) headers['Retry-After'] = String(retryAfter);
  if (status === 429) {
    headers['RateLimit'] = `"api";r=0;t=${Math.ceil(retryAfter ?? 1)}`;
    headers['RateLimit-Policy'] = '"fixed window";"api";q=1000;w=300';
  }
  const code = fault.errorCode as RefusalCode | undefined;
  return new Refusal(status, fault.message ?? `Fault rule: answered with ${status}`, {
    headers,
    ...(code === undefined ? {} : { code }),
  });
}

function noRoute(router: Router<Handler>, exchange: Exchange): Refusal {
  const methods = router.methodsOf(exchange.pathname);
  if (methods.length > 0) {
    return new Refusal(405, `${exchange.method} is not possible here`, {
      headers: { Allow: methods.join(', ') },
    });
  }
  return new Refusal(404, `The embedded Hub has nothing at ${exchange.pathname}`);
}

/** The origin that this client used, so that absolute links work through port forwards and other addresses. */
function baseUrl(request: IncomingMessage): string {
  const host = request.headers.host ?? '';
  if (/^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/.test(host)) return `http://${host}`;
  const { localAddress = '127.0.0.1', localPort = 80 } = request.socket;
  return `http://${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`;
}
