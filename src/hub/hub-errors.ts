// The one border where the Hub's and the network's failures become `HubError`. Messages name the thing and the cause;
// they never hold a token, a header of ours or a URL (xorb URLs are signed).

import type { IncomingHttpHeaders } from 'node:http';
import { XetFormatError } from '../xet/errors.ts';
import { HubError, type HubErrorCode } from './remote-store.ts';

/** Longest text of the Hub's own that goes into a message. */
const maxDetailLength = 300;
const secondMs = 1000;

function header(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  const text = Array.isArray(value) ? value[0] : value;
  return text === undefined || text === '' ? null : text;
}

/** How long the Hub asks to wait: `Retry-After` in seconds or as a date, else the reset time `t` of `RateLimit`. */
export function retryAfterMs(headers: IncomingHttpHeaders, nowMs: number): number | null {
  const after = header(headers, 'retry-after');
  if (after !== null) {
    const seconds = Number(after);
    if (Number.isFinite(seconds) && seconds >= 0) return seconds * secondMs;
    const date = Date.parse(after);
    if (Number.isFinite(date)) return Math.max(0, date - nowMs);
  }
  const reset = /;\s*t=(\d{1,7})/.exec(header(headers, 'ratelimit') ?? '')?.[1];
  return reset === undefined ? null : (Number(reset) + 1) * secondMs;
}

function errorText(body: string): string | null {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== 'object' || parsed === null) return null;
    const fields = parsed as Record<string, unknown>;
    for (const key of ['error', 'message', 'error_description']) {
      const value = fields[key];
      if (typeof value === 'string' && value !== '') return value;
    }
    return null;
  } catch {
    // Not JSON: an HTML error page or nothing, of which the status says enough.
    return null;
  }
}

function codeFor(status: number, errorCode: string | null): { code: HubErrorCode; retryable: boolean } {
  if (errorCode === 'GatedRepo') return { code: 'gated', retryable: false };
  if (status === 401) return { code: 'unauthorized', retryable: false };
  if (status === 403) return { code: 'forbidden', retryable: false };
  if (status === 404 || status === 410) return { code: 'not-found', retryable: false };
  if (status === 408) return { code: 'timeout', retryable: true };
  if (status === 409 || status === 412) return { code: 'conflict', retryable: false };
  if (status === 413 || status === 507) return { code: 'too-large', retryable: false };
  if (status === 429) return { code: 'rate-limited', retryable: true };
  if (status >= 500) return { code: 'server', retryable: status !== 501 };
  return { code: 'invalid', retryable: false };
}

/** The error for an answer that is not a success. `body` is its (cut) text; `what` says in words what was asked for. */
export function errorFromAnswer(
  what: string,
  status: number,
  headers: IncomingHttpHeaders,
  body: string,
  nowMs: number,
): HubError {
  const errorCode = header(headers, 'x-error-code');
  const { code, retryable } = codeFor(status, errorCode);
  const text = header(headers, 'x-error-message') ?? errorText(body);
  const requestId = header(headers, 'x-request-id');
  const details = [`HTTP ${status}`, errorCode, text?.slice(0, maxDetailLength)].filter((each) => each);
  return new HubError(code, `${what} failed: ${details.join(', ')}`, {
    retryable,
    status,
    requestId,
    retryAfterMs: status === 429 || status === 503 ? retryAfterMs(headers, nowMs) : null,
  });
}

/** Anything a request or a decoder can throw. A `HubError` stays what it is. */
export function toHubError(what: string, cause: unknown, signal?: AbortSignal): HubError {
  if (cause instanceof HubError) return cause;
  if (signal?.aborted === true) return abortedError(what, cause);
  if (cause instanceof XetFormatError) {
    return new HubError('corrupt', `${what} failed: ${cause.message}`, { retryable: true, cause });
  }
  const system = cause as Partial<NodeJS.ErrnoException>;
  if (typeof system.code === 'string') {
    const timedOut = system.code === 'ETIMEDOUT';
    return new HubError(timedOut ? 'timeout' : 'network', `${what} failed: ${networkReason(system.code)}`, {
      retryable: true,
      cause,
    });
  }
  const reason = cause instanceof Error ? cause.message : 'unknown cause';
  return new HubError('invalid', `${what} failed: ${reason}`, { retryable: false, cause });
}

function networkReason(code: string): string {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name cannot be resolved (${code}); is this machine online?`;
    case 'ECONNREFUSED':
      return 'nothing listens there (ECONNREFUSED); check the endpoint';
    case 'ECONNRESET':
    case 'EPIPE':
      return `the connection was cut (${code})`;
    default:
      return `network error ${code}`;
  }
}

export function abortedError(what: string, cause?: unknown): HubError {
  return new HubError('aborted', `${what} was stopped`, { retryable: true, cause });
}

export function timeoutError(what: string, reason: string): HubError {
  return new HubError('timeout', `${what} failed: ${reason}`, { retryable: true });
}

/** An answer that came with success but is not what the API promises. */
export function badAnswerError(what: string, problem: string, cause?: unknown): HubError {
  return new HubError('server', `${what} failed: the answer is not understood (${problem})`, {
    retryable: true,
    cause,
  });
}
