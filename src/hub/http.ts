// All HTTP of the Hub client goes through here: authorization, redirects, retries with jitter, the waits that the Hub asks
// for, and one error type. What is asked, and what an answer means, is known to the callers only.

import type { Bandwidth } from './bandwidth.ts';
import { abortedError, badAnswerError, errorFromAnswer } from './hub-errors.ts';
import {
  createAgents,
  defaultTimeouts,
  exchange,
  type ExchangeRequest,
  type HttpAnswer,
  type HttpTimeouts,
  type Pace,
} from './http-exchange.ts';
import { HubError } from './remote-store.ts';
import { NoSendThread, type SendThread } from './send-thread.ts';
import { sleep, systemHubClock, type HubClock } from './surroundings.ts';

/** Where a request's bearer token comes from. */
export interface Authorization {
  /** Null: the request goes without. */
  token(signal?: AbortSignal): Promise<string | null>;
  /** The server answered 401 to `token`. True if another one can be had, so that the request is worth repeating. */
  refused(token: string | null): Promise<boolean>;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: string;
  /** In words, for messages: "The listing of bucket a/b". Without tokens and URLs. */
  readonly what: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: readonly Uint8Array[];
  readonly authorization?: Authorization;
  readonly signal?: AbortSignal | undefined;
  /** Statuses besides 2xx that `read` wants to judge itself. */
  readonly accept?: readonly number[];
  /** `once`: repeated only where the server cannot have acted on it (429, no connection). Default `idempotent`. */
  readonly repeat?: 'idempotent' | 'once';
  readonly timeouts?: Partial<HttpTimeouts>;
  /** Instead of the policy's. */
  readonly attempts?: number;
  /** Sends the body where it can; the answer is at most `answerLimitBytes` long then. Only for what may be sent twice. */
  readonly sender?: SendThread | null;
}

export interface RetryPolicy {
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** The Hub may ask for longer; then the error goes to the caller, who has better things to do than wait here. */
  readonly maxAskedDelayMs: number;
}

export const defaultRetryPolicy: RetryPolicy = {
  attempts: 5,
  firstDelayMs: 300,
  maxDelayMs: 8000,
  maxAskedDelayMs: 30_000,
};

export interface HttpClientOptions {
  readonly userAgent: string;
  readonly clock?: HubClock;
  readonly timeouts?: Partial<HttpTimeouts>;
  readonly retry?: Partial<RetryPolicy>;
  readonly maxSocketsPerHost?: number;
  /** Unlimited if none is given. */
  readonly bandwidth?: Bandwidth;
  /** 0 to 1; tests fix it. */
  readonly random?: () => number;
}

const maxRedirects = 5;
const errorBodyBytes = 16 * 1024;
const defaultMaxSockets = 32;
const redirectStatuses = new Set([301, 302, 303, 307, 308]);

export class HttpClient {
  readonly #agents;
  readonly #clock: HubClock;
  readonly #pace: Pace;
  readonly #timeouts: HttpTimeouts;
  readonly #retry: RetryPolicy;
  readonly #random: () => number;
  readonly #userAgent: string;
  /** Origin → monotonic time before which it asked not to be called. */
  readonly #closedUntil = new Map<string, number>();
  readonly #closing = new AbortController();

  constructor(options: HttpClientOptions) {
    this.#agents = createAgents(options.maxSocketsPerHost ?? defaultMaxSockets);
    this.#clock = options.clock ?? systemHubClock;
    this.#pace = { clock: this.#clock, bandwidth: options.bandwidth ?? null };
    this.#timeouts = { ...defaultTimeouts, ...options.timeouts };
    this.#retry = { ...defaultRetryPolicy, ...options.retry };
    this.#random = options.random ?? Math.random;
    this.#userAgent = options.userAgent;
  }

  get clock(): HubClock {
    return this.#clock;
  }

  get timeouts(): HttpTimeouts {
    return this.#timeouts;
  }

