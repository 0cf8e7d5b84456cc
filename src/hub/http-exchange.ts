// One HTTP request and its answer over kept-alive sockets, with its own limits: time to connect, to the headers, and
// between two pieces of either body. Knows nothing of retries, tokens or the Hub; `http.ts` adds those.

import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type https from 'node:https';
import type { Bandwidth } from './bandwidth.ts';
import { abortedError, timeoutError, toHubError } from './hub-errors.ts';
import { HubError } from './remote-store.ts';
import type { HubClock, HubTimer } from './surroundings.ts';

export interface HttpTimeouts {
  readonly connectMs: number;
  /** From the last byte of the request to the answer's headers. */
  readonly headersMs: number;
  /** Longest pause inside a body. */
  readonly stallMs: number;
}

export const defaultTimeouts: HttpTimeouts = { connectMs: 10_000, headersMs: 30_000, stallMs: 10_000 };

export interface ExchangeRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: URL;
  /** For messages, in words. */
  readonly what: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent one after the other with a Content-Length; not changed meanwhile. */
  readonly body: readonly Uint8Array[] | null;
  readonly signal: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly url: URL;
  /**
   * Resolves when the whole body went through `take`, which may keep its argument. Rejects with `HubError` if the body is cut,
   * stalls or is aborted, and with what `take` throws. Either this or `discard` must be called.
   */
  consume(take: (bytes: Uint8Array) => void): Promise<void>;
  /** Drops the body and its connection. */
  discard(): void;
}

/** Time, and how fast bodies may pass. */
export interface Pace {
  readonly clock: HubClock;
  /** Null: as fast as they can. */
  readonly bandwidth: Bandwidth | null;
}

export interface HttpAgents {
  readonly plain: http.Agent;
  /** Made when first used. */
  secure(): https.Agent;
  destroy(): void;
}

/** Loaded with the first secure request: TLS takes 6 MB, and a host that talks to no Hub needs none. */
function secureHttp(): typeof https {
  return process.getBuiltinModule('node:https');
}

export function createAgents(maxSocketsPerHost: number): HttpAgents {
  const options = {
    keepAlive: true,
    maxSockets: maxSocketsPerHost,
    maxFreeSockets: 16,
    scheduling: 'lifo' as const,
  };
  const plain = new http.Agent(options);
  let secure: https.Agent | null = null;
  return {
    plain,
    secure: () => (secure ??= new (secureHttp().Agent)(options)),
    destroy() {
      plain.destroy();
      secure?.destroy();
    },
  };
}

/** A limit on the time without progress; firing destroys the request. */
class Watchdog {
  readonly #clock: HubClock;
  readonly #expire: (reason: string) => void;
  #timer: HubTimer | null = null;
  #deadline = 0;
  #reason = '';

  constructor(clock: HubClock, expire: (reason: string) => void) {
    this.#clock = clock;
    this.#expire = expire;
  }

  /** Replaces the limit that ran before. */
  watch(limitMs: number, reason: string): void {
    this.stop();
    this.#reason = reason;
    this.#deadline = this.#clock.monotonic() + limitMs;
    this.#arm(limitMs);
  }

  /** Moves the deadline without touching the timer: called for every piece of a body. */
  progress(limitMs: number): void {
    this.#deadline = this.#clock.monotonic() + limitMs;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(delayMs: number): void {
    this.#timer = this.#clock.schedule(delayMs, () => {
      const left = this.#deadline - this.#clock.monotonic();
      if (left > 0) this.#arm(left);
      else this.#expire(this.#reason);
    });
  }
}

/** Bytes handed to the socket at once, so that progress of a slow upload is seen. */
const writeSliceBytes = 256 * 1024;

/** With a limit, so that it is kept to evenly. */
const slicesPerSecond = 4;
const leastSliceBytes = 4096;

function sliceBytesFor({ bandwidth }: Pace): number {
  const limit = bandwidth?.limit('up') ?? 0;
  if (limit === 0) return writeSliceBytes;
  return Math.min(writeSliceBytes, Math.max(leastSliceBytes, Math.floor(limit / slicesPerSecond)));
}

async function sendBody(
  request: http.ClientRequest,
  body: readonly Uint8Array[],
  pace: Pace,
  onProgress: () => void,
): Promise<void> {
  for (const part of body) {
    for (let at = 0; at < part.length;) {
      const slice = part.subarray(at, at + sliceBytesFor(pace));
      const delayMs = pace.bandwidth?.reserve('up', slice.length) ?? 0;
      if (delayMs > 0)
        await pace.bandwidth?.wait('up', delayMs, pace.clock, onProgress, () => request.destroyed);
      if (request.destroyed) return;
      at += slice.length;
      const flowing = request.write(slice);
      if (!flowing) {
        await new Promise<void>((resolve) => {
          const done = (): void => {
            request.off('drain', done);
            request.off('close', done);
            resolve();
          };
          request.on('drain', done);
          request.on('close', done);
        });
      }
      onProgress();
    }
  }
  request.end();
}

function totalBytes(body: readonly Uint8Array[]): number {
  return body.reduce((sum, part) => sum + part.length, 0);
}

