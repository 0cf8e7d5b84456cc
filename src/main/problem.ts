// Any error of any layer as the one `Problem` that surfaces show: the border between our error classes and the contract.

import { HubError } from '../hub/remote-store.ts';
import type { HubErrorCode } from '../hub/remote-store.ts';
import { ArgumentError } from '../shared/arguments.ts';
import type { ContractError } from '../shared/contract.ts';
import type { ErrorCode, Problem } from '../shared/model.ts';
import { FsError } from '../vfs/fs-error.ts';
import { EngineError } from './engine/engine.ts';
import { redactText } from './files/redact.ts';

/** An error of the host itself that a person can do something about. */
export class HostError extends Error {
  override readonly name = 'HostError';
  readonly problem: Problem;

  constructor(
    code: ErrorCode,
    message: string,
    details: {
      readonly retryable?: boolean;
      readonly cause?: unknown;
      readonly programs?: Problem['programs'];
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const problem = { code, message, retryable: details.retryable ?? false };
    this.problem = details.programs === undefined ? problem : { ...problem, programs: details.programs };
  }
}

const hubCodes: Readonly<Record<HubErrorCode, ErrorCode>> = {
  unauthorized: 'unauthorized',
  forbidden: 'forbidden',
  gated: 'gated',
  'not-found': 'source-not-found',
  'wrong-kind': 'wrong-kind',
  conflict: 'hub',
  'too-large': 'too-large',
  'rate-limited': 'rate-limited',
  invalid: 'invalid',
  server: 'hub',
  network: 'network',
  timeout: 'timeout',
  corrupt: 'hub',
  aborted: 'cancelled',
};

/** Messages are redacted: an error text may quote a URL. */
export function problemOf(error: unknown): Problem {
  const problem = rawProblemOf(error);
  return { ...problem, message: redactText(problem.message) };
}

function rawProblemOf(error: unknown): Problem {
  if (error instanceof HostError || error instanceof EngineError) return error.problem;
  if (error instanceof HubError) {
    return { code: hubCodes[error.code], message: error.message, retryable: error.retryable };
  }
  if (error instanceof FsError)
    return { code: 'internal', message: error.message, retryable: error.code === 'EAGAIN' };
  if (error instanceof ArgumentError) return { code: 'invalid', message: error.message, retryable: false };
  if (error instanceof Error && error.name === 'AbortError') {
    return { code: 'cancelled', message: 'The request was cancelled', retryable: false };
  }
  if (isSystemError(error) && error.code === 'EADDRINUSE') {
    const message = `Port ${error.port ?? 'of the mount'} on ${error.address ?? 'this machine'} is in use by another program`;
    return { code: 'port-in-use', message, retryable: true };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message: `Unexpected failure: ${message}`, retryable: false };
}

export function contractErrorOf(error: unknown): ContractError {
  const problem = problemOf(error);
  return { code: problem.code, message: problem.message, problem };
}

interface SystemError extends Error {
  readonly code: string;
  readonly address?: string;
  readonly port?: number;
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

/** The errno name of a file or network error, null for anything else. */
export function errnoOf(error: unknown): string | null {
  return isSystemError(error) ? error.code : null;
}
