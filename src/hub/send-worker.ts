// Thread that sends the bodies of uploads, so that sockets and encryption take no time of the thread that serves programs.
// Started by `send-thread.ts` only; knows neither retries nor redirects nor where a token comes from.

import { parentPort, workerData } from 'node:worker_threads';
import { Bandwidth } from './bandwidth.ts';
import { createAgents, exchange, type HttpAnswer, type Pace } from './http-exchange.ts';
import { toHubError } from './hub-errors.ts';
import {
  answerLimitBytes,
  type SendFailure,
  type SendOrder,
  type SendReply,
  type SendRequest,
  type SendWorkerData,
} from './send-messages.ts';
import { systemHubClock } from './surroundings.ts';
import { standBack } from './thread-priority.ts';

/** More than uploads have under way. */
const maxSockets = 16;

// Handed over by SendThread of the same build.
const { bandwidth } = workerData as SendWorkerData;
const pace: Pace = {
  clock: systemHubClock,
  bandwidth: bandwidth === null ? null : new Bandwidth(bandwidth),
};
const agents = createAgents(maxSockets);
const jobs = new Map<number, AbortController>();
const port = parentPort;

function failureOf(what: string, error: unknown): SendFailure {
  const { code, message, retryable, cause } = toHubError(what, error);
  if (!(cause instanceof Error)) return { code, message, retryable, cause: null };
  const system: Partial<NodeJS.ErrnoException> = cause;
  const causeCode = typeof system.code === 'string' ? system.code : null;
  return { code, message, retryable, cause: { message: cause.message, code: causeCode } };
}

interface Collected {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly broken: SendFailure | null;
}

/** Resolves when the connection has let go of the request's body. */
async function collect(what: string, answer: HttpAnswer): Promise<Collected> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const isTooLong = (): boolean => size > answerLimitBytes;
  let broken: SendFailure | null = null;
  try {
    await answer.consume((bytes) => {
      parts.push(bytes);
      size += bytes.length;
      if (isTooLong()) throw new RangeError(`The answer is longer than ${answerLimitBytes} bytes`);
    });
  } catch (error) {
    if (!isTooLong()) broken = failureOf(what, error);
  }
  const body = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return { body, broken };
}

async function send(job: number, order: SendOrder, signal: AbortSignal): Promise<SendReply> {
  const { what, timeouts } = order;
  try {
    const request = { ...order, url: new URL(order.url), signal };
    const answer = await exchange(request, agents, timeouts, pace);
    const { body, broken } = await collect(what, answer);
    return { type: 'answered', job, status: answer.status, headers: answer.headers, body, broken };
  } catch (error) {
    return { type: 'failed', job, failure: failureOf(what, error) };
  }
}

async function run(job: number, order: SendOrder): Promise<void> {
  const stop = new AbortController();
  jobs.set(job, stop);
  const reply = await send(job, order, stop.signal);
  jobs.delete(job);
  port?.postMessage(reply, reply.type === 'answered' ? [reply.body.buffer] : []);
}

standBack();
port?.on('message', (request: SendRequest) => {
  if (request.type === 'stop') jobs.get(request.job)?.abort();
  else void run(request.job, request.order);
});