  /**
   * Sends the request and gives the answer to `read`, as often as the policy allows. `read` must consume the body; it runs
   * again from the start when a body breaks. Rejects with `HubError`, or with what `read` throws.
   */
  async call<T>(request: HttpRequest, read: (answer: HttpAnswer) => Promise<T>): Promise<T> {
    return await this.#repeat(request, (token) => this.#attempt(request, token, read));
  }

  /**
   * Like `call`, for a request without authorization that `send` brings on its way somewhere else and whose failure it gives
   * as `HubError`.
   */
  async callElsewhere<T>(request: HttpRequest, send: () => Promise<T>): Promise<T> {
    const { origin } = new URL(request.url);
    return await this.#repeat(request, async () => {
      await this.#waitUntilOpen(origin, request);
      try {
        return await send();
      } catch (error) {
        if (error instanceof HubError) this.#noteQuota(origin, error);
        throw error;
      }
    });
  }

  async #repeat<T>(request: HttpRequest, work: (token: string | null) => Promise<T>): Promise<T> {
    let retriedAuthorization = false;
    for (let attempt = 1; ; attempt += 1) {
      let token: string | null = null;
      try {
        token = (await request.authorization?.token(request.signal)) ?? null;
        return await work(token);
      } catch (error) {
        if (!(error instanceof HubError)) throw error;
        if (error.status === 401 && request.authorization !== undefined && !retriedAuthorization) {
          retriedAuthorization = true;
          if (await request.authorization.refused(token)) continue;
        }
        const delayMs = this.#delayBefore(attempt, error, request);
        if (delayMs === null) throw error;
        await this.#pause(delayMs, request);
      }
    }
  }

  /** The whole body as text, at most `maxBytes` of it (more is an error). */
  async text(request: HttpRequest, maxBytes: number): Promise<{ text: string; answer: HttpAnswer }> {
    return await this.call(request, async (answer) => {
      const bytes = await readBody(answer, maxBytes, request.what);
      return { text: bytes.toString('utf8'), answer };
    });
  }

  async json(request: HttpRequest, maxBytes: number): Promise<{ value: unknown; answer: HttpAnswer }> {
    const { text, answer } = await this.text(request, maxBytes);
    try {
      return { value: JSON.parse(text) as unknown, answer };
    } catch (cause) {
      throw badAnswerError(request.what, 'not JSON', cause);
    }
  }

  /** Aborts everything in flight and closes the sockets. */
  close(): void {
    this.#closing.abort(new HubError('aborted', 'The Hub client was closed', { retryable: true }));
    this.#agents.destroy();
  }

  #signalOf(request: HttpRequest): AbortSignal {
    const closing = this.#closing.signal;
    return request.signal === undefined ? closing : AbortSignal.any([request.signal, closing]);
  }

  async #attempt<T>(
    request: HttpRequest,
    token: string | null,
    read: (answer: HttpAnswer) => Promise<T>,
  ): Promise<T> {
    let url = new URL(request.url);
    let bearer = token;
    for (let redirects = 0; ; redirects += 1) {
      await this.#waitUntilOpen(url.origin, request);
      const answer = await this.#send(request, url, bearer);
      const next = redirectTarget(answer, request);
      if (next === null) return await this.#judge(request, answer, read);
      answer.discard();
      if (redirects === maxRedirects) throw badAnswerError(request.what, 'too many redirects');
      if (next.origin !== url.origin) bearer = null;
      url = next;
    }
  }

  async #send(request: HttpRequest, url: URL, bearer: string | null): Promise<HttpAnswer> {
    const headers: Record<string, string> = { 'User-Agent': this.#userAgent, ...request.headers };
    if (bearer !== null) headers['Authorization'] = `Bearer ${bearer}`;
    const timeouts = { ...this.#timeouts, ...request.timeouts };
    const { method, what, body = null, sender = null } = request;
    const order: ExchangeRequest = { method, url, what, headers, body, signal: this.#signalOf(request) };
    if (sender !== null) {
      try {
        return await sender.exchange(order, timeouts);
      } catch (error) {
        if (!(error instanceof NoSendThread)) throw error;
      }
    }
    return await exchange(order, this.#agents, timeouts, this.#pace);
  }

  async #judge<T>(
    request: HttpRequest,
    answer: HttpAnswer,
    read: (answer: HttpAnswer) => Promise<T>,
  ): Promise<T> {
    const { status } = answer;
    if ((status >= 200 && status < 300) || request.accept?.includes(status) === true)
      return await read(answer);
    const body = await readStart(answer);
    const error = errorFromAnswer(request.what, status, answer.headers, body, this.#clock.now());
    this.#noteQuota(answer.url.origin, error);
    throw error;
  }

  #noteQuota(origin: string, { status, retryAfterMs }: HubError): void {
    if (status !== 429 || retryAfterMs === null) return;
    this.#closedUntil.set(origin, this.#clock.monotonic() + retryAfterMs);
  }

  async #waitUntilOpen(origin: string, request: HttpRequest): Promise<void> {
    const until = this.#closedUntil.get(origin);
    if (until === undefined) return;
    const waitMs = until - this.#clock.monotonic();
    if (waitMs <= 0) {
      this.#closedUntil.delete(origin);
      return;
    }
    if (waitMs > this.#retry.maxAskedDelayMs) {
      throw new HubError('rate-limited', `${request.what} waits: the Hub's request quota is used up`, {
        retryable: true,
        retryAfterMs: waitMs,
      });
    }
    await this.#pause(waitMs, request);
  }

  async #pause(delayMs: number, request: HttpRequest): Promise<void> {
    try {
      await sleep(this.#clock, delayMs, this.#signalOf(request));
    } catch (cause) {
      throw abortedError(request.what, cause);
    }
  }

  /** Milliseconds to wait before the next attempt, null for none. */
  #delayBefore(attempt: number, error: HubError, request: HttpRequest): number | null {
    if (!error.retryable || error.code === 'aborted' || attempt >= (request.attempts ?? this.#retry.attempts))
      return null;
    if (request.repeat === 'once' && error.code !== 'rate-limited' && !isUnsent(error)) return null;
    if (error.retryAfterMs !== null) {
      return error.retryAfterMs > this.#retry.maxAskedDelayMs ? null : error.retryAfterMs;
    }
    const ceiling = Math.min(this.#retry.maxDelayMs, this.#retry.firstDelayMs * 2 ** (attempt - 1));
    return ceiling / 2 + (ceiling / 2) * this.#random();
  }
}

/** Whether the request never reached the server. */
function isUnsent(error: HubError): boolean {
  const code = (error.cause as Partial<NodeJS.ErrnoException> | undefined)?.code;
  return code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EAI_AGAIN';
}

function redirectTarget(answer: HttpAnswer, request: HttpRequest): URL | null {
  if (!redirectStatuses.has(answer.status) || request.accept?.includes(answer.status) === true) return null;
  const location = answer.headers.location;
  if (location === undefined || !URL.canParse(location, answer.url.href)) return null;
  const next = new URL(location, answer.url);
  return next.protocol === 'http:' || next.protocol === 'https:' ? next : null;
}

/** Collects a body of at most `maxBytes`; a longer one is a bad answer. */
export async function readBody(answer: HttpAnswer, maxBytes: number, what: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  await answer.consume((bytes) => {
    size += bytes.length;
    if (size > maxBytes) throw badAnswerError(what, `longer than ${maxBytes} bytes`);
    parts.push(bytes);
  });
  return Buffer.concat(parts, size);
}

/** The first bytes of an error's body; a broken one tells as much as it has. */
async function readStart(answer: HttpAnswer): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    await answer.consume((bytes) => {
      if (size < errorBodyBytes) parts.push(bytes);
      size += bytes.length;
      if (size > 4 * errorBodyBytes) answer.discard();
    });
  } catch (error) {
    // The status says what went wrong; the text was only to explain it.
    if (!(error instanceof HubError)) throw error;
  }
  return Buffer.concat(parts).subarray(0, errorBodyBytes).toString('utf8');
}
