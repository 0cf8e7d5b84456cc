// The border from the Hub to file system errors: the one place where a `HubError` becomes an `FsError`.

import { HubError } from '../hub/remote-store.ts';
import { FsError, type FsErrorCode } from './fs-error.ts';

/**
 * For reads and listings only: a change is never refused for the Hub's sake. Anything that can pass (also a token that can be
 * renewed) is EAGAIN, so that kernels ask again and no program sees a false answer.
 */
export function toFsError(cause: unknown, operation: string, path?: string): FsError {
  if (cause instanceof FsError) return cause;
  const code = cause instanceof HubError ? codeOf(cause) : 'EIO';
  const message = cause instanceof Error ? cause.message : String(cause);
  return new FsError(code, operation, { cause, message, ...(path === undefined ? {} : { path }) });
}

function codeOf(error: HubError): FsErrorCode {
  if (error.retryable) return 'EAGAIN';
  switch (error.code) {
    case 'unauthorized':
    case 'rate-limited':
    case 'server':
    case 'network':
    case 'timeout':
    case 'aborted':
      return 'EAGAIN';
    case 'forbidden':
    case 'gated':
      return 'EACCES';
    case 'too-large':
      return 'EDQUOT';
    case 'not-found':
    case 'wrong-kind':
    case 'conflict':
    case 'invalid':
    case 'corrupt':
      return 'EIO';
  }
}
