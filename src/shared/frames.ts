// How the contract is put on a byte stream: one JSON value a line, used by the control socket and (a message instead of a line) by the
// panel's WebSocket. Parses frames of either side; knows nothing of sockets.

import { ArgumentError, record } from './arguments.ts';
import { errorCodes } from './model.ts';
import type { BusyProgram, ErrorCode, Problem } from './model.ts';
import type { ContractError, Outcome } from './contract.ts';

/** The longest request a host accepts. Requests are small; results (pending lists) may be larger. */
export const maxRequestBytes = 256 * 1024;
export const maxReplyBytes = 32 * 1024 * 1024;

/** First line of the host on every connection. */
export interface HelloFrame {
  readonly hello: { readonly contract: number; readonly version: string; readonly pid: number };
}

export interface RequestFrame {
  readonly id: number;
  readonly channel: string;
  readonly argument: unknown;
}

export type ReplyFrame = { readonly id: number } & Outcome<unknown>;

export interface PushFrame {
  readonly push: string;
  readonly payload: unknown;
}

export type HostFrame = HelloFrame | ReplyFrame | PushFrame;

export function parseRequestFrame(value: unknown): RequestFrame {
  const frame = record(value, 'request');
  const { id, channel, argument } = frame;
  if (typeof id !== 'number' || !Number.isSafeInteger(id))
    throw new ArgumentError('request.id must be a whole number');
  if (typeof channel !== 'string' || channel.length > 100)
    throw new ArgumentError('request.channel must be a name');
  return { id, channel, argument };
}

/** Envelopes only: the payload types hold because `hello.contract` was compared first. */
export function parseHostFrame(value: unknown): HostFrame {
  const frame = record(value, 'frame');
  if (frame['hello'] !== undefined) {
    const hello = record(frame['hello'], 'hello');
    const { contract, version, pid } = hello;
    if (typeof contract !== 'number' || typeof version !== 'string' || typeof pid !== 'number') {
      throw new ArgumentError('hello is incomplete');
    }
    return { hello: { contract, version, pid } };
  }
  if (typeof frame['push'] === 'string') return { push: frame['push'], payload: frame['payload'] };
  const { id, ok } = frame;
  if (typeof id !== 'number') throw new ArgumentError('reply.id must be a number');
  if (ok === true) return { id, ok, value: frame['value'] };
  return { id, ok: false, error: parseError(frame['error']) };
}

function parseError(value: unknown): ContractError {
  const fields = record(value, 'error');
  const error = { code: parseCode(fields['code']), message: String(fields['message']) };
  return fields['problem'] === undefined ? error : { ...error, problem: parseProblem(fields['problem']) };
}

function parseProblem(value: unknown): Problem {
  const fields = record(value, 'problem');
  const problem = {
    code: parseCode(fields['code']),
    message: String(fields['message']),
    retryable: fields['retryable'] === true,
  };
  const programs = fields['programs'];
  return Array.isArray(programs) ? { ...problem, programs: programs.map(parseProgram) } : problem;
}

function parseProgram(value: unknown): BusyProgram {
  const fields = record(value, 'program');
  return { pid: Number(fields['pid']), name: String(fields['name']) };
}

function parseCode(value: unknown): ErrorCode {
  return errorCodes.find((code) => code === value) ?? 'internal';
}

/** Cuts a byte stream into lines. Throws `ArgumentError` when a line grows past `maxBytes`. */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #decoder = new TextDecoder('utf-8');
  #rest = '';

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Complete lines in `chunk` together with what came before, without their ends; empty lines are left out. */
  push(chunk: Uint8Array): readonly string[] {
    const pieces = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n');
    this.#rest = pieces.pop() ?? '';
    if (this.#rest.length > this.#maxBytes)
      throw new ArgumentError(`a line is longer than ${this.#maxBytes} bytes`);
    return pieces.map((line) => line.trim()).filter((line) => line !== '');
  }
}