/** Resolves with the answer's headers; any status is an answer. Rejects with `HubError`. Follows no redirect. */
export function exchange(
  request: ExchangeRequest,
  agents: HttpAgents,
  timeouts: HttpTimeouts,
  pace: Pace,
): Promise<HttpAnswer> {
  const { what, signal, body } = request;
  if (signal?.aborted === true) return Promise.reject(abortedError(what, signal.reason));
  return new Promise((resolve, reject) => {
    const secure = request.url.protocol === 'https:';
    const headers: Record<string, string | number> = { ...request.headers };
    if (body !== null) headers['Content-Length'] = totalBytes(body);
    let outgoing: http.ClientRequest;
    try {
      outgoing = (secure ? secureHttp() : http).request(request.url, {
        method: request.method,
        headers,
        agent: secure ? agents.secure() : agents.plain,
      });
    } catch (cause) {
      reject(unsendableError(what, cause));
      return;
    }
    // Destroying a request whose answer has begun gives the answer a bare ECONNRESET, so the reason is kept here.
    const stopped: { reason: HubError | null } = { reason: null };
    const stop = (reason: HubError): void => {
      stopped.reason ??= reason;
      outgoing.destroy(reason);
    };
    const watchdog = new Watchdog(pace.clock, (reason) => stop(timeoutError(what, reason)));
    const onAbort = (): void => stop(abortedError(what, signal?.reason));
    signal?.addEventListener('abort', onAbort, { once: true });
    const finish = (): void => {
      watchdog.stop();
      signal?.removeEventListener('abort', onAbort);
    };
    outgoing.on('error', (cause) => {
      finish();
      reject(toHubError(what, cause, signal));
    });
    outgoing.on('close', () => {
      finish();
      reject(
        new HubError('network', `${what} failed: the connection was closed without an answer`, {
          retryable: true,
        }),
      );
    });
    outgoing.on('socket', (socket) => {
      const connected = (): void => watchdog.watch(timeouts.headersMs, 'no answer in time');
      if (!socket.connecting) return connected();
      watchdog.watch(timeouts.connectMs, 'no connection in time');
      socket.once(secure ? 'secureConnect' : 'connect', connected);
    });
    outgoing.on('response', (response) =>
      resolve(
        answerOf(request, response, {
          watchdog,
          timeouts,
          stopped,
          finish,
          pace,
          endSending: () => endSending(outgoing),
        }),
      ),
    );
    if (body === null) outgoing.end();
    else void sendBody(outgoing, body, pace, () => watchdog.progress(timeouts.headersMs));
  });
}

interface AnswerParts {
  readonly watchdog: Watchdog;
  readonly timeouts: HttpTimeouts;
  readonly stopped: { readonly reason: HubError | null };
  readonly finish: () => void;
  readonly pace: Pace;
  readonly endSending: () => Promise<void>;
}

/**
 * An answer may come before the whole body was sent. Nobody wants the rest: it would go on without a limit in time, from memory that
 * its owner takes for free once there is an answer. Resolves when the connection has let go of it.
 */
async function endSending(outgoing: http.ClientRequest): Promise<void> {
  if (outgoing.writableFinished) return;
  const { socket } = outgoing;
  outgoing.destroy();
  if (socket === null || socket.closed) return;
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

/** Leaves bytes to the connection while the limit does not allow for more. */
function holdBack(response: IncomingMessage, sizeBytes: number, pace: Pace, onWait: () => void): void {
  const delayMs = pace.bandwidth?.reserve('down', sizeBytes) ?? 0;
  if (delayMs === 0) return;
  response.pause();
  void pace.bandwidth
    ?.wait('down', delayMs, pace.clock, onWait, () => response.destroyed)
    .then(() => response.resume());
}

/** A token or an address with characters that no request can carry. Node's message names the header, never its value. */
function unsendableError(what: string, cause: unknown): HubError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new HubError('invalid', `${what} failed: the request cannot be sent (${why})`, {
    retryable: false,
    cause,
  });
}

function answerOf(
  request: ExchangeRequest,
  response: IncomingMessage,
  { watchdog, timeouts, stopped, finish, pace, endSending }: AnswerParts,
): HttpAnswer {
  const { what } = request;
  watchdog.watch(timeouts.stallMs, 'the answer stalled');
  // An error may come before anyone consumes; `consume` reads it from `response.errored`.
  response.on('error', () => finish());
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    url: request.url,
    consume: (take) =>
      new Promise((resolve, reject) => {
        let failure: unknown = null;
        const settle = (): void => {
          finish();
          if (failure !== null)
            reject(failure instanceof Error ? failure : new Error('take threw', { cause: failure }));
          else if (response.complete && response.errored === null) void endSending().then(resolve);
          else reject(stopped.reason ?? cutError(what, response.errored));
        };
        if (response.closed) return settle();
        response.on('data', (bytes: Uint8Array) => {
          if (failure !== null) return;
          try {
            take(bytes);
          } catch (cause) {
            failure = cause;
            response.destroy();
          }
          watchdog.progress(timeouts.stallMs);
          holdBack(response, bytes.length, pace, () => watchdog.progress(timeouts.stallMs));
        });
        response.once('end', settle);
        response.once('close', settle);
      }),
    discard: () => {
      finish();
      response.destroy();
      void endSending();
    },
  };
}

function cutError(what: string, cause: Error | null): HubError {
  return new HubError('network', `${what} failed: the connection was cut inside the answer`, {
    retryable: true,
    cause: cause ?? undefined,
  });
}
